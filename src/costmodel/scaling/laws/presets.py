"""Published scaling laws by name, from `data/facts/scaling_laws.csv`.

Grades of the rows: A from the authors' own files, B from a report with its equation or table, D recomputed for
this library.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from costmodel.foundation.names import Names
from costmodel.foundation.tables import Row, table
from costmodel.scaling.laws.compute_optimal import ComputePowerLaw
from costmodel.scaling.laws.data_constrained import MuennighoffLaw
from costmodel.scaling.laws.distillation import BusbridgeLaw
from costmodel.scaling.laws.experts import ClarkLaw, KrajewskiLaw
from costmodel.scaling.laws.hoffmann import HoffmannLaw
from costmodel.scaling.laws.hyperparameters import DeepSeekLaw, StepLaw
from costmodel.scaling.laws.kaplan import CriticalBatchLaw, KaplanLaw, KaplanSingleLaw
from costmodel.scaling.laws.precision import PrecisionLaw
from costmodel.scaling.laws.sparsity import AbnarLaw

if TYPE_CHECKING:
    from collections.abc import Callable

FORMS: dict[str, Callable[..., Any]] = {
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


def scaling_laws() -> list[Row]:
    """Return one row per law: name, form, coefficients, counts, source, grade and note.

    Examples
    --------
    >>> next(row["form"] for row in scaling_laws() if row["name"] == "llama-3")
    'compute'
    """
    return [dict(row) for row in table("facts/scaling_laws").rows]


@lru_cache(maxsize=1)
def _laws() -> Names[Any]:
    laws = {row["name"]: _law(row) for row in table("facts/scaling_laws").rows}
    return Names("scaling law", laws, _ALIASES)


def _law(row: Row) -> Any:
    values = dict(_coefficient(cell) for cell in row["coefficients"].split(";"))
    return FORMS[row["form"]](**values, name=row["name"], source=row["source"])


def _coefficient(cell: str) -> tuple[str, float | str]:
    key, _, text = cell.partition("=")
    if key == "quantity":
        return key, text
    if key.startswith(_LOGARITHM):
        return key.removeprefix(_LOGARITHM), math.exp(float(text))
    return ("lambda_" if key == "lambda" else key), float(text)
