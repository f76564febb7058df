"""Where do the constants of the time model come from? A fit on measured steps, with what was known before.

`python -m costmodel.training.calibration.calibrate --data DIR` fits the shipped rows, and the grid of small models
in `DIR/step_times_single_node.csv`, anew and writes `data/fitted/efficiency.csv` and its folds.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.columns import as_table
from costmodel.foundation.errors import InputError
from costmodel.foundation.fitted import Prior, soft
from costmodel.foundation.tables import Table, folder, read_csv, table, write_rows
from costmodel.hardware.cluster import Cluster
from costmodel.training.calibration.measured_models import architecture_of
from costmodel.training.calibration.measured_steps import READER, MeasuredStep, read_steps
from costmodel.training.calibration.predictions import Prepared, predict, prepare
from costmodel.training.calibration.priors import FINE_TUNING, PRIORS, TIED, tied
from costmodel.training.step.efficiency import Efficiency, default_efficiency
from costmodel.training.step.layout import Layout
from costmodel.training.step.numerics import numerics

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np

GRID = "grid"
MOST_WEIGHT = 40
"""Rows that a family counts at most, so that a large one does not decide alone."""
OWN_SPREAD = 0.25
"""Spread of the shipped constants as the prior of a user's fit, over that before any fit [1]."""
NOISE = 0.1
"""Residual on the logarithm beyond which a row counts less than by its square [1]."""


def fit(prepared: Prepared, rows: np.ndarray, priors: Mapping[str, Prior] = PRIORS) -> dict[str, float]:
    """Return the constants that fit chosen rows best: soft-L1 on the logarithm, with the priors.

    Parameters
    ----------
    prepared : Prepared
    rows : which of the steps to fit on, as a mask
    priors : what was known before
    """
    import numpy as np
    from scipy.optimize import least_squares

    free = [name for name, prior in priors.items() if prior.spread > 0]
    fixed = {name: prior.value for name, prior in {**FINE_TUNING, **priors}.items()}
    middle = np.log([priors[name].value for name in free])
    spread = np.array([priors[name].spread for name in free])
    counts = Counter(prepared.families[rows])
    weights = np.sqrt([min(1.0, MOST_WEIGHT / max(counts[family], 1)) for family in prepared.families])

    def values(logs: np.ndarray) -> dict[str, float]:
        found = {**fixed, **dict(zip(free, np.exp(logs).tolist(), strict=True))}
        return {**found, **tied(found)}

    def residuals(logs: np.ndarray) -> np.ndarray:
        scaled = (weights * np.log(predict(prepared, values(logs)) / prepared.seconds) / NOISE)[rows]
        return np.concatenate([soft(scaled), (logs - middle) / spread])

    solved = least_squares(residuals, middle, max_nfev=100, xtol=1e-8, ftol=1e-8)
    return values(solved.x)


def calibrate(rows: Iterable[Mapping[str, Any]] | Table, efficiency: Efficiency | None = None) -> Efficiency:
    """Return an efficiency model that also fits measured steps of one's own.

    The shipped constants are the prior, with a quarter of the spread that they had before any fit; a few rows
    move little but the factor of the stack, many rows the constants themselves. One row moves it by a third of the
    difference, or so: rows scatter as much as stacks.

    Parameters
    ----------
    rows : Iterable[Mapping] or Table
        Measured steps with the columns of `data/measurements/step_times.csv`: model, sequence_length, batch_size,
        accelerator, count, tensor, pipeline, zero, micro_batch, recompute, precision, software, ... and
        step_time [s].
    efficiency : Efficiency
        TimeConstants to start from; the shipped ones unless given.

    Returns
    -------
    Efficiency
        Takes the place of the shipped one in `Scenario`, `step_time` and `search_layouts`.

    Raises
    ------
    InputError
        If there are no rows, or a row has a problem: an unknown column or word, a missing or wrong number. The
        error lists all problems of all rows. Rows with a flag that says not to use them are left out.

    Examples
    --------
    >>> mine = calibrate([dict(model="llama-3.1-8b", sequence_length=8192, batch_size=128,
    ...     accelerator="H100-SXM", count=8, tensor=1, pipeline=1, zero=3, micro_batch=1,
    ...     recompute="full", precision="bf16", step_time=19.0)])
    >>> mine.calibrated
    True
    """
    import numpy as np

    start = efficiency or default_efficiency()
    read = READER.rows(rows if isinstance(rows, Table) else as_table("rows", rows), first=1)
    if problems := [f"row {row.id}: {problem}" for row in read if not row.flagged for problem in row.problems]:
        raise InputError(problems)
    steps = [row.value for row in read if row.value]
    if not steps:
        raise InputError("no row can be calibrated on: there are none, or all have a flag")
    prepared = prepare(steps)
    stack = start.spreads["stack"]
    priors = {
        name: Prior(start.values.get(name, prior.value), OWN_SPREAD * prior.spread, prior.unit, prior.source)
        for name, prior in PRIORS.items()
    }
    priors |= {name: prior._replace(value=start.values.get(name, prior.value), spread=0.0)
               for name, prior in FINE_TUNING.items()}  # fmt: skip
    priors["software"] = Prior(start.values["software"], stack, "1", "")
    values = fit(prepared, np.ones(len(steps), dtype=bool), priors)
    names = {step.cluster.accelerator.name for step in steps}
    noise, rows_used = start.spreads["dense"], len(steps)
    left = {**start.spreads, "stack": stack * noise / math.hypot(noise, stack * math.sqrt(rows_used))}  # of their mean
    return Efficiency(
        values=values, spreads=left, measured=tuple(sorted({*start.measured, *names})), calibrated=True,
        source=f"{start.source}, calibrated on {rows_used} rows",
    )  # fmt: skip


