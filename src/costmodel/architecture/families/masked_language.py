"""Encoders of the layout of BERT: rows of data, and the reader that they share.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Linear, Norm, Table
from costmodel.architecture.families.classes import count_labels, full_attention, read_class
from costmodel.architecture.families.reading import read_depth
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

Pooler = Literal["none", "model", "always"]
COMMON = (
    "Model",
    "ForMaskedLM",
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForQuestionAnswering",
    "ForMultipleChoice",
)
"""Endings of the classes that nearly every family has."""
CAUSAL = ("ForCausalLM", "LMHeadModel", "Decoder")
PREDICTING = frozenset({"ForMaskedLM", "ForPreTraining", *CAUSAL})
"""Endings of the classes with a head over the vocabulary."""
KEYS = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")


class Encoder(NamedTuple):
    """A family of the layout of BERT: the defaults of its config, and what differs."""

    prefix: str
    """Beginning of the names of its classes."""
    vocabulary: int = 30522
    width: int = 768
    depth: int = 12
    heads: int = 12
    inner: int = 3072
    positions: int = 512
    """Learned positions; 0 for a family without them."""
    types: int | None = 2
    """Token types; None for a family without them."""
    pooler: Pooler = "model"
    """Classes with a pooler: none, the model without a head, or all."""
    endings: tuple[str, ...] = COMMON
    """Endings of the names of its classes."""
    offset: int = 0
    """Positions that no token uses: RoBERTa begins to count after the padding token."""
    added: int = 0
    """Positions beyond `max_position_embeddings`."""
    embedding_norm: bool = True
    final_norm: bool = False
    narrow: int | None = None
    """Width of the embedding, if the family has a key for it."""
    narrow_key: str = "embedding_size"
    keys: tuple[str, str, str, str] = KEYS
    """Keys of width, layers, heads and inner width."""


class Size(NamedTuple):
    """Width, layers, heads, inner width and embedding width of a config."""

    width: int
    depth: int
    heads: int
    inner: int
    narrow: int


def read_size(config: Config, family: Encoder) -> Size:
    """Return the sizes of a config of a family."""
    wide, deep, headed, inner = family.keys
    width = config.integer(wide, default=family.width)
    narrow = width if family.narrow is None else config.integer(family.narrow_key, default=family.narrow)
    return Size(
        width,
        read_depth(config, deep, default=family.depth),
        config.integer(headed, default=family.heads),
        config.integer(inner, default=family.inner),
        narrow,
    )


def read_ending(config: Config, family: Encoder) -> str:
    """Return the ending of the class of a config: "Model", "ForMaskedLM", ..."""
    name = read_class(config, [family.prefix + ending for ending in family.endings])
    return name.removeprefix(family.prefix)


def is_causal(config: Config, ending: str) -> bool:
    """Tell whether a token attends only to those before it: a language model with `is_decoder`."""
    config.require(
        not config.flag("add_cross_attention", default=False), "add_cross_attention: only false is read here"
    )
    decodes = config.flag("is_decoder", default=False)
    config.require(not decodes or ending in CAUSAL, "is_decoder: only encoders of this family are read")
    return decodes and ending in CAUSAL


def read_encoder(
    config: Config,
    family: Encoder,
    *,
    mixer: Attention | None = None,
    block: Block | None = None,
    also: Sequence[Block] = (),
    layers: Sequence[Layer] | None = None,
    extras: Sequence[Block] = (),
    head: Sequence[Block] | None = None,
) -> Architecture:
    """Return the encoder of a config.

    Parameters
    ----------
    config : Config
    family : Encoder
        Row of the family.
    mixer, block : Block, optional
        Attention and feed-forward block, where they are not those of BERT.
    also : sequence of Block
        Further blocks of each layer.
    layers : sequence of Layer, optional
        All layers, where they differ.
    extras : sequence of Block
        Further blocks outside the layers.
    head : sequence of Block, optional
        Head over the vocabulary, where it shares no weights with the embedding.
    """
    ending, size = read_ending(config, family), read_size(config, family)
    width, narrow = size.width, size.narrow
    causal = is_causal(config, ending)
    config.skip("pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head")
    kind = config.value("position_embedding_type")
    expected = "absolute" if family.positions else "rotary"
    config.require(kind in (None, expected), f"position_embedding_type: only {expected} is read; got {kind!r}")
    if layers is None:
        mixer = mixer or full_attention(config, width, size.heads)
        layers = [
            Layer(
                mixer=mixer.replace(causal=causal),
                feed_forward=block or FeedForward(inner_width=size.inner, gated=False, bias=True),
                also=tuple(also),
                norm_bias=True,
                count=size.depth,
            )
        ]
    predicts = ending in PREDICTING
    tied = config.flag("tie_word_embeddings", default=head is None)
    config.require(
        tied == (head is None) or not predicts, f"tie_word_embeddings: only {str(head is None).lower()} is read"
    )
    heads = head_blocks(config, ending, family.pooler, width, narrow) if head is None or not predicts else head
    config.skip("max_position_embeddings")
    rows = config.integer("max_position_embeddings", default=family.positions) if family.positions else 0
    tables: list[Block] = []
    types = 0 if family.types is None else config.integer("type_vocab_size", default=family.types, least=0)
    if types:
        tables.append(Table(rows=types, columns=narrow))
    positions = rows + family.added if rows else 0
    if narrow != width and positions:
        tables.append(Table(rows=positions, columns=narrow))
    if family.embedding_norm:
        tables.append(Norm(extent=narrow, bias=True))
    if narrow != width:
        tables.append(Linear(inputs=narrow, outputs=width, bias=True))
    return Architecture(
        width=width,
        layers=tuple(layers),
        vocabulary=config.integer("vocab_size", default=family.vocabulary or None),
        embedding_width=narrow if narrow != width else None,
        embedding_projections=False,
        positions=positions if narrow == width else 0,
        context_length=max(rows - family.offset, 1) if rows else None,
        tied=True,
        head=predicts and head is None,
        head_bias=predicts and head is None,
        final_norm=family.final_norm,
        norm_bias=True,
        extras=(*tables, *extras, *heads),
    )


def dense(width: int, rows: int | None = None, *, outputs: int | None = None, bias: bool = True) -> Linear:
    """Return a linear layer of the head of an encoder."""
    return Linear(inputs=width, outputs=outputs or width, bias=bias, rows=rows, belongs_to="head")


def head_blocks(config: Config, ending: str, pooler: Pooler, width: int, narrow: int | None = None) -> list[Block]:
    """Return the blocks of the head of a class, the head over the vocabulary excepted.

    A classifier of sequences follows a pooler, or a linear layer of the same shape.
    """
    pooled: list[Block] = [dense(width, 1)]
    labels = 1 if ending == "ForMultipleChoice" else count_labels(config)
    if ending.endswith(("Encoder", "Decoder")):
        return []
    output = narrow or width
    transform: list[Block] = [dense(width, outputs=output), Norm(extent=output, bias=True)]
    pair = dense(width, 1, outputs=2)
    if ending in ("ForSequenceClassification", "ForMultipleChoice"):
        return [*pooled, dense(width, 1, outputs=labels)]
    if ending == "ForNextSentencePrediction":
        return [*pooled, pair]
    if ending == "ForPreTraining":
        return [*pooled, *transform, pair]
    if ending == "Model":
        return pooled if pooler != "none" else []
    kept = pooled if pooler == "always" else []
    return [*kept, *(transform if ending in PREDICTING else [dense(width, outputs=labels)])]
