"""Which architecture does a row of measured steps mean? Names as their sources write them, and shapes.

A source calls a model as it likes ("LLAMA3_70B", "DeepSeekV3 (w/o MTP)", "22B"). The name is looked up in
`data/measurements/measured_models.csv`, then in the catalog of architectures; where both are silent, or the row states
another shape, the shape columns of the row tell.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.loading import catalog, load_architecture
from costmodel.architecture.specification import Architecture, Layer
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.tables import Row, table

TABLE = "measurements/measured_models"
SHAPE = ("n_layers", "d_model", "n_heads", "n_kv_heads", "d_ff", "vocab")
DEFAULT_POSITIONS = 2048
"""Rows of a learned position embedding where the row tells no sequence length; as in Brown et al. 2020, Table 2.1."""
PADDING = 0.02
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
_GATED = re.compile(
    r"llama|vicuna|mistral|qwen|\byi\b|internlm|baichuan|deepseek|olmo|smollm|gemma|phi-?[34]|granite|palm",
    re.IGNORECASE,
)


class Style(NamedTuple):
    """What a shape leaves open.

    `gated` and `bias` are of the feed-forward block and all projections, `learned_positions` tells whether
    positions are embedded, `tied` whether the head shares the embedding; `qkv_bias` and `qk_norm` are of
    the attention alone.
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
"""Layouts of dense decoders by the family that made them known."""


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
    """Return the architecture that a row of measured steps means.

    Parameters
    ----------
    row : cells by column: `model` and `source`, and where known `n_layers`, `d_model`, `n_heads`,
        `n_kv_heads`, `d_ff`, `vocab` and `seq_len`; a blank cell is as good as a missing one

    Raises
    ------
    MissingFactError
        If neither the name nor the shape says which architecture it is.
    InputError
        If a cell of the shape is no positive whole number, or the shape contradicts itself.

    Examples
    --------
    >>> architecture_of({"source": "Megatron-Bridge", "model": "LLAMA3_70B"}).name
    'llama-3-70b'
    >>> shape = {"n_layers": "48", "d_model": "8192", "n_heads": "64"}
    >>> architecture_of({"source": "vTrain", "model": "GPT 39.1B", **shape}).parameters.total
    39096041472
    """
    model, source = ((row.get(column) or "").strip() for column in ("model", "source"))
    stated = {column: number for column in SHAPE if (number := _whole(row, column)) is not None}
    length = _whole(row, "seq_len")
    return _resolved(model, source, tuple(stated.items()), length)


@lru_cache(maxsize=1024)
def _resolved(model: str, source: str, cells: tuple[tuple[str, int], ...], length: int | None) -> Architecture:
    stated = dict(cells)
    bare, qualifiers = _without_qualifiers(model)
    fact = _fact(model, source) or (_fact(bare, source) if bare != model else None)
    if fact and fact["architecture"]:
        named: Architecture | None = load_architecture(fact["architecture"])
    else:
        named = None if fact else _catalogd(model) or _catalogd(bare)
    if named is not None:
        shaped = _OTHER_SHAPE.search(" ".join(qualifiers)) is not None
        if not shaped and _agrees(named, stated):
            default = fact["prediction_layers"] if fact else ""
            return _with_prediction(named, qualifiers, default, model, source)
        if named.kind == "moe" or shaped:
            needed = "its own entry in the catalog of architectures"
            raise _missing(model, source, f"its shape is not that of {named.name}; needed is {needed}")
    return _from_shape(model, source, fact, stated, length)


def _without_qualifiers(model: str) -> tuple[str, tuple[str, ...]]:
    """Return a name without what is in brackets or says how it was trained, and that."""
    qualifiers = [inner or other for inner, other in _QUALIFIER.findall(model)]
    bare = _QUALIFIER.sub(" ", model).strip()
    if found := _PREDICTION.search(bare):
        qualifiers.append(found.group())
        bare = bare.replace(found.group(), " ").strip(" -_+")
    return _TRAINED_HOW.sub("", bare) or bare, tuple(qualifiers)