# what follows fits the shipped constants

FOLDS = "fitted/folds/efficiency"


def grid_steps(path: Path) -> list[MeasuredStep]:
    """Return the steps of a grid of small models on one node of A100 (vTrain), by its own columns."""
    cluster, steps = Cluster("A100-80GB-SXM", 8), []
    for number, row in enumerate(read_csv(path).rows, start=2):
        cells = {name.strip("# ").strip(): value for name, value in row.items()}
        shape = {"model": "GPT", "style": "gpt", "n_layers": cells["layers"],
                 "d_model": cells["hidden size"], "n_heads": cells["attention heads"],
                 "seq_len": cells["sequence length"]}  # fmt: skip
        layout = Layout(
            data=int(cells["data parallelism"]), tensor=int(cells["tensor parallelism"]),
            pipeline=int(cells["pipeline parallelism"]), micro_batch=int(cells["micro batch"]), zero=0,
            recompute="full", sequence_parallel=False, attention="unfused", loss="fused", overlap_data=False,
        )  # fmt: skip
        steps.append(MeasuredStep(
            f"grid {number}", GRID, architecture_of(shape), int(cells["sequence length"]),
            int(cells["global batch"]), cluster, "fp16", numerics("fp16"), layout, frozenset(), 2022.5,
            float(cells["iteration time (ms)"]) / 1e3, None, False,
        ))  # fmt: skip
    return steps


class Fitted(NamedTuple):
    """All constants, those with each family left out, and the residuals ln(predicted / measured)."""

    steps: list[MeasuredStep]
    prepared: Prepared
    values: dict[str, float]
    folds: dict[str, dict[str, float]]
    inside: np.ndarray
    left_out: np.ndarray
    spreads: dict[str, float]


def fit_all(steps: list[MeasuredStep], grid: list[MeasuredStep]) -> Fitted:
    """Fit the constants on all steps, and once more without each family; the grid is in every fit."""
    import numpy as np

    everything = [*steps, *grid]
    prepared = prepare(everything)
    families = prepared.families

    def residuals(values: Mapping[str, float]) -> np.ndarray:
        logs: np.ndarray = np.log(predict(prepared, values) / prepared.seconds)
        return logs

    whole = fit(prepared, np.ones(len(everything), dtype=bool))
    inside = residuals(whole)
    left_out, folds = inside.copy(), {}
    for family in dict.fromkeys(step.family for step in steps):
        folds[family] = fit(prepared, families != family)
        left_out[families == family] = residuals(folds[family])[families == family]
    spreads = _spreads(prepared, left_out, residuals)
    return Fitted(everything, prepared, whole, folds, inside, left_out, spreads)


def _spreads(prepared: Prepared, left_out: np.ndarray, residuals: Any) -> dict[str, float]:
    """Return the spreads by what is known: such that 80 % of the rows left out lie within their interval."""
    import numpy as np

    from costmodel.foundation.ranges import normal_quantile

    multi, experts = prepared.families != GRID, prepared.experts
    dense = multi & ~experts

    def spread(logs: np.ndarray, groups: np.ndarray | None = None) -> float:
        """Return the spread of a normal distribution with the same 80 % interval; groups count alike."""
        sizes = Counter(groups.tolist()) if groups is not None else {}
        weights = np.array([1.0 / sizes[name] for name in groups]) if groups is not None else np.ones(len(logs))
        order = np.argsort(np.abs(logs))
        share = np.cumsum(weights[order]) / weights.sum()
        return float(np.abs(logs)[order][np.searchsorted(share, 0.8)] / normal_quantile(0.9))

    def beyond(groups: np.ndarray) -> float:
        found = left_out.copy()
        for name in dict.fromkeys(groups[dense].tolist()):
            chosen = (groups == name) & multi
            found[chosen] = residuals(fit(prepared, ~chosen))[chosen]
        return math.sqrt(max(spread(found[dense], groups[dense]) ** 2 - spread(left_out[dense]) ** 2, 0.0))

    stacks = np.array([family.split()[0] for family in prepared.families])
    opened, usual = left_out[prepared.open_layout], spread(left_out[dense])
    return {
        "dense": usual,
        "experts": spread(left_out[multi & experts]) if (multi & experts).any() else usual,
        "launch": spread(left_out[~multi]) if (~multi).any() else usual,
        "accelerator": beyond(prepared.accelerators),
        "stack": beyond(stacks),
        "layout": math.sqrt(max(spread(opened) ** 2 - usual**2, 0.0)) if len(opened) else 0.0,
    }


