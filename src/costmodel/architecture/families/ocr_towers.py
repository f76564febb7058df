"""Towers of OCR models: SAM, whose output an encoder or a decoder reads.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from dataclasses import replace

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Convolution, Norm, Table
from costmodel.architecture.families.heads import kv_heads_of
from costmodel.architecture.families.image_towers import segment_anything
from costmodel.architecture.families.towers import NAME, ROWS, Shape, transformer
from costmodel.architecture.sources.config import Config
from costmodel.architecture.structure import Layer, Stack

CLIP_OF_SAM = replace(ROWS["clip_vision_model"], shape=Shape(1024, 4096, 16, 24), patch=14, embeds=False, norms_after=0)
_VIEWS = 144 + 256
"""Learned queries of DeepSeek-OCR 2, for tiles of 768 pixels and for images of 1024 pixels."""


def downsampled(config: Config, default: tuple[int, int]) -> Stack:
    """Read SAM with two further convolutions that each join four patches."""
    config.skip("scale")
    tower = segment_anything(config)
    listed = config.numbers("downsample_channels") or list(default)
    valid = len(listed) == 2 and min(listed) > 0
    config.require(valid, f"downsample_channels: must be two numbers above 0; got {listed}")
    first, second = listed if valid else default
    outputs, patches = config.integer("output_channels", default=256), tower.tokens or 1
    convolutions = (
        Convolution(inputs=outputs, outputs=first, kernel=9, bias=False, places=patches // 4),
        Convolution(inputs=first, outputs=second, kernel=9, bias=False, places=patches // 16),
    )
    return tower.replace(extras=(*tower.extras, *convolutions))


def sam_of_unlimited(config: Config) -> Stack:
    """Read SAM of Unlimited-OCR."""
    return downsampled(config, (512, 1024))


def sam_of_deepseek2(config: Config) -> Stack:
    """Read SAM of DeepSeek-OCR 2."""
    return downsampled(config, (512, 896))


def clip_of_sam(config: Config) -> Stack:
    """Read CLIP without its patch embedding, which reads the output of SAM."""
    return transformer(config, CLIP_OF_SAM)


def decoder_of_sam(config: Config) -> Stack:
    """Read the decoder of Qwen2 that reads the output of SAM; its queries see all patches and earlier queries."""
    config.skip("vocab_size", "max_window_layers", "use_sliding_window", "sliding_window", "layer_types")
    config.skip("max_position_embeddings", "tie_word_embeddings")
    sliding = config.flag("use_sliding_window", default=False)
    config.require(not sliding, "use_sliding_window: only false is read")
    width, heads = config.integer("hidden_size", default=4096), config.integer("num_attention_heads", default=32)
    config.require(width % heads == 0, f"hidden_size: {width} is not a multiple of the {heads} heads")
    kv_heads = kv_heads_of(config, heads, default=32)
    depth = config.integer("num_hidden_layers", default=32)
    config.require(depth <= 10_000, f"num_hidden_layers: at most 10,000 layers are read; got {depth:,}")
    mixer = Attention(
        heads=heads,
        kv_heads=min(kv_heads, heads),
        head_width=max(width // heads, 1),
        qkv_bias=True,
        causal=False,
    )
    block = FeedForward(inner_width=config.integer("intermediate_size", default=22016), gated=True)
    layer = Layer(mixer=mixer, feed_forward=block, count=min(depth, 10_000))
    return Stack(name=NAME, width=width, layers=(layer,), extras=(Norm(extent=width),), tokens=512)


def both(config: Config, kind: str) -> list[Stack]:
    """Return SAM and the tower that reads its output."""
    sam, encoder = config.inner("sam_config"), config.inner("encoder_config")
    if kind == "unlimited_ocr_vision":
        return [sam_of_unlimited(sam), clip_of_sam(encoder)]
    second = decoder_of_sam(encoder)
    queries: Block = Table(rows=_VIEWS, columns=second.width)
    return [sam_of_deepseek2(sam), second.replace(extras=(*second.extras, queries))]
