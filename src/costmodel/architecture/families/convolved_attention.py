"""Decoders whose attention convolves queries and keys, with a small network as router: ZAYA.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.pieces import Convolution, Linear, Norm
from costmodel.architecture.families.reading import Reader, by_layer, joined
from costmodel.architecture.families.state_space import assemble, read_attention, read_size
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

SLIDING, FULL = "hybrid_sliding", "hybrid"


def _router(width: int, rank: int) -> tuple[Block, ...]:
    """Return the router before its last layer, and the weights of the expert that skips a token."""
    return (
        Linear(inputs=width, outputs=rank, bias=True, belongs_to="experts"),
        Norm(extent=rank, belongs_to="experts"),
        Linear(inputs=rank, outputs=rank, bias=True, belongs_to="experts"),
        Linear(inputs=rank, outputs=rank, bias=True, belongs_to="experts"),
        Linear(inputs=rank, outputs=1, belongs_to="experts"),
    )


def _zaya(config: Config) -> Architecture:
    width, depth = read_size(config)
    bias = config.flag("attention_bias", default=False)
    full = read_attention(config, width, 2, head_width=128, qkv_bias=bias, output_bias=bias)
    window = config.optional("sliding_window")
    kinds = config.names("layer_types", depth, (SLIDING, FULL)) or [FULL] * depth
    config.require(window is not None or SLIDING not in kinds, "sliding_window: is required for hybrid_sliding")
    channels = full.query_width + full.key_width
    rank = config.integer("router_hidden_size", default=256)
    experts, top_k = config.integer("num_experts", default=16), config.integer("num_experts_per_tok", default=1)
    config.require(top_k == 1, f"num_experts_per_tok: only 1 is known here; got {top_k}")
    block = Experts(
        experts=experts,
        top_k=1,
        inner_width=config.integer("moe_intermediate_size", default=2048),
        router_width=rank,
    )
    by_channel = config.integer("cca_time0", default=2)
    by_head = config.integer("cca_time1", default=2)
    beside = (
        Convolution(inputs=channels, outputs=channels, kernel=by_channel, groups=channels, belongs_to="attention"),
        Convolution(
            inputs=channels, outputs=channels, kernel=by_head, groups=full.heads + full.kv_heads, belongs_to="attention"
        ),
        Norm(extent=full.kv_heads, belongs_to="attention"),
        *_router(width, rank),
        Norm(extent=width, copies=8),
    )

    def layer(kind: str, is_first: bool) -> Layer:
        mixer = full.replace(window=window) if kind == SLIDING else full
        carried = () if is_first else (Norm(extent=rank, belongs_to="experts"),)
        return Layer(mixer=mixer, feed_forward=block, also=(*beside, *carried))

    layers = joined(by_layer(layer, kinds, [index == 0 for index in range(depth)]))
    head_bias = config.flag("lm_head_bias", default=False)
    extras = (Norm(extent=width, bias=True),)
    return assemble(config, width, layers, tied=True, head_bias=head_bias, extras=extras)


READERS: dict[str, Reader] = {"zaya": _zaya}
"""Readers by the `model_type` of a config."""