_SPREAD_NOTES = {
    "dense": "of dense models, their family left out",
    "experts": "of mixtures of experts, their family left out",
    "launch": "of small models bound by the host, in the fit",
    "accelerator": "more where no step of the accelerator was fitted: dense models, their accelerator left out",
    "stack": "more where no step of the software was fitted: dense models, their software left out",
    "layout": "more where micro-batch and chunks are the best instead of those that ran",
}


def efficiency_rows(fitted: Fitted) -> list[dict[str, str]]:
    """Return the rows of `data/fitted/efficiency.csv`."""
    count = len(fitted.steps)
    rows = []
    for name, prior in PRIORS.items():
        free = prior.spread > 0 or name in TIED
        kind = "fitted" if free else "fixed"
        source = f"fitted on {count} measured steps; before: {prior.value:g}, {prior.source}" if free else prior.source
        rows.append({"kind": kind, "name": name, "value": f"{fitted.values[name]:.5g}", "unit": prior.unit,
                     "prior": f"{prior.value:g}", "prior_spread": f"{prior.spread:g}", "source": source})  # fmt: skip
    for name, value in fitted.spreads.items():
        rows.append(
            {
                "kind": "spread",
                "name": name,
                "value": f"{value:.4f}",
                "unit": "1",
                "prior": "",
                "prior_spread": "",
                "source": f"residuals of ln(predicted / measured): {_SPREAD_NOTES[name]}",
            }
        )
    numbers = Counter(step.cluster.accelerator.name for step in fitted.steps)
    for name, number in sorted(numbers.items()):
        rows.append(
            {
                "kind": "measured",
                "name": name,
                "value": str(number),
                "unit": "rows",
                "prior": "",
                "prior_spread": "",
                "source": "data/measurements/step_times.csv and the single-node grid of vTrain",
            }
        )
    return rows


def fold_rows(fitted: Fitted) -> list[dict[str, str]]:
    """Return the rows of `data/fitted/folds/efficiency.csv`: the fitted constants without each family."""
    free = [name for name, prior in PRIORS.items() if prior.spread > 0]
    source = "fitted on data/measurements/step_times.csv without the family by costmodel.training.calibration.calibrate"
    return [{"family": family, "source": source, **{name: f"{values[name]:.5g}" for name in free}}
            for family, values in fitted.folds.items()]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit the constants and write the tables."""
    import numpy as np

    parser = argparse.ArgumentParser(prog="python -m costmodel.training.calibration.calibrate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with step_times_single_node.csv")
    parser.add_argument("--to", type=Path, default=None, help="folder to write to; the data of the library")
    given = parser.parse_args(arguments)
    steps, _ = read_steps(table("measurements/step_times"))
    fitted = fit_all(steps, grid_steps(given.data / "step_times_single_node.csv"))
    target = given.to or folder()
    write_rows(target / "fitted/efficiency.csv", efficiency_rows(fitted))
    write_rows(target / f"{FOLDS}.csv", fold_rows(fitted))
    grid, experts = fitted.prepared.families == GRID, fitted.prepared.experts
    for name, logs, rows in (
        ("all, fitted", fitted.inside, ~grid), ("dense, fitted", fitted.inside, ~grid & ~experts),
        ("mixtures, fitted", fitted.inside, ~grid & experts), ("grid, fitted", fitted.inside, grid),
        ("all, family left out", fitted.left_out, ~grid),
    ):  # fmt: skip
        if not rows.any():
            continue
        errors = np.abs(np.expm1(logs[rows]))
        print(f"{name}: {len(errors)} rows, median {np.median(errors):.1%}, mean {errors.mean():.1%}, "
              f"{(errors < 0.15).mean():.0%} within 15 %")  # fmt: skip


if __name__ == "__main__":
    main()
