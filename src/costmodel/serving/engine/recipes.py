"""Recipes of inference engines: which overheads an engine has on an accelerator at a date."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from costmodel.foundation.errors import InputError, UnknownNameError
from costmodel.foundation.tables import table

if TYPE_CHECKING:
    from costmodel.foundation.tables import Row
    from costmodel.hardware.accelerator import Accelerator

RecipeName = Literal["default", "tuned", "unknown"]
RECIPES: tuple[RecipeName, ...] = get_args(RecipeName)
"""Settings of an engine: those it is installed with, those that its makers publish for a model and an accelerator, or
not known."""
UNKNOWN = "unknown"
OLDER, CURRENT = "2024", "2025"
"""Periods of releases: until the end of 2024, and since."""
LATEST = "9999-12"
"""A month after all others."""


class Recipe(NamedTuple):
    """An engine with its settings on an accelerator."""

    engine: str
    """Name of the engine, or "unknown"."""
    recipe: str
    """One of `RECIPES`."""
    period: str
    """"2024" for releases of 2024 and earlier, else "2025"."""
    constants: tuple[str, ...]
    """Names of the fitted factors that apply, such as "software:tuned"."""
    source: str
    """Where the measurements of the recipe were published."""
    date: str | None = None
    """Month of the release that was asked for, if any."""

    @property
    def name(self) -> str:
        """Name in tables: engine, recipe and period."""
        return f"{self.engine} {self.recipe} {self.period}"

    @property
    def title(self) -> str:
        """Words for the reader: engine, settings and period."""
        period = "of 2024 or earlier" if self.period == OLDER else "of 2025 or later"
        if self.engine == UNKNOWN:
            return "not known"
        settings = "unknown" if self.recipe == UNKNOWN else self.recipe
        return f"{self.engine} {period} with {settings} settings"


def engines() -> list[str]:
    """Return the names of the engines that are known."""
    return list(dict.fromkeys(row["engine"] for row in _rows()))


def recipe_of(
    accelerator: Accelerator, engine: str | None = None, recipe: str = UNKNOWN, date: str | None = None
) -> Recipe:
    """Return the recipe of an engine on an accelerator at a date.

    Parameters
    ----------
    accelerator : Accelerator
        Accelerator; its vendor and its generation select the row.
    engine : str, optional
        One of `engines()`; default: unknown.
    recipe : {"default", "tuned", "unknown"}
        Settings of the engine.
    date : str, optional
        Month of the release, such as "2025-11"; default: the latest.

    Raises
    ------
    InputError
        If the engine or the recipe is not known; the message lists both problems.

    Examples
    --------
    >>> import costmodel as cm
    >>> recipe_of(cm.load_accelerator("H100-SXM"), "sglang", "tuned").constants
    ('software:tuned', 'sequence:tuned')
    """
    problems = []
    if recipe not in RECIPES:
        problems.append(f"recipe: must be one of {', '.join(RECIPES)}; got {recipe!r}")
    if engine is not None and engine not in (*engines(), UNKNOWN):
        problems.append(f"engine: {UnknownNameError.of('engine', engine, [*engines(), UNKNOWN])}")
    if problems:
        raise InputError(problems)
    month = date or LATEST
    period = OLDER if month < CURRENT else CURRENT
    matching = [row for row in _rows() if _matches(row, accelerator, month)]
    exact = [row for row in matching if row["engine"] == engine and row["recipe"] == recipe]
    if exact:
        row = max(exact, key=lambda each: bool(each["generation"]))
        return Recipe(row["engine"], recipe, period, _listed(row), row["source"], date)
    shared = _shared(matching)
    return Recipe(engine or UNKNOWN, recipe, period, (*shared, "software:unknown"), "", date)


def _matches(row: Row, accelerator: Accelerator, month: str) -> bool:
    return (
        row["vendor"].lower() == accelerator.vendor.lower()
        and row["generation"] in ("", accelerator.generation)
        and (row["since"] or "0000") <= month <= (row["until"] or LATEST)
    )


def _shared(rows: list[Row]) -> tuple[str, ...]:
    """Return the factors that all recipes of an accelerator share: those of its vendor and its generation."""
    specific = [row for row in rows if row["generation"]] or rows
    listed = [_listed(row) for row in specific]
    return tuple(name for name in (listed[0] if listed else ()) if all(name in other for other in listed))


def _listed(row: Row) -> tuple[str, ...]:
    return tuple(name for name in row["constants"].split("|") if name)


@lru_cache(maxsize=1)
def _rows() -> tuple[Row, ...]:
    return table("facts/serving_engines").rows
