"""T5Gemma: an encoder and a decoder of the layout of Gemma 2, each with a config of its own.

Defaults are those of the configuration classes in Hugging Face transformers 5.24. Source and target have the same
number of tokens.
"""

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.cross_attention import CrossAttention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Norm, Table
from costmodel.architecture.families.classes import read_class
from costmodel.architecture.families.heads import kv_heads_of
from costmodel.architecture.families.reading import Reader, read_depth
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer, Stack

_SLIDING, _FULL = "sliding_attention", "full_attention"
_CLASSES = ("T5GemmaForConditionalGeneration", "T5GemmaModel", "T5GemmaEncoderModel")


def _side(config: Config, source_width: int | None = None) -> tuple[int, int, list[Layer]]:
    """Return hidden size, vocabulary size and layers of a side; a decoder reads a source of `source_width`."""
    config.skip("max_position_embeddings", "cross_attention_hidden_size", "tie_word_embeddings")
    width, heads = config.integer("hidden_size", default=2304), config.integer("num_attention_heads", default=8)
    depth = read_depth(config, "num_hidden_layers", default=26)
    bias = config.flag("attention_bias", default=False)
    full = Attention(
        heads=heads,
        kv_heads=kv_heads_of(config, heads, default=4),
        head_width=config.integer("head_dim", default=256),
        qkv_bias=bias,
        output_bias=bias,
        causal=source_width is not None,
    )
    window = config.optional("sliding_window", default=4096)
    local = full if window is None else full.replace(window=window)
    kinds = config.names("layer_types", depth, (_SLIDING, _FULL))
    kinds = kinds or [_FULL if index % 2 else _SLIDING for index in range(depth)]
    block = FeedForward(inner_width=config.integer("intermediate_size", default=9216), gated=True)
    crossing = CrossAttention(
        heads=heads,
        kv_heads=full.kv_heads,
        head_width=full.head_width,
        source_width=source_width,
        qkv_bias=bias,
        output_bias=bias,
    )
    also = () if source_width is None else (crossing,)
    layer = Layer(mixer=full, feed_forward=block, also=also, norms=6 if also else 4)
    layers = [layer if kind == _FULL else layer.replace(mixer=local) for kind in kinds]
    return width, config.integer("vocab_size", default=256_000), layers


def _t5gemma(config: Config) -> Architecture:
    name = read_class(config, list(_CLASSES))
    for key in ("vocab_size", "is_encoder_decoder", "classifier_dropout_rate"):
        config.skip(key)
    wide, source, layers = _side(config.inner("encoder"))
    width, target, others = _side(config.inner("decoder"), wide)
    if name == "T5GemmaEncoderModel":
        return Architecture(width=wide, layers=tuple(layers), vocabulary=source, head=False)
    extras = (Table(rows=source, columns=wide), Norm(extent=wide))
    return Architecture(
        width=width,
        layers=tuple(others),
        vocabulary=target,
        tied=config.flag("tie_word_embeddings", default=True),
        head=name == "T5GemmaForConditionalGeneration",
        stacks=(Stack(name="encoder", width=wide, layers=tuple(layers), extras=extras),),
    )


READERS: dict[str, Reader] = {"t5gemma": _t5gemma}
"""Readers by the `model_type` of a config."""
