"""Metered power of training runs: the columns of their tables, and a reader of the rows."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.columns import COUNT, TEXT, Cells, Column, Reader, Schema, words
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.tables import table
from costmodel.hardware.accelerator import load_accelerator
from costmodel.hardware.power import COOLINGS, Cooling, power_spread, server_power

if TYPE_CHECKING:
    from costmodel.foundation.tables import Row
    from costmodel.hardware.accelerator import Accelerator
    from costmodel.hardware.power import PowerModel

METERED_RUNS = Schema(
    kind="metered runs",
    columns={
        "accelerator": TEXT,
        "watts_per_gpu": Column("W"),
        "workload": words("language", "other"),
        "benchmark": TEXT,
        "system": TEXT,
        "group": TEXT,
        "cooling": words(*COOLINGS),
        "meter": words("AC", "DC")._replace(words={"ac": "AC", "dc": "DC"}),
        "precision": TEXT,
        "utilization": Column("1"),
        "nodes": COUNT,
        "gpus_per_node": COUNT,
        "mean_minutes": Column("minute"),
        **dict.fromkeys(("organization", "round", "source", "note"), TEXT),
    },
    required=("accelerator", "watts_per_gpu"),
    older={"W_per_gpu_wall": "watts_per_gpu", "bench": "benchmark", "org": "organization"},
    unread=frozenset(
        {
            "accel",
            "nodes_metered",
            "runs",
            "mean_node_power_W",
            "energy_kwh_nodes",
            "energy_kwh_switches",
        }
    ),
)
"""Columns of metered runs; `utilization` is relative to the dense peak rate of `precision`."""


class MeteredRun(NamedTuple):
    """A training run with the metered power of its nodes."""

    id: str
    accelerator: Accelerator
    watts: float
    """Mean wall power per accelerator, with its share of the server [W]."""
    workload: str
    """"language", or "other": images, recommendation, graphs."""
    group: str
    """Runs that a fit leaves out together: those of one submitter, or one published model."""
    cooling: Cooling | None
    utilization: float | None
    """Model FLOPs per second over the dense peak rate of the number format [1]; None if not known."""
    meter: str

    def predicted(self, model: PowerModel) -> float:
        """Return the power by a model [W].

        Parameters
        ----------
        model : PowerModel
        """
        load = model.load(self.utilization, self.accelerator.generation)
        share = load + model.server_share(server_power(self.accelerator), self.cooling)
        return float(self.accelerator.tdp) * share * model.factor(self.accelerator.name)  # type: ignore[arg-type]

    @property
    def spread(self) -> float:
        """Standard deviation of the logarithm of the predicted power [1]."""
        return power_spread(self.accelerator)


class _Work(NamedTuple):
    """Work of a benchmark up to its target: FLOPs up to a number of accelerators, or None."""

    workload: str
    most: float
    flops: float | None


@lru_cache(maxsize=1)
def _works() -> dict[str, list[_Work]]:
    works: dict[str, list[_Work]] = {}
    for row in table("facts/benchmark_work").rows:
        flops = float(row["tokens"]) * float(row["flops_per_token"]) if row["tokens"] else None
        works.setdefault(row["benchmark"], []).append(_Work(row["workload"], float(row["most_gpus"] or "inf"), flops))
    return works


@lru_cache(maxsize=1)
def _systems() -> dict[str, Row]:
    return {row["system"]: row for row in table("facts/power_systems").rows}


def benchmark_utilization(
    benchmark: str, accelerator: Accelerator, count: int, seconds: float, precision: str | None = None
) -> float | None:
    """Return the utilization of a benchmark run, from its duration [1]; None if its FLOPs are not known.

    Parameters
    ----------
    benchmark : str
        Name in `data/facts/benchmark_work.csv`.
    accelerator : Accelerator
    count : int
        Accelerators of the run.
    seconds : float
        Time to the target [s].
    precision : str, optional
        Number format of the matrix products. Default: fp8 where the accelerator has it.
    """
    works = [work for work in _works().get(benchmark, []) if count <= work.most and work.flops]
    if not works:
        return None
    if precision is None:
        precision = "fp8" if accelerator.fp8 is not None else accelerator.usual_precision
    flops = min(works, key=lambda work: work.most).flops
    return float(flops or 0.0) / (count * seconds * accelerator.peak(precision))


def _name(row: Row) -> str:
    parts = (row.get("organization") or row.get("group", ""), row.get("system", ""), row.get("benchmark", ""))
    return ", ".join(part for part in parts if part) or row.get("accelerator", "")


def _workload(benchmark: str, cells: Cells) -> str:
    if word := cells.words.get("workload"):
        return word
    if works := _works().get(benchmark):
        return works[0].workload
    cells.problems.append(
        f"workload is not given, and benchmark {benchmark!r} is not known; give language or other, or a benchmark "
        f"among {', '.join(_works())}"
    )
    return ""


def _read(identity: str, cells: Cells) -> MeteredRun:
    cells.need(*METERED_RUNS.required)
    benchmark, system = cells.text.get("benchmark", "").strip(), _systems().get(cells.text.get("system", "").strip())
    workload = _workload(benchmark, cells)
    cells.check()
    accelerator = load_accelerator(cells.text["accelerator"])
    if accelerator.tdp is None:
        raise MissingFactError(f"no design power of {accelerator.name} is known")
    utilization = cells.numbers.get("utilization")
    nodes, per_node, minutes = (cells.numbers.get(name) for name in ("nodes", "gpus_per_node", "mean_minutes"))
    if utilization is None and nodes and per_node and minutes:
        precision = cells.text.get("precision", "").strip() or None
        utilization = benchmark_utilization(benchmark, accelerator, int(nodes * per_node), minutes * 60, precision)
    if utilization is not None and utilization > 1:
        raise InputError(f"utilization: must be at most 1; got {utilization:.2f}")
    cooling = cells.words.get("cooling") or (system["cooling"] if system else "")
    group = cells.text.get("group", "").strip() or (system["group"] if system else "")
    return MeteredRun(
        identity,
        accelerator,
        cells.numbers["watts_per_gpu"],
        workload,
        group,
        COOLINGS.get(cooling),
        utilization,
        cells.words.get("meter", "AC"),
    )


READER = Reader(METERED_RUNS, _name, _read)
"""Reads tables of metered runs."""
read_metered = READER.used
