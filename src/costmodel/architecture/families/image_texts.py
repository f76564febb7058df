"""Text decoders that only models with images or sound have: GLM-4V, GLM-OCR, Molmo 2, Kosmos-2, ERNIE 4.5 VL.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from dataclasses import replace

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Linear, Norm, Table
from costmodel.architecture.families.heads import heads_of
from costmodel.architecture.families.reading import Reader, read_depth
from costmodel.architecture.families.rotary import Family, rotary, routed
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer, Stack

_MOLMO2 = Family(kv_heads=8, head_width=128, qk_norm="head", output_bias_key=False)
_IMAGE_TOKENS = 1280
"""Tokens of the largest image of the default image processor of Qwen2-VL, for the experts of images."""
_DELAY_WIDTH = 32
"""Inner width of the layers that read the delay of Voxtral Realtime."""
_KOSMOS2_BODY = "Kosmos2TextTransformer"
"""Class of the text of Kosmos-2 without its LM head."""


def _molmo2(config: Config) -> Architecture:
    """Read the text of Molmo 2: norms of queries and keys of one of two kinds, and further rows of the embedding."""
    kind = config.value("qk_norm_type") or "qwen3"
    config.require(kind in ("qwen3", "olmo"), f"qk_norm_type: must be qwen3 or olmo; got {kind!r}")
    config.skip("norm_after", "rope_scaling_layers")
    family = replace(_MOLMO2, qk_norm="head" if kind == "qwen3" else "width")
    text = rotary(family)(config)
    rows = config.integer("additional_vocab_size", default=128, least=0)
    return text.replace(extras=(*text.extras, *([Table(rows=rows, columns=text.width)] if rows else [])))


def _ernie(config: Config) -> Architecture:
    """Read the text of ERNIE 4.5 VL, whose tokens of images have routed experts of their own.

    In the FLOPs every token uses the experts of texts; those of images are a stack that works on one image.
    """
    config.skip("moe_norm_min")
    depth = read_depth(config, "num_hidden_layers")
    inner = config.numbers("moe_intermediate_size") or [1536, 512]
    config.require(len(inner) == 2 and min(inner) > 0, f"moe_intermediate_size: must be two numbers; got {inner}")
    inner = inner if len(inner) == 2 and min(inner) > 0 else [1536, 512]
    bias = config.flag("use_bias", default=False)
    config.require(not bias, "use_bias: biases of experts are not known here")
    experts = config.integer("moe_num_experts", "num_experts", default=64)
    top_k = config.integer("moe_k", "num_experts_per_tok", default=6)
    count = config.integer("moe_num_shared_experts", default=2, least=0)
    shared = FeedForward(inner_width=inner[0] * count, gated=True) if count else None
    types = config.names("mlp_layer_types", depth, ("dense", "sparse"))
    sparse = [index > 0 for index in range(depth)] if types is None else [kind == "sparse" for kind in types]
    routed_block = routed(config, experts, top_k, inner[0], router_bias=True, shared=shared)
    images = routed(config, experts, top_k, inner[1], router_bias=True)
    dense = FeedForward(inner_width=config.integer("intermediate_size", default=12288), gated=True)

    def blocks(_: Config, depth: int) -> list[FeedForward | Experts]:
        return [routed_block if is_sparse else dense for is_sparse in sparse]

    text = rotary(Family(kv_heads=4, tied=True, bias_key=False), blocks)(config)
    if not any(sparse):
        return text
    layer = Layer(feed_forward=images, norms=0, count=sum(sparse))
    return text.replace(stacks=(Stack(name="image_experts", width=text.width, layers=(layer,), tokens=_IMAGE_TOKENS),))


def _voxtral(config: Config) -> Architecture:
    """Read the text of Voxtral Realtime: two small layers per layer scale its norm by the delay of the sound."""
    text = rotary(Family(kv_heads=8, head_width=128, bias_key=False, window=8192, tied=True))(config)
    scales = (
        Linear(inputs=text.width, outputs=_DELAY_WIDTH, rows=1),
        Linear(inputs=_DELAY_WIDTH, outputs=text.width, rows=1),
    )
    return text.replace(layers=tuple(layer.replace(also=scales) for layer in text.layers))


def _kosmos2(config: Config) -> Architecture:
    """Read the text of Kosmos-2: norms inside attention and inside the feed-forward block, sinusoidal positions."""
    config.skip("max_position_embeddings", "add_cross_attention")
    if config.data.get("architectures") == [_KOSMOS2_BODY]:
        config.skip("architectures")
    width, depth = config.integer("embed_dim", default=2048), config.integer("layers", default=24)
    config.require(depth <= 10_000, f"layers: at most 10,000 layers are read; got {depth:,}")
    heads, head_width = heads_of(config, width, "attention_heads", default=32)
    config.require(not config.value("add_cross_attention"), "add_cross_attention: only false is read")
    inner = config.integer("ffn_dim", default=8192)
    attention = Attention(heads=heads, kv_heads=heads, head_width=head_width, qkv_bias=True, output_bias=True)
    inside: tuple[Block, ...] = (Norm(extent=width, bias=True), Norm(extent=inner, bias=True))
    layer = Layer(
        mixer=attention,
        also=inside,
        feed_forward=FeedForward(inner_width=inner, gated=False, bias=True),
        norm_bias=True,
        count=min(depth, 10_000),
    )
    return Architecture(
        width=width,
        layers=(layer,),
        vocabulary=config.integer("vocab_size", default=65037),
        tied=config.flag("tie_word_embeddings", default=True),
        norm_bias=True,
        head=config.data.get("architectures") != [_KOSMOS2_BODY],
    )


READERS: dict[str, Reader] = {
    "glm4v_text": rotary(Family(kv_heads=2, qkv_bias=True, bias_key=False, norms=4)),
    "glm_ocr_text": rotary(Family(kv_heads=8, bias_key=False, norms=4)),
    "ernie4_5_vl_moe_text": _ernie,
    "hunyuan_vl_text": rotary(Family(qk_norm="head", tied=True)),
    "kosmos_2_text_model": _kosmos2,
    "molmo2_text": _molmo2,
    "voxtral_realtime_text": _voxtral,
}
"""Readers by the `model_type` of a config."""
