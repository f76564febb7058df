"""Predicted step times of measured steps, all at once as arrays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.training.calibration.measured_steps import candidates
from costmodel.training.step.configuration import HardwareRates, TimeConstants
from costmodel.training.step.efficiency import age, hardware_rates
from costmodel.training.step.layout import Layouts, layouts
from costmodel.training.step.numerics import Numerics
from costmodel.training.step.timing import step_breakdown
from costmodel.training.step.workload import Workload, stacked, workload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from costmodel.foundation.arrays import Array
    from costmodel.training.calibration.measured_steps import MeasuredStep


class Prepared(NamedTuple):
    """Measured steps as arrays: one entry for each possible layout of a step."""

    work: Workload[Array]
    numbers: Numerics[Array]
    machine: HardwareRates[Array]
    batch: Array
    layouts: Layouts[Array]
    keys: list[tuple[str, ...]]
    """Distinct keys of constants: generation, accelerator, precision and features of the software."""
    key: np.ndarray
    """Index of the keys of each layout."""
    age: np.ndarray
    starts: np.ndarray
    """Index of the first layout of each step; the fastest layout of a step counts."""
    seconds: np.ndarray
    families: np.ndarray
    accelerators: np.ndarray
    experts: np.ndarray
    open_layout: np.ndarray
    tuned: np.ndarray
    """False for steps of untuned software for the model."""


def prepare(steps: Sequence[MeasuredStep]) -> Prepared:
    """Return the arrays of measured steps; a layout that a source leaves open has an entry for each possible layout."""
    import numpy as np

    works: list[Workload] = []
    numbers: list[Numerics] = []
    machines: list[HardwareRates] = []
    keys: list[tuple[str, ...]] = []
    listed, batches, ages, starts = [], [], [], []
    for step in steps:
        work = workload(step.architecture, step.sequence_length, step.adapters)
        starts.append(len(works))
        accelerator, experts = step.cluster.accelerator, step.architecture.kind == "moe"
        for layout in candidates(step):
            works.append(work)
            numbers.append(step.numbers)
            machines.append(hardware_rates(step.cluster, step.precision))
            listed.append(layout)
            batches.append(float(step.batch_size))
            settled = step.features.or_usual(step.year, accelerator.generation, step.numbers.operand < 2)
            of_software = settled.keys if experts else ()
            keys.append((accelerator.generation, accelerator.name, step.precision, *of_software))
            ages.append(age(step.year) if experts else 0.0)
    index_of = {key: index for index, key in enumerate(dict.fromkeys(keys))}
    return Prepared(
        stacked(works),
        Numerics(*np.array(numbers, dtype=float).T),
        HardwareRates(*np.array(machines, dtype=float).T),
        np.array(batches),
        layouts(listed),
        list(index_of),
        np.array([index_of[key] for key in keys]),
        np.array(ages),
        np.array(starts),
        np.array([step.seconds for step in steps]),
        np.array([step.family for step in steps]),
        np.array([step.cluster.accelerator.name for step in steps]),
        np.array([step.architecture.kind == "moe" for step in steps]),
        np.array(["micro_batch" in step.open for step in steps]),
        np.array([not step.untuned for step in steps]),
    )


def predict(prepared: Prepared, values: Mapping[str, float]) -> np.ndarray:
    """Return the step times that constants predict [s], one for each measured step."""
    import numpy as np

    with_factors = {name.partition(":")[0] for name in values if ":" in name}

    def factored(name: str) -> Any:
        if name not in with_factors:
            return values[name]
        by_key = [values[name] * math.prod(values.get(f"{name}:{key}", 1.0) for key in keys) for keys in prepared.keys]
        return np.array(by_key)[prepared.key]

    listed = {name: factored(name) for name in TimeConstants._fields}
    listed["software"] = listed["software"] * values["age_experts"] ** prepared.age
    constants = TimeConstants(**listed)
    steps = step_breakdown(
        prepared.work, prepared.numbers, prepared.machine, prepared.batch, prepared.layouts, constants
    )
    return np.minimum.reduceat(np.broadcast_to(steps.total, prepared.batch.shape), prepared.starts)
