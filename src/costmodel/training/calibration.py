"""Where do the constants of the time model come from? A fit on measured steps, with what was known before.

`python -m costmodel.training.calibration --data DIR` fits the shipped rows, and the grid of small models
in `DIR/step_times_single_node.csv`, anew and writes `data/efficiency.csv` and `data/efficiency_folds.csv`.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import Table, folder, read_csv, table
from costmodel.hardware.cluster import Cluster
from costmodel.training.efficiency import NEWEST, OLDEST, Efficiency, default_efficiency, machine
from costmodel.training.layout import Layout, Layouts, layouts, obstacles
from costmodel.training.measured import MeasuredStep, read_steps
from costmodel.training.measured_models import architecture_of
from costmodel.training.memory import memory
from costmodel.training.numerics import Numerics, numerics
from costmodel.training.timing import Constants, Machine, step_breakdown
from costmodel.training.workload import Workload, stacked, workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np

GRID = "grid"
MOST_WEIGHT = 40
"""Rows that a family counts at most, so that a large one does not decide alone."""
NOISE = 0.1
"""Residual on the logarithm beyond which a row counts less than by its square [1]."""


class Constant(NamedTuple):
    """A constant and what is known of it before the fit: value, and spread of its logarithm (0: fixed)."""

    value: float
    spread: float
    unit: str
    source: str


_UNKNOWN = "no difference known before the fit"
PRIORS: dict[str, Constant] = {
    "matmul": Constant(0.85, 0.15, "1", "A100 reaches 0.87 in large products (stas00/ml-engineering, MAMF)"),
    "matmul:volta": Constant(1.0, 0.15, "1", _UNKNOWN),
    "matmul:hopper": Constant(1.0, 0.15, "1", _UNKNOWN),
    "matmul:blackwell": Constant(1.0, 0.15, "1", _UNKNOWN),
    "matmul:GB300": Constant(1.0, 0.15, "1", _UNKNOWN),
    "matmul:H100-96GB-500W": Constant(1.0, 0.15, "1", _UNKNOWN),
    "matmul:fp8": Constant(1.0, 0.15, "1", _UNKNOWN),
    "matmul:mxfp8": Constant(1.0, 0.15, "1", _UNKNOWN),
    "matmul:fp8-rowwise": Constant(1.0, 0.3, "1", _UNKNOWN),
    "matmul:nvfp4": Constant(1.0, 0.3, "1", _UNKNOWN),
    "matmul_traffic": Constant(2.0, 0.4, "1", "tiles are read more than once"),
    "attention": Constant(0.4, 0.4, "1", "FlashAttention-2 on A100, in usual shapes (arXiv 2307.08691)"),
    "attention:hopper": Constant(1.2, 0.4, "1", "FlashAttention-3 over FlashAttention-2 on A100 (arXiv 2407.08608)"),
    "attention:blackwell": Constant(1.0, 0.4, "1", _UNKNOWN),
    "attention_flash_2": Constant(0.35, 0.0, "1", "as `attention`: on ampere the two are one"),
    "attention_flash_2:hopper": Constant(0.6, 0.4, "1", "FlashAttention-2 reaches 0.35 on H100 (arXiv 2407.08608)"),
    "attention_unfused": Constant(0.8, 0.0, "1", "products over heads of 64 to 128; the rows tell only the whole"),
    "softmax_traffic": Constant(5.0, 0.4, "1", "scale, mask, softmax and dropout each read and write the scores"),
    "elementwise": Constant(1.0, 0.0, "1", "each element listed is moved once"),
    "scan": Constant(0.03, 1.0, "1", "scans run on no matrix unit"),
    "quantise": Constant(1.0, 0.5, "1", "operands are read, scaled and written"),
    "launch": Constant(1.5e-3, 0.5, "s", "some 200 kernels of a layer, forward and backward, of 5 to 10 us each"),
    "launch_experts": Constant(3e-3, 0.7, "s", "routing and exchange are launched by the host"),
    "link": Constant(0.82, 0.15, "1", "NCCL reaches 0.8 of the link"),
    "network": Constant(0.9, 0.15, "1", "NCCL reaches 0.9 of the network"),
    "exposed_tensor": Constant(0.5, 0.5, "1", "half is hidden"),
    "exposed_data": Constant(0.2, 0.5, "1", "collectives take some of the multiprocessors and of the memory bandwidth"),
    "age_experts": Constant(1.1, 0.15, "1/year", "software gets faster"),
    "experts": Constant(1.0, 0.0, "1", "not told apart from `launch_experts` by the rows"),
    "exposed_experts": Constant(0.3, 0.0, "1", "not told apart from `launch_experts` by the rows"),
    "exposed_context": Constant(0.5, 0.0, "1", "not identified by the rows"),
    "exposed_pipeline": Constant(0.3, 0.0, "1", "not identified by the rows"),
    "overlap": Constant(4.0, 0.0, "1", "not identified by the rows"),
    "latency": Constant(5e-6, 0.0, "s", "NCCL tuning constants, a step of a ring (NVIDIA/nccl src/graph/tuning.cc)"),
    "optimizer_traffic": Constant(1.0, 0.0, "1", "not identified by the rows"),
    "fixed": Constant(5e-3, 0.0, "s", "not identified by the rows"),
    "software": Constant(1.0, 0.0, "1", "factor of a stack; fitted by `calibrate`"),
}  # fmt: skip
"""Every constant of the time model before the fit. The spread keeps what the rows do not tell near it."""


class Prepared(NamedTuple):
    """Measured steps as arrays: one entry for each layout that a step may have had."""

    work: Workload
    numbers: Numerics
    machine: Machine
    batch: np.ndarray
    layouts: Layouts
    keys: list[tuple[str, ...]]
    age: np.ndarray
    starts: np.ndarray
    """Index of the first layout of each step; the fastest of a step is taken."""
    seconds: np.ndarray
    families: np.ndarray
    accelerators: np.ndarray
    experts: np.ndarray
    open_layout: np.ndarray


def prepare(steps: Sequence[MeasuredStep]) -> Prepared:
    """Return the arrays of measured steps; where a source leaves a layout open, all that may be meant."""
    import numpy as np

    works: list[Workload] = []
    numbers: list[Numerics] = []
    machines: list[Machine] = []
    keys: list[tuple[str, ...]] = []
    listed, batches, ages, starts = [], [], [], []
    for step in steps:
        work = workload(step.architecture, step.sequence_length)
        starts.append(len(works))
        accelerator, experts = step.cluster.accelerator, step.architecture.kind == "moe"
        for layout in candidates(step):
            works.append(work)
            numbers.append(step.numbers)
            machines.append(machine(step.cluster, step.precision))
            listed.append(layout)
            batches.append(float(step.batch_size))
            keys.append((accelerator.generation, accelerator.name, step.precision))
            ages.append(min(max(NEWEST - step.year, 0.0), OLDEST) if experts else 0.0)
    return Prepared(
        stacked(works), Numerics(*np.array(numbers, dtype=float).T), Machine(*np.array(machines, dtype=float).T),
        np.array(batches), layouts(listed), keys, np.array(ages), np.array(starts),
        np.array([step.seconds for step in steps]), np.array([step.family for step in steps]),
        np.array([step.cluster.accelerator.name for step in steps]),
        np.array([step.architecture.kind == "moe" for step in steps]),
        np.array(["micro_batch" in step.open for step in steps]),
    )  # fmt: skip


def candidates(step: MeasuredStep) -> list[Layout]:
    """Return the layouts that a measured step may have had.

    An open micro-batch or interleaving may be any that is possible; open recomputation is the least with
    which the step fits in the memory.
    """
    work = workload(step.architecture, step.sequence_length)
    given = [step.layout]
    if "micro_batch" in step.open:
        depth = int(work.layers) // step.layout.pipeline
        chunks = [v for v in range(1, depth + 1) if depth % v == 0] if "interleave" in step.open else [1]
        given = [step.layout.replace(micro_batch=batch, interleave=v) for batch in (1, 2, 4, 8) for v in chunks]
        possible = [one for one in given if not any(
            obstacles(work, step.cluster.count, step.batch_size, layouts(one)).values())]  # fmt: skip
        given = possible or [step.layout]
    capacity = machine(step.cluster, step.precision).memory
    fitting = []
    for layout in given:
        modes = ("none", "selective", "full") if "recompute" in step.open else (layout.recompute,)
        for mode in modes:
            one = layout.replace(recompute=mode)
            if memory(work, step.numbers, step.batch_size, layouts(one)).total <= capacity:
                fitting.append(one)
                break
    return fitting or [given[0].replace(recompute="full") if "recompute" in step.open else given[0]]


def predict(prepared: Prepared, values: Mapping[str, float]) -> np.ndarray:
    """Return the step times that constants give [s], one for each measured step."""
    import numpy as np

    def of_each(name: str) -> Any:
        factors = [f"{name}:{key}" for key in {key for keys in prepared.keys for key in keys}]
        if not any(each in values for each in factors):
            return values[name]
        return np.array([values[name] * math.prod(values.get(f"{name}:{key}", 1.0) for key in keys)
                         for keys in prepared.keys])  # fmt: skip

    listed = {name: of_each(name) for name in Constants._fields}
    listed["software"] = listed["software"] * values["age_experts"] ** prepared.age
    constants = Constants(**listed)
    steps = step_breakdown(
        prepared.work, prepared.numbers, prepared.machine, prepared.batch, prepared.layouts, constants
    )
    return np.minimum.reduceat(np.broadcast_to(steps.total, prepared.batch.shape), prepared.starts)


def fit(prepared: Prepared, rows: np.ndarray, priors: Mapping[str, Constant] = PRIORS) -> dict[str, float]:
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
    fixed = {name: prior.value for name, prior in priors.items()}
    middle = np.log([priors[name].value for name in free])
    spread = np.array([priors[name].spread for name in free])
    counts = Counter(prepared.families[rows])
    weights = np.sqrt([min(1.0, MOST_WEIGHT / max(counts[family], 1)) for family in prepared.families])

    def values(logs: np.ndarray) -> dict[str, float]:
        found = {**fixed, **dict(zip(free, np.exp(logs).tolist(), strict=True))}
        return {**found, "attention_flash_2": found["attention"]}

    def residuals(logs: np.ndarray) -> np.ndarray:
        scaled = (weights * np.log(predict(prepared, values(logs)) / prepared.seconds) / NOISE)[rows]
        soft = np.sign(scaled) * np.sqrt(2 * (np.sqrt(1 + scaled**2) - 1))
        return np.concatenate([soft, (logs - middle) / spread])

    solved = least_squares(residuals, middle, max_nfev=100, xtol=1e-8, ftol=1e-8)
    return values(solved.x)


def calibrate(rows: Iterable[Mapping[str, Any]] | Table, efficiency: Efficiency | None = None) -> Efficiency:
    """Return an efficiency model that also fits measured steps of one's own.

    The shipped constants are the prior, with the spread that they were found with; a few rows move little
    but the factor of the stack, many rows the constants themselves. One row moves it by about a half: rows
    scatter as much as stacks.

    Parameters
    ----------
    rows : in the schema of `data/step_times.csv`, as mappings or a table: source, model, seq_len,
        global_batch, accelerator, n_gpus, tp, pp, micro_batch, precision, ... and step_time_s [s]
    efficiency : to start from; the shipped one unless given

    Returns
    -------
    Efficiency
        Takes the place of the shipped one in `Scenario`, `step_time` and `search_layouts`.

    Raises
    ------
    InputError
        If no row can be used; the message says why for each.

    Examples
    --------
    >>> mine = calibrate([dict(source="mine 2026", model="llama-3.1-8b", seq_len=8192, global_batch=128,
    ...     accelerator="H100-SXM", n_gpus=8, tp=1, pp=1, dp_or_zero="fsdp=8", micro_batch=1,
    ...     recompute="full", precision="bf16", step_time_s=19.0)])
    >>> mine.calibrated
    True
    """
    import numpy as np

    start = efficiency or default_efficiency()
    steps, skipped = read_steps(_as_table(rows))
    if not steps:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        raise InputError(f"no row can be calibrated on: {reasons or 'there are none'}")
    prepared = prepare(steps)
    stack = start.spreads["stack"]
    priors = {
        name: Constant(start.values.get(name, prior.value), prior.spread / 4, prior.unit, prior.source)
        for name, prior in PRIORS.items()
    }
    priors["software"] = Constant(start.values["software"], stack, "1", "")
    values = fit(prepared, np.ones(len(steps), dtype=bool), priors)
    names = {step.cluster.accelerator.name for step in steps}
    noise, rows_used = start.spreads["dense"], len(steps)
    left = {**start.spreads, "stack": stack * noise / math.hypot(noise, stack * math.sqrt(rows_used))}
    return Efficiency(
        values=values, spreads=left, measured=tuple(sorted({*start.measured, *names})), calibrated=True,
        source=f"{start.source}, calibrated on {rows_used} rows",
    )  # fmt: skip


def _as_table(rows: Iterable[Mapping[str, Any]] | Table) -> Table:
    if isinstance(rows, Table):
        return rows
    listed = [{str(key): "" if value is None else str(value) for key, value in row.items()} for row in rows]
    names = {name for row in listed for name in row}
    complete = tuple({**dict.fromkeys(names, ""), **row} for row in listed)
    return Table("rows given", complete, tuple(sorted(names)), "")


# what follows fits the shipped constants

FOLDS = "efficiency_folds"


def grid_steps(path: Path) -> list[MeasuredStep]:
    """Return the steps of a grid of small models on one node of A100 (vTrain), by its own columns."""
    cluster, steps = Cluster("A100-80GB-SXM", 8), []
    for number, row in enumerate(read_csv(path).rows, start=2):
        cells = {name.strip("# ").strip(): value for name, value in row.items()}
        shape = {"source": "vTrain single node", "model": "GPT", "n_layers": cells["layers"],
                 "d_model": cells["hidden size"], "n_heads": cells["attention heads"],
                 "seq_len": cells["sequence length"]}  # fmt: skip
        layout = Layout(
            data=int(cells["data parallelism"]), tensor=int(cells["tensor parallelism"]),
            pipeline=int(cells["pipeline parallelism"]), micro_batch=int(cells["micro batch"]), zero=0,
            recompute="full", sequence_parallel=False, attention="unfused", fused_loss=True, overlap_data=False,
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
        "experts": spread(left_out[multi & experts]),
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
    """Return the rows of `data/efficiency.csv`."""
    count = len(fitted.steps)
    rows = []
    for name, prior in PRIORS.items():
        free = prior.spread > 0 or name == "attention_flash_2"
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
                "source": "data/step_times.csv and the single-node grid of vTrain",
            }
        )
    return rows


def fold_rows(fitted: Fitted) -> list[dict[str, str]]:
    """Return the rows of `data/efficiency_folds.csv`: the fitted constants without each family."""
    free = [name for name, prior in PRIORS.items() if prior.spread > 0]
    source = "fitted on data/step_times.csv without the family by costmodel.training.calibration"
    return [{"family": family, "source": source, **{name: f"{values[name]:.5g}" for name in free}}
            for family, values in fitted.folds.items()]  # fmt: skip


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit the constants and write the tables."""
    import numpy as np

    parser = argparse.ArgumentParser(prog="python -m costmodel.training.calibration", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with step_times_single_node.csv")
    parser.add_argument("--to", type=Path, default=None, help="folder to write to; the data of the library")
    given = parser.parse_args(arguments)
    steps, _ = read_steps(table("step_times"))
    fitted = fit_all(steps, grid_steps(given.data / "step_times_single_node.csv"))
    target = given.to or folder()
    _write(target / "efficiency.csv", efficiency_rows(fitted))
    _write(target / f"{FOLDS}.csv", fold_rows(fitted))
    grid, experts = fitted.prepared.families == GRID, fitted.prepared.experts
    for name, logs, rows in (
        ("all, fitted", fitted.inside, ~grid), ("dense, fitted", fitted.inside, ~grid & ~experts),
        ("mixtures, fitted", fitted.inside, ~grid & experts), ("grid, fitted", fitted.inside, grid),
        ("all, family left out", fitted.left_out, ~grid),
    ):  # fmt: skip
        errors = np.abs(np.expm1(logs[rows]))
        print(f"{name}: {len(errors)} rows, median {np.median(errors):.1%}, mean {errors.mean():.1%}, "
              f"{(errors < 0.15).mean():.0%} within 15 %")  # fmt: skip


if __name__ == "__main__":
    main()
