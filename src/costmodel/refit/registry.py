"""The refits by name: the tables that each writes, its inputs, and the tolerance of `costmodel refit NAME --check`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.errors import InputError, UnknownNameError
from costmodel.foundation.tables import FIT_INPUTS, folder, read_csv, write_rows
from costmodel.refit import (
    decline,
    finetunes,
    generation_efficiency,
    power,
    price_proxies,
    realized_efficiency,
    rental_paths,
    serving,
    serving_figures,
    software,
    step_times,
    trends,
    utilization,
)
from costmodel.refit.result import Refitted, differences

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

ALL = "all"
SEARCHED, CLOSED_FORM = 1e-3, 1e-6
"""Relative tolerances of fits by numerical search, which differ between machines, and of closed forms [1]."""


class Refit(NamedTuple):
    """A refit: its function, the tables that it writes, the tables that it reads, its tolerance [1] and its speed."""

    run: Callable[[], Refitted]
    tables: tuple[str, ...]
    inputs: tuple[str, ...]
    tolerance: float
    slow: bool = False


REFITS: dict[str, Refit] = {
    "step_times": Refit(
        step_times.refit, ("fitted/efficiency", "fitted/folds/efficiency"),
        ("measurements/step_times", "measurements/step_times_single_node"), SEARCHED, slow=True,
    ),
    "finetunes": Refit(
        finetunes.refit, ("fitted/finetune_efficiency", "fitted/memory", "fitted/folds/finetune"),
        ("measurements/finetunes", "fitted/efficiency"), SEARCHED,
    ),
    "software": Refit(
        software.refit, ("fitted/software_efficiency",),
        ("measurements/other_software", "fitted/efficiency", "fitted/finetune_efficiency"), CLOSED_FORM,
    ),
    "utilization": Refit(
        utilization.refit, ("fitted/utilization",), ("measurements/published_runs",), CLOSED_FORM
    ),
    "generation_efficiency": Refit(
        generation_efficiency.refit, ("fitted/generation_efficiency",), ("measurements/accelerator_throughput",),
        CLOSED_FORM,
    ),
    "serving": Refit(
        serving.refit,
        (
            "fitted/serving", "fitted/serving_stacks", "fitted/folds/serving_models",
            "fitted/folds/serving_accelerators",
        ),
        ("measurements/serving",), SEARCHED, slow=True,
    ),
    "serving_latency": Refit(
        serving_figures.refit_latency, ("fitted/serving_latency",), ("measurements/serving", "fitted/serving"), SEARCHED
    ),
    "serving_power": Refit(
        serving_figures.refit_power, ("fitted/serving_power", "fitted/folds/serving_power"),
        ("measurements/serving", "fitted/serving", "fitted/folds/serving_models"), SEARCHED,
    ),
    "realized_efficiency": Refit(
        realized_efficiency.refit, ("fitted/realized_efficiency",),
        (
            "measurements/published_runs", "measurements/published_finetunes", "measurements/rl_steps",
            "fitted/efficiency", "fitted/finetune_efficiency", "fitted/software_efficiency", "fitted/memory",
            "fitted/serving",
        ),
        CLOSED_FORM,
    ),
    "power": Refit(
        power.refit, ("fitted/power", "fitted/folds/power"), ("measurements/measured_power",), SEARCHED
    ),
    "decline": Refit(
        decline.refit, ("fitted/decline", "fitted/folds/decline"), ("measurements/cost_decline",), SEARCHED
    ),
    "rental_paths": Refit(rental_paths.refit, ("fitted/rental_paths",), ("gpu_prices",), SEARCHED),
    "price_proxies": Refit(price_proxies.refit, ("fitted/price_proxies",), ("gpu_prices",), CLOSED_FORM),
    "trends": Refit(trends.refit, ("fitted/trends",), ("facts/accelerators", "gpu_prices"), CLOSED_FORM),
}  # fmt: skip
"""All refits, in an order in which each comes after those whose tables it reads."""


def chosen(name: str, slow: bool) -> list[str]:
    """Return the names of the refits that a name stands for.

    Parameters
    ----------
    name : str
        A key of `REFITS`, or "all".
    slow : bool
        Whether "all" includes the slow refits.
    """
    if name == ALL:
        return [each for each, refit in REFITS.items() if slow or not refit.slow]
    if name not in REFITS:
        raise UnknownNameError.of("refit", name, [*REFITS, ALL])
    return [name]


def missing_inputs(name: str) -> list[str]:
    """Return the inputs of a refit that are not in the data: an installed package leaves out what only fits read.

    Parameters
    ----------
    name : str
        A key of `REFITS`.
    """
    return [table for table in REFITS[name].inputs if not (folder() / f"{table}.csv").is_file()]


def check(name: str, against: Path | None = None) -> list[str]:
    """Return the differences between a refit and the tables of a folder, one line each.

    Parameters
    ----------
    name : str
        A key of `REFITS`.
    against : Path, optional
        Folder of the tables; the data of the library by default.
    """
    root = against or folder()
    return [
        line
        for written, rows in REFITS[name].run().tables.items()
        for line in differences(written, rows, read_csv(root / f"{written}.csv"), REFITS[name].tolerance)
    ]


def write(name: str, to: Path | None = None) -> Refitted:
    """Write the tables of a refit.

    Parameters
    ----------
    name : str
        A key of `REFITS`.
    to : Path, optional
        Folder to write to; the data of the repository by default.

    Raises
    ------
    InputError
        If the package is installed from a wheel and no folder is given.
    """
    if to is None and not (folder() / f"{FIT_INPUTS[0]}.csv").is_file():
        raise InputError("--to: give a folder; the tables of an installed package are not overwritten")
    result = REFITS[name].run()
    for written, rows in result.tables.items():
        write_rows((to or folder()) / f"{written}.csv", rows)
    if to is None:
        _forget_tables()
    return result


def _forget_tables() -> None:
    """Clear all caches of the library, which may hold values of the tables that were written."""
    for name, module in list(sys.modules.items()):
        if name.startswith("costmodel."):
            for member in list(vars(module).values()):
                if callable(clear := getattr(member, "cache_clear", None)):
                    clear()


def listing() -> Sequence[dict[str, str]]:
    """Return one row per refit: its name, tables, inputs and speed."""
    return [
        {
            "name": name,
            "tables": ", ".join(refit.tables),
            "inputs": ", ".join(refit.inputs),
            "speed": "slow" if refit.slow else "fast",
        }
        for name, refit in REFITS.items()
    ]
