"""AIMv2: encoders of images and texts with gated feed-forward blocks and norms without biases.

Defaults are those of the configuration classes in Hugging Face transformers 5.24. A sequence is an image of the size
in the config, a text of full length, or both.
"""

from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.contrast import Contrast
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Linear, Norm, Table
from costmodel.architecture.blocks.reapplied import Reapplied
from costmodel.architecture.families.classes import full_attention, read_class
from costmodel.architecture.families.image_encoders import grid, patch_embedding
from costmodel.architecture.families.reading import Reader, read_depth
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer, Stack


def _layer(config: Config, width: int, inner: int, depth: int, heads: int, *, causal: bool) -> Layer:
    bias = config.flag("qkv_bias", default=False)
    heads = config.integer("num_attention_heads", default=heads)
    mixer = full_attention(config, width, heads, qkv_bias=bias, causal=causal).replace(output_bias=bias)
    block = FeedForward(
        inner_width=config.integer("intermediate_size", default=inner),
        gated=True,
        bias=config.flag("mlp_bias", default=False),
    )
    return Layer(mixer=mixer, feed_forward=block, count=read_depth(config, "num_hidden_layers", default=depth))


def _text(config: Config, *head: Block) -> Architecture:
    """Return the encoder of texts."""
    width, length = (
        config.integer("hidden_size", default=768),
        config.integer("max_position_embeddings", default=77),
    )
    return Architecture(
        width=width,
        layers=(_layer(config, width, 2048, 12, 6, causal=True),),
        vocabulary=config.integer("vocab_size", default=49408),
        positions=length,
        tokens=length,
        tied=True,
        head=False,
        extras=head,
    )


def _image(config: Config) -> Stack:
    """Return the encoder of images with its pooling head."""
    width = config.integer("hidden_size", default=1024)
    (high, wide), elements = grid(config, 224, 14)
    places = high * wide
    layer = _layer(config, width, 2816, 24, 8, causal=False)
    extras: list[Block] = [patch_embedding(config, width, places, elements), Norm(extent=width, copies=2)]
    if not config.flag("is_native", default=False):
        extras.append(Table(rows=places, columns=width))
    if config.flag("use_head", default=True):
        bias = config.flag("qkv_bias", default=False)
        keys = Linear(inputs=width, outputs=width, bias=bias, belongs_to="head")
        pooled = Reapplied(block=Linear(inputs=width, outputs=1, rows=places, belongs_to="head"))
        extras += [Norm(extent=width), keys, keys, pooled, pooled]  # one learned query: its scores, and their values
        extras.append(Linear(inputs=width, outputs=width, bias=True, rows=1, belongs_to="head"))
    return Stack(name="vision", width=width, layers=(layer,), extras=tuple(extras), tokens=places)


def _text_model(config: Config) -> Architecture:
    read_class(config, ["Aimv2TextModel"])
    return _text(config)


def _image_model(config: Config) -> Architecture:
    read_class(config, ["Aimv2VisionModel"])
    tower = _image(config)
    return Architecture(
        width=tower.width, layers=tower.layers, tokens=tower.tokens, extras=tower.extras, final_norm=False
    )


def _pair(config: Config) -> Architecture:
    """Read both encoders: that of texts is the main stack, that of images a tower."""
    read_class(config, ["Aimv2Model"])
    text, image = config.inner("text_config"), config.inner("vision_config")
    joint, tower = config.integer("projection_dim", default=512), _image(image)
    width = text.integer("hidden_size", default=768)
    head = Linear(inputs=width, outputs=joint, rows=1, belongs_to="head")
    projection = Linear(inputs=tower.width, outputs=joint, rows=1)
    read = _text(text, head, Contrast(encoding_width=joint))
    return read.replace(stacks=(tower.replace(extras=(*tower.extras, projection)),))


READERS: dict[str, Reader] = {
    "aimv2": _pair,
    "aimv2_text_model": _text_model,
    "aimv2_vision_model": _image_model,
}
"""Readers by the `model_type` of a config."""
