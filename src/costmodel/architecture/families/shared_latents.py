"""Decoders that use latent attention twice per layer, or share latents between layers: LongCat-Flash, Mistral Large 4.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.latent_attention import LatentAttention
from costmodel.architecture.blocks.pieces import Norm
from costmodel.architecture.families.latent_attention import Latent, latent_attention, latent_routing, own_indexers
from costmodel.architecture.families.reading import Reader, by_layer, joined, read_depth
from costmodel.architecture.families.routing import Routing, blocks_of
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer


def _longcat_flash(config: Config) -> Architecture:
    """Read layers of two attentions and two dense blocks, with experts beside them (arXiv 2509.01322)."""
    config.skip("max_position_embeddings", "head_dim", "zero_expert_type")
    width, depth = config.integer("hidden_size"), read_depth(config, "num_layers", "num_hidden_layers")
    mixer = latent_attention(config, Latent(Routing()))
    config.require(mixer.query_rank is not None, "q_lora_rank: null is not known here")
    head = mixer.nope_width + mixer.rope_width
    config.require(config.optional("qk_head_dim") in (None, head), f"qk_head_dim: must be {head} here")
    dense = FeedForward(inner_width=config.integer("ffn_hidden_size", "intermediate_size", default=12288), gated=True)
    experts, zero = (
        config.integer("n_routed_experts", "num_local_experts", default=512),
        config.integer("zero_expert_num", default=256, least=0),
    )
    top_k = config.integer("moe_topk", "num_experts_per_tok", default=12)
    config.require(top_k <= experts + zero, f"moe_topk: {top_k} of only {experts + zero} experts")
    block = Experts(
        experts=experts,
        zero_experts=zero,
        top_k=min(top_k, experts + zero),
        inner_width=config.integer("expert_ffn_hidden_size", "moe_intermediate_size", default=2048),
        router_bias=config.flag("router_bias", default=False),
    )
    return Architecture(
        width=width,
        layers=(Layer(mixer=mixer, also=(mixer, dense, dense), feed_forward=block, norms=4, count=depth),),
        vocabulary=config.integer("vocab_size"),
        tied=config.flag("tie_word_embeddings", default=False),
    )


def _mistral_large4(config: Config) -> Architecture:
    """Read latent attention without positions in some layers, and with the latent of an earlier layer in others."""
    config.skip("max_position_embeddings", "head_dim", "qk_head_dim", "layer_types")
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    full = latent_attention(config, Latent(Routing(), query_rank=None, nope=64))
    config.require(full.query_rank is None, "q_lora_rank: only null is known here")
    config.require(full.rope_width > 1, f"qk_rope_head_dim: must be at least 2; got {full.rope_width}")
    index = {
        "index_heads": config.integer("index_n_heads", default=32),
        "index_width": config.integer("index_head_dim", default=128),
        "index_top_k": config.integer("index_topk", default=2048),
    }
    positions = _flags(config, "no_rope_layers", depth) or [
        (layer + 1) % config.integer("no_rope_layer_interval", default=4) != 0 for layer in range(depth)
    ]
    sources = config.numbers("kv_source_layers")
    config.require(sources in ([], list(range(depth))), "kv_source_layers: only layers with their own latent are known")

    def mixer(has_positions: bool, own: bool) -> LatentAttention:
        chosen = index if own else {"index_top_k": index["index_top_k"]}
        if has_positions:
            return full.replace(**chosen)
        return full.replace(rope_width=0, nope_width=full.nope_width + full.rope_width, **chosen)

    def also(own: bool) -> tuple[Norm, ...]:
        scale = Norm(extent=full.heads, bias=True)
        return (scale, Norm(extent=width, bias=True), Norm(extent=index["index_heads"], bias=True)) if own else (scale,)

    owns = own_indexers(config, depth)
    blocks = blocks_of(config, latent_routing(experts=128, top_k=4, inner=6144, first=1), depth)
    layers = by_layer(
        lambda mix, block, own: Layer(mixer=mix, feed_forward=block, also=also(own)),
        by_layer(mixer, positions, owns),
        blocks,
        owns,
    )
    return Architecture(
        width=width,
        layers=joined(layers),
        vocabulary=config.integer("vocab_size"),
        tied=config.flag("tie_word_embeddings", default=False),
        extras=(Norm(extent=max(full.rope_width // 2, 1)),),
    )


def _flags(config: Config, key: str, depth: int) -> list[bool]:
    """Return the list of 0 and 1 at `key` as booleans, empty if it is absent."""
    listed = config.numbers(key)
    config.require(len(listed) in {0, depth}, f"{key}: must list {depth} of 0 and 1; got {len(listed)}")
    return [bool(number) for number in listed] if len(listed) == depth else []


READERS: dict[str, Reader] = {"longcat_flash": _longcat_flash, "mistral_large4_text": _mistral_large4}
"""Readers by the `model_type` of a config."""
