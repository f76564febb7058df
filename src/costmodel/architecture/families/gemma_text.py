"""Text models of Gemma 3n and Gemma 4: keys and values that late layers reuse, and embeddings per layer.

Gemma 4 has wider heads in layers without a sliding window. Defaults are those of the configuration classes in Hugging
Face transformers 5.24.
"""

from collections.abc import Sequence
from functools import partial

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Linear, Norm, Table
from costmodel.architecture.blocks.reused_attention import ReusedAttention
from costmodel.architecture.families.heads import kv_heads_of
from costmodel.architecture.families.reading import Reader, grouped, read_depth
from costmodel.architecture.families.rotary import routed
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture

_SLIDING, _FULL = "sliding_attention", "full_attention"
_LAYER_KEYS = {"head_dim": "head_width", "num_key_value_heads": "kv_heads"}
"""Keys of `per_layer_config` that are known here, and the field of attention that each one sets."""


def read_gemma4_text(config: Config, window: int = 512, layer_width: int = 256) -> Architecture:
    """Read Gemma 4; `window` and the `layer_width` of the embeddings per layer are the defaults of the family."""
    config.skip("max_position_embeddings")
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    bidirectional = config.value("use_bidirectional_attention")
    config.require(
        bidirectional in (None, "vision"),
        f"use_bidirectional_attention: only 'vision' is known here; got {bidirectional!r}",
    )
    shared = _shared_layers(config, 0, depth)
    inner = config.integer("intermediate_size")
    dense = FeedForward(inner_width=inner, gated=True)
    wide = FeedForward(
        inner_width=2 * inner if config.flag("use_double_wide_mlp", default=False) else inner, gated=True
    )
    also, norms, extras = _additions(config, width, depth, layer_width)
    return Architecture(
        width=width,
        layers=grouped(
            _mixers(config, depth, shared, window), [dense] * (depth - shared) + [wide] * shared, also=also, norms=norms
        ),
        vocabulary=config.integer("vocab_size"),
        tied=config.flag("tie_word_embeddings", default=True),
        extras=extras,
    )


def _shared_layers(config: Config, default: int, depth: int) -> int:
    shared = config.integer("num_kv_shared_layers", default=default, least=0)
    config.require(shared <= depth, f"num_kv_shared_layers: {shared} of only {depth} layers")
    return min(shared, depth)


def _mixers(config: Config, depth: int, shared: int, window: int) -> list[Attention | ReusedAttention]:
    """Return the attention of each layer; the last `shared` reuse keys and values."""
    keys_are_values = config.flag("attention_k_eq_v", default=False)
    slides = _slides(config, depth)
    wide_kv_heads = config.optional("num_global_key_value_heads")
    attentions = _attentions(config, slides, window, wide_kv_heads if keys_are_values else None, 4)
    computed = [
        ReusedAttention(attention=attention, reuses="key") if keys_are_values and not is_sliding else attention
        for attention, is_sliding in zip(attentions[: depth - shared], slides[: depth - shared], strict=True)
    ]
    return [*computed, *(ReusedAttention(attention=each, reuses="earlier") for each in attentions[depth - shared :])]


def _slides(config: Config, depth: int) -> list[bool]:
    """Return which layers have a sliding window; the last has none."""
    types = config.names("layer_types", depth, (_SLIDING, _FULL))
    period = config.integer("sliding_window_pattern", default=6)
    slides = [bool((index + 1) % period) if types is None else types[index] == _SLIDING for index in range(depth)]
    return [*slides[:-1], False]


def _attentions(
    config: Config, slides: Sequence[bool], window: int, wide_kv_heads: int | None, usual: int, *, causal: bool = True
) -> list[Attention]:
    """Return the attention of each layer; those without a window have `wide_kv_heads`, by default the KV heads of all.

    `usual` is the default of the KV heads.

    `per_layer_config` replaces what the other keys say of these layers.
    """
    heads = config.integer("num_attention_heads")
    bias = config.flag("attention_bias", default=False)
    narrow = Attention(
        heads=heads,
        kv_heads=kv_heads_of(config, heads, default=usual),
        head_width=config.integer("head_dim", default=256),
        qk_norm="head",
        qkv_bias=bias,
        output_bias=bias,
        causal=causal,
    )
    wide = narrow.replace(
        kv_heads=narrow.kv_heads if wide_kv_heads is None else min(wide_kv_heads, heads),
        head_width=config.integer("global_head_dim", default=512),
    )
    config.require(heads % wide.kv_heads == 0, f"num_global_key_value_heads: must divide the {heads} heads")
    window = config.integer("sliding_window", default=window)
    changes = _layer_changes(config, len(slides), heads)
    attentions: list[Attention] = []
    for index, is_sliding in enumerate(slides):
        plain = narrow if is_sliding else wide
        attention = plain if changes is None else narrow.replace(**changes.get(index, {}))
        attentions.append(attention.replace(window=window) if is_sliding else attention)
    return attentions


