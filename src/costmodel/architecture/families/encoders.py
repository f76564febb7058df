"""Text encoders and encoder-decoders, one reader per layout.

Defaults are those of the configuration classes in Hugging Face transformers 5.24. Source and target of an
encoder-decoder have the same number of tokens; the encoder of Whisper has those of 30 seconds of sound.
"""

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.cross_attention import CrossAttention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Convolution, Linear, Norm, Table
from costmodel.architecture.families.classes import count_labels, full_attention, read_class
from costmodel.architecture.families.reading import Reader, read_depth
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer, Stack

_MASKED, _PRETRAINING, _SEQUENCE = "ForMaskedLM", "ForPreTraining", "ForSequenceClassification"
_TOKEN, _QUESTION = "ForTokenClassification", "ForQuestionAnswering"
_SLIDING, _FULL = "sliding_attention", "full_attention"


def _classifier(config: Config, width: int, rows: int | None = 1) -> Linear:
    return Linear(inputs=width, outputs=count_labels(config), bias=True, rows=rows, belongs_to="head")


def _dense(width: int, rows: int | None = None) -> Linear:
    return Linear(inputs=width, outputs=width, bias=True, rows=rows, belongs_to="head")


def _bert_heads(config: Config, name: str, width: int) -> list[Block]:
    pooler = _dense(width, rows=1)
    heads: dict[str, list[Block]] = {
        "Model": [pooler],
        _MASKED: [_dense(width), Norm(extent=width, bias=True)],
        _PRETRAINING: [
            pooler,
            _dense(width),
            Norm(extent=width, bias=True),
            Linear(inputs=width, outputs=2, bias=True, rows=1, belongs_to="head"),
        ],
    }
    if name in heads:
        return heads[name]
    return [pooler, _classifier(config, width)] if name == _SEQUENCE else [_classifier(config, width, None)]


def _roberta_heads(config: Config, name: str, width: int) -> list[Block]:
    if name == _SEQUENCE:
        return [_dense(width, rows=1), _classifier(config, width)]
    return _bert_heads(config, name, width)


def _encoder(config: Config, prefix: str, type_rows: int) -> Architecture:
    """Read BERT or RoBERTa; their heads for sequence classification differ."""
    suffixes = ["Model", _MASKED, _SEQUENCE, _TOKEN, _QUESTION, *([_PRETRAINING] if prefix == "Bert" else [])]
    name = read_class(config, [prefix + suffix for suffix in suffixes]).removeprefix(prefix)
    config.skip("pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head")
    config.require(not config.flag("is_decoder", default=False), "is_decoder: only encoders of this family are read")
    config.require(
        config.value("position_embedding_type") in (None, "absolute"), "position_embedding_type: only absolute is read"
    )
    width = config.integer("hidden_size", default=768)
    mixer = full_attention(config, width, config.integer("num_attention_heads", default=12))
    block = FeedForward(inner_width=config.integer("intermediate_size", default=3072), gated=False, bias=True)
    predicts = name in (_MASKED, _PRETRAINING)
    tied = config.flag("tie_word_embeddings", default=True)
    config.require(tied or not predicts, "tie_word_embeddings: only a tied head is read")
    heads = _bert_heads if prefix == "Bert" else _roberta_heads
    positions = config.integer("max_position_embeddings", default=512)
    return Architecture(
        width=width,
        layers=(Layer(mixer=mixer, feed_forward=block, norm_bias=True, count=read_depth(config, "num_hidden_layers")),),
        vocabulary=config.integer("vocab_size", default=30522 if prefix == "Bert" else 50265),
        positions=positions,
        context_length=positions if prefix == "Bert" else max(positions - 2, 1),  # RoBERTa offsets positions by 2
        tied=True,
        head=predicts,
        head_bias=predicts,
        final_norm=False,
        extras=(
            Table(rows=config.integer("type_vocab_size", default=type_rows), columns=width),
            Norm(extent=width, bias=True),
            *heads(config, name, width),
        ),
    )


def _modernbert(config: Config) -> Architecture:
    name = read_class(config, ["ModernBertModel", "ModernBertForMaskedLM"])
    config.skip("max_position_embeddings", "sparse_pred_ignore_index", "deterministic_flash_attn")
    config.require(
        not config.flag("sparse_prediction", default=False), "sparse_prediction: only prediction of all tokens is read"
    )
    width, depth = config.integer("hidden_size", default=768), read_depth(config, "num_hidden_layers")
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
    predicts = name == "ModernBertForMaskedLM"
    dense = Linear(inputs=width, outputs=width, bias=config.flag("classifier_bias", default=False), belongs_to="head")
    norms = Norm(extent=width, bias=norm_bias)
    return Architecture(
        width=width,
        layers=tuple(layers),
        vocabulary=config.integer("vocab_size", default=50368),
        tied=config.flag("tie_word_embeddings", default=True),
        head=predicts,
        head_bias=config.flag("decoder_bias", default=True) and predicts,
        norm_bias=norm_bias,
        extras=(norms, dense, norms) if predicts else (norms,),
    )


def _cross_attention(attention: Attention, source_tokens: int | None = None) -> CrossAttention:
    """Return the cross-attention of a decoder whose own attention is `attention`."""
    return CrossAttention(
        heads=attention.heads,
        kv_heads=attention.kv_heads,
        head_width=attention.head_width,
        source_tokens=source_tokens,
        qkv_bias=attention.qkv_bias,
        key_bias=attention.key_bias,
        output_bias=attention.output_bias,
    )


