"""Decoders with learned relative positions and short convolutions around attention: Inkling.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.pieces import Convolution, Linear, Norm
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


READERS: dict[str, Reader] = {"inkling_text": _inkling}
"""Readers by the `model_type` of a config."""