def _layer_changes(config: Config, depth: int, heads: int) -> dict[int, dict[str, int]] | None:
    """Return the changes that `per_layer_config` makes to the attention of a layer; None if it is absent."""
    given = config.value("per_layer_config")
    if given is None:
        return None
    problem = "per_layer_config: must map numbers of layers to head_dim and num_key_value_heads that divides the heads"
    changes: dict[int, dict[str, int]] = {}
    config.require(isinstance(given, dict), problem)
    for layer, values in given.items() if isinstance(given, dict) else ():
        change, text = _layer_change(values, heads), str(layer)
        if change is not None and text.isdecimal() and len(text) <= 6 and int(text) < depth:
            changes[int(text)] = change
        else:
            config.require(False, problem)
    return changes


def _layer_change(values: object, heads: int) -> dict[str, int] | None:
    """Return the fields of attention that a value of `per_layer_config` sets; None if it is not understood."""
    if not isinstance(values, dict) or not values.keys() <= _LAYER_KEYS.keys():
        return None
    numbers = all(type(value) is int and 0 < value <= 10**6 for value in values.values())
    if not numbers or heads % values.get("num_key_value_heads", 1):
        return None
    return {_LAYER_KEYS[key]: value for key, value in values.items()}


def _additions(
    config: Config, width: int, depth: int, default: int
) -> tuple[tuple[Block, ...], int, tuple[Block, ...]]:
    """Return further blocks of each layer, its number of norms, and blocks outside the layers."""
    also: list[Block] = []
    norms = 4
    if config.flag("enable_moe_block", default=False):
        experts = config.integer("num_experts")
        also += [
            routed(config, experts, config.integer("top_k_experts"), config.integer("moe_intermediate_size")),
            Norm(extent=width),  # scales of the router's input, and of each expert
            Norm(extent=experts),
        ]
        norms += 3
    else:
        config.skip("num_experts", "top_k_experts", "moe_intermediate_size")
    layer_width = config.integer("hidden_size_per_layer_input", default=default, least=0)
    if not layer_width:
        config.skip("vocab_size_per_layer_input")
        return tuple(also), norms, ()
    rows = config.integer("vocab_size_per_layer_input", default=262144)
    table = Table(rows=rows, columns=depth * layer_width)
    return (*also, *_layer_input(width, layer_width)), norms + 1, (table, Norm(extent=layer_width))


def _layer_input(width: int, layer_width: int) -> tuple[Linear, Linear, Linear]:
    """Return the matrices that add the embedding of a layer: its part of one matrix for all layers, gate, output."""
    inwards, outwards = Linear(inputs=width, outputs=layer_width), Linear(inputs=layer_width, outputs=width)
    return inwards, inwards, outwards


def _embedding_gemma(config: Config) -> Architecture:
    """Read the text model of EmbeddingGemma 2: bidirectional, without an LM head."""
    config.skip("max_position_embeddings")
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    slides = _slides(config, depth)
    wide_kv_heads = config.optional("num_global_key_value_heads", default=1)
    mixers = _attentions(config, slides, 512, wide_kv_heads, 2, causal=False)
    block = FeedForward(inner_width=config.integer("intermediate_size"), gated=True)
    layer_width = config.integer("hidden_size_per_layer_input", default=512)
    projection = Linear(inputs=width, outputs=config.integer("embedding_dim", default=768), belongs_to="head")
    return Architecture(
        width=width,
        layers=grouped(mixers, [block] * depth, also=_layer_input(width, layer_width), norms=5),
        vocabulary=config.integer("vocab_size"),
        tied=True,
        head=False,
        extras=(Norm(extent=layer_width), projection),
    )


