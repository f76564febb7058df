"""Encoder-decoders of the layout of BART, one row of data per family, and those for speech with a like decoder.

Defaults are those of the configuration classes in Hugging Face transformers 5.24. Source and target have the same
number of tokens; the encoder of Whisper has those of 30 seconds of sound.
"""

from collections.abc import Sequence
from typing import NamedTuple

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.cross_attention import CrossAttention
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Convolution, Linear, Norm, Table
from costmodel.architecture.families.attention_variants import global_projections, read_windows
from costmodel.architecture.families.classes import count_labels, full_attention, read_class, read_lengths
from costmodel.architecture.families.masked_language import dense
from costmodel.architecture.families.reading import Reader, read_depth
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer, Stack

GENERATION = (
    "num_hidden_layers",
    "no_repeat_ngram_size",
    "encoder_no_repeat_ngram_size",
    "alignment_heads",
    "median_filter_width",
    "mask_time_min_masks",
    "normalize_embedding",
    "max_length",
    "num_beams",
)
"""Keys of generation and of conversion, which change no count."""
_GENERATES, _CLASSIFIES, _ANSWERS = "ForConditionalGeneration", "ForSequenceClassification", "ForQuestionAnswering"
_BOTH = ("Model", _GENERATES)


class Sides(NamedTuple):
    """A family of the layout of BART: the defaults of its config, and what differs."""

    prefix: str
    vocabulary: int = 50265
    width: int = 1024
    layers: tuple[int, int] = (12, 12)
    """Layers of the encoder and of the decoder."""
    heads: int = 16
    inner: int = 4096
    positions: int = 1024
    """Rows of a table of positions on each side; 0 for positions without weights."""
    added: int = 0
    """Rows of that table beyond `max_position_embeddings`."""
    embedding_norm: bool = False
    """Whether a norm follows the embedding on each side."""
    final_norm: bool = False
    """Whether a norm follows the last layer on each side."""
    endings: tuple[str, ...] = (*_BOTH, "ForCausalLM")
    """Endings of the names of its classes."""
    bias: bool = True
    """Whether the projections of attention have biases."""
    key_bias: bool = True
    """Whether the key projections have biases, if the others have."""
    labels: int = 2
    """Classes of a classifier, if the config names none."""


FAMILIES: dict[str, Sides] = {
    "bart": Sides(
        "Bart", added=2, embedding_norm=True, endings=(*_BOTH, "ForCausalLM", _CLASSIFIES, _ANSWERS), labels=3
    ),
    "mvp": Sides("Mvp", 50267, added=2, embedding_norm=True, endings=(*_BOTH, "ForCausalLM", _CLASSIFIES, _ANSWERS)),
    "plbart": Sides(
        "PLBart",
        50005,
        768,
        (6, 6),
        12,
        3072,
        added=2,
        embedding_norm=True,
        endings=(*_BOTH, "ForCausalLM", _CLASSIFIES),
    ),
    "mbart": Sides(
        "MBart",
        added=2,
        embedding_norm=True,
        final_norm=True,
        endings=(*_BOTH, "ForCausalLM", _CLASSIFIES, _ANSWERS),
    ),
    "marian": Sides("Marian", 58101, endings=("Model", "MTModel", "ForCausalLM")),
    "pegasus": Sides("Pegasus", final_norm=True),
    "m2m_100": Sides("M2M100", 128112, positions=0, final_norm=True, endings=_BOTH),
    "nllb-moe": Sides("NllbMoe", 128112, positions=0, final_norm=True, endings=_BOTH),
    "blenderbot": Sides("Blenderbot", 8008, 2560, (2, 24), 32, 10240, 128, final_norm=True),
    "blenderbot-small": Sides("BlenderbotSmall", 50265, 512, (8, 8), 16, 2048, 512, embedding_norm=True),
    "pegasus_x": Sides("PegasusX", 96103, layers=(16, 16), positions=0, final_norm=True, endings=_BOTH, bias=False),
    "bigbird_pegasus": Sides(
        "BigBirdPegasus",
        96103,
        layers=(16, 16),
        positions=4096,
        embedding_norm=True,
        bias=False,
        endings=(*_BOTH, "ForCausalLM", _CLASSIFIES, _ANSWERS),
    ),
    "led": Sides("LED", embedding_norm=True, endings=(*_BOTH, _ANSWERS)),
    "fsmt": Sides("FSMT", 42024, added=2, endings=_BOTH),
    "trocr": Sides("TrOCR", positions=512, added=2, embedding_norm=True, endings=("ForCausalLM",)),
    "whisper": Sides(
        "Whisper", 51865, 384, (4, 4), 6, 1536, 448, final_norm=True, key_bias=False, endings=(*_BOTH, "ForCausalLM")
    ),
    "speech_to_text": Sides("Speech2Text", 10000, 256, (12, 6), 4, 2048, 0, final_norm=True, endings=_BOTH),
}
"""Families of the layout of BART by `model_type`."""


