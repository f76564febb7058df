"""LayoutLMv3: an encoder of the text of a page, its boxes and its image.

Defaults are those of the configuration classes in Hugging Face transformers 5.24. The tokens of a sequence are those
of the text; the patches of the image are not among them.
"""

from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.pieces import Convolution, Linear, Norm, Table
from costmodel.architecture.families.classes import count_labels
from costmodel.architecture.families.masked_language import Encoder, dense, read_encoder, read_ending, read_size
from costmodel.architecture.families.reading import Reader
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture

_ENDINGS = ("Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
_LAYOUT = Encoder("LayoutLMv3", 50265, pooler="none", endings=_ENDINGS, offset=2)
_MOST_LABELS = 9
"""Classes of a token up to which its classifier is one linear layer."""


def _layoutlmv3(config: Config) -> Architecture:
    size, ending = read_size(config, _LAYOUT), read_ending(config, _LAYOUT)
    config.skip("max_rel_pos", "max_rel_2d_pos")
    text = config.flag("text_embed", default=True)
    config.require(text, "text_embed: only true is read")
    rows = config.integer("max_2d_position_embeddings", default=1024)
    extras: list[Block] = []
    for key in ("coordinate_size", "shape_size"):
        extras += [Table(rows=rows, columns=config.integer(key, default=128))] * 2
    if config.flag("visual_embed", default=True):
        patch, side = config.integer("patch_size", default=16), config.integer("input_size", default=224)
        config.require(side >= patch, f"input_size: {side} holds no patch of {patch}")
        places, channels = max(side // patch, 1) ** 2, config.integer("num_channels", default=3)
        extras += [
            Convolution(inputs=channels, outputs=size.width, kernel=patch**2, places=places),
            Norm(extent=size.width),  # the class token
            Table(rows=places + 1, columns=size.width),
            Norm(extent=size.width, bias=True, copies=2),
        ]
    if config.flag("has_relative_attention_bias", default=True):
        bins = config.integer("rel_pos_bins", default=32)
        extras.append(Linear(inputs=bins, outputs=size.heads, rows=0, belongs_to="attention"))
    if config.flag("has_spatial_attention_bias", default=True):
        bins = config.integer("rel_2d_pos_bins", default=64)
        extras += [Linear(inputs=bins, outputs=size.heads, rows=0, belongs_to="attention")] * 2
    many = ending == "ForTokenClassification" and count_labels(config) > _MOST_LABELS
    if many or ending == "ForQuestionAnswering":
        extras.append(dense(size.width))
    return read_encoder(config, _LAYOUT, extras=extras)


READERS: dict[str, Reader] = {"layoutlmv3": _layoutlmv3}
"""Readers by the `model_type` of a config."""