def _gemma3n(config: Config) -> Architecture:
    """Read Gemma 3n: several streams of the hidden state, low-rank residuals and embeddings per layer."""
    config.skip("max_position_embeddings", "activation_sparsity_pattern", "altup_active_idx", "altup_correct_scale")
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    heads = config.integer("num_attention_heads")
    shared = _shared_layers(config, 15, depth)
    bias = config.flag("attention_bias", default=False)
    full = Attention(
        heads=heads,
        kv_heads=kv_heads_of(config, heads, default=2),
        head_width=config.integer("head_dim", default=256),
        qk_norm="head",
        qkv_bias=bias,
        output_bias=bias,
    )
    sliding = full.replace(window=config.integer("sliding_window", default=512))
    types = config.names("layer_types", depth, (_SLIDING, _FULL))
    slides = [bool((index + 1) % 5) if types is None else types[index] == _SLIDING for index in range(depth)]
    attentions = [sliding if is_sliding else full for is_sliding in slides]
    reused = [ReusedAttention(attention=attention, reuses="earlier") for attention in attentions[depth - shared :]]
    layer_width = config.integer("hidden_size_per_layer_input", default=256)
    streams = config.integer("altup_num_inputs", default=4)
    rank = config.integer("laurel_rank", default=64)
    also = (
        *_layer_input(width, layer_width),
        Linear(inputs=width, outputs=rank),
        Linear(inputs=rank, outputs=width),
        Linear(inputs=width, outputs=streams),
        Linear(inputs=streams, outputs=streams * streams),
        Linear(inputs=streams, outputs=streams),
    )
    outside = Linear(inputs=width, outputs=width)
    rows = config.integer("vocab_size_per_layer_input", default=262144)
    return Architecture(
        width=width,
        # norms around both blocks, of the low-rank residual, the layer input and the router, and the output scale
        layers=grouped([*attentions[: depth - shared], *reused], _inner_blocks(config, depth), also=also, norms=8),
        vocabulary=config.integer("vocab_size"),
        tied=config.flag("tie_word_embeddings", default=True),
        extras=(
            Table(rows=rows, columns=depth * layer_width),
            Norm(extent=layer_width),
            *[outside] * (2 * (streams - 1)),
        ),
    )


def _inner_blocks(config: Config, depth: int) -> list[FeedForward]:
    """Return the feed-forward block of each layer, of one width or of listed widths."""
    if not isinstance(config.data.get("intermediate_size"), list):
        return [FeedForward(inner_width=config.integer("intermediate_size"), gated=True)] * depth
    listed = config.numbers("intermediate_size")
    valid = len(listed) == depth and min(listed) > 0
    config.require(valid, f"intermediate_size: must be a number above 0 or {depth} of them")
    blocks = {inner: FeedForward(inner_width=max(inner, 1), gated=True) for inner in set(listed)}
    return [blocks[inner] for inner in listed] if valid else [FeedForward(inner_width=1, gated=True)] * depth


def _assistant(read: Reader) -> Reader:
    """Return the reader of a model that drafts tokens for a larger one, whose keys and values it reuses."""

    def read_all(config: Config) -> Architecture:
        ordered = config.flag("use_ordered_embeddings", default=False)
        config.require(not ordered, "use_ordered_embeddings: heads with centroids are not known here")
        config.skip("num_centroids", "centroid_intermediate_top_k")
        tied = config.flag("tie_word_embeddings", default=True)
        inside = config.inner("text_config")
        inside.data = {**inside.data, "tie_word_embeddings": tied}
        text = read(inside)
        larger = config.integer("backbone_hidden_size")
        return text.replace(
            extras=(
                *text.extras,
                Linear(inputs=2 * larger, outputs=text.width),
                Linear(inputs=text.width, outputs=larger),
            )
        )

    return read_all


_UNIFIED = partial(read_gemma4_text, window=1024, layer_width=0)
READERS: dict[str, Reader] = {
    "embedding_gemma2_text": _embedding_gemma,
    "gemma3n_text": _gemma3n,
    "gemma4_assistant": _assistant(read_gemma4_text),
    "gemma4_text": read_gemma4_text,
    "gemma4_unified_assistant": _assistant(_UNIFIED),
    "gemma4_unified_text": _UNIFIED,
}
"""Readers by the `model_type` of a config."""