def _keys(name: str) -> tuple[str, str, str]:
    """Return the forms in which names are compared, strict to lax: the dot of a version may be left out.

    Only numbers are kept apart: "GPT 31.3B" is not "GPT3 1.3B".
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


def _catalogd(name: str) -> Architecture | None:
    for spelling in (name, name.rpartition("/")[2]):
        for key, known in zip(_keys(spelling), _catalog_keys(), strict=True):
            if key and key in known:
                return load_architecture(known[key])
    return None


@lru_cache(maxsize=1)
def _facts() -> tuple[tuple[frozenset[str], Row], ...]:
    """Return the rows of the table with the keys of their names, those for one source first."""
    keyed = [
        (frozenset(key for name in row["model"].split("|") for key in _keys(name)), row) for row in table(TABLE).rows
    ]
    return tuple(sorted(keyed, key=lambda pair: not pair[1]["source_pattern"]))


def _fact(name: str, source: str) -> Row | None:
    """Return the row of the table for a name in a source, if there is one."""
    key = _keys(name)[0]
    return next((row for keys, row in _facts() if key in keys and _is_of(row, source)), None)


def _convention(source: str, style: str) -> Row:
    """Return what a source says of all its models, or what holds for a style: the rows named "*"."""
    rows = [row for _, row in _facts() if row["model"] == "*" and _is_of(row, source)]
    return next(row for row in rows if row["source_pattern"] or row["style"] == style)


def _is_of(row: Row, source: str) -> bool:
    return re.search(row["source_pattern"], source, re.IGNORECASE) is not None


def _agrees(named: Architecture, stated: Mapping[str, int]) -> bool:
    """Tell whether an architecture is as deep, wide and rich in words as a row states."""
    vocabulary = named.vocabulary or 0
    return (
        stated.get("n_layers", named.depth) == named.depth
        and stated.get("d_model", named.width) == named.width
        and abs(stated.get("vocab", vocabulary) - vocabulary) <= PADDING * vocabulary
    )


def _with_prediction(
    named: Architecture, qualifiers: Iterable[str], default: str, model: str, source: str
) -> Architecture:
    """Return an architecture with as many multi-token-prediction layers as were trained along."""
    count = int(default) if default else named.prediction_layers
    for word in (found.group(1) or "with" for text in qualifiers for found in _PREDICTION.finditer(text)):
        without = word.lower() in {"w/o", "without", "no"}
        count = 0 if without else int(word) if word.isdigit() else max(count, 1)
    if count == named.prediction_layers:
        return named
    if count and named.prediction_layer is None:
        raise _missing(model, source, f"needed is the multi-token-prediction layer of {named.name}")
    return _predicting(named, count)


@lru_cache(maxsize=64)
def _predicting(named: Architecture, count: int) -> Architecture:
    return named.replace(prediction_layers=count, prediction_layer=named.prediction_layer if count else None)


def _from_shape(
    model: str, source: str, fact: Row | None, stated: Mapping[str, int], length: int | None
) -> Architecture:
    """Return the dense decoder of a shape; what a row leaves out is of the table, then of its source or style."""
    known = {column: int(fact[column]) for column in SHAPE if fact and fact[column]}
    if any(stated.get(column, number) != number for column, number in known.items() if column != "vocab"):
        fact, known = None, {}  # another model of the same name
    row = known | dict(stated)
    if _MIXTURE.search(model) and not fact:
        raise _missing(model, source, "a mixture of experts is not known by its shape columns; needed is its config")
    depth, width = row.get("n_layers"), row.get("d_model")
    if depth is None or width is None:
        needed = [column for column in ("n_layers", "d_model", "n_heads") if column not in row]
        raise _missing(model, source, f"needed are {', '.join(needed)}")
    style_name = fact["style"] if fact and fact["style"] else _style(model, row)
    style, convention = STYLES[style_name], _convention(source, style_name)
    heads, kv_heads = row.get("n_heads"), row.get("n_kv_heads", row.get("n_heads"))
    inner = row.get("d_ff", None if style.gated else 4 * width)
    vocabulary = row.get("vocab") or int(convention["vocab"] or 0)
    if heads and kv_heads and (width % heads or heads % kv_heads):
        shape = f"d_model {width}, n_heads {heads}, n_kv_heads {kv_heads}"
        raise InputError(f"{_called(model, source)}: each has to be a multiple of the next: {shape}")
    missing = [column for column, value in (("n_heads", heads), ("d_ff", inner), ("vocab", vocabulary)) if not value]
    if heads is None or kv_heads is None or inner is None or missing:
        raise _missing(model, source, f"needed are {', '.join(missing)}")
    says = (fact or {}).get("tied") or convention["tied"]
    style = style._replace(tied=says == "yes" if says else style.tied)
    written = (fact or {}).get("positions") or convention["positions"]
    learned = int(written) if written.isdigit() else length or DEFAULT_POSITIONS
    positions = learned if style.learned_positions else 0
    return _built(model, _Shape(style, depth, width, heads, kv_heads, inner, vocabulary, positions))


def _style(model: str, row: Mapping[str, int]) -> str:
    """Return the layout that a name or a shape speaks of."""
    if re.search(r"qwen-?_? ?3", model, re.IGNORECASE):
        return "qwen3"
    if re.search(r"qwen", model, re.IGNORECASE):
        return "qwen2"
    if _GATED.search(model):
        return "llama"
    plain = row.get("d_ff", 4 * row["d_model"]) == 4 * row["d_model"]
    if re.search(r"nemotron", model, re.IGNORECASE) and plain:
        return "nemotron"
    grouped = row.get("n_kv_heads", row.get("n_heads")) != row.get("n_heads")
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


def _whole(row: Mapping[str, str], column: str) -> int | None:
    text = (row.get(column) or "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (value > 0 and value.is_integer()):
        raise InputError(f"{column} must be a whole number above 0; got {text!r}")
    return int(value)


def _called(model: str, source: str) -> str:
    return f"model {model!r} of {source!r}" if source else f"model {model!r}"


def _missing(model: str, source: str, reason: str) -> MissingFactError:
    return MissingFactError(
        f"the architecture of {_called(model, source)} is not known: {reason} "
        f"(a row in data/{TABLE}.csv, or the columns {', '.join(SHAPE)})"
    )
