"""Architecture of a row of measured steps: from its columns, or from the name of the model.

The column `architecture` names one of the catalog. Otherwise the shape columns with `style` describe a dense
decoder. A row with neither is looked up by its model name ("LLAMA3_70B", "DeepSeekV3 (w/o MTP)", "22B") in
`data/measurements/measured_models.csv`, for its software and its shape, and then in the catalog; a name that neither
holds is a label, and the row is read as the dense decoder of its shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.loading import catalog, load_architecture
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer
from costmodel.foundation.columns import Cells
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.tables import Row, constant, table
from costmodel.training.calibration.columns import MODEL, OLDER_STEPS, SHAPE

TABLE = "measurements/measured_models"
DEFAULT_POSITIONS = int(constant("default_positions"))
"""Rows of a learned position embedding where the row states no sequence length; as in Brown et al. 2020, Table 2.1."""
PADDING = constant("vocabulary_padding")
"""Difference of two vocabularies that is padding for the matrix products, not another tokenizer [1]."""

_DECIMAL = re.compile(r"(?<=\d)p(?=\d)")
_VERSION_DOT = re.compile(r"(?<=\d)\.(?=\d+(?![\d.]*[bmt]))")
_BETWEEN = re.compile(r"[^a-z0-9.]+")
_QUALIFIER = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]")
_PREDICTION = re.compile(r"\b(w/o|without|no|w/|with|\d+)?\s*-?\s*mtp\b", re.IGNORECASE)
_OTHER_SHAPE = re.compile(r"layer|expert|vocab|hidden|width|depth|heads|proxy|reduced|scaled|pruned", re.IGNORECASE)
_TRAINED_HOW = re.compile(
    r"(?:[-_\s]+(?:base|instruct|chat|it|hf|bf16|fp16|fp8|nvfp4|mxfp8|pre-?train(?:ing)?|sft|lora|peft"
    r"|tokendrop|dropless|\d+k|\d+-nodes?))+$",
    re.IGNORECASE,
)
_MIXTURE = re.compile(r"moe|mixtral|\d+x\d|[-_ ]a\d|expert", re.IGNORECASE)
"""Names of mixtures of experts; such a name is never read as a dense decoder."""


class Style(NamedTuple):
    """Properties of a dense decoder that its shape does not state.

    `gated` is of the feed-forward block, `bias` of all projections, `qkv_bias` and `qk_norm` of the attention.
    `learned_positions` says whether positions have an embedding, `tied` whether the head shares the input embedding.
    """

    gated: bool
    bias: bool
    learned_positions: bool
    tied: bool
    qkv_bias: bool = False
    qk_norm: bool = False


STYLES = {
    "gpt": Style(gated=False, bias=True, learned_positions=True, tied=True),  # Radford et al. 2019; Shoeybi et al. 2019
    "llama": Style(gated=True, bias=False, learned_positions=False, tied=False),  # Touvron et al. 2023
    "qwen2": Style(gated=True, bias=False, learned_positions=False, tied=False, qkv_bias=True),  # arXiv 2407.10671
    "qwen3": Style(gated=True, bias=False, learned_positions=False, tied=False, qk_norm=True),  # arXiv 2505.09388
    "nemotron": Style(gated=False, bias=False, learned_positions=False, tied=False),  # Parmar et al. 2024
}
"""Blocks of dense decoders, by the model family that introduced them."""


class _Shape(NamedTuple):
    style: Style
    layers: int
    width: int
    heads: int
    kv_heads: int
    inner_width: int
    vocabulary: int
    positions: int


def architecture_of(row: Mapping[str, str]) -> Architecture:
    """Return the architecture of a row of measured steps.

    Parameters
    ----------
    row : Mapping
        Cells by column: `architecture` and `prediction_layers`, or `style`, `tied`, `positions` and the shape
        columns, or `model` with `software` and the shape columns that are known. An empty cell is a missing one.

    Raises
    ------
    MissingFactError
        If neither the name nor the shape says which architecture it is.
    InputError
        If a cell of the shape is no positive whole number, or the shape contradicts itself.

    Examples
    --------
    >>> architecture_of({"software": "Megatron-Bridge", "model": "LLAMA3_70B"}).name
    'llama-3-70b'
    >>> shape = {"n_layers": "48", "d_model": "8192", "n_heads": "64"}
    >>> architecture_of({"software": "Megatron-LM", "model": "GPT 39.1B", **shape}).parameters.total
    39096041472
    """
    cells = Cells({OLDER_STEPS.get(name, name): cell or "" for name, cell in row.items()}, MODEL)
    cells.check()
    model, software = (cells.text.get(column, "").strip() for column in ("model", "software"))
    if name := cells.text.get("architecture", "").strip():
        named, count = load_architecture(name), cells.whole("prediction_layers")
        named = _of_depth(named, cells.whole("n_layers") or named.depth)
        return named if count is None else _predicted(named, count, model)
    stated = tuple((column, number) for column in SHAPE if (number := cells.whole(column)) is not None)
    if style := cells.words.get("style"):
        fact = {"style": style, "tied": cells.words.get("tied", ""), "positions": cells.text.get("positions", "")}
        return _from_shape(model, software, fact, dict(stated), cells.whole("sequence_length"))
    return _resolved(model, software, stated, cells.whole("sequence_length"))


@lru_cache(maxsize=1024)
def _resolved(model: str, software: str, cells: tuple[tuple[str, int], ...], length: int | None) -> Architecture:
    stated = dict(cells)
    bare, qualifiers = _without_qualifiers(model)
    facts = _facts_of(model, software) or (_facts_of(bare, software) if bare != model else [])
    fitting = [fact for fact in facts if _fits(fact, stated)]
    if len({(fact["architecture"], fact["n_layers"], fact["d_model"]) for fact in fitting}) > 1:
        raise _missing(model, f"several models have this name; needed are {', '.join(SHAPE[:2])}")
    fact = fitting[0] if fitting else None
    named = None
    if listed := next((row for row in [*fitting, *facts] if row["architecture"]), None):
        named = load_architecture(listed["architecture"])
    elif not facts:
        named = _in_catalog(model) or _in_catalog(bare)
    if named is not None:
        shaped = _OTHER_SHAPE.search(" ".join(qualifiers)) is not None
        named = _of_depth(named, stated.get("n_layers", named.depth))
        if not shaped and _agrees(named, stated):
            return _with_prediction(named, qualifiers, fact["prediction_layers"] if fact else "", model)
        if named.kind == "moe" or shaped:
            needed = "its own entry in the catalog of architectures"
            raise _missing(model, f"its shape is not that of {named.name}; needed is {needed}")
    return _from_shape(model, software, fact, stated, length)


def _without_qualifiers(model: str) -> tuple[str, tuple[str, ...]]:
    """Return a name without its qualifiers (in brackets, or about the training), and the qualifiers."""
    qualifiers = [inner or other for inner, other in _QUALIFIER.findall(model)]
    bare = _QUALIFIER.sub(" ", model).strip()
    if prediction := _PREDICTION.search(bare):
        qualifiers.append(prediction.group())
        bare = bare.replace(prediction.group(), " ").strip(" -_+")
    return _TRAINED_HOW.sub("", bare) or bare, tuple(qualifiers)


def _keys(name: str) -> tuple[str, str, str]:
    """Return the keys of a name, strict to lax: the dot of a version may be left out.

    Neighboring numbers stay separate: "GPT 31.3B" is not "GPT3 1.3B".
    """
    plain = _BETWEEN.sub(" ", _DECIMAL.sub(".", name.lower()))
    forms = (plain, _VERSION_DOT.sub(" ", plain), _VERSION_DOT.sub("", plain))
    return tuple(re.sub(r"(?<=\d) +(?=\d)", "-", form).replace(" ", "") for form in forms)  # type: ignore[return-value]


@lru_cache(maxsize=1)
def _catalog_keys() -> tuple[dict[str, str], ...]:
    pairs = [(name, name) for name in catalog()]
    aliases = [(alias, name) for name in catalog() for alias in catalog().things[name]["aliases"]]
    pairs += [*aliases, *((alias.rpartition("/")[2], name) for alias, name in aliases)]
    return tuple({_keys(spelling)[level]: name for spelling, name in reversed(pairs)} for level in range(3))


def _in_catalog(name: str) -> Architecture | None:
    for spelling in (name, name.rpartition("/")[2]):
        for key, names in zip(_keys(spelling), _catalog_keys(), strict=True):
            if key and key in names:
                return load_architecture(names[key])
    return None


@lru_cache(maxsize=1)
def _facts() -> tuple[tuple[frozenset[str], frozenset[str], Row], ...]:
    """Return the rows of the table with the keys of their names and their software."""
    return tuple(
        (
            frozenset(key for name in row["model"].split("|") for key in _keys(name)),
            frozenset(row["software"].lower().split("|")) - {""},
            row,
        )
        for row in table(TABLE).rows
    )


def _facts_of(name: str, software: str) -> list[Row]:
    """Return the rows of the table for a name: those of the software, or else those of any software."""
    key = _keys(name)[0]
    named = [(stacks, row) for keys, stacks, row in _facts() if key in keys]
    return [row for stacks, row in named if software.lower() in stacks] or [row for stacks, row in named if not stacks]


def _fits(fact: Row, stated: Mapping[str, int]) -> bool:
    """Tell whether a row of the table has the shape that is stated."""
    if fact["architecture"]:
        return _agrees(load_architecture(fact["architecture"]), stated)
    return all(
        stated.get(column, int(fact[column])) == int(fact[column])
        for column in SHAPE
        if fact[column] and column != "vocab"
    )


def _convention(software: str, style: str) -> Row:
    """Return what holds for all models of a software, or for a style: the rows named "*"."""
    rows = [(stacks, row) for _, stacks, row in _facts() if row["model"] == "*"]
    own = [row for stacks, row in rows if software.lower() in stacks]
    return next(row for row in [*own, *(row for _, row in rows)] if row in own or row["style"] == style)


def _agrees(named: Architecture, stated: Mapping[str, int]) -> bool:
    """Tell whether an architecture has the layers, the width and the vocabulary that a row states."""
    vocabulary = named.vocabulary or 0
    return (
        stated.get("n_layers", named.depth) == named.depth
        and stated.get("d_model", named.width) == named.width
        and abs(stated.get("vocab", vocabulary) - vocabulary) <= PADDING * vocabulary
    )


def _with_prediction(named: Architecture, qualifiers: Iterable[str], default: str, model: str) -> Architecture:
    """Return an architecture with as many multi-token-prediction layers as were trained along."""
    count = int(default) if default else named.prediction_layers
    for word in (match.group(1) or "with" for text in qualifiers for match in _PREDICTION.finditer(text)):
        without = word.lower() in {"w/o", "without", "no"}
        count = 0 if without else int(word) if word.isdigit() else max(count, 1)
    return _predicted(named, count, model)


def _predicted(named: Architecture, count: int, model: str) -> Architecture:
    """Return an architecture with `count` multi-token-prediction layers."""
    if count == named.prediction_layers:
        return named
    if count and named.prediction_layer is None:
        raise _missing(model, f"needed is the multi-token-prediction layer of {named.name}")
    return _predicting(named, count)


@lru_cache(maxsize=64)
def _of_depth(named: Architecture, depth: int) -> Architecture:
    """Return an architecture of equal layers with fewer of them; others are returned as they are."""
    if depth >= named.depth or len(named.layers) > 1:
        return named
    return named.replace(layers=[named.layers[0].replace(count=depth)])


@lru_cache(maxsize=64)
def _predicting(named: Architecture, count: int) -> Architecture:
    return named.replace(prediction_layers=count, prediction_layer=named.prediction_layer if count else None)


def _from_shape(
    model: str, software: str, fact: Row | None, stated: Mapping[str, int], length: int | None
) -> Architecture:
    """Return the dense decoder of a shape; empty cells come from the table, then from the software or the style."""
    fact = fact or {}
    shape = {column: int(fact[column]) for column in SHAPE if fact.get(column)} | dict(stated)
    if _MIXTURE.search(model) and not fact:
        raise _missing(model, "a mixture of experts is not known by its shape columns; needed is its config")
    depth, width = shape.get("n_layers"), shape.get("d_model")
    if depth is None or width is None:
        needed = [column for column in ("n_layers", "d_model", "n_heads") if column not in shape]
        raise _missing(model, f"needed are {', '.join(needed)}")
    style_name = fact.get("style") or _style(shape)
    style, convention = STYLES[style_name], _convention(software, style_name)
    heads, kv_heads = shape.get("n_heads"), shape.get("n_kv_heads", shape.get("n_heads"))
    inner = shape.get("d_ff", None if style.gated else 4 * width)
    vocabulary = shape.get("vocab") or int(convention["vocab"] or 0)
    if heads and kv_heads and (width % heads or heads % kv_heads):
        degrees = f"d_model {width}, n_heads {heads}, n_kv_heads {kv_heads}"
        raise InputError(f"model {model!r}: each must be a multiple of the next: {degrees}")
    missing = [column for column, value in (("n_heads", heads), ("d_ff", inner), ("vocab", vocabulary)) if not value]
    if heads is None or kv_heads is None or inner is None or missing:
        raise _missing(model, f"needed are {', '.join(missing)}")
    tied = fact.get("tied") or convention["tied"]
    style = style._replace(tied=tied == "yes" if tied else style.tied)
    written = fact.get("positions") or convention["positions"]
    learned = int(written) if written.isdigit() else length or DEFAULT_POSITIONS
    positions = learned if style.learned_positions else 0
    return _built(model, _Shape(style, depth, width, heads, kv_heads, inner, vocabulary, positions))


def _style(shape: Mapping[str, int]) -> str:
    """Return the style of a shape: a GPT has a feed-forward block of four widths and no grouped heads.

    A row without `d_ff` has four widths.
    """
    grouped = shape.get("n_kv_heads", shape.get("n_heads")) != shape.get("n_heads")
    plain = shape.get("d_ff", 4 * shape["d_model"]) == 4 * shape["d_model"]
    return "gpt" if plain and not grouped else "llama"


@lru_cache(maxsize=1024)
def _built(model: str, shape: _Shape) -> Architecture:
    style = shape.style
    mixer = Attention(
        heads=shape.heads,
        kv_heads=shape.kv_heads,
        head_width=shape.width // shape.heads,
        qkv_bias=style.bias or style.qkv_bias,
        output_bias=style.bias,
        qk_norm="head" if style.qk_norm else "none",
    )
    block = FeedForward(inner_width=shape.inner_width, gated=style.gated, bias=style.bias)
    return Architecture(
        name=model or "unnamed",
        width=shape.width,
        layers=(Layer(mixer=mixer, feed_forward=block, norm_bias=style.bias, count=shape.layers),),
        vocabulary=shape.vocabulary,
        tied=style.tied,
        positions=shape.positions,
        norm_bias=style.bias,
        source="the shape of a measured step",
    )


def _missing(model: str, reason: str) -> MissingFactError:
    return MissingFactError(
        f"the architecture of model {model!r} is not known: {reason} "
        f"(the column architecture, the columns style, {', '.join(SHAPE)}, or a row in data/{TABLE}.csv)"
    )
