"""Default prices and quantities of a project, from data/assumptions/project_facts.csv."""

from __future__ import annotations

from functools import lru_cache

from costmodel.foundation.errors import UnknownNameError
from costmodel.foundation.names import Names
from costmodel.foundation.ranges import between
from costmodel.foundation.tables import Figure, Provenance, Row, table

ANNOTATION_OVERRUN = "annotation overrun"
_YEARLY = "USD/year"


@lru_cache(maxsize=1)
def _facts() -> Names[Row]:
    return Names("fact of a project", {row["name"]: row for row in table("assumptions/project_facts").rows})


@lru_cache(maxsize=32)
def fact(name: str) -> Figure:
    """Return the fact called `name` in the unit of its row, with interval and source.

    >>> round(fact("preference pair").value, 2)
    1.58
    """
    row = _facts().get(name)
    spread = between(float(row["low"]), float(row["high"]), level=float(row["level"]))
    settled = spread.settled("logitnormal" if row["shape"] == "logitnormal" else "lognormal")
    return Figure(settled.median(), settled, Provenance("looked up", row["source"], row["as_of"], row["note"]))


def priced_kinds() -> dict[str, str]:
    """Return the kinds of data with a known price, each with its unit: "pair", "example"."""
    return {
        name: row["unit"].removeprefix("USD/")
        for name, row in _facts().things.items()
        if row["unit"].startswith("USD/") and row["unit"] != _YEARLY
    }


def priced_kind(name: str) -> str:
    """Return the exact name of a kind of data, or raise `UnknownNameError` with the nearest name."""
    kinds = priced_kinds()
    proper = Names("kind of data", {kind: kind for kind in kinds}).proper(name)
    if proper is None:
        raise UnknownNameError.of("kind of data", name, kinds, "For any other kind, give unit_price.")
    return proper
