"""Published scaling laws by name, from `data/facts/scaling_laws.csv` and from installed packages.

Grades of the rows: A from the authors' own files, B from a report with its equation or table, D recomputed for
this library.
"""

from __future__ import annotations

import math
from dataclasses import fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from costmodel.foundation import rendering
from costmodel.foundation.registry import Catalog, Registry
from costmodel.foundation.tables import Row, table
from costmodel.scaling.laws.compute_optimal import ComputePowerLaw
from costmodel.scaling.laws.data_constrained import MuennighoffLaw
from costmodel.scaling.laws.distillation import BusbridgeLaw
from costmodel.scaling.laws.experts import ClarkLaw, KrajewskiLaw
from costmodel.scaling.laws.hoffmann import HoffmannLaw
from costmodel.scaling.laws.hyperparameters import DeepSeekLaw, StepLaw
from costmodel.scaling.laws.kaplan import CriticalBatchLaw, KaplanLaw, KaplanSingleLaw
from costmodel.scaling.laws.law import Law
from costmodel.scaling.laws.precision import PrecisionLaw
from costmodel.scaling.laws.sparsity import AbnarLaw

if TYPE_CHECKING:
    from collections.abc import Callable

FORMS: dict[str, Callable[..., Law]] = {
    "abnar": AbnarLaw,
    "busbridge": BusbridgeLaw,
    "clark": ClarkLaw,
    "compute": ComputePowerLaw,
    "critical-batch": CriticalBatchLaw,
    "deepseek": DeepSeekLaw,
    "hoffmann": HoffmannLaw,
    "kaplan": KaplanLaw,
    "kaplan-single": KaplanSingleLaw,
    "krajewski": KrajewskiLaw,
    "muennighoff": MuennighoffLaw,
    "precision": PrecisionLaw,
    "steplaw": StepLaw,
}
"""Class of each form in the table."""
_ALIASES = {"hoffmann-2022": ("chinchilla", "hoffmann-2022-approach-3"), "besiroglu-2024": ("epoch-2024",)}
_LOGARITHM = "ln_"


def scaling_law(name: str) -> Any:
    """Return a published law by its name.

    Every law has `name` and `source`. Most have `loss`, and some have `allocate`.

    Parameters
    ----------
    name : str
        Name in `scaling_laws()`; case and separators are ignored.

    Raises
    ------
    UnknownNameError
        If there is no law of that name; the message gives the nearest names.

    Examples
    --------
    >>> law = scaling_law("besiroglu-2024")
    >>> round(law.allocate(5.88e23).tokens_per_parameter, 1)
    18.4
    >>> scaling_law("besiroglu 2025")
    Traceback (most recent call last):
        ...
    costmodel.foundation.errors.UnknownNameError: unknown scaling law 'besiroglu 2025'; did you mean 'besiroglu-2024' or 'besiroglu-2024-optimum'?
    """  # noqa: E501
    return _laws().get(name)


def scaling_laws() -> rendering.RowTable:
    """Return one row per law, those of installed packages last.

    The columns are name, form, coefficients, counts, source, grade and note.

    Examples
    --------
    >>> next(row["form"] for row in scaling_laws() if row["name"] == "llama-3")
    'compute'
    """
    laws = _laws().registry
    added = [_row(law) for name, law in laws.working().items() if name in laws.added]
    rows = [dict(row) for row in table("facts/scaling_laws").rows] + added
    return rendering.RowTable(rows, "scaling laws", "name")


@lru_cache(maxsize=1)
def _laws() -> Catalog[Any]:
    rows = {row["name"]: row for row in table("facts/scaling_laws").rows}
    taken = [alias for aliases in _ALIASES.values() for alias in aliases]
    laws = Registry("scaling law", "costmodel.scaling_laws", rows, lambda name: _law(rows[name]), _problem, taken)
    return Catalog(laws, _ALIASES)


def _problem(name: str, value: object) -> str:
    """Return what is wrong with a law of a package, or ""."""
    if isinstance(value, Law) and value.name == name and value.source:
        return ""
    return f"must be a Law with the name {name!r} and a source; got {value!r}"


def _row(law: Law) -> Row:
    """Return the row of a law of a package."""
    given = {item.name: getattr(law, item.name) for item in fields(law) if item.name not in {"name", "source"}}
    coefficients = ";".join(f"{name}={value!r}" for name, value in given.items())
    form = f"{type(law).__module__}:{type(law).__name__}"
    return {
        "name": law.name,
        "form": form,
        "coefficients": coefficients,
        "counts": "",
        "source": law.source,
        "grade": "",
        "note": "",
    }


def _law(row: Row) -> Law:
    values = dict(_coefficient(cell) for cell in row["coefficients"].split(";"))
    return FORMS[row["form"]](**values, name=row["name"], source=row["source"])


def _coefficient(cell: str) -> tuple[str, float | str]:
    key, _, text = cell.partition("=")
    if key == "quantity":
        return key, text
    if key.startswith(_LOGARITHM):
        return key.removeprefix(_LOGARITHM), math.exp(float(text))
    return ("lambda_" if key == "lambda" else key), float(text)
