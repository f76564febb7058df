"""Decoders whose attention reads selected blocks of keys: MiniMax-M3.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.indexer import Indexer
from costmodel.architecture.families.reading import Reader, by_layer, joined, read_depth
from costmodel.architecture.families.routing import Routing, blocks_of
from costmodel.architecture.families.state_space import assemble, read_attention
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

SPARSE, FULL = "minimax_m3_sparse", "full_attention"
_LEGACY = {
    "index_n_heads": "sparse_num_index_heads",
    "index_head_dim": "sparse_index_dim",
    "index_block_size": "sparse_block_size",
    "index_topk_blocks": "sparse_topk_blocks",
}
"""Keys of `sparse_attention_config`, by those that replace them."""
_ROUTING = Routing(
    128,
    4,
    ("num_local_experts", "num_experts"),
    inner_key="intermediate_size",
    inner=3072,
    dense_keys=("dense_intermediate_size",),
    dense=12288,
    shared_width_key="shared_intermediate_size",
    shared=3072,
    first_key="",
    period_key="moe_layer_freq",
)


def _minimax_m3(config: Config) -> Architecture:
    config.skip("max_position_embeddings", "rotary_dim", "index_local_blocks", "swiglu_alpha", "use_qk_norm")
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    old = config.inner("sparse_attention_config")
    old.skip(*old.data)
    numbers = {
        key: old.integer(name, default=config.integer(key, default=default))
        for (key, name), default in zip(_LEGACY.items(), (4, 128, 128, 16), strict=True)
    }
    full = read_attention(config, width, 4, head_width=128, qk_norm="head")
    sparse = full.replace(window=numbers["index_block_size"] * numbers["index_topk_blocks"])
    indexer = Indexer(heads=numbers["index_n_heads"], head_width=numbers["index_head_dim"])
    kinds = config.names("layer_types", depth, (SPARSE, FULL))
    if kinds is None:
        listed = old.numbers("sparse_attention_freq")
        config.require(len(listed) in {0, depth}, f"sparse_attention_freq: must list {depth} of 0 and 1")
        kinds = [SPARSE if chosen else FULL for chosen in listed] if len(listed) == depth else [FULL] * depth

    def layer(kind: str, block: Block) -> Layer:
        if kind == SPARSE:
            return Layer(mixer=sparse, also=(indexer,), feed_forward=block)
        return Layer(mixer=full, feed_forward=block)

    layers = by_layer(layer, kinds, blocks_of(config, _ROUTING, depth))
    return assemble(config, width, joined(layers))


READERS: dict[str, Reader] = {"minimax_m3_vl_text": _minimax_m3, "minimax_m3": _minimax_m3}
"""Readers by the `model_type` of a config."""
