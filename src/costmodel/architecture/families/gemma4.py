"""Gemma 4 with its towers for images and sound; the text is read by `gemma_text`."""

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Table
from costmodel.architecture.families.gemma_text import read_gemma4_text
from costmodel.architecture.families.multimodal import joined, read_text, read_tower
from costmodel.architecture.families.reading import Reader
from costmodel.architecture.families.towers import NAME, Shape, linear_on, read_alone, read_shape
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer, Stack


def _gemma4(config: Config) -> Architecture:
    """Read Gemma 4; a tower whose config is missing is not part of the model."""
    model = read_text(config, "gemma4_text", tied=True, reader=read_gemma4_text)
    width = model.width
    if config.data.get("vision_config") is not None:
        vision = config.inner("vision_config")
        default_rows = vision.integer("default_output_length", default=280)
        rows = config.integer("vision_soft_tokens_per_image", default=default_rows)
        tower = _tower(vision, rows)
        model = joined(model, tower, linear_on(tower.width, width, rows))
    if config.data.get("audio_config") is not None:
        audio, sound = read_tower(config, "gemma4_audio", "audio_config")
        inputs = audio.integer("output_proj_dims", default=1536)
        model = joined(model, sound, linear_on(inputs, width, sound.tokens or 1))
    return model


def _vision(config: Config) -> Architecture:
    """Read the tower for images as a model of its own."""
    config.skip("architectures")
    return read_alone(_tower(config, config.integer("default_output_length", default=280), NAME))


def _tower(config: Config, rows: int, positions: str = "embedding") -> Stack:
    """Return the tower for an image that is pooled into `rows` tokens; `positions` is the part of its table."""
    config.skip("attention_bias", "global_head_dim", "max_position_embeddings", "use_clipped_linears")
    width, inner, heads, depth = read_shape(config, Shape(768, 3072, 12, 16))
    kv_heads = config.integer("num_key_value_heads", default=12)
    config.require(heads % kv_heads == 0, f"num_key_value_heads: {kv_heads} does not divide the {heads} heads")
    config.require(depth <= 10_000, f"num_hidden_layers: at most 10,000 layers are read; got {depth:,}")
    layer = Layer(
        mixer=Attention(
            heads=heads,
            kv_heads=min(kv_heads, heads),
            head_width=config.integer("head_dim", default=64),
            qk_norm="head",
            causal=False,
        ),
        feed_forward=FeedForward(inner_width=inner, gated=True),
        norms=4,
        count=depth,
    )
    patches = rows * config.integer("pooling_kernel_size", default=3) ** 2
    extras = (
        linear_on(3 * config.integer("patch_size", default=16) ** 2, width, patches, part=NAME),
        Table(rows=2 * config.integer("position_embedding_size", default=10240), columns=width, belongs_to=positions),
    )
    return Stack(name=NAME, width=width, layers=(layer,), extras=extras, tokens=patches)


READERS: dict[str, Reader] = {"gemma4": _gemma4, "gemma4_vision": _vision}
"""Readers by the `model_type` of a config."""
