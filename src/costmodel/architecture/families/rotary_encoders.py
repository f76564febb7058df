"""Encoders with rotary positions: ModernBERT, and those of the layouts of BERT and of Llama.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from typing import NamedTuple

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Norm
from costmodel.architecture.families.classes import count_labels, full_attention, read_class
from costmodel.architecture.families.heads import heads_of, kv_heads_of
from costmodel.architecture.families.masked_language import COMMON, Encoder, dense, read_encoder, read_size
from costmodel.architecture.families.reading import Reader, read_depth
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

_SLIDING, _FULL = "sliding_attention", "full_attention"


def _modernbert(config: Config) -> Architecture:
    """Read ModernBERT: windows in most layers, gated feed-forward blocks, and a norm of the embedding."""
    name = read_class(config, [f"ModernBert{ending}" for ending in COMMON])
    config.require(
        not config.flag("sparse_prediction", default=False), "sparse_prediction: only prediction of all tokens is read"
    )
    config.skip("sparse_pred_ignore_index", "deterministic_flash_attn")
    config.skip("max_position_embeddings")
    ending = name.removeprefix("ModernBert")
    width, depth = config.integer("hidden_size", default=768), read_depth(config, "num_hidden_layers", default=22)
    bias = config.flag("attention_bias", default=False)
    heads = config.integer("num_attention_heads", default=12)
    full = full_attention(config, width, heads, qkv_bias=bias).replace(output_bias=bias)
    local = full.replace(window=config.integer("local_attention", default=128) + 1)
    period = config.integer("global_attn_every_n_layers", default=3)
    kinds = config.names("layer_types", depth, (_SLIDING, _FULL))
    full_layers = [index % period == 0 if kinds is None else kinds[index] == _FULL for index in range(depth)]
    block = FeedForward(
        inner_width=config.integer("intermediate_size", default=1152),
        gated=True,
        bias=config.flag("mlp_bias", default=False),
    )
    norm_bias = config.flag("norm_bias", default=False)
    layers = [
        Layer(mixer=full if is_full else local, feed_forward=block, norms=2 if index else 1, norm_bias=norm_bias)
        for index, is_full in enumerate(full_layers)
    ]
    predicts = ending == "ForMaskedLM"
    norm = Norm(extent=width, bias=norm_bias)
    extras: list[Block] = [norm]
    if ending != "Model":
        extras += [dense(width, bias=config.flag("classifier_bias", default=False)), norm]
    if ending != "Model" and not predicts:
        rows = 1 if ending in ("ForSequenceClassification", "ForMultipleChoice") else None
        labels = 1 if ending == "ForMultipleChoice" else count_labels(config)
        extras.append(dense(width, rows, outputs=labels))
    return Architecture(
        width=width,
        layers=tuple(layers),
        vocabulary=config.integer("vocab_size", default=50368),
        tied=config.flag("tie_word_embeddings", default=True),
        head=predicts,
        head_bias=config.flag("decoder_bias", default=True) and predicts,
        norm_bias=norm_bias,
        extras=tuple(extras),
    )


_SHORT = ("Model", "ForMaskedLM", "ForSequenceClassification", "ForTokenClassification")
_NOMIC = Encoder("NomicBert", 30528, positions=0, pooler="none", endings=_SHORT)
_GTE = Encoder("Gte", 250048, positions=0, types=1, pooler="none", endings=_SHORT)
_JINA = Encoder(
    "JinaEmbeddingsV3", 250002, 1024, 24, 16, 4096, positions=0, types=1, endings=(*_SHORT, "ForQuestionAnswering")
)


def _nomic(config: Config) -> Architecture:
    """Read Nomic BERT: gated feed-forward blocks, no biases."""
    size = read_size(config, _NOMIC)
    head_width = config.integer("head_dim", default=max(size.width // size.heads, 1))
    mixer = full_attention(config, size.width, size.heads, qkv_bias=False)
    mixer = mixer.replace(output_bias=False, head_width=head_width)
    return read_encoder(config, _NOMIC, mixer=mixer, block=FeedForward(inner_width=size.inner, gated=True))


def _gte(config: Config) -> Architecture:
    """Read GTE: gated feed-forward blocks with a bias of the last layer only."""
    size = read_size(config, _GTE)
    mixer = full_attention(config, size.width, size.heads)
    mixer = mixer.replace(head_width=config.integer("head_dim", default=mixer.head_width))
    block = FeedForward(inner_width=size.inner, gated=True)
    return read_encoder(
        config, _GTE, mixer=mixer, block=block, also=[Norm(extent=size.width, belongs_to="feed_forward")]
    )


def _jina(config: Config) -> Architecture:
    """Read jina-embeddings-v3: BERT with rotary positions."""
    size = read_size(config, _JINA)
    mixer = full_attention(config, size.width, size.heads)
    return read_encoder(
        config, _JINA, mixer=mixer.replace(head_width=config.integer("head_dim", default=mixer.head_width))
    )


class Bidirectional(NamedTuple):
    """A family of the layout of Llama without a causal mask: the defaults of its config, and what differs."""

    prefix: str
    vocabulary: int
    width: int
    depth: int
    heads: int
    inner: int
    dense_classifier: bool = False
    """Whether a linear layer precedes the classifier of sequences."""
    norm_bias: bool = False
    qk_norm: bool = False
    questions: bool = False
    """Whether there is a class for question answering."""


_EUROBERT = Bidirectional("EuroBert", 128256, 768, 12, 12, 3072, dense_classifier=True)
_ESMC = Bidirectional("Esmc", 64, 2560, 80, 40, 6912, dense_classifier=True, norm_bias=True, qk_norm=True)
_ULTRABERT = Bidirectional("Ultrabert", 32000, 4096, 32, 32, 11008, questions=True)


def _bidirectional(config: Config, family: Bidirectional) -> Architecture:
    endings = (*_SHORT, *(["ForQuestionAnswering"] if family.questions else []))
    ending = read_class(config, [family.prefix + ending for ending in endings]).removeprefix(family.prefix)
    width, depth = (
        config.integer("hidden_size", default=family.width),
        read_depth(config, "num_hidden_layers", default=family.depth),
    )
    heads, usual = heads_of(config, width, "num_attention_heads", default=family.heads)
    kv_heads = kv_heads_of(config, heads)
    head_width = config.integer("head_dim", default=usual)
    config.skip("classifier_pooling", "max_position_embeddings", "prediction_head_size")
    bias = config.flag("attention_bias", default=False)
    mixer = Attention(
        heads=heads,
        kv_heads=kv_heads,
        head_width=head_width,
        qkv_bias=bias,
        output_bias=bias,
        causal=False,
        qk_norm="width" if family.qk_norm else "none",
    )
    config.require(
        not family.qk_norm or (heads * head_width == width and kv_heads == heads),
        f"head_dim: {head_width} × {heads} heads must be hidden_size ({width}), as the norms of queries and keys are",
    )
    kinds = config.names("layer_types", depth, (_SLIDING, _FULL)) or [_FULL] * depth
    local = mixer.replace(window=config.integer("sliding_window", default=128)) if _SLIDING in kinds else mixer
    block_bias = config.flag("mlp_bias", default=False)
    block = FeedForward(
        inner_width=config.integer("intermediate_size", default=family.inner), gated=True, bias=block_bias
    )
    layer = Layer(mixer=mixer, feed_forward=block, norm_bias=family.norm_bias)
    layers = tuple(layer if kind == _FULL else layer.replace(mixer=local) for kind in kinds)
    predicts = ending == "ForMaskedLM"
    labels = count_labels(config)
    extras: list[Block] = []
    if ending in _SHORT[2:] or ending == "ForQuestionAnswering":
        extras = [dense(width, 1 if ending == _SHORT[2] else None, outputs=labels)]
    if ending == "ForSequenceClassification" and family.dense_classifier:
        extras.insert(0, dense(width, 1))
    return Architecture(
        width=width,
        layers=layers,
        vocabulary=config.integer("vocab_size", default=family.vocabulary),
        tied=config.flag("tie_word_embeddings", default=False),
        head=predicts,
        extras=tuple(extras),
    )


def _eurobert(config: Config) -> Architecture:
    """Read EuroBERT; the head over the vocabulary has a bias if the feed-forward blocks have."""
    read = _bidirectional(config, _EUROBERT)
    return read.replace(head_bias=read.head and config.flag("mlp_bias", default=False))


def _esmc(config: Config) -> Architecture:
    """Read ESM Cambrian: norms of queries and keys, and a head of two layers."""
    read = _bidirectional(config, _ESMC)
    head = (dense(read.width), Norm(extent=read.width, bias=True)) if read.head else ()
    return read.replace(head_bias=read.head, extras=(*head, *read.extras))


def _ultrabert(config: Config) -> Architecture:
    """Read UltraBERT: windows in some layers, and a head with a bottleneck."""
    read = _bidirectional(config, _ULTRABERT)
    narrow = config.integer("prediction_head_size", default=768)
    head = (dense(read.width, outputs=narrow, bias=False), dense(narrow, outputs=read.width, bias=False))
    return read.replace(extras=(*(head if read.head else ()), *read.extras))


READERS: dict[str, Reader] = {
    "modernbert": _modernbert,
    "nomic_bert": _nomic,
    "gte": _gte,
    "jina_embeddings_v3": _jina,
    "eurobert": _eurobert,
    "esmc": _esmc,
    "ultrabert": _ultrabert,
}
"""Readers by the `model_type` of a config."""
