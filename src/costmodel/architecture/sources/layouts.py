"""Layouts of types: names, numbers and shapes of tensors as sums of products of the keys of a config.

`data/facts/layouts.json` holds one type per line, of which only the lines that are needed are parsed. A layout was
learned from models that Hugging Face transformers built from random configs, and was checked with configs kept aside
(`benchmarks/learn_layouts.py`). Keys are of three kinds: free keys, which the sums contain; fixed keys, for which only
the default is known; and inert keys, which change no tensor.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from costmodel.architecture.sources.config import Config
from costmodel.architecture.sources.tensors import Tensor, TensorList
from costmodel.architecture.specification import Architecture
from costmodel.foundation.errors import InputError
from costmodel.foundation.limits import shown
from costmodel.foundation.tables import folder

MOST_TENSORS = 200_000
"""Most tensors that are listed for a config [1]."""
_NUMBER = re.compile(r"-?\d+")
_RANGE = re.compile(r"\{(\d+)-(\d+)\}")


class Layout(NamedTuple):
    """The tensors of a type, as sums of products of keys; keys of nested configs are written with dots."""

    model_class: str
    """Model class of the reference implementation that has these tensors."""
    free: Mapping[str, Any]
    """Keys of the sums, with their defaults: numbers, lists of numbers, and lists of names that are counted."""
    derived: Mapping[str, str | None]
    """Value of a key, of an element or of a count where the config does not say it; null where no sum is known."""
    fixed: Mapping[str, Any]
    """Keys for which only the default is known."""
    inert: tuple[str, ...]
    """Keys that change no tensor."""
    counts: tuple[int, int, int]
    """Parameters of the default config in the reference implementation: total, active, of lookup tables."""
    tensors: tuple[tuple[str, ...], ...]
    """Name, number of tensors, and extents. {} in a name counts layers, {0-3} stands for four names."""


@lru_cache(maxsize=1)
def lines() -> dict[str, str]:
    """Return the entry of each type as text, which `layout_of` reads."""
    text = (folder() / "facts" / "layouts.json").read_text(encoding="utf-8")
    entries = (line.rstrip(",").split(": ", 1) for line in text.splitlines()[1:-1])
    return {json.loads(name): entry for name, entry in entries}


def forget() -> None:
    """Forget what was read, after the file was written."""
    lines.cache_clear()
    layout_of.cache_clear()


def layout_types() -> tuple[str, ...]:
    """Return the `model_type`s with a layout."""
    return tuple(lines())


@lru_cache(maxsize=64)
def layout_of(model_type: str) -> Layout:
    """Return the layout of a type.

    Parameters
    ----------
    model_type : str
        One of `layout_types()`.
    """
    data = json.loads(lines()[model_type])
    return Layout(
        model_class=data["class"],
        free=data["free"],
        derived=data["derived"],
        fixed=data["fixed"],
        inert=tuple(data["inert"]),
        counts=tuple(data["counts"]),
        tensors=tuple(tuple(line) for line in data["tensors"]),
    )


def read_layout(config: Config, model_type: str) -> Architecture:
    """Return the architecture of a config whose type has a layout.

    Parameters
    ----------
    config : Config
        The config.
    model_type : str
        One of `layout_types()`.

    Raises
    ------
    InputError
        If a key has a value for which the layout is not known.
    """
    from costmodel.architecture.sources.counted import architecture_of_tensors

    layout = layout_of(model_type)
    _check_class(config, layout)
    parts = _parts(config, layout)
    values = _values(config, parts, layout)
    for key, default in layout.fixed.items():
        _check_fixed(parts, key, default)
    for key in layout.inert:
        part, name = _place(parts, key)
        part.skip(name)
    if any(part.problems for part in parts.values()):
        raise InputError(config.found_problems())
    origin = f"the layout of {layout.model_class}"
    listed = TensorList(tuple(_tensors(layout, values)), origin, only_parameters=True)
    return architecture_of_tensors(listed, _told(config, parts, layout), model_type)


def _check_class(config: Config, layout: Layout) -> None:
    given = config.value("architectures")
    known = given is None or given == [layout.model_class]
    config.require(known, f"architectures: only [{layout.model_class!r}] is known for this type; got {shown(given)}")
    config.require(config.head is None, f"head: only that of {layout.model_class} is known for this type")


def _parts(config: Config, layout: Layout) -> dict[str, Config]:
    """Return the config and its nested configs by their path."""
    parts = {"": config}
    for key in sorted({key.rpartition(".")[0] for key in (*layout.free, *layout.fixed, *layout.inert)}):
        path = ""
        for name in key.split(".") if key else ():
            inside = f"{path}.{name}" if path else name
            if inside not in parts:
                parts[inside] = parts[path].inner(name)
            path = inside
    return parts


def _place(parts: Mapping[str, Config], key: str) -> tuple[Config, str]:
    path, _, name = key.rpartition(".")
    return parts[path], name


def _check_fixed(parts: Mapping[str, Config], key: str, default: Any) -> None:
    """Note a problem unless a key is absent or has its default."""
    part, name = _place(parts, key)
    value = part.value(name)
    if not part.has(name) or value == default:
        return
    part.require(False, f"{name}: only {shown(default)} is known for this type; got {shown(value)}")


def _values(config: Config, parts: Mapping[str, Config], layout: Layout) -> dict[str, float]:
    """Return the numbers of a config by key, those of derived keys included."""
    values: dict[str, float] = {}
    missing: list[tuple[str, Any]] = []
    changed = False
    for key, default in layout.free.items():
        part, name = _place(parts, key)
        if part.value(name) is None:
            missing.append((key, default))
            continue
        given = _given(part, name, default)
        changed |= given != default
        values |= features(key, given)
    waiting = []
    for key, default in missing:
        own = features(key, default)
        rules = {name: layout.derived[name] for name in own if name in layout.derived}
        part, name = _place(parts, key)
        unknown = changed and None in rules.values()
        part.require(not unknown, f"{name}: is required, since other keys differ from their defaults")
        values |= {name: value for name, value in own.items() if rules.get(name) is None}
        waiting += [(name, rule) for name, rule in rules.items() if rule is not None]
    waiting += [
        (name, rule)
        for name, rule in layout.derived.items()
        if rule is not None and re.split(r"[\[=]", name)[0] not in layout.free
    ]
    for _ in range(len(waiting)):
        for name, rule in list(waiting):
            if names_of(rule) <= values.keys():
                values[name] = evaluated(rule, values)
                waiting.remove((name, rule))
    return values


def _given(part: Config, name: str, default: Any) -> Any:
    """Return the value of a free key, of the kind of its default."""
    if isinstance(default, bool):
        return part.flag(name, default=default)
    if isinstance(default, int):
        return part.integer(name, default=default, least=min(default, 1))
    value = part.value(name)
    if isinstance(default, float):
        valid = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e9
        part.require(valid, f"{name}: must be a number above 0; got {shown(value)}")
        return float(value) if valid else default
    words = default and isinstance(default[0], str)
    if words:
        valid = isinstance(value, list) and all(item in default for item in value)
        part.require(valid, f"{name}: must be a list of {', '.join(sorted(set(default)))}; got {shown(value)}")
    else:
        valid = isinstance(value, list) and len(value) == len(default) and all(type(v) is int and v > 0 for v in value)
        part.require(valid, f"{name}: must be a list of {len(default)} whole numbers above 0; got {shown(value)}")
    return value if valid else default


def features(key: str, value: Any) -> dict[str, float]:
    """Return the numbers of a value: itself, its elements, or how often it has each name.

    Parameters
    ----------
    key : str
        Key of the value.
    value : float or list
        A number, or a list of numbers or names.
    """
    if not isinstance(value, list):
        return {key: value}
    if value and isinstance(value[0], str):
        return {f"{key}={name}": value.count(name) for name in set(value)}
    return {f"{key}[{index}]": item for index, item in enumerate(value)}


def names_of(rule: str) -> set[str]:
    """Return the keys of a sum of products.

    Parameters
    ----------
    rule : str
        Such as "2*hidden_size//heads*head_dim + 3".
    """
    factors = re.split(r" \+ |\*|//|/", rule)
    return {factor for factor in factors if not _NUMBER.fullmatch(factor)}


def evaluated(rule: str, values: Mapping[str, float]) -> float:
    """Return the value of a sum of products, such as "2*hidden_size//heads*head_dim + 3".

    Parameters
    ----------
    rule : str
        Sum of products of keys, numbers and whole quotients.
    values : Mapping
        Numbers by key.

    Raises
    ------
    InputError
        If a quotient is not whole.

    Examples
    --------
    >>> evaluated("2*width//heads*kv_heads + -1*bias", {"width": 64, "heads": 8, "kv_heads": 2, "bias": 1})
    31.0
    """
    total = 0.0
    for term in rule.split(" + "):
        product, *divisor = re.split(r"(?<!/)/(?!/)", term)
        value = 1.0
        for factor in product.split("*"):
            value *= _factor(factor, values)
        total += value / float(divisor[0]) if divisor else value
    return total


def _factor(factor: str, values: Mapping[str, float]) -> float:
    """Return the value of a key, a number or a whole quotient; only patches of an image may leave a rest."""
    over, _, under = factor.partition("//")
    value = float(over) if _NUMBER.fullmatch(over) else float(values[over])
    if not under:
        return value
    divisor = float(under) if _NUMBER.fullmatch(under) else float(values[under])
    if divisor == 0 or (value % divisor and "patch" not in under):
        raise InputError(f"{over}: must be a multiple of {under} ({divisor:g}); got {value:g}")
    return value // divisor


def _whole(rule: str, values: Mapping[str, float]) -> int:
    value = evaluated(rule, values)
    if not (math.isfinite(value) and value >= 0 and abs(value - round(value)) < 1e-6):
        raise InputError(
            f"{', '.join(sorted(names_of(rule)))}: {rule} must be a whole number of at least 0; it is {value:g}"
        )
    return round(value)


def _tensors(layout: Layout, values: Mapping[str, float]) -> list[Tensor]:
    listed: list[Tensor] = []
    lines = [(name, *line[1:]) for line in layout.tensors for name in _expanded(line[0])]
    names = {line[0] for line in lines}
    for name, count, *extents in lines:
        number = _whole(count, values)
        if len(listed) + number > MOST_TENSORS:
            raise InputError(f"{', '.join(sorted(names_of(count)))}: at most {MOST_TENSORS:,} tensors are listed")
        if number:
            shape = tuple(_whole(extent, values) for extent in extents)
            first = 1 if name.replace("{}", "0", 1) in names else 0
            plain = name.rstrip("#")
            numbered = (plain.replace("{}", str(index), 1).replace("{}", "0") for index in range(first, first + number))
            listed += [Tensor(each, shape, table=name.endswith("#")) for each in numbered]
    return listed


def _expanded(name: str) -> list[str]:
    """Return the names that a name with ranges stands for.

    >>> _expanded("stages.{0-1}.norm")
    ['stages.0.norm', 'stages.1.norm']
    """
    ranges = _RANGE.search(name)
    if ranges is None:
        return [name]
    numbers = range(int(ranges[1]), int(ranges[2]) + 1)
    return [each for number in numbers for each in _expanded(name.replace(ranges[0], str(number), 1))]


def _told(config: Config, parts: Mapping[str, Config], layout: Layout) -> dict[str, Any]:
    """Return what the tensors do not tell, as a config: the keys that are given, and defaults."""
    told: dict[str, Any] = {"architectures": [layout.model_class]}
    for key, value in {**layout.fixed, **layout.free}.items():
        part, name = _place(parts, key)
        given = part.value(name)
        place = told
        for inside in key.split(".")[:-1]:
            place = place.setdefault(inside, {})
        place[name] = value if given is None else given
    return {**config.data, **told}