def cross_attention(attention: Attention, source_tokens: int | None = None) -> CrossAttention:
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


def _idle_cross_attention(attention: Attention, width: int) -> list[Block]:
    """Return the projections of a cross-attention that a decoder without an encoder has and does not run."""
    biases = (attention.qkv_bias, attention.qkv_bias and attention.key_bias, attention.qkv_bias, attention.output_bias)
    return [Linear(inputs=width, outputs=width, bias=bias, rows=0, belongs_to="attention") for bias in biases]


class Pair(NamedTuple):
    """The parts of an encoder-decoder that its config says."""

    ending: str
    width: int
    encoder: Layer
    decoder: Layer
    rows: int
    """Rows of the table of positions on each side."""


def read_sides(config: Config, family: Sides, frames: int | None = None) -> Pair:
    """Return the layers of both sides; `frames` are the tokens of an encoder of sound."""
    ending = read_class(config, [family.prefix + ending for ending in family.endings]).removeprefix(family.prefix)
    config.skip(*GENERATION)
    for key in ("normalize_before", "add_final_layer_norm", "static_position_embeddings", "add_bias_logits"):
        config.require(not config.flag(key, default=False), f"{key}: is not known of this family")
    width = config.integer("d_model", "hidden_size", default=family.width)
    layers = []
    for side, depth in zip(("encoder", "decoder"), family.layers, strict=True):
        if ending == "ForCausalLM" and side == "encoder":
            config.skip("encoder_layers", "encoder_attention_heads", "encoder_ffn_dim")
            layers.append(Layer())
            continue
        decodes = side == "decoder"
        heads = config.integer(f"{side}_attention_heads", default=family.heads)
        mixer = full_attention(
            config, width, heads, qkv_bias=family.bias, key_bias=family.key_bias, causal=decodes
        ).replace(output_bias=family.bias)
        idle = ending == "ForCausalLM"
        also = _idle_cross_attention(mixer, width) if idle else [cross_attention(mixer, frames)] if decodes else []
        inner = config.integer(f"{side}_ffn_dim", default=family.inner)
        layers.append(
            Layer(
                mixer=mixer,
                also=tuple(also),
                feed_forward=FeedForward(inner_width=inner, gated=False, bias=True),
                norms=3 if decodes else 2,
                norm_bias=True,
                count=read_depth(config, f"{side}_layers", default=depth),
            )
        )
    rows = config.integer("max_position_embeddings", default=family.positions) + family.added if family.positions else 0
    if not family.positions:
        config.skip("max_position_embeddings")
    return Pair(ending, width, layers[0], layers[1], rows)


def join(
    config: Config,
    family: Sides,
    pair: Pair,
    *,
    encoder: Sequence[Layer] | None = None,
    decoder: Sequence[Layer] | None = None,
    outside: Sequence[Block] = (),
    frames: int | None = None,
    tied: bool = True,
) -> Architecture:
    """Return the encoder-decoder of a config.

    Parameters
    ----------
    config : Config
    family : Sides
        Row of the family.
    pair : Pair
        What `read_sides` read.
    encoder, decoder : sequence of Layer, optional
        Layers of a side, where they are not all equal.
    outside : sequence of Block
        Blocks of the encoder outside its layers, beside its norms.
    frames : int, optional
        Tokens of an encoder of sound.
    tied : bool
        Whether the head shares the weights of the embedding; the other is refused.
    """
    ending, width = pair.ending, pair.width
    known = config.flag("tie_word_embeddings", default=tied) == tied
    config.require(known, f"tie_word_embeddings: only {str(tied).lower()} is read")
    norm = Norm(extent=width, bias=True)
    extras: list[Block] = [norm] if family.embedding_norm else []
    sound = frames is not None
    tables: list[Block] = [Table(rows=pair.rows, columns=width)] if pair.rows and not sound else []
    norms = [norm] * (family.embedding_norm + family.final_norm)
    stack = Stack(
        name="encoder",
        width=width,
        layers=tuple(encoder or [pair.encoder]),
        extras=(*outside, *tables, *norms),
        tokens=frames,
    )
    if ending == _CLASSIFIES:
        extras += [dense(width, 1), dense(width, 1, outputs=count_labels(config, family.labels))]
    elif ending == _ANSWERS:
        extras.append(dense(width, outputs=count_labels(config)))
    return Architecture(
        width=width,
        layers=tuple(decoder or [pair.decoder]),
        vocabulary=config.integer("vocab_size", default=family.vocabulary),
        positions=pair.rows,
        tied=tied,
        head=ending in (_GENERATES, "MTModel", "ForCausalLM"),
        final_norm=family.final_norm,
        norm_bias=True,
        extras=tuple(extras),
        stacks=() if ending == "ForCausalLM" else (stack,),
    )


