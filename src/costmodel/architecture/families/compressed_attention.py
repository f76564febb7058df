"""Decoders with compressed attention and several residual streams (DeepSeek-V4)."""

from costmodel.architecture.blocks.compressed_attention import CompressedAttention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.families.hyper_connections import final_mixing, mixing_of
from costmodel.architecture.families.reading import Reader, grouped, read_depth
from costmodel.architecture.families.rotary import routed
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

RATIOS = (0, 4, 128)
"""Supported compression ratios; 0 is no compression [token]."""


_KINDS = {"sliding_attention": 0, "compressed_sparse_attention": 4, "heavily_compressed_attention": 128}
"""Compression ratio by the kind of a layer, as transformers 5 writes it."""


def _ratios(config: Config, depth: int) -> list[int]:
    """Return the compression ratio of each layer, from `compress_ratios` or from the kinds of layers.

    Without both, layers with a ratio of 4 and of 128 alternate after the first three.
    """
    kinds = config.names("layer_types", depth, tuple(_KINDS))
    rates = config.value("compress_rates")
    usual = {kind: ratio for kind, ratio in _KINDS.items() if ratio}
    config.require(rates in (None, usual), f"compress_rates: only {usual} is known")
    ratios = config.numbers("compress_ratios")[:depth]
    if not ratios and kinds is not None:
        return [_KINDS[kind] for kind in kinds]
    if not ratios and config.data.get("compress_ratios") is None:
        return [4 if index > 2 and index % 2 else 128 for index in range(depth)]
    valid = len(ratios) == depth and all(ratio in RATIOS for ratio in ratios)
    config.require(valid, f"compress_ratios: must list one of {RATIOS} for each of the {depth} layers")
    return ratios if valid else [0] * depth


def _deepseek_v4(config: Config) -> Architecture:
    config.skip("max_position_embeddings", "num_hash_layers", "hc_sinkhorn_iters", "qk_rope_head_dim")
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    heads, head = config.integer("num_attention_heads"), config.integer("head_dim")
    config.require(config.integer("num_key_value_heads") == 1, "num_key_value_heads: only 1 is known here")
    config.require(not config.flag("attention_bias", default=False), "attention_bias: is not known here")
    groups = config.integer("o_groups")
    config.require(heads * head % groups == 0, f"o_groups: {groups} does not divide heads × head_dim")
    plain = CompressedAttention(
        heads=heads,
        head_width=head,
        query_rank=config.integer("q_lora_rank"),
        output_rank=config.integer("o_lora_rank"),
        output_groups=groups if heads * head % groups == 0 else 1,
        window=config.integer("sliding_window"),
        index_heads=config.integer("index_n_heads"),
        index_width=config.integer("index_head_dim"),
        index_top_k=config.integer("index_topk"),
    )
    ratios = _ratios(config, depth)
    mixer_of = {ratio: plain.replace(ratio=ratio) if ratio else plain for ratio in RATIOS}
    mixers = [mixer_of[ratio] for ratio in ratios]
    inner = config.integer("moe_intermediate_size")
    shared = config.integer("n_shared_experts", default=1, least=0)
    config.require(shared == 1, f"n_shared_experts: only 1 is known here; got {shared}")
    shared_experts = FeedForward(inner_width=inner * shared, gated=True) if shared else None
    experts, top_k = config.integer("n_routed_experts"), config.integer("num_experts_per_tok")
    block = routed(config, experts, top_k, inner, shared=shared_experts)
    streams = config.integer("hc_mult")
    mixing = mixing_of(streams, streams * (2 + streams), 3)
    predicted = config.integer("num_nextn_predict_layers", default=0, least=0)
    return Architecture(
        width=width,
        prediction_layers=predicted,
        prediction_layer=Layer(mixer=plain, feed_forward=block, also=(mixing,)) if predicted else None,
        layers=grouped(mixers, [block] * depth, also=(mixing,)),
        vocabulary=config.integer("vocab_size"),
        tied=config.flag("tie_word_embeddings", default=False),
        extras=(final_mixing(streams),),
    )


READERS: dict[str, Reader] = {"deepseek_v4": _deepseek_v4}
"""Readers by the `model_type` of a config."""
