"""Training software: the stacks that the field `software` of a recipe names, and how they launch kernels."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator

from costmodel.foundation.errors import InputError
from costmodel.foundation.fields import reported
from costmodel.foundation.names import Names
from costmodel.foundation.tables import constant, table
from costmodel.training.step.efficiency import NEWEST_SOFTWARE
from costmodel.training.step.layout import Kernel, usual_kernel

Kernels = Literal["fused", "eager"]
UNKNOWN = "unknown"
"""Key of the constants of software without measured steps."""
FIRST_YEAR = int(constant("first_software_year"))
"""Year of the oldest training software [year]."""
LAST_YEAR = int(NEWEST_SOFTWARE + constant("software_year_margin"))
"""Latest year of software: the newest measured, with a margin [year]."""
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

    @property
    def key(self) -> str:
        """Name of its constants in the step-time model."""
        return self.name if self.is_measured else UNKNOWN

    @property
    def attention(self) -> Kernel:
        """Attention kernel: the usual one of its year, or the latest."""
        return "latest" if self.year is None else usual_kernel(self.year)


@lru_cache(maxsize=1)
def software_names() -> Names[Software]:
    """Return the software of `data/facts/software.csv`, with "fused" and "eager" for software that is not named."""
    rows = table("facts/software").rows
    listed = {row["name"]: Software(row["name"], row["kernels"], bool(row["measured_in"])) for row in rows}  # type: ignore[arg-type]
    listed |= {"fused": Software("fused", "fused", False), "eager": Software("eager", "eager", False)}
    aliases = {row["name"]: [alias.strip() for alias in row["aliases"].split(";") if alias.strip()] for row in rows}
    return Names("software", listed, aliases)


def load_software(name: str | None) -> Software:
    """Return training software by name, with a year or without.

    Parameters
    ----------
    name : str or None
        A name of `data/facts/software.csv`, "fused" or "eager", perhaps followed by a year from `FIRST_YEAR` to
        `LAST_YEAR`: "Megatron-LM 2021". None: software that is not known, with fused kernels.

    Raises
    ------
    UnknownNameError
        If the name is unknown; the message lists the nearest names.
    InputError
        If the year is not accepted.

    Examples
    --------
    >>> load_software("HF Trainer").kernels, load_software("megatron-lm 2021").year, load_software(None).key
    ('eager', 2021.5, 'unknown')
    """
    if name is None:
        return software_names().get("fused")
    names, stated = software_names(), _YEAR.fullmatch(name.strip())
    if stated is None or names.proper(name) is not None:
        return names.get(name)
    software, year = names.get(stated["name"]), int(stated["year"])
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise InputError(f"the year of {software.name} must be from {FIRST_YEAR} to {LAST_YEAR}; got {name!r}")
    return software._replace(year=year + 0.5)


def _proper(value: object) -> str | None:
    """Return the proper name, with the year where one is stated."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise InputError(f'must be the name of training software, such as "torchtitan"; got {value!r}')
    software = load_software(value)
    return software.name if software.year is None else f"{software.name} {int(software.year)}"


SoftwareName = Annotated[str | None, BeforeValidator(reported(_proper))]
"""Name of training software, with a year or without."""
