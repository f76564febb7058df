"""Conformers: encoders of sound with attention and convolutions between two halves of a feed-forward block.

Defaults are those of the configuration classes in Hugging Face transformers 5.24. The tokens of a sequence are the
frames after the subsampling of the encoder.
"""

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Convolution, Linear, Norm, Table
from costmodel.architecture.blocks.relative_scores import RelativeScores
from costmodel.architecture.families.classes import full_attention, read_class
from costmodel.architecture.families.heads import heads_of, kv_heads_of
from costmodel.architecture.families.masked_language import dense
from costmodel.architecture.families.reading import Reader, read_depth
from costmodel.architecture.families.sound import front, masking, refuse_adapters, sound_head
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

_ENDINGS = ("Model", "ForCTC", "ForSequenceClassification", "ForAudioFrameClassification", "ForXVector")


def convolution_module(width: int, kernel: int, *, bias: bool) -> tuple[Block, ...]:
    """Return the convolutions of a conformer layer: a gated one, a depthwise one, and a projection."""
    part = "convolution"
    return (
        Convolution(inputs=width, outputs=2 * width, kernel=1, bias=bias, belongs_to=part),
        Convolution(inputs=width, outputs=width, kernel=kernel, groups=width, bias=bias, belongs_to=part),
        Convolution(inputs=width, outputs=width, kernel=1, bias=bias, belongs_to=part),
    )


def conformer_layer(
    mixer: Attention, block: FeedForward, width: int, kernel: int, depth: int, *, relative: bool, bias: bool
) -> Layer:
    """Return the layers of a conformer with norms with biases, that of the convolutions included.

    Parameters
    ----------
    mixer : Attention
    block : FeedForward
        One half of the feed-forward block.
    width : int
        Hidden size [1].
    kernel : int
        Kernel of the depthwise convolution [1].
    depth : int
        Number of layers.
    relative : bool
        Whether attention has scores with relative positions, as Transformer-XL.
    bias : bool
        Whether the convolutions have biases.
    """
    scores = RelativeScores(heads=mixer.heads, head_width=mixer.head_width, vectors=2)
    return Layer(
        mixer=mixer,
        also=(*([scores] if relative else []), block, *convolution_module(width, kernel, bias=bias)),
        feed_forward=block,
        norms=6,
        norm_bias=True,
        count=depth,
    )


def _wav2vec2(config: Config, prefix: str, *, mel: bool) -> Architecture:
    """Read wav2vec 2.0 with conformer layers, of samples or of Mel bands."""
    ending = read_class(config, [prefix + ending for ending in _ENDINGS]).removeprefix(prefix)
    refuse_adapters(config)
    config.skip("max_source_positions", "rotary_embedding_base", "num_codevector_groups", "num_codevectors_per_group")
    config.skip("codevector_dim", "proj_codevector_dim", "num_negatives")
    width = config.integer("hidden_size", default=1024 if mel else 768)
    heads = config.integer("num_attention_heads", default=16 if mel else 12)
    depth = read_depth(config, "num_hidden_layers", default=24 if mel else 12)
    block = FeedForward(
        inner_width=config.integer("intermediate_size", default=4096 if mel else 3072), gated=False, bias=True
    )
    kinds = ("relative", "rotary", *(["relative_key"] if mel else []), None)
    kind = config.data.get("position_embeddings_type", kinds[2] if mel else kinds[0])
    config.skip("position_embeddings_type", "left_max_position_embeddings", "right_max_position_embeddings")
    config.require(kind in kinds, f"position_embeddings_type: must be one of {kinds}; got {kind!r}")
    kernel = config.integer("conv_depthwise_kernel_size", default=31)
    mixer = full_attention(config, width, heads)
    layer = conformer_layer(mixer, block, width, kernel, depth, relative=kind == "relative", bias=False)
    extras: list[Block] = []
    if kind == "relative_key":
        reach = config.integer("left_max_position_embeddings", default=64, least=0)
        reach += config.integer("right_max_position_embeddings", default=8, least=0) + 1
        extras.append(Table(rows=reach * depth, columns=mixer.head_width))
    if mel:
        between = config.flag("use_intermediate_ffn_before_adapter", default=False)
        config.require(not between, "use_intermediate_ffn_before_adapter: only false is read")
        bands = config.integer("feature_projection_input_dim", default=160)
        extras += [Norm(extent=bands, bias=True), Linear(inputs=bands, outputs=width, bias=True)]
    else:
        extras += front(config, width, idle=True)
    return Architecture(
        width=width,
        layers=(layer,),
        final_norm=not mel,
        norm_bias=True,
        extras=(*extras, *masking(config, width), *sound_head(config, ending, width, None, 768 if mel else 256)),
    )


