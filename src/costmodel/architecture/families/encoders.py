"""Encoders of text of the layout of BERT, one row of data per family, and those with further embeddings.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from costmodel.architecture.blocks.at_width import AtWidth
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Linear, Norm, Table
from costmodel.architecture.blocks.reapplied import Reapplied
from costmodel.architecture.families.classes import full_attention, read_lengths
from costmodel.architecture.families.masked_language import (
    COMMON,
    Encoder,
    dense,
    read_encoder,
    read_size,
)
from costmodel.architecture.families.reading import Reader
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

_PAIRS = ("ForPreTraining", "ForNextSentencePrediction")
_NO_CHOICE = tuple(ending for ending in COMMON if ending != "ForMultipleChoice")
_BERT = Encoder("Bert", endings=(*COMMON, "LMHeadModel", *_PAIRS))
_ROBERTA = Encoder("Roberta", endings=(*COMMON, "ForCausalLM"), offset=2)
_PAIRED = Encoder("", 50265, positions=514, types=1, offset=2, endings=("Model",))
ENCODERS: dict[str, Encoder] = {
    "bert": _BERT,
    "roberta": _ROBERTA._replace(vocabulary=50265),
    "xlm-roberta": _ROBERTA._replace(prefix="XLMRoberta"),
    "camembert": _ROBERTA._replace(prefix="Camembert"),
    "data2vec-text": _ROBERTA._replace(prefix="Data2VecText"),
    "xlm-roberta-xl": _ROBERTA._replace(
        prefix="XLMRobertaXL",
        vocabulary=250880,
        width=2560,
        depth=36,
        heads=32,
        inner=10240,
        positions=514,
        types=1,
        embedding_norm=False,
        final_norm=True,
    ),
    "roberta-prelayernorm": _ROBERTA._replace(prefix="RobertaPreLayerNorm", vocabulary=50265, final_norm=True),
    "megatron-bert": Encoder(
        "MegatronBert",
        29056,
        1024,
        24,
        16,
        4096,
        embedding_norm=False,
        final_norm=True,
        endings=(*COMMON, "ForCausalLM", *_PAIRS),
    ),
    "bert-generation": Encoder(
        "BertGeneration", 50358, 1024, 24, 16, 4096, types=None, pooler="none", endings=("Encoder", "Decoder")
    ),
    "ibert": _ROBERTA._replace(prefix="IBert", endings=COMMON),
    "distilbert": Encoder(
        "DistilBert", depth=6, types=None, pooler="none", keys=("dim", "n_layers", "n_heads", "hidden_dim")
    ),
    "electra": Encoder(
        "Electra", width=256, heads=4, inner=1024, narrow=128, pooler="none", endings=(*_NO_CHOICE, "ForCausalLM")
    ),
    "splinter": Encoder("Splinter", endings=("Model",), pooler="none"),
    "layoutlm": Encoder("LayoutLM", endings=_NO_CHOICE, pooler="always"),
    "markuplm": Encoder("MarkupLM", endings=tuple(ending for ending in _NO_CHOICE if ending != "ForMaskedLM")),
    "align_text_model": Encoder("AlignText", endings=("Model",)),
    "chinese_clip_text_model": Encoder("ChineseCLIPText", endings=("Model",)),
    "clap_text_model": _PAIRED._replace(prefix="ClapText"),
    "bridgetower_text_model": _PAIRED._replace(prefix="BridgeTowerText"),
    "altclip_text_model": _PAIRED._replace(
        prefix="AltRoberta", vocabulary=250002, width=1024, depth=24, heads=16, inner=4096
    ),
    "flava_text_model": Encoder("FlavaText", endings=("Model",), final_norm=True),
    "lilt": Encoder("Lilt", endings=tuple(ending for ending in _NO_CHOICE if ending != "ForMaskedLM"), offset=2),
}
"""Families of the layout of BERT by `model_type`."""


_ALBERT = Encoder("Albert", 30000, 4096, 12, 64, 16384, narrow=128, endings=(*COMMON, "ForPreTraining"))
_REMBERT = Encoder(
    "RemBert",
    250300,
    1152,
    32,
    18,
    4608,
    narrow=256,
    narrow_key="input_embedding_size",
    endings=(*COMMON, "ForCausalLM"),
)
_ERNIE = Encoder("Ernie", endings=(*COMMON, "ForCausalLM", *_PAIRS))
_ROC_BERT = Encoder("RoCBert", endings=(*COMMON, "ForCausalLM"))
_TAPAS = Encoder("Tapas", positions=1024, types=None, endings=("Model", "ForMaskedLM", "ForSequenceClassification"))
_VISUAL_BERT = Encoder("VisualBert", endings=("Model",))
_LUKE = Encoder(
    "Luke",
    50267,
    endings=tuple(ending for ending in COMMON if ending != "ForMaskedLM"),
    offset=2,
)
_MRA = Encoder("Mra", 50265, types=1, added=2, pooler="none")
_YOSO = Encoder("Yoso", 50265, types=1, positions=4096, added=2, pooler="none")
_DPR = Encoder("DPR", pooler="none", endings=("QuestionEncoder", "ContextEncoder"))
_XMOD = Encoder("Xmod", endings=(*COMMON, "ForCausalLM"), offset=2)
_BROS = Encoder("Bros", endings=("Model", "ForTokenClassification"), pooler="always")
_FNET = Encoder("FNet", 32000, types=4, pooler="always", endings=(*COMMON, *_PAIRS))


def _albert(config: Config) -> Architecture:
    """Read ALBERT: groups of layers share their weights, and one layer of a group may be several."""
    size = read_size(config, _ALBERT)
    groups = config.integer("num_hidden_groups", default=1)
    inside = config.integer("inner_group_num", default=1)
    config.require(
        size.depth % groups == 0, f"num_hidden_layers: {size.depth} is not a multiple of the {groups} groups of layers"
    )
    mixer = full_attention(config, size.width, size.heads)
    block = FeedForward(inner_width=size.inner, gated=False, bias=True)
    first = Layer(mixer=mixer, feed_forward=block, norm_bias=True, count=groups * inside)
    again = Layer(
        mixer=Reapplied(block=mixer),
        feed_forward=Reapplied(block=block),
        norms=0,
        count=max(size.depth - groups, 1) * inside,
    )
    layers = [first] if size.depth <= groups else [first, again]
    always = [Linear(inputs=size.narrow, outputs=size.width, bias=True)] if size.narrow == size.width else []
    return read_encoder(config, _ALBERT, layers=layers, extras=always)


def _rembert(config: Config) -> Architecture:
    """Read RemBERT: a narrow embedding, and a wide head over the vocabulary with weights of its own."""
    width, wide = read_size(config, _REMBERT).width, config.integer("output_embedding_size", default=1664)
    vocabulary = config.integer("vocab_size", default=_REMBERT.vocabulary)
    head = [dense(width, outputs=wide), Norm(extent=wide, bias=True), dense(wide, outputs=vocabulary)]
    return read_encoder(config, _REMBERT, head=head)


def _ernie(config: Config) -> Architecture:
    """Read ERNIE: BERT with an embedding of tasks."""
    config.skip("task_type_vocab_size")
    if not config.flag("use_task_id", default=False):
        return read_encoder(config, _ERNIE)
    table = Table(rows=config.integer("task_type_vocab_size", default=3), columns=read_size(config, _ERNIE).width)
    return read_encoder(config, _ERNIE, extras=[table])


def _roc_bert(config: Config) -> Architecture:
    """Read RoCBert: embeddings of pronunciation and shape beside those of tokens."""
    width = read_size(config, _ROC_BERT).width
    tables: list[Block] = []
    joined = width
    for name, rows, columns in (("pronunciation", 910, 768), ("shape", 24858, 512)):
        columns = config.integer(f"{name}_embed_dim", default=columns)
        tables.append(Table(rows=config.integer(f"{name}_vocab_size", default=rows), columns=columns))
        joined += columns if config.flag(f"enable_{name}", default=True) else 0
    if config.flag("concat_input", default=True):
        tables.append(Linear(inputs=joined, outputs=width, bias=True))
    return read_encoder(config, _ROC_BERT, extras=tables)


def _boxes(config: Config, width: int, rows: int = 1024) -> list[Block]:
    """Return the embeddings of the coordinates and sizes of boxes on a page."""
    return [Table(rows=config.integer("max_2d_position_embeddings", default=rows), columns=width)] * 4


def _layoutlm(config: Config) -> Architecture:
    """Read LayoutLM: BERT with embeddings of boxes."""
    family = ENCODERS["layoutlm"]
    return read_encoder(config, family, extras=_boxes(config, read_size(config, family).width))


def _lilt(config: Config) -> Architecture:
    """Read LiLT: a narrow stream of layers for boxes beside that for text."""
    family = ENCODERS["lilt"]
    size = read_size(config, family)
    shrink = config.integer("channel_shrink_ratio", default=4)
    narrow, inner = size.width // shrink, size.inner // shrink
    fits = size.width % shrink == 0 and size.inner % shrink == 0 and size.width % 6 == 0
    config.require(fits, f"hidden_size: {size.width} is not a multiple of 6 and of channel_shrink_ratio ({shrink})")
    mixer = full_attention(config, size.width, size.heads)
    boxes = full_attention(config, max(narrow, 1), size.heads)
    stream = (
        boxes,
        FeedForward(inner_width=max(inner, 1), gated=False, bias=True),
        Norm(extent=max(narrow, 1), bias=True, copies=2),
    )
    also = [AtWidth(block=block, width=max(narrow, 1)) for block in stream]
    tables: list[Block] = [
        *_boxes(config, size.width // 6),
        Table(rows=config.integer("max_position_embeddings", default=family.positions), columns=narrow),
        Linear(inputs=size.width // 6 * 6, outputs=narrow, bias=True),
        Norm(extent=narrow, bias=True),
    ]
    return read_encoder(config, family, mixer=mixer, also=also, extras=tables)


def _bros(config: Config) -> Architecture:
    """Read BROS: BERT with a projection of the coordinates of boxes."""
    size = read_size(config, _BROS)
    config.skip("dim_bbox_sinusoid_emb_1d", "dim_bbox", "n_relations")
    inputs = config.integer("dim_bbox_sinusoid_emb_2d", default=max(size.width // 4, 1))
    outputs = config.integer("dim_bbox_projection", default=max(size.width // size.heads, 1))
    config.require(inputs == size.width // 4, f"dim_bbox_sinusoid_emb_2d: {inputs} is not a quarter of hidden_size")
    config.require(
        outputs == size.width // size.heads, f"dim_bbox_projection: {outputs} is not hidden_size / num_attention_heads"
    )
    return read_encoder(config, _BROS, extras=[Linear(inputs=inputs, outputs=outputs)])


def _tapas(config: Config) -> Architecture:
    """Read TAPAS: BERT with several tables of token types."""
    types = read_lengths(config, "type_vocab_sizes", (3, 256, 256, 2, 256, 256, 10))
    width = read_size(config, _TAPAS).width
    config.skip("reset_position_index_per_cell", "num_aggregation_labels", "max_num_rows", "max_num_columns")
    return read_encoder(config, _TAPAS, extras=[Table(rows=rows, columns=width) for rows in types])


def _markuplm(config: Config) -> Architecture:
    """Read MarkupLM: BERT with embeddings of the path of an element in its document."""
    family = ENCODERS["markuplm"]
    width, unit = read_size(config, family).width, config.integer("xpath_unit_hidden_size", default=32)
    deepest = config.integer("max_depth", default=50)
    config.require(deepest <= 1000, f"max_depth: at most 1,000 are read; got {deepest:,}")
    joined = unit * deepest
    extras: list[Block] = [
        Table(rows=config.integer(f"max_xpath_{name}_unit_embeddings", default=rows) * deepest, columns=unit)
        for name, rows in (("tag", 256), ("subs", 1024))
    ]
    for inputs, outputs in ((joined, width), (joined, 4 * width), (4 * width, width)):
        extras.append(Linear(inputs=inputs, outputs=outputs, bias=True))
    return read_encoder(config, family, extras=extras)


def _visual_bert(config: Config) -> Architecture:
    """Read VisualBERT: BERT with a projection of the features of an image, and tables for them."""
    config.skip("special_visual_initialize")
    config.require(not config.flag("bypass_transformer", default=False), "bypass_transformer: only false is read")
    width = read_size(config, _VISUAL_BERT).width
    features = config.integer("visual_embedding_dim", default=512)
    extras: list[Block] = [
        Table(rows=config.integer("type_vocab_size", default=2), columns=width),
        Table(rows=config.integer("max_position_embeddings", default=512), columns=width),
        Linear(inputs=features, outputs=width, bias=True),
    ]
    return read_encoder(config, _VISUAL_BERT, extras=extras)


def _luke(config: Config) -> Architecture:
    """Read LUKE: BERT with an embedding of entities, and queries that depend on what is attended to."""
    width = read_size(config, _LUKE).width
    narrow = config.integer("entity_emb_size", default=256)
    extras: list[Block] = [
        Table(rows=config.integer("entity_vocab_size", default=500_000), columns=narrow),
        Table(rows=config.integer("max_position_embeddings", default=512), columns=width),
        Table(rows=config.integer("type_vocab_size", default=2), columns=width),
        Norm(extent=width, bias=True),
    ]
    if narrow != width:
        extras.append(Linear(inputs=narrow, outputs=width))
    query = Linear(inputs=width, outputs=width, bias=True, belongs_to="attention")
    aware = config.flag("use_entity_aware_attention", default=True)
    return read_encoder(config, _LUKE, also=[query] * 3 if aware else (), extras=extras)


def _fnet(config: Config) -> Architecture:
    """Read FNet: Fourier transforms, which have no weights and no matmuls, instead of attention."""
    config.skip("tpu_short_seq_length", "use_tpu_fourier_optimizations")
    size = read_size(config, _FNET)
    block = FeedForward(inner_width=size.inner, gated=False, bias=True)
    layer = Layer(feed_forward=block, norm_bias=True, count=size.depth)
    return read_encoder(
        config, _FNET, layers=[layer], extras=[Linear(inputs=size.width, outputs=size.width, bias=True)]
    )


def _xmod(config: Config) -> Architecture:
    """Read X-MOD: an adapter per language, of which a text uses one."""
    width = read_size(config, _XMOD).width
    config.skip("default_language", "adapter_reuse_layer_norm", "ln_before_adapter")
    languages = config.value("languages") or ["en_XX"]
    valid = isinstance(languages, list) and len(languages) <= 1000
    config.require(valid, "languages: must be a list of up to 1,000 names")
    count = len(languages) if valid else 1
    narrow = max(width // config.integer("adapter_reduction_factor", default=2), 1)
    used = FeedForward(inner_width=narrow, gated=False, bias=True)
    down, up = (
        Linear(inputs=inputs, outputs=outputs, bias=True, rows=0, belongs_to="feed_forward")
        for inputs, outputs in ((width, narrow), (narrow, width))
    )
    norm = [Norm(extent=width, bias=True)] if config.flag("adapter_layer_norm", default=False) else []
    family = _XMOD._replace(final_norm=config.flag("pre_norm", default=False))
    return read_encoder(config, family, also=[used, *[down, up] * (count - 1), *norm])


def _dpr(config: Config) -> Architecture:
    """Read DPR: BERT without a pooler, with a projection if its width is given."""
    width, outputs = read_size(config, _DPR).width, config.integer("projection_dim", default=0, least=0)
    extras = [Linear(inputs=width, outputs=outputs, bias=True, rows=1, belongs_to="head")] if outputs else []
    return read_encoder(config, _DPR, extras=extras)


def _mra(config: Config) -> Architecture:
    """Read MRA; its approximation of full attention is counted as full attention."""
    config.skip("block_per_row", "initial_prior_first_n_blocks", "initial_prior_diagonal_n_blocks")
    return read_encoder(config, _MRA)


def _yoso(config: Config) -> Architecture:
    """Read YOSO; its sampled attention is counted as full attention, of which it computes the expectation."""
    config.skip("use_expectation", "hash_code_len", "num_hash", "use_fast_hash", "lsh_backward")
    config.require(config.value("conv_window") is None, "conv_window: only null is read")
    return read_encoder(config, _YOSO)


def _reads(family: Encoder) -> Reader:
    return lambda config: read_encoder(config, family)


READERS: dict[str, Reader] = {
    **{name: _reads(family) for name, family in ENCODERS.items()},
    "albert": _albert,
    "rembert": _rembert,
    "ernie": _ernie,
    "roc_bert": _roc_bert,
    "layoutlm": _layoutlm,
    "lilt": _lilt,
    "bros": _bros,
    "tapas": _tapas,
    "markuplm": _markuplm,
    "visual_bert": _visual_bert,
    "luke": _luke,
    "fnet": _fnet,
    "dpr": _dpr,
    "xmod": _xmod,
    "mra": _mra,
    "yoso": _yoso,
}
"""Readers by the `model_type` of a config."""
