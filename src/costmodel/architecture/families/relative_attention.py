"""Decoders with learned relative positions and short convolutions around attention: Inkling and Inkling 2.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.pieces import Convolution, Linear, Norm, Table
from costmodel.architecture.blocks.reapplied import Reapplied
from costmodel.architecture.families.looped import read_loops
from costmodel.architecture.families.reading import Reader, by_layer, joined, read_depth
from costmodel.architecture.families.routing import Routing, blocks_of
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

SLIDING, FULL = "hybrid_sliding", "hybrid"


def _short(channels: int, kernel: int) -> Convolution:
    """Return a convolution over the last tokens, per channel."""
    return Convolution(
        inputs=channels, outputs=channels, kernel=kernel, groups=channels, bias=False, belongs_to="attention"
    )


def _attention(config: Config, prefix: str, kv_heads: int, window: int | None) -> Attention:
    """Return the attention whose keys have a prefix; `kv_heads` is the default of the family."""
    heads = config.integer(f"{prefix}num_attention_heads", default=64)
    kv_heads = config.integer(f"{prefix}num_key_value_heads", default=kv_heads)
    config.require(heads % kv_heads == 0, f"{prefix}num_key_value_heads: {kv_heads} does not divide the {heads} heads")
    head_width = config.integer(f"{prefix}head_dim", default=128)
    return Attention(heads=heads, kv_heads=min(kv_heads, heads), head_width=head_width, qk_norm="head", window=window)


def _beside(width: int, attention: Attention, kernel: int, relative: int, extent: int) -> tuple[Block, ...]:
    """Return relative positions and convolutions: of keys, of values and of the outputs of both blocks."""
    return (
        Linear(inputs=width, outputs=attention.heads * relative, belongs_to="attention"),
        Linear(inputs=relative, outputs=extent, repeats=attention.heads, belongs_to="attention"),
        _short(attention.key_width, kernel),
        _short(attention.key_width, kernel),
        _short(width, kernel),
        _short(width, kernel),
    )


def _inkling(config: Config) -> Architecture:
    config.skip("max_position_embeddings", "shared_expert_sink", "number_of_conv_states", "unpadded_vocab_size")
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    window = config.integer("sliding_window_size", default=512)
    kernel = config.integer("conv_kernel_size", "sconv_kernel_size", default=4)
    relative = config.integer("d_rel", default=16)
    full, sliding = _attention(config, "", 8, None), _attention(config, "swa_", 16, window)
    mixer_of = {FULL: full, SLIDING: sliding}
    beside = {
        FULL: _beside(width, full, kernel, relative, config.integer("rel_extent", default=1024)),
        SLIDING: _beside(width, sliding, kernel, relative, window),
    }
    kinds = config.names("layer_types", depth, (SLIDING, FULL))
    if kinds is None:
        given = config.data.get("local_layer_ids") is not None
        chosen = config.numbers("local_layer_ids") if given else [index for index in range(depth) if (index + 1) % 6]
        kinds = [SLIDING if index in chosen else FULL for index in range(depth)]
    shared = config.integer("n_shared_experts", default=2, least=0)
    routed_too = (Linear(inputs=width, outputs=shared, belongs_to="experts"),) if shared else ()
    scale = Norm(extent=1)

    def layer(kind: str, block: Block) -> Layer:
        extra = (*routed_too, scale) if isinstance(block, Experts) else (scale,)
        return Layer(mixer=mixer_of[kind], feed_forward=block, also=(*beside[kind], *extra))

    return Architecture(
        width=width,
        layers=joined(by_layer(layer, kinds, _blocks(config, depth))),
        vocabulary=config.integer("vocab_size"),
        tied=config.flag("tie_word_embeddings", default=False),
        extras=(Norm(extent=width),),
    )


def _blocks(config: Config, depth: int) -> list[Block]:
    """Return the feed-forward block of each layer; older configs name the widths otherwise."""
    older = config.data.get("dense_intermediate_size") is not None
    config.skip("moe_intermediate_size", "dense_intermediate_size")
    routing = Routing(
        256,
        6,
        ("n_routed_experts",),
        inner_key="intermediate_size" if older else "moe_intermediate_size",
        inner=3072,
        dense_keys=("dense_intermediate_size",) if older else ("intermediate_size",),
        dense=24576,
        shared_key="n_shared_experts",
        shared=2,
        first_key="dense_mlp_idx",
    )
    return list(blocks_of(config, routing, depth))


def _gated_beside(width: int, attention: Attention, kernel: int, relative: int, extent: int) -> tuple[Block, ...]:
    """Return what is beside the gated attention of both kinds of layer of Inkling 2."""
    heads = attention.heads
    return (
        Norm(extent=attention.query_width, belongs_to="attention"),
        Linear(inputs=width, outputs=heads, belongs_to="attention"),
        Linear(inputs=width, outputs=heads * relative, belongs_to="attention"),
        Norm(extent=heads * relative, belongs_to="attention"),
        Linear(inputs=relative, outputs=extent, repeats=heads, belongs_to="attention"),
        _short(width, kernel),
        _short(width, kernel),
    )


def _inkling2(config: Config, experts: int = 384, inner: int = 2304, top_k: int = 8) -> Architecture:
    """Read Inkling 2, whose blocks attend to the outputs of earlier blocks, and full layers to three of them.

    The numbers are the defaults of the family.
    """
    config.skip("max_position_embeddings", "number_of_conv_states", "n_layers_per_attn_res_block", "mlp_up_softcap")
    config.skip("mlp_gate_softcap", "log_scaling_alpha", "log_scaling_n_floor", "qk_l2_clip_threshold")
    config.skip("rel_l2_clip_threshold", "scoring_func")
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    window = config.integer("sliding_window_size", default=1024)
    kernel, relative = config.integer("conv_kernel_size", default=4), config.integer("d_rel", default=16)
    gated = {"qk_norm": "none", "output_gate": True}
    full = _attention(config, "", 8, None).replace(**gated)
    sliding = _attention(config, "swa_", 8, window).replace(**gated)
    extent = config.integer("rel_extent", default=1024)
    dynamic = (
        Norm(extent=kernel * full.key_width, belongs_to="attention"),
        Linear(inputs=width, outputs=full.kv_heads * kernel, belongs_to="attention"),
    ) * 2
    beside = {
        FULL: (*_gated_beside(width, full, kernel, relative, extent), *dynamic),
        SLIDING: (
            *_gated_beside(width, sliding, kernel, relative, window),
            _short(sliding.key_width, kernel),
            _short(sliding.key_width, kernel),
        ),
    }
    kinds = config.names("layer_types", depth, (SLIDING, FULL))
    kinds = kinds or [FULL if (index + 1) % 6 == 0 else SLIDING for index in range(depth)]
    config.require(kinds[0] == SLIDING, f"layer_types: the first layer must be {SLIDING}")
    block = blocks_of(
        config, Routing(experts, top_k, ("n_routed_experts",), inner=inner, dense_keys=(), listed=False), 1
    )[0]

    def layer(kind: str, is_first: bool) -> Layer:
        queries = Norm(extent=width, copies=4 if kind == FULL else 1 if is_first else 2)
        mixer, norms = (full, 4) if kind == FULL else (sliding, 2)
        return Layer(mixer=mixer, feed_forward=block, also=(*beside[kind], queries), norms=norms)

    layers = joined(by_layer(layer, kinds, [index == 0 for index in range(depth)]))
    vocabulary = config.integer("vocab_size")
    head = config.optional("unpadded_vocab_size", default=200058) or vocabulary
    config.require(head <= vocabulary, f"unpadded_vocab_size: {head} is above vocab_size ({vocabulary})")
    config.require(not config.flag("tie_word_embeddings", default=False), "tie_word_embeddings: only false is known")
    padding = (Table(rows=vocabulary - head, columns=width),) if vocabulary > head else ()
    return Architecture(width=width, layers=layers, vocabulary=head, extras=(Norm(extent=width, copies=2), *padding))


def _inkling2_loop(config: Config) -> Architecture:
    """Read Inkling 2 with a loop over some layers, whose inputs are messages of the pass before, with gates."""
    config.skip("loop_config")
    plain = _inkling2(config, experts=128, inner=1152)
    width, depth = plain.width, plain.depth
    start = config.integer("loop_layer_index_start", default=6)
    end = config.integer("loop_layer_index_end", default=18)
    passes, rank = read_loops(config, "loop_num_passes", 3), config.integer("loop_gate_rank", default=64)
    config.require(start < end <= depth, f"loop_layer_index_end: must be above {start} and at most {depth}; got {end}")
    config.require(config.data.get("loop_config") is None, "loop_config: give its keys as loop_layer_index_start etc.")
    gate = (
        Linear(inputs=2 * width, outputs=rank),
        Linear(inputs=rank, outputs=width),
        Linear(inputs=rank, outputs=width),
    )
    single = [layer.replace(count=1) for layer in plain.layers for _ in range(layer.count)]
    loop = by_layer(lambda layer: layer.replace(also=(*layer.also, *gate * 4)), single[start:end])
    repeated = by_layer(_again, loop)
    layers = joined([*single[:start], *loop, *repeated * (passes - 1), *single[end:]])
    messages = Norm(extent=4 * width, copies=max(end - start, 1))
    return plain.replace(layers=layers, extras=(*plain.extras, messages))


def _again(layer: Layer) -> Layer:
    """Return a layer that is applied once more: without weights and without norms of its own."""
    also = [Reapplied(block=block) for block in layer.also if not isinstance(block, Norm)]
    mixer, block = (each and Reapplied(block=each) for each in (layer.mixer, layer.feed_forward))
    return Layer(mixer=mixer, feed_forward=block, also=also, norms=0)


READERS: dict[str, Reader] = {
    "inkling_text": _inkling,
    "inkling2_text": _inkling2,
    "inkling2_loop_text": _inkling2_loop,
}
"""Readers by the `model_type` of a config."""
