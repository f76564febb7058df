"""Decoders that apply their layers more than once: Dory and the hierarchical reasoning model (HRM).

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from collections.abc import Sequence

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Norm
from costmodel.architecture.blocks.reapplied import Reapplied
from costmodel.architecture.families.classes import class_head
from costmodel.architecture.families.heads import kv_heads_of
from costmodel.architecture.families.reading import Reader, read_depth
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

_SLIDING, _FULL, _SEPARATE = "sliding_attention", "full_attention", "mlp"
_MOST_LOOPS = 1000


def again(layer: Layer) -> Layer:
    """Return a layer that is applied once more: without weights and without norms of its own."""
    mixer, block = (each and Reapplied(block=each) for each in (layer.mixer, layer.feed_forward))
    return Layer(mixer=mixer, feed_forward=block, norms=0, count=layer.count)


def read_loops(config: Config, key: str, default: int) -> int:
    """Return how often layers are applied, at most 1,000 times."""
    loops = config.integer(key, default=default)
    config.require(loops <= _MOST_LOOPS, f"{key}: at most {_MOST_LOOPS:,} loops are read; got {loops:,}")
    return min(loops, _MOST_LOOPS)


def _dory(config: Config) -> Architecture:
    """Read Dory: normalized layers in three sections, of which the middle one is a loop."""
    config.skip("max_position_embeddings", "ngpt_alpha_init")
    width, kinds, sections = config.integer("hidden_size"), *_dory_sections(config)
    heads = config.integer("num_attention_heads", default=16)
    bias = config.flag("attention_bias", default=False)
    full = Attention(
        heads=heads,
        kv_heads=kv_heads_of(config, heads, default=4),
        head_width=config.integer("head_dim", default=256),
        qkv_bias=bias,
        output_bias=bias,
    )
    config.require(not bias, "attention_bias: only false is known, because the gate has no bias")
    full = full.replace(output_gate=True)
    sliding = full.replace(window=config.integer("sliding_window", default=1024))
    inner = config.integer("intermediate_size")
    block = FeedForward(inner_width=inner, gated=True, bias=config.flag("mlp_bias", default=False))
    scales = (
        Norm(extent=width, copies=2),
        Norm(extent=full.query_width, copies=2),
        Norm(extent=inner, copies=2),
    )
    layers = [
        Layer(mixer=sliding if kind == _SLIDING else full, feed_forward=block, also=scales, norms=0) for kind in kinds
    ]
    first, looped, _ = sections
    loop = layers[first : first + looped]
    repeats = [again(layer) for layer in loop] * (read_loops(config, "n_recurrent_loops", 2) - 1)
    vocabulary = config.integer("vocab_size")
    return Architecture(
        width=width,
        layers=(*layers[: first + looped], *repeats, *layers[first + looped :]),
        vocabulary=vocabulary,
        tied=config.flag("tie_word_embeddings", default=False),
        final_norm=False,
        extras=() if class_head(config) == "none" else (Norm(extent=vocabulary, belongs_to="head"),),
    )


def _dory_sections(config: Config) -> tuple[list[str], tuple[int, int, int]]:
    """Return the attention of each layer, and the layers before, within and after the loop.

    Files list attention and feed-forward blocks as separate layers, so that their numbers of layers are halved.
    """
    depth = read_depth(config, "num_hidden_layers")
    listed = config.names("layer_types", depth, (_SLIDING, _FULL, _SEPARATE))
    separate = listed is not None and _SEPARATE in listed
    kinds = [_SLIDING if (index + 1) % 4 else _FULL for index in range(depth)] if listed is None else listed
    divisor = 2 if separate else 1
    kinds = kinds[::divisor]
    config.require(_SEPARATE not in kinds, "layer_types: must list attention and 'mlp' in turn")
    depth //= divisor
    before = config.integer("n_input_layers", default=8, least=0) // divisor
    after = config.integer("n_output_layers", default=8, least=0) // divisor
    looped = config.integer("n_recurrent_layers", default=(depth - before - after) * divisor, least=0) // divisor
    mode = config.value("recurrent_kv_cache_mode")
    config.require(
        mode in (None, "per_loop"), f"recurrent_kv_cache_mode: only 'per_loop' is known here; got {str(mode)[:40]!r}"
    )
    adds_up = before + looped + after == depth == len(kinds)
    config.require(adds_up, "n_input_layers, n_recurrent_layers and n_output_layers: must add up to num_hidden_layers")
    return kinds, (before, looped, after)


def _hrm(config: Config) -> Architecture:
    """Read the text form of HRM: two stacks, of which the low one runs several times per run of the high one."""
    config.skip("max_position_embeddings", "L_bp_cycles", "num_key_value_heads", "prefix_lm")
    width = config.integer("hidden_size")
    high, low = read_loops(config, "H_cycles", 2), read_loops(config, "L_cycles", 3)
    depth = read_depth(config, "num_layers_per_stack", "num_hidden_layers")
    heads = config.integer("num_attention_heads", default=12)
    bias = config.flag("attention_bias", default=False)
    mixer = Attention(
        heads=heads,
        kv_heads=heads,
        head_width=config.integer("head_dim", default=128),
        qkv_bias=bias,
        output_bias=bias,
        output_gate=True,
    )
    block = FeedForward(
        inner_width=config.integer("intermediate_size"), gated=True, bias=config.flag("mlp_bias", default=False)
    )
    layer = Layer(mixer=mixer, feed_forward=block, norms=0, count=depth)
    first_cycle = (layer, *_times(again(layer), low - 1), layer)
    return Architecture(
        width=width,
        layers=(*first_cycle, *_times(again(layer), (high - 1) * (low + 1))),
        vocabulary=config.integer("vocab_size"),
        tied=config.flag("tie_word_embeddings", default=False),
        final_norm=False,
        extras=(Norm(extent=width),),  # initial state of the low stack
    )


def _times(layer: Layer, times: int) -> Sequence[Layer]:
    return [layer.replace(count=layer.count * times)] if times else []


READERS: dict[str, Reader] = {"dory": _dory, "hrm_text": _hrm}
"""Readers by the `model_type` of a config."""