def _fast(config: Config, width: int, *, layer_biases: bool) -> Layer:
    """Return the layers of a FastConformer.

    `layer_biases` tells whether attention is relative and norms have biases, as in Parakeet.
    """
    config.skip("max_position_embeddings", "scale_input", "batch_norm_momentum", "conv_residual_weights")
    config.skip("feed_forward_residual_weights")
    bias = config.flag("attention_bias", default=layer_biases)
    heads, usual = heads_of(config, width, "num_attention_heads", default=8)
    mixer = Attention(
        heads=heads,
        kv_heads=kv_heads_of(config, heads),
        head_width=config.integer("head_dim", default=usual),
        qkv_bias=bias,
        output_bias=bias,
        causal=False,
    )
    inner = config.integer("intermediate_size", default=4 * width)
    block = FeedForward(inner_width=inner, gated=False, bias=bias)
    kernel = config.integer("conv_kernel_size", default=9 if layer_biases else 32)
    convolutions = config.flag("convolution_bias", default=layer_biases)
    depth = read_depth(config, "num_hidden_layers", default=24 if layer_biases else 17)
    layer = conformer_layer(mixer, block, width, kernel, depth, relative=layer_biases, bias=convolutions)
    if not layer_biases:
        layer = layer.replace(norms=5, norm_bias=False, also=(*layer.also, Norm(extent=width, bias=True)))
    return layer


def _parakeet_encoder(config: Config) -> Architecture:
    """Read the encoder of Parakeet: convolutions over time and bands join eight frames."""
    width = config.integer("hidden_size", default=1024)
    layer = _fast(config, width, layer_biases=True)
    factor, channels = (
        config.integer("subsampling_factor", default=8),
        config.integer("subsampling_conv_channels", default=256),
    )
    bands, kernel = (
        config.integer("num_mel_bins", default=80),
        config.integer("subsampling_conv_kernel_size", default=3) ** 2,
    )
    stride, steps = config.integer("subsampling_conv_stride", default=2), factor.bit_length() - 1
    config.require(stride == 2, f"subsampling_conv_stride: only 2 is read; got {stride}")
    config.require(
        factor == 2**steps and 1 <= steps <= 20 and bands >= factor,
        f"subsampling_factor: must be a power of 2 from 2 to the bands ({bands}); got {factor}",
    )
    extras: list[Block] = []
    for step in range(min(max(steps, 1), 20)):
        places = 2 ** (steps - step - 1) * max(bands >> (step + 1), 1) if steps > step else 1
        groups = channels if step else 1
        extras.append(
            Convolution(
                inputs=channels if step else 1, outputs=channels, kernel=kernel, groups=groups, places_per_token=places
            )
        )
        if step:
            extras.append(Convolution(inputs=channels, outputs=channels, kernel=1, places_per_token=places))
    extras.append(Linear(inputs=channels * max(bands >> min(steps, 60), 1), outputs=width, bias=True))
    return Architecture(width=width, layers=(layer,), final_norm=False, extras=tuple(extras))


def _lasr_encoder(config: Config) -> Architecture:
    """Read an encoder with rotary positions, norms without biases, and two convolutions that halve the frames."""
    width = config.integer("hidden_size", default=512)
    layer = _fast(config, width, layer_biases=False)
    channels, bands = (
        config.integer("subsampling_conv_channels", default=256),
        config.integer("num_mel_bins", default=128),
    )
    kernel, stride = (
        config.integer(f"subsampling_conv_{key}", default=value) for key, value in (("kernel_size", 5), ("stride", 2))
    )
    config.require(stride <= 1000, "subsampling_conv_stride: at most 1,000 are read")
    extras: tuple[Block, ...] = (
        Convolution(inputs=bands, outputs=width, kernel=1, places_per_token=stride * stride),
        Convolution(inputs=width, outputs=width, kernel=kernel, places_per_token=stride),
        Convolution(inputs=width, outputs=channels, kernel=kernel),
        Linear(inputs=channels, outputs=width, bias=True),
    )
    return Architecture(width=width, layers=(layer,), extras=extras)


def _ctc(config: Config, name: str, read: Reader, vocabulary: int) -> Architecture:
    """Read a recognizer: an encoder, and one linear layer over the vocabulary."""
    read_class(config, [name])
    encoder = read(config.inner("encoder_config"))
    head = dense(encoder.width, outputs=config.integer("vocab_size", default=vocabulary))
    return encoder.replace(extras=(*encoder.extras, head))


def _encoder(name: str, read: Reader) -> Reader:
    """Return the reader of an encoder that is a model of its own."""

    def read_alone(config: Config) -> Architecture:
        read_class(config, [name])
        return read(config)

    return read_alone


READERS: dict[str, Reader] = {
    "wav2vec2-bert": lambda config: _wav2vec2(config, "Wav2Vec2Bert", mel=True),
    "wav2vec2-conformer": lambda config: _wav2vec2(config, "Wav2Vec2Conformer", mel=False),
    "parakeet_encoder": _encoder("ParakeetEncoder", _parakeet_encoder),
    "parakeet_ctc": lambda config: _ctc(config, "ParakeetForCTC", _parakeet_encoder, 1025),
    "lasr_encoder": _encoder("LasrEncoder", _lasr_encoder),
    "lasr_ctc": lambda config: _ctc(config, "LasrForCTC", _lasr_encoder, 512),
}
"""Readers by the `model_type` of a config."""