def _reads(name: str) -> Reader:
    family = FAMILIES[name]
    return lambda config: join(config, family, read_sides(config, family))


def _mvp(config: Config) -> Architecture:
    """Read MVP: BART, with prompts for some tasks."""
    config.skip("prompt_length", "prompt_mid_dim")
    config.require(not config.flag("use_prompt", default=False), "use_prompt: only a model without prompts is read")
    return _reads("mvp")(config)


def _marian(config: Config) -> Architecture:
    """Read Marian: BART without norms outside the layers; positions are a fixed table."""
    shared = config.flag("share_encoder_decoder_embeddings", default=True)
    config.require(shared, "share_encoder_decoder_embeddings: only one embedding for both sides is read")
    vocabulary = config.integer("vocab_size", default=FAMILIES["marian"].vocabulary)
    other = config.integer("decoder_vocab_size", default=vocabulary)
    config.require(other == vocabulary, f"decoder_vocab_size: {other} is not vocab_size ({vocabulary})")
    return _reads("marian")(config)


def _nllb_moe(config: Config) -> Architecture:
    """Read NLLB-MoE: experts in every n-th layer, of which a token uses two."""
    family = FAMILIES["nllb-moe"]
    config.skip("expert_capacity", "second_expert_policy", "moe_eval_capacity_token_fraction")
    pair = read_sides(config, family)
    experts = config.integer("num_experts", default=128)
    router_bias = config.flag("router_bias", default=False)
    sides = []
    for side, layer in (("encoder", pair.encoder), ("decoder", pair.decoder)):
        step = config.integer(f"{side}_sparse_step", default=4, least=0)
        inner = getattr(layer.feed_forward, "inner_width", 1)
        block = Experts(
            experts=experts,
            top_k=min(2, experts),
            inner_width=inner,
            gated=False,
            bias=True,
            router_bias=router_bias,
        )
        single = layer.replace(count=1)
        sparse = single.replace(feed_forward=block)
        sides.append([sparse if step and index % step == step - 1 else single for index in range(layer.count)])
    return join(config, family, pair, encoder=sides[0], decoder=sides[1])


def _pegasus_x(config: Config) -> Architecture:
    """Read PEGASUS-X: blocks of local attention with global tokens, which have a norm of their own."""
    config.skip("stagger_local_blocks")
    family = FAMILIES["pegasus_x"]
    pair = read_sides(config, family)
    globals_ = config.integer("num_global_tokens", default=32)
    reach = config.integer("block_size", default=512)
    mixer = pair.encoder.mixer
    local = None if mixer is None else mixer.replace(window=reach + globals_)
    encoder = pair.encoder.replace(mixer=local, norms=3)
    table = Table(rows=globals_, columns=pair.width)
    return join(config, family, pair, encoder=[encoder], outside=[table])


def _bigbird_pegasus(config: Config) -> Architecture:
    """Read BigBird-PEGASUS: sparse attention in the encoder; the causal class has a head of its own."""
    family = FAMILIES["bigbird_pegasus"]._replace(bias=config.flag("use_bias", default=False))
    pair = read_sides(config, family)
    reach = config.integer("block_size", default=64) * (5 + config.integer("num_random_blocks", default=3, least=0))
    kind = config.value("attention_type") or "block_sparse"
    config.require(
        kind in ("block_sparse", "original_full"),
        f"attention_type: must be block_sparse or original_full; got {kind!r}",
    )
    mixer = pair.encoder.mixer
    sparse = mixer.replace(window=reach) if mixer is not None and kind == "block_sparse" else mixer
    read = join(config, family, pair, encoder=[pair.encoder.replace(mixer=sparse)])
    return read.replace(tied=pair.ending != "ForCausalLM")


