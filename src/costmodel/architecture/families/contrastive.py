"""Encoders of images and texts trained on pairs, as CLIP and SigLIP are; both together, or one of them.

Defaults are those of the configuration classes in Hugging Face transformers 5.24. A sequence is an image of the size
in the config, a text of full length, or both.
"""

from typing import NamedTuple

from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.contrast import Contrast
from costmodel.architecture.blocks.cross_attention import CrossAttention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Linear, Norm, Table
from costmodel.architecture.families.classes import full_attention, read_class
from costmodel.architecture.families.image_encoders import classifier, grid, patch_embedding
from costmodel.architecture.families.reading import Reader, read_depth
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer, Stack

_INERT = ("no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "tie_word_embeddings")


class Contrastive(NamedTuple):
    """A family of encoders of images and texts: the defaults of its configs, and what differs."""

    prefix: str
    """Beginning of the names of its classes."""
    width: int = 512
    """Width of the text; that of the image is 768."""
    heads: int = 8
    inner: int = 2048
    vocabulary: int = 49408
    length: int = 77
    patch: int = 32
    image: int = 224
    sigmoid: bool = False
    """Whether the layout is that of SigLIP: a pooling head, no class token, no projections, a bias of the loss."""
    patches: int | None = None
    """Patches of an image, where the config tells them instead of its size (`num_patches`)."""
    classifies: bool = True
    """Whether there is a class for the classification of images."""


_SIGLIP = Contrastive("Siglip", 768, 12, 3072, 32000, 64, 16, sigmoid=True)
FAMILIES: dict[str, Contrastive] = {
    "clip": Contrastive("CLIP"),
    "metaclip_2": Contrastive("MetaClip2"),
    "clipseg": Contrastive("CLIPSeg", classifies=False),
    "owlvit": Contrastive("OwlViT", length=16, image=768, classifies=False),
    "owlv2": Contrastive("Owlv2", length=16, image=768, patch=16, classifies=False),
    "siglip": _SIGLIP,
    "siglip2": _SIGLIP._replace(prefix="Siglip2", patches=256),
}
"""Families by `model_type`."""


def _layer(config: Config, width: int, heads: int, inner: int, *, causal: bool = False) -> Layer:
    mixer = full_attention(config, width, config.integer("num_attention_heads", default=heads), causal=causal)
    block = FeedForward(inner_width=config.integer("intermediate_size", default=inner), gated=False, bias=True)
    depth = read_depth(config, "num_hidden_layers", default=12)
    return Layer(mixer=mixer, feed_forward=block, norm_bias=True, count=depth)


def _pooling(width: int, layer: Layer) -> list[Block]:
    """Return the pooling head of SigLIP for images: cross-attention of a learned query, and a feed-forward block."""
    block, mixer = layer.feed_forward, layer.mixer
    inner, heads = getattr(block, "inner_width", 1), getattr(mixer, "heads", 1)
    pooling = CrossAttention(
        heads=heads, kv_heads=heads, head_width=max(width // heads, 1), queries=1, qkv_bias=True, output_bias=True
    )
    up = Linear(inputs=width, outputs=inner, bias=True, rows=1)
    down = Linear(inputs=inner, outputs=width, bias=True, rows=1)
    return [Norm(extent=width), pooling, Norm(extent=width, bias=True), up, down]


def _image(config: Config, family: Contrastive) -> Stack:
    """Read the encoder of images, without a projection."""
    config.skip("projection_dim", *_INERT)
    width = config.integer("hidden_size", default=768)
    if family.patches is None:
        (high, wide), elements = grid(config, family.image, family.patch)
        places = high * wide
    else:
        places, elements = (
            config.integer("num_patches", default=family.patches),
            config.integer("patch_size", default=16) ** 2,
        )
    positions = places if family.sigmoid else places + 1
    layer = _layer(config, width, 12, 3072)
    norm = Norm(extent=width, bias=True)
    outside: list[Block] = [
        patch_embedding(config, width, places, elements, bias=family.sigmoid),
        Table(rows=positions, columns=width),
    ]
    if not family.sigmoid:
        outside += [Norm(extent=width), norm, norm]
    else:
        pools = config.flag("vision_use_head", default=True)
        outside += [norm, *(_pooling(width, layer) if pools else [])]
    return Stack(name="vision", width=width, layers=(layer,), extras=tuple(outside), tokens=positions)


def _text(config: Config, family: Contrastive, *head: Block) -> Architecture:
    """Read the encoder of texts with a projection."""
    config.skip("projection_dim", "projection_size", *_INERT)
    width = config.integer("hidden_size", default=family.width)
    length = config.integer("max_position_embeddings", default=family.length)
    return Architecture(
        width=width,
        layers=(_layer(config, width, family.heads, family.inner, causal=not family.sigmoid),),
        vocabulary=config.integer("vocab_size", default=family.vocabulary),
        positions=length,
        tokens=length,
        tied=True,
        head=False,
        norm_bias=True,
        extras=head,
    )


def _text_head(config: Config, family: Contrastive) -> Linear:
    """Return the projection of texts in SigLIP."""
    width = config.integer("hidden_size", default=family.width)
    outputs = config.optional("projection_size") or width
    return Linear(inputs=width, outputs=outputs, bias=True, rows=1, belongs_to="head")


def _projection(width: int, outputs: int) -> Linear:
    return Linear(inputs=width, outputs=outputs, rows=1, belongs_to="head")


def _pair(config: Config, family: Contrastive) -> Architecture:
    """Read both encoders: that of texts is the main stack, that of images a tower."""
    endings = ["Model", *(["ForImageClassification"] if family.classifies else [])]
    name = read_class(config, [family.prefix + ending for ending in endings])
    text, image = (config.inner(_newest(config, key)) for key in ("text_config", "vision_config"))
    tower = _image(image, family)
    if name.endswith("ForImageClassification"):
        config.skip("projection_dim")
        _text(text, family)  # the class has no encoder of texts, but the config describes one
        return _alone(tower, classifier(config, tower.width))
    if family.sigmoid:
        head = _text_head(text, family)
        pools = image.flag("vision_use_head", default=True)
        image.require(pools, "vision_use_head: only true is read beside an encoder of texts")
        text.require(
            head.outputs == tower.width,
            f"projection_size: {head.outputs} is not the width of the image tower ({tower.width})",
        )
        read = _text(text, family, head, Contrast(encoding_width=head.outputs, bias=True))
        return read.replace(stacks=(tower,))
    joint = config.integer("projection_dim", default=512)
    width = text.integer("hidden_size", default=family.width)
    read = _text(text, family, _projection(width, joint), Contrast(encoding_width=joint))
    projection = Linear(inputs=tower.width, outputs=joint, rows=1)
    return read.replace(stacks=(tower.replace(extras=(*tower.extras, projection)),))


def _alone(tower: Stack, *head: Block) -> Architecture:
    """Return an encoder of images as a model of its own."""
    return Architecture(
        width=tower.width,
        layers=tower.layers,
        tokens=tower.tokens,
        final_norm=False,
        extras=(*tower.extras, *head),
    )


def _newest(config: Config, key: str) -> str:
    """Return the key of a tower: `KEY_dict` of older configs takes precedence."""
    older = f"{key}_dict"
    if config.value(older) is None:
        return key
    config.skip(key)
    return older


def _names(family: Contrastive, part: str) -> list[str]:
    """Return the classes of an encoder alone."""
    endings = ["Model"] if family.sigmoid else ["Model", "ModelWithProjection", "Transformer"]
    return [f"{family.prefix}{part}{ending}" for ending in endings]


def _text_model(config: Config, family: Contrastive) -> Architecture:
    """Read the encoder of texts alone; the class with a projection has one of `projection_dim`."""
    names = _names(family, "Text")
    name = read_class(config, names)
    if family.sigmoid:
        return _text(config, family, _text_head(config, family))
    if not name.endswith("WithProjection"):
        return _text(config, family)
    width, joint = (config.integer(key, default=512) for key in ("hidden_size", "projection_dim"))
    return _text(config, family, _projection(width, joint))


def _image_model(config: Config, family: Contrastive) -> Architecture:
    """Read the encoder of images alone; the class with a projection has one of `projection_dim`."""
    names = _names(family, "Vision")
    projected = read_class(config, names).endswith("WithProjection")
    tower = _image(config, family)
    joint = config.integer("projection_dim", default=512) if projected else 0
    return _alone(tower, *([_projection(tower.width, joint)] if projected else []))


_TEXTS = {
    "groupvit": Contrastive("GroupViT", 256, 4, 1024),
    "xclip": Contrastive("XCLIP"),
}
"""Families of which only the encoder of texts is read."""
_IMAGES = {
    "altclip": Contrastive("AltCLIP"),
    "chinese_clip": Contrastive("ChineseCLIP"),
    "git": Contrastive("Git", patch=16),
}
"""Families of which only the encoder of images is read."""


def _reads(family: Contrastive, part: str) -> Reader:
    read = {"pair": _pair, "text": _text_model, "image": _image_model}[part]
    return lambda config: read(config, family)


READERS: dict[str, Reader] = {
    **{name: _reads(family, "pair") for name, family in FAMILIES.items()},
    **{f"{name}_text_model": _reads(family, "text") for name, family in (FAMILIES | _TEXTS).items()},
    **{
        f"{name}_vision_model": _reads(family, "image")
        for name, family in (FAMILIES | _IMAGES).items()
        if name != "siglip2"
    },
}
"""Readers by the `model_type` of a config."""
