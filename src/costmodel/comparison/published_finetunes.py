"""Scenarios of published fine-tunes, for the fit of their realized efficiency and for validation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from costmodel.estimation.scenario import Scenario
from costmodel.foundation.errors import InputError, unknown
from costmodel.hardware.cluster import Cluster
from costmodel.market.rental import Rental
from costmodel.training.recipes.table import RECIPES

if TYPE_CHECKING:
    from costmodel.foundation.tables import Row

WORDS = {"yes": True, "no": False}
"""Words of boolean cells."""
RECIPE_FIELDS = (
    "examples",
    "lengths",
    "tokens",
    "epochs",
    "sequence_length",
    "batch_size",
    "packing",
    "rank",
    "targets",
    "quantization",
    "software",
    "group_size",
    "prompt_length",
    "learn_from",
    "teacher",
    "cached",
)
"""Columns that are fields of the recipe. An empty cell keeps the default."""


def scenario_of(row: Row) -> Scenario:
    """Return the scenario of a row of `data/measurements/published_finetunes.csv`.

    Parameters
    ----------
    row : Row
        A published fine-tune.

    Raises
    ------
    InputError
        If the row cannot be estimated, or its recipe is not valid.
    """
    if row["skipped"]:
        raise InputError(row["skipped"])
    if row["confidence"] == "C":
        raise InputError("confidence: rows with confidence C are speculative and are not estimated")
    fields = {name: cell_value(row[name]) for name in RECIPE_FIELDS if row[name]}
    if "targets" in fields:
        fields["targets"] = tuple(row["targets"].split())
    if row["kind"] not in RECIPES:
        raise InputError(f"kind: {unknown('kind of recipe', row['kind'], RECIPES)}")
    return Scenario(
        name=row["id"],
        architecture=row["architecture"],
        recipe=RECIPES[row["kind"]](**fields),
        cluster=Cluster(row["accelerator"], int(row["count"])),
        prices=_prices(row),
    )


def _prices(row: Row) -> Rental:
    """Return the price of the row, or else the market price on its day (the first of its month if no day is given)."""
    if row["usd_per_gpu_hour"]:
        return Rental(price=float(row["usd_per_gpu_hour"]))
    day = row["date"] if len(row["date"]) == len("2025-01-31") else f"{row['date']}-01"
    return Rental(on=day)


def cell_value(cell: str) -> Any:
    """Return the value of a cell: yes or no, a number, or a text such as an interval."""
    if cell in WORDS:
        return WORDS[cell]
    try:
        number = float(cell)
    except ValueError:
        return cell
    if not math.isfinite(number):
        raise InputError(f"a number must be finite; got {cell!r}")
    return int(number) if number.is_integer() else number