def _led(config: Config) -> Architecture:
    """Read LED: BART with the attention of Longformer in its encoder."""
    family = FAMILIES["led"]
    config.skip("max_position_embeddings")
    pair = read_sides(config, family)
    windows = read_windows(config, pair.encoder.count)
    extra = (*pair.encoder.also, *global_projections(pair.width))
    mixer = pair.encoder.mixer
    layers = [
        pair.encoder.replace(mixer=mixer and mixer.replace(window=window + 1), also=extra, count=1)
        for window in windows
    ]
    rows = config.integer("max_decoder_position_embeddings", default=1024)
    read = join(config, family, pair._replace(rows=rows), encoder=layers)
    table = Table(rows=config.integer("max_encoder_position_embeddings", default=16384), columns=pair.width)
    stack = read.stacks[0]
    others = [block for block in stack.extras if not isinstance(block, Table)]
    return read.replace(stacks=(stack.replace(extras=(table, *others)),))


def _fsmt(config: Config) -> Architecture:
    """Read FSMT: vocabularies of source and target, and a head of its own."""
    config.skip("langs", "vocab_size")
    family = FAMILIES["fsmt"]
    pair = read_sides(config, family)
    source, target = (config.integer(f"{side}_vocab_size", default=family.vocabulary) for side in ("src", "tgt"))
    read = join(config, family, pair, tied=False, outside=[Table(rows=source, columns=pair.width)])
    return read.replace(vocabulary=target, head=True)


def _trocr(config: Config) -> Architecture:
    """Read the decoder of TrOCR, whose cross-attention reads an image."""
    family = FAMILIES["trocr"]
    config.require(config.value("cross_attention_hidden_size") is None, "cross_attention_hidden_size: is not read here")
    if not config.flag("use_learned_position_embeddings", default=True):
        family = family._replace(positions=0)
    family = family._replace(embedding_norm=config.flag("layernorm_embedding", default=True))
    return join(config, family, read_sides(config, family))


def _whisper(config: Config) -> Architecture:
    """Read Whisper: two convolutions before the encoder; positions of both sides are tables."""
    family = FAMILIES["whisper"]
    config.skip("max_position_embeddings", "classifier_proj_size", "mask_feature_min_masks")
    frames = config.integer("max_source_positions", default=1500)
    pair = read_sides(config, family, frames)
    rows = config.integer("max_target_positions", default=family.positions)
    bands, width = config.integer("num_mel_bins", default=80), pair.width
    convolutions: list[Block] = [
        Convolution(inputs=bands, outputs=width, kernel=3, places=2 * frames),
        Convolution(inputs=width, outputs=width, kernel=3, places=frames),
        Table(rows=frames, columns=width),
    ]
    return join(config, family, pair._replace(rows=rows), outside=convolutions, frames=frames)


def _speech_to_text(config: Config) -> Architecture:
    """Read Speech2Text: convolutions with a gate, which join two frames each, before the encoder."""
    family = FAMILIES["speech_to_text"]
    config.skip("max_source_positions", "max_target_positions")
    kernels = read_lengths(config, "conv_kernel_sizes", (5, 5))
    named = config.integer("num_conv_layers", default=len(kernels))
    config.require(named == len(kernels), f"num_conv_layers: {named} but conv_kernel_sizes lists {len(kernels)}")
    pair = read_sides(config, family)
    channels = config.integer("conv_channels", default=1024)
    bands = config.integer("input_feat_per_channel", default=80) * config.integer("input_channels", default=1)
    config.require(channels % 2 == 0, f"conv_channels: must be even; got {channels}")
    convolutions: list[Block] = [
        Convolution(
            inputs=channels // 2 if index else bands,
            outputs=channels if index < len(kernels) - 1 else 2 * pair.width,
            kernel=kernel,
            places_per_token=2 ** (len(kernels) - 1 - index),
        )
        for index, kernel in enumerate(kernels[:20])
    ]
    return join(config, family, pair, outside=convolutions)


READERS: dict[str, Reader] = {
    **{name: _reads(name) for name in FAMILIES},
    "mvp": _mvp,
    "marian": _marian,
    "nllb-moe": _nllb_moe,
    "pegasus_x": _pegasus_x,
    "led": _led,
    "bigbird_pegasus": _bigbird_pegasus,
    "fsmt": _fsmt,
    "trocr": _trocr,
    "whisper": _whisper,
    "speech_to_text": _speech_to_text,
}
"""Readers by the `model_type` of a config."""