def _sides(config: Config, width: int, *, key_bias: bool = True, frames: int | None = None) -> tuple[Layer, Layer]:
    """Return the layers of the encoder and of the decoder of BART and of Whisper."""
    layers = []
    for side, depth in (("encoder", "encoder_layers"), ("decoder", "decoder_layers")):
        heads = config.integer(f"{side}_attention_heads")
        mixer = full_attention(config, width, heads, key_bias=key_bias, causal=side == "decoder")
        layers.append(
            Layer(
                mixer=mixer,
                also=(_cross_attention(mixer, frames),) if side == "decoder" else (),
                feed_forward=FeedForward(inner_width=config.integer(f"{side}_ffn_dim"), gated=False, bias=True),
                norms=3 if side == "decoder" else 2,
                norm_bias=True,
                count=read_depth(config, depth),
            )
        )
    return layers[0], layers[1]


_GENERATION = (
    "num_hidden_layers",
    "no_repeat_ngram_size",
    "encoder_no_repeat_ngram_size",
    "alignment_heads",
    "median_filter_width",
    "mask_time_min_masks",
)


def _bart(config: Config) -> Architecture:
    name = read_class(config, ["BartForConditionalGeneration", "BartModel", "BartForSequenceClassification"])
    config.skip(*_GENERATION, "normalize_embedding")
    for key in ("normalize_before", "add_final_layer_norm", "static_position_embeddings", "add_bias_logits"):
        config.require(not config.flag(key, default=False), f"{key}: is not known of this family")
    config.require(config.flag("tie_word_embeddings", default=True), "tie_word_embeddings: only a tied head is read")
    width = config.integer("d_model", "hidden_size", default=1024)
    encoder, decoder = _sides(config, width)
    positions = config.integer("max_position_embeddings", default=1024) + 2  # BART offsets positions by 2
    norm = Norm(extent=width, bias=True)
    classifies = name == "BartForSequenceClassification"
    classifier = Linear(inputs=width, outputs=count_labels(config, 3), bias=True, rows=1, belongs_to="head")
    return Architecture(
        width=width,
        layers=(decoder,),
        vocabulary=config.integer("vocab_size", default=50265),
        positions=positions,
        tied=True,
        head=name == "BartForConditionalGeneration",
        final_norm=False,
        extras=(norm, _dense(width, rows=1), classifier) if classifies else (norm,),
        stacks=(
            Stack(name="encoder", width=width, layers=(encoder,), extras=(Table(rows=positions, columns=width), norm)),
        ),
    )


def _whisper(config: Config) -> Architecture:
    name = read_class(config, ["WhisperForConditionalGeneration", "WhisperModel"])
    config.skip(*_GENERATION)
    config.require(config.flag("tie_word_embeddings", default=True), "tie_word_embeddings: only a tied head is read")
    width, frames = config.integer("d_model", default=384), config.integer("max_source_positions", default=1500)
    encoder, decoder = _sides(config, width, key_bias=False, frames=frames)
    bands = config.integer("num_mel_bins", default=80)
    return Architecture(
        width=width,
        layers=(decoder,),
        vocabulary=config.integer("vocab_size", default=51865),
        positions=config.integer("max_target_positions", default=448),
        tied=True,
        head=name == "WhisperForConditionalGeneration",
        norm_bias=True,
        stacks=(
            Stack(
                name="encoder",
                width=width,
                layers=(encoder,),
                tokens=frames,
                extras=(
                    Convolution(inputs=bands, outputs=width, kernel=3, places=2 * frames),
                    Convolution(inputs=width, outputs=width, kernel=3, places=frames),
                    Table(rows=frames, columns=width),
                    Norm(extent=width, bias=True),
                ),
            ),
        ),
    )


def _t5(config: Config) -> Architecture:
    name = read_class(config, ["T5ForConditionalGeneration", "T5WithLMHeadModel", "T5Model"])
    config.skip("n_positions", "relative_attention_max_distance")
    width, heads = config.integer("d_model", default=512), config.integer("num_heads", default=8)
    mixer = Attention(heads=heads, kv_heads=heads, head_width=config.integer("d_kv", default=64), causal=False)
    activation = config.value("feed_forward_proj") or "relu"
    parts = str(activation).split("-")
    config.require(
        len(parts) == 1 or (len(parts) == 2 and parts[0] == "gated"),
        f"feed_forward_proj: must be an activation or gated-activation; got {activation!r}",
    )
    gated = len(parts) == 2
    config.require(
        config.flag("is_gated_act", default=gated) == gated, "is_gated_act: must agree with feed_forward_proj"
    )
    block = FeedForward(inner_width=config.integer("d_ff", default=2048), gated=gated)
    tied = config.flag("tie_word_embeddings", default=True)
    scales = config.flag("scale_decoder_outputs", default=True)  # transformers 5 writes false for an own head
    depth = read_depth(config, "num_layers")
    decoder_depth = depth if config.value("num_decoder_layers") is None else read_depth(config, "num_decoder_layers")
    table = Table(rows=config.integer("relative_attention_num_buckets", default=32), columns=heads)
    encoder = Layer(mixer=mixer, feed_forward=block, count=depth)
    decoder = Layer(
        mixer=mixer.replace(causal=True),
        also=(_cross_attention(mixer),),
        feed_forward=block,
        norms=3,
        count=decoder_depth,
    )
    return Architecture(
        width=width,
        layers=(decoder,),
        vocabulary=config.integer("vocab_size", default=32128),
        tied=tied and scales,
        head=name != "T5Model",
        extras=(table,),
        stacks=(Stack(name="encoder", width=width, layers=(encoder,), extras=(table, Norm(extent=width))),),
    )


READERS: dict[str, Reader] = {
    "bert": lambda config: _encoder(config, "Bert", 2),
    "roberta": lambda config: _encoder(config, "Roberta", 2),
    "modernbert": _modernbert,
    "bart": _bart,
    "t5": _t5,
    "whisper": _whisper,
}
"""Readers by the `model_type` of a config."""
