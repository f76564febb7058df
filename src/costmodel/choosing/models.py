"""Names of models, joined across scores, API prices and the catalog of architectures.

Evaluators write a model with its day of release and its reasoning effort: `o3-2025-04-16_high`, `o3 (high)`,
`gpt-5.4-nano-xhigh`. The effort changes the score and the tokens, not the price per token. Rules split it off;
`data/facts/model_aliases.csv` names the models whose names the rules do not lead to a price or an architecture, each
with the reason where there is none.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.errors import InputError
from costmodel.foundation.names import name_key
from costmodel.foundation.tables import Row, table

if TYPE_CHECKING:
    from collections.abc import Iterable

_EFFORT = r"(?:minimal|none|low|medium|high|xhigh|max|thinking|reasoner|chat|default|\d+k)"
_FILLER = r"(?:[ -](?:thinking|think|tokens|auto|effort))*"
_MARKED = re.compile(rf"(?:_({_EFFORT})| \((no think(?:ing)?|{_EFFORT}{_FILLER})\))$", re.IGNORECASE)
"""A reasoning effort that a name marks as such: `_high`, `_16K`, ` (32k thinking tokens)`."""
_HYPHENATED = re.compile(rf"-({_EFFORT}{_FILLER})$", re.IGNORECASE)
"""A last word that can be a reasoning effort, `-high`, `-max-effort`, or part of the name, as in qwen3.7-max."""
_SYNONYMS = {"reasoner": "thinking", "chat": "none", "default": ""}
_FILLERS = frozenset({"thinking", "think", "tokens", "auto", "effort"})
_RELEASED = re.compile(r"-(\d{4})-?(\d{2})-?(\d{2})$")
"""The day of release at the end of a name: -20250929 or -2025-08-07."""
_KIND = re.compile(r"-(?:it|instruct|chat|base|hf)$", re.IGNORECASE)
"""A word at the end of a name that says how the model was trained after pretraining: the shape is the same."""


class ModelName(NamedTuple):
    """A model as an evaluator names it, and its names in the other tables."""

    name: str
    """As given."""
    model: str
    """Without reasoning effort; its day of release stays where it tells models apart."""
    effort: str
    """Reasoning effort or budget of thinking, such as "high" or "32k"; "" if the name has none."""
    version: str
    """Day of release or "beta", where versions share a price but not their scores; "" if the name has none."""
    api: str | None
    """Name in the table of API prices; None if no price is known."""
    architecture: str | None
    """Name in the catalog of architectures; None if it is not there."""
    reason: str
    """Why there is no price or no architecture, where a reason is known."""


def model_named(name: str) -> ModelName:
    """Return a model with its names in the tables of prices and architectures.

    Parameters
    ----------
    name : str
        Name of a score, a price or an architecture, with or without owner, day of release and reasoning effort.

    Returns
    -------
    ModelName
        `.model`, `.effort`, `.api` and `.architecture`; both are None for a name that no table has.

    Raises
    ------
    InputError
        If the name is not text, or empty.

    Examples
    --------
    >>> found = model_named("o3-2025-04-16_high")
    >>> found.api, found.effort
    ('o3', 'high')
    >>> model_named("Qwen3-32B").architecture
    'qwen3-32b'
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"model must be a name; got {name!r}")
    return _named(name.strip())


@lru_cache(maxsize=4096)
def _named(name: str) -> ModelName:
    stem, effort = _split(name)
    day = _RELEASED.search(stem)
    version = "-".join(day.groups()) if day else ""
    row = _aliases().get(name_key(stem))
    if row is None:
        return ModelName(name, stem, effort, version, _api(stem), _architecture(stem), "")
    return ModelName(
        name=name,
        model=stem,
        effort=effort or row["effort"],
        version=row["version"] or version,
        api=row["api"] or None,
        architecture=row["architecture"] or None,
        reason=row["reason"],
    )


def _split(name: str) -> tuple[str, str]:
    """Return a name without its reasoning effort, and the effort; a hyphenated one only if a known name is left."""
    stem, marked = _cut(name, _MARKED)
    shorter, hyphenated = _cut(stem, _HYPHENATED)
    if _is_known(shorter):
        return shorter, _effort([*hyphenated, *marked])
    return stem, _effort(marked)


def _cut(name: str, pattern: re.Pattern[str]) -> tuple[str, list[str]]:
    """Return a name without the last words that a pattern finds, until it is known, and those words in order."""
    words = list[str]()
    while not _is_known(name) and (match := pattern.search(name)):
        words.insert(0, next(group for group in match.groups() if group))
        name = name[: match.start()]
    return name, words


def _effort(words: list[str]) -> str:
    """Return a reasoning effort in one form: "32k" for "32k thinking tokens", "none" for "no thinking"."""
    parts = re.split(r"[ -]", " ".join(words).lower())
    if parts[0] == "no":
        return "none"
    levels = [_SYNONYMS.get(part, part) for part in parts if part not in _FILLERS]
    return " ".join(filter(None, levels)) or ("thinking" if "thinking" in parts else "")


def _is_known(stem: str) -> bool:
    return name_key(stem) in _aliases() or bool(_api(stem)) or bool(_architecture(stem))


@lru_cache(maxsize=1)
def _aliases() -> dict[str, Row]:
    return {name_key(row["name"]): row for row in table("facts/model_aliases").rows}


def _api(stem: str) -> str | None:
    """Return the name in the table of prices: as it stands, then without the day of release."""
    from costmodel.market.api_prices import api_name

    return api_name(stem) or api_name(_RELEASED.sub("", stem))


def _architecture(stem: str) -> str | None:
    """Return the name in the catalog: as it stands, then without a word such as `-Instruct`."""
    from costmodel.architecture.loading import catalog

    return catalog().proper(stem) or catalog().proper(_KIND.sub("", stem))


def same_model(first: str, second: str) -> bool:
    """Return whether two names mean the same model at the same reasoning effort.

    A name without a version means any version.

    Parameters
    ----------
    first, second : str

    Examples
    --------
    >>> same_model("gpt-4.1-2025-04-14", "gpt-4.1"), same_model("o3-2025-04-16_high", "o3-2025-04-16_low")
    (True, False)
    """
    return same_weights(first, second) and model_named(first).effort == model_named(second).effort


def same_weights(first: str, second: str) -> bool:
    """Return whether two names mean the same model, whatever its reasoning effort.

    Parameters
    ----------
    first, second : str

    Examples
    --------
    >>> same_weights("o3-2025-04-16_high", "o3"), same_weights("gpt-4o-2024-08-06", "gpt-4o-2024-11-20")
    (True, False)
    """
    one, other = model_named(first), model_named(second)
    if one.version and other.version and one.version != other.version:
        return False
    return name_key(one.api or one.model) == name_key(other.api or other.model)


def unmatched(names: Iterable[str]) -> list[ModelName]:
    """Return the models that have neither a price nor an architecture, sorted, each once.

    Parameters
    ----------
    names : iterable of str
        Names of models, as in the scores.
    """
    found = {each.model: each for each in map(model_named, names)}
    return sorted(
        (each for each in found.values() if not each.api and not each.architecture), key=lambda each: each.model
    )
