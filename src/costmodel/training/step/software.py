"""Training software: the stacks that the field `software` of a recipe names, and how they launch kernels."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator

from costmodel.foundation.errors import CostModelError, FieldsError, InputError, unknown
from costmodel.foundation.fields import OrJson, reported
from costmodel.foundation.names import Names
from costmodel.foundation.tables import constant, table
from costmodel.training.step.efficiency import NEWEST_SOFTWARE
from costmodel.training.step.features import NOT_KNOWN, PLAIN, Features, read_features
from costmodel.training.step.layout import Kernel, usual_kernel

Kernels = Literal["fused", "eager"]
UNKNOWN = "unknown"
"""Key of the constants of software without measured steps."""
FIRST_YEAR = int(constant("first_software_year"))
"""Year of the oldest training software [year]."""
LAST_YEAR = int(NEWEST_SOFTWARE + constant("software_year_margin"))
"""Latest year of software: the newest measured, with a margin [year]."""
_FIELDS = ("name", "year", *Features._fields)
"""Fields of software that is given as a mapping."""
_YEAR = re.compile(r"(?P<name>.*\S)\s+(?P<year>\d{4})")


class Software(NamedTuple):
    """Training software, perhaps of a certain year."""

    name: str
    """Proper name; "fused" or "eager" where only the kind of kernels is known."""
    kernels: Kernels
    """"fused": fused or compiled kernels; "eager": kernels launched one by one by a general-purpose trainer."""
    is_measured: bool
    """Whether steps of this software were measured."""
    year: float | None = None
    """Year of the software, where it is stated; the middle of the year."""
    features: Features = NOT_KNOWN
    """Features for mixtures of experts, where they are stated."""
    is_tuned_for_moe: bool = False
    """Whether steps of mixtures of experts were measured on this software."""

    @property
    def key(self) -> str:
        """Name of its constants in the step-time model."""
        return self.name if self.is_measured else UNKNOWN

    @property
    def text(self) -> str:
        """Name, year and features, as `load_software` reads them."""
        name = self.name if self.year is None else f"{self.name} {int(self.year)}"
        return ", ".join([name, *self.features.texts()])

    @property
    def planned(self) -> Software:
        """The software as a plan assumes it: without its name, since the realized efficiency of jobs covers it."""
        return Software(self.kernels, self.kernels, False, self.year, self.moe_features)

    @property
    def moe_features(self) -> Features:
        """Features for mixtures of experts; those of general-purpose trainers and of software without measured
        mixtures of experts are plain ones, unless they are stated."""
        has_usual_ones = self.is_tuned_for_moe or self.name == "fused"
        return self.features if has_usual_ones else self.features.or_else(PLAIN)

    @property
    def attention(self) -> Kernel:
        """Attention kernel: the usual one of its year, or the latest."""
        return "latest" if self.year is None else usual_kernel(self.year)


@lru_cache(maxsize=1)
def software_names() -> Names[Software]:
    """Return the software of `data/facts/software.csv`, with "fused" and "eager" for software that is not named."""
    rows = table("facts/software").rows
    listed: dict[str, Software] = {}
    for row in rows:
        tuned = row["moe_measured"] == "yes"
        kernels: Kernels = row["kernels"]  # type: ignore[assignment]
        listed[row["name"]] = Software(row["name"], kernels, bool(row["measured_in"]), is_tuned_for_moe=tuned)
    listed |= {"fused": Software("fused", "fused", False), "eager": Software("eager", "eager", False)}
    aliases = {row["name"]: [alias.strip() for alias in row["aliases"].split(";") if alias.strip()] for row in rows}
    return Names("software", listed, aliases)


def load_software(name: str | None) -> Software:
    """Return training software by name, with a year or without.

    Parameters
    ----------
    name : str or None
        A name of `data/facts/software.csv`, "fused" or "eager", perhaps followed by a year from `FIRST_YEAR` to
        `LAST_YEAR`: "Megatron-LM 2021". A year alone means software that is not known. Features for mixtures of experts
        may follow, separated by commas or semicolons: "Megatron-LM 2025, dispatcher deepep, a2a_overlap 1f1b". None:
        software that is not known, with fused kernels.

    Raises
    ------
    UnknownNameError
        If the name is unknown; the message lists the nearest names.
    InputError
        If the year or a feature is not accepted; with every problem of the text.

    Examples
    --------
    >>> load_software("HF Trainer").kernels, load_software("megatron-lm 2021").year, load_software(None).key
    ('eager', 2021.5, 'unknown')
    """
    if name is None:
        return software_names().get("fused")
    first, *stated = (part.strip() for part in re.split("[,;]", name))
    try:
        features = read_features(stated)
    except InputError as error:
        raise FieldsError([*_problems(_of_year, first), *error.problems]) from None
    return _of_year(first)._replace(features=features)


def _problems(read: Callable[[str], object], text: str) -> Sequence[str]:
    """Return the problems of a text."""
    try:
        read(text)
    except InputError as error:
        return error.problems
    except CostModelError as error:
        return [str(error)]
    return []


def _of_year(name: str) -> Software:
    """Return software by name, with a year or without."""
    names = software_names()
    if name.isdecimal() and len(name) == 4:
        name = f"fused {name}"
    stated = _YEAR.fullmatch(name)
    if stated is None or names.proper(name) is not None:
        return names.get(name)
    software, year = names.get(stated["name"]), int(stated["year"])
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise InputError(f"the year of {software.name} must be from {FIRST_YEAR} to {LAST_YEAR}; got {name!r}")
    return software._replace(year=year + 0.5)


def _proper(value: object) -> str | None:
    """Return the proper name, with the year and the features that are stated."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        text = _text(value)
        if unread := [unknown("field of software", str(key), _FIELDS) for key in value if key not in _FIELDS]:
            raise FieldsError([*unread, *_problems(load_software, text)])
        return load_software(text).text
    if not isinstance(value, str):
        raise InputError(f'must be the name of training software, such as "torchtitan"; got {value!r}')
    return load_software(value).text


def _text(fields: Mapping[object, object]) -> str:
    """Return the text of software that is given as fields: `name`, `year` and features."""
    first = " ".join(str(fields[key]) for key in ("name", "year") if fields.get(key) is not None) or "fused"
    words = {True: "yes", False: "no"}
    stated = {key: fields[key] for key in Features._fields if fields.get(key) is not None}
    texts = [f"{key} {words[value] if isinstance(value, bool) else value}" for key, value in stated.items()]
    return ", ".join([first, *texts])


SoftwareName = Annotated[str | None, BeforeValidator(reported(_proper)), OrJson(("object",))]
"""Name of training software, perhaps with a year and features, or a mapping of these."""
