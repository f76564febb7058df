"""Encoders of the layout of BERT with another attention: relative, local, sparse, with convolutions or bottlenecks.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from costmodel.architecture.blocks.at_width import AtWidth
from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.core_attention import CoreAttention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Convolution, Linear, Norm, Table
from costmodel.architecture.blocks.relative_scores import RelativeScores
from costmodel.architecture.families.classes import full_attention
from costmodel.architecture.families.masked_language import (
    COMMON,
    PREDICTING,
    Encoder,
    Size,
    dense,
    read_encoder,
    read_ending,
    read_size,
)
from costmodel.architecture.families.reading import Reader
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

_NO_CHOICE = tuple(ending for ending in COMMON if ending != "ForMultipleChoice")
_DEBERTA = Encoder("Deberta", 50265, types=0, pooler="none", endings=_NO_CHOICE)
_DEBERTA_V2 = Encoder("DebertaV2", 128100, 1536, 24, 24, 6144, types=0, pooler="none")
_ESM = Encoder(
    "Esm",
    0,
    positions=1026,
    types=None,
    endings=("Model", "ForMaskedLM", "ForSequenceClassification", "ForTokenClassification"),
    embedding_norm=False,
    final_norm=True,
    offset=2,
)
_MPNET = Encoder("MPNet", 30527, types=None, offset=2)
_LONGFORMER = Encoder("Longformer", offset=2)
_BIG_BIRD = Encoder(
    "BigBird",
    50358,
    positions=4096,
    pooler="always",
    endings=(*(ending for ending in COMMON if ending != "ForQuestionAnswering"), "ForCausalLM", "ForPreTraining"),
)
_NYSTROMFORMER = Encoder("Nystromformer", 30000, positions=510, added=2, pooler="none")
_CONVBERT = Encoder("ConvBert", narrow=768, pooler="none", endings=_NO_CHOICE)
_ROFORMER = Encoder("RoFormer", 50000, positions=0, narrow=768, pooler="none", endings=(*_NO_CHOICE, "ForCausalLM"))
_SQUEEZEBERT = Encoder("SqueezeBert", pooler="always")
_MOBILEBERT = Encoder(
    "MobileBert",
    depth=24,
    heads=4,
    width=512,
    inner=512,
    endings=(*COMMON, "ForPreTraining", "ForNextSentencePrediction"),
)


def _relative_rows(config: Config, positions: int) -> int:
    """Return the relative positions to one side; below 1 means as many as positions."""
    given = config.integer("max_relative_positions", default=-1, least=-1)
    return given if given >= 1 else positions


def _deberta(config: Config, family: Encoder, *, second: bool) -> Architecture:
    """Read DeBERTa, version 1 or 2: attention between contents, and between contents and relative positions."""
    size = read_size(config, family)
    width, heads = size.width, size.heads
    config.skip("legacy", "norm_rel_ebd", "position_buckets", "share_att_key", "conv_kernel_size", "conv_groups")
    config.skip("pos_att_type", "max_relative_positions", "position_buckets", "conv_act")
    for key, expected in (("embedding_size", width), ("pooler_hidden_size", width)):
        value = config.integer(key, default=expected)
        config.require(value == expected, f"{key}: {value} is not the width of the layers ({expected})")
    head_width = config.integer("attention_head_size", default=max(width // heads, 1)) if second else width // heads
    config.require(head_width == width // heads, f"attention_head_size: {head_width} is not hidden_size / heads")
    if not config.flag("position_biased_input", default=True):
        family = family._replace(positions=0)
    positions = config.integer("max_position_embeddings", default=512)
    mixer = full_attention(config, width, heads, key_bias=second)
    also: list[Block] = []
    extras: list[Block] = []
    if not second and config.flag("talking_head", default=False):
        also += [Linear(inputs=heads, outputs=heads, belongs_to="attention", rows=0)] * 2
    if config.flag("relative_attention", default=False):
        listed = config.value("pos_att_type") or []
        kinds = listed if isinstance(listed, list) else str(listed).lower().split("|")
        config.require(set(kinds) <= {"c2p", "p2c"}, f"pos_att_type: must be out of c2p, p2c; got {kinds}")
        rows = _relative_rows(config, positions)
        buckets = config.integer("position_buckets", default=-1, least=-1) if second else -1
        rows = 2 * (buckets if buckets > 0 else rows)
        extras.append(Table(rows=rows, columns=width))
        shared = second and config.flag("share_att_key", default=False)
        biases = {"c2p": second, "p2c": True}
        projections = () if shared else tuple(biases[kind] for kind in ("c2p", "p2c") if kind in kinds)
        if kinds:
            also.append(
                RelativeScores(
                    heads=heads,
                    head_width=max(head_width, 1),
                    rows=rows,
                    directions=len(set(kinds)),
                    projections=projections,
                )
            )
    if second and "layer_norm" in str(config.value("norm_rel_ebd") or "none").lower():
        extras.append(Norm(extent=width, bias=True))
    if second and (kernel := config.integer("conv_kernel_size", default=0, least=0)):
        groups = config.integer("conv_groups", default=1)
        config.require(width % groups == 0, f"conv_groups: {groups} does not divide the width {width}")
        extras.append(Convolution(inputs=width, outputs=width, kernel=kernel, groups=min(groups, width)))
        extras.append(Norm(extent=width, bias=True))
    return read_encoder(config, family, mixer=mixer, also=also, extras=extras)


def _esm(config: Config) -> Architecture:
    """Read ESM-2: a head for contacts over the attention of all layers, which a language model does not run."""
    config.skip("esmfold_config", "vocab_list", "type_vocab_size")
    config.require(not config.flag("is_folding_model", default=False), "is_folding_model: folding models are not read")
    rotary = config.value("position_embedding_type") == "rotary"
    family = _ESM._replace(positions=0) if rotary else _ESM
    family = family._replace(embedding_norm=config.flag("emb_layer_norm_before", default=False))
    size = read_size(config, family)
    contacts = Linear(inputs=size.depth * size.heads, outputs=1, bias=True, rows=0, belongs_to="head")
    return read_encoder(config, family, extras=[contacts])


def _mpnet(config: Config) -> Architecture:
    """Read MPNet: BERT with a table of relative positions."""
    rows = config.integer("relative_attention_num_buckets", default=32)
    return read_encoder(config, _MPNET, extras=[Table(rows=rows, columns=read_size(config, _MPNET).heads)])


def read_windows(config: Config, depth: int, default: int = 512) -> list[int]:
    """Return `attention_window` of each layer: one number, or a list."""
    if not isinstance(config.value("attention_window"), list):
        return [config.integer("attention_window", default=default)] * depth
    listed = config.numbers("attention_window")
    valid = len(listed) == depth and min(listed, default=0) > 0
    config.require(valid, f"attention_window: must be a number above 0, or a list of {depth}; got {listed}")
    return listed if valid else [default] * depth


def _longformer(config: Config) -> Architecture:
    """Read Longformer: windows, and one token with global attention, which has projections of its own."""
    size = read_size(config, _LONGFORMER)
    mixer = full_attention(config, size.width, size.heads)
    block = FeedForward(inner_width=size.inner, gated=False, bias=True)
    also = global_projections(size.width)
    layers = [
        Layer(mixer=mixer.replace(window=window + 1), also=also, feed_forward=block, norm_bias=True)
        for window in read_windows(config, size.depth)
    ]
    return read_encoder(config, _LONGFORMER, layers=layers)


def global_projections(width: int) -> tuple[Block, ...]:
    """Return the projections of global attention: queries of one token, keys and values of all."""
    query, other = (
        Linear(inputs=width, outputs=width, bias=True, rows=rows, belongs_to="attention") for rows in (1, None)
    )
    return query, other, other


def _big_bird(config: Config) -> Architecture:
    """Read BigBird: attention to neighboring, first and last, and random blocks."""
    size, ending = read_size(config, _BIG_BIRD), read_ending(config, _BIG_BIRD)
    kind = config.value("attention_type") or "block_sparse"
    config.require(
        kind in ("block_sparse", "original_full"),
        f"attention_type: must be block_sparse or original_full; got {kind!r}",
    )
    reach = config.integer("block_size", default=64) * (5 + config.integer("num_random_blocks", default=3, least=0))
    bias = config.flag("use_bias", default=True)
    mixer = full_attention(config, size.width, size.heads, qkv_bias=bias)
    if kind == "block_sparse":
        mixer = mixer.replace(window=reach)
    classifies = ending == "ForSequenceClassification"
    return read_encoder(config, _BIG_BIRD, mixer=mixer, extras=[dense(size.width, 1)] if classifies else ())


def _nystromformer(config: Config) -> Architecture:
    """Read Nyströmformer: with as many landmarks as mean segments, its attention is full."""
    config.skip("inv_coeff_init_option")
    size = read_size(config, _NYSTROMFORMER)
    landmarks, segments = (config.integer(key, default=64) for key in ("num_landmarks", "segment_means_seq_len"))
    config.require(
        landmarks == segments, f"num_landmarks: only as many as segment_means_seq_len ({segments}) are read here"
    )
    kernel = config.optional("conv_kernel_size", default=65)
    also: list[Block] = []
    if kernel:
        convolution = Convolution(
            inputs=size.heads,
            outputs=size.heads,
            kernel=kernel,
            groups=size.heads,
            bias=False,
            places_per_token=max(size.width // size.heads, 1),
            belongs_to="attention",
        )
        also.append(convolution)
    return read_encoder(config, _NYSTROMFORMER, also=also)


def _convbert(config: Config) -> Architecture:
    """Read ConvBERT: half of the heads attend, the other half are convolutions that depend on the input."""
    size = read_size(config, _CONVBERT)
    ratio, kernel = config.integer("head_ratio", default=2), config.integer("conv_kernel_size", default=9)
    groups = config.integer("num_groups", default=1)
    config.require(groups == 1, f"num_groups: only 1 is read here; got {groups}")
    heads = max(size.heads // ratio, 1)
    config.require(size.width % (2 * heads) == 0, f"hidden_size: {size.width} is not a multiple of 2 × {heads} heads")
    half = max(size.width // heads // 2, 1)
    inner = heads * half
    mixer = full_attention(config, size.width, size.heads).replace(
        heads=heads, kv_heads=heads, head_width=half, output_bias=False
    )
    width = size.width
    also: list[Block] = [
        Convolution(inputs=width, outputs=width, kernel=kernel, groups=width, bias=False, belongs_to="attention"),
        Convolution(inputs=width, outputs=inner, kernel=1, belongs_to="attention"),
        Linear(inputs=inner, outputs=heads * kernel, bias=True, belongs_to="attention"),
        Linear(inputs=width, outputs=inner, bias=True, belongs_to="attention"),
        Linear(inputs=width - inner, outputs=width, bias=True, belongs_to="attention"),
    ]
    return read_encoder(config, _CONVBERT, mixer=mixer, also=also)


def _roformer(config: Config) -> Architecture:
    """Read RoFormer: a table of fixed rotary positions."""
    config.skip("rotary_value")
    size = read_size(config, _ROFORMER)
    rows = config.integer("max_position_embeddings", default=1536)
    return read_encoder(config, _ROFORMER, extras=[Table(rows=rows, columns=max(size.width // size.heads, 1))])


def _grouped(config: Config, size: Size, key: str, default: int, inputs: int, outputs: int) -> Convolution:
    """Return a linear layer whose channels are in groups."""
    groups = config.integer(f"{key}_groups", default=default)
    divides = inputs % groups == 0 and outputs % groups == 0
    config.require(divides, f"{key}_groups: {groups} does not divide {inputs} and {outputs}")
    part = "feed_forward" if key in ("intermediate", "output") else "attention"
    return Convolution(inputs=inputs, outputs=outputs, kernel=1, groups=groups if divides else 1, belongs_to=part)


def _core(attention: Attention) -> CoreAttention:
    """Return attention without its projections."""
    heads, width = attention.heads, attention.head_width
    return CoreAttention(heads=heads, kv_heads=heads, head_width=width, causal=False)


def _squeezebert(config: Config) -> Architecture:
    """Read SqueezeBERT: grouped convolutions instead of linear layers."""
    size = read_size(config, _SQUEEZEBERT)
    width, inner = size.width, size.inner
    narrow = config.integer("embedding_size", default=width)
    config.require(narrow == width, f"embedding_size: {narrow} is not hidden_size ({width})")
    scores = full_attention(config, width, size.heads)
    also: list[Block] = [
        *(_grouped(config, size, key, 4, width, width) for key in ("q", "k", "v")),
        _grouped(config, size, "post_attention", 1, width, width),
        _grouped(config, size, "intermediate", 4, width, inner),
        _grouped(config, size, "output", 4, inner, width),
    ]
    layer = Layer(
        mixer=_core(scores),
        also=tuple(also),
        norm_bias=True,
        count=size.depth,
    )
    return read_encoder(config, _SQUEEZEBERT, layers=[layer])


def _mobilebert(config: Config) -> Architecture:
    """Read MobileBERT: layers of a narrow stream, between projections from and to the hidden size."""
    size, ending = read_size(config, _MOBILEBERT), read_ending(config, _MOBILEBERT)
    width, embedding = size.width, config.integer("embedding_size", default=128)
    bottleneck = config.flag("use_bottleneck", default=True)
    narrow = config.integer("intra_bottleneck_size", default=128) if bottleneck else width
    given = config.integer("true_hidden_size", default=narrow)
    config.require(given == narrow, f"true_hidden_size: {given} is not the width of the bottleneck ({narrow})")
    config.skip("normalization_type")
    config.require(
        config.flag("classifier_activation", default=True), "classifier_activation: only true, a pooler, is read"
    )
    shared = config.flag("key_query_shared_bottleneck", default=True)
    only_shared = config.flag("use_bottleneck_attention", default=False)
    config.require(bottleneck and shared and not only_shared, "use_bottleneck: other bottlenecks than MobileBERT's")
    trigram = config.flag("trigram_input", default=True)
    networks = config.integer("num_feedforward_networks", default=4)
    config.require(networks <= 1000, "num_feedforward_networks: at most 1,000 are read")
    heads = full_attention(config, narrow, size.heads)
    stream: list[Block] = [
        Linear(inputs=narrow, outputs=narrow, bias=True, belongs_to="attention"),
        Linear(inputs=narrow, outputs=narrow, bias=True, belongs_to="attention"),
        Linear(inputs=width, outputs=narrow, bias=True, belongs_to="attention"),
        Linear(inputs=narrow, outputs=narrow, bias=True, belongs_to="attention"),
        *[Linear(inputs=width, outputs=narrow, bias=True)] * 2,
        Linear(inputs=narrow, outputs=width, bias=True),
        *[AtWidth(block=FeedForward(inner_width=size.inner, gated=False, bias=True), width=narrow)] * networks,
        Norm(extent=narrow, bias=True, copies=3 + networks),
    ]
    mixer = _core(heads)
    layer = Layer(mixer=mixer, also=tuple(stream), norms=1, norm_bias=True, count=size.depth)
    config.require(embedding < width, f"embedding_size: {embedding} must be below hidden_size ({width})")
    extras: list[Block] = [Linear(inputs=embedding * (3 if trigram else 1), outputs=width, bias=True)]
    if ending in PREDICTING:
        vocabulary = config.integer("vocab_size", default=_MOBILEBERT.vocabulary)
        extras.append(Linear(inputs=max(width - embedding, 1), outputs=vocabulary, belongs_to="head"))
    read = read_encoder(config, _MOBILEBERT, layers=[layer], extras=extras)
    return read.replace(embedding_width=embedding)


READERS: dict[str, Reader] = {
    "deberta": lambda config: _deberta(config, _DEBERTA, second=False),
    "deberta-v2": lambda config: _deberta(config, _DEBERTA_V2, second=True),
    "esm": _esm,
    "mpnet": _mpnet,
    "longformer": _longformer,
    "big_bird": _big_bird,
    "nystromformer": _nystromformer,
    "convbert": _convbert,
    "roformer": _roformer,
    "squeezebert": _squeezebert,
    "mobilebert": _mobilebert,
}
"""Readers by the `model_type` of a config."""
