"""Does the time model miss a cost? Layouts that teams tuned, against the best that the search finds in its eyes.

Run: python benchmarks/tuned_layouts.py (about a minute). The kernels and overlaps of each team's software are
kept; a gap much larger than the error of the model would mean that a cost of some layouts is missing.
"""

from __future__ import annotations

import statistics
from collections import defaultdict

import costmodel as cm
from costmodel.foundation.tables import table
from costmodel.training.calibration.measured_steps import MeasuredStep, candidates, read_steps
from costmodel.training.layouts.search import search_space
from costmodel.training.layouts.space import read_choices
from costmodel.training.layouts.step_time import StepInputs
from costmodel.training.step.efficiency import default_efficiency, hardware_rates
from costmodel.training.step.layout import Layout, layouts
from costmodel.training.step.timing import step_breakdown
from costmodel.training.step.workload import workload


def software(layout: Layout, all_recompute: bool) -> dict[str, object]:
    """Return what a team's software fixes of a layout: kernels, overlaps, and what it could not do then."""
    fixed: dict[str, object] = {
        name: getattr(layout, name)
        for name in ("attention", "sequence_parallel", "loss", "overlap_tensor", "overlap_data")
    }
    early = {"zero": layout.zero, "context": 1} if layout.attention == "unfused" else {}
    again = {"recompute": "full"} if layout.attention == "unfused" and not all_recompute else {}
    return {**fixed, **early, **again, "offload_optimizer": False, "expert_tensor": 1}


def gap(step: MeasuredStep) -> float:
    """Return by which share the best layout is faster than the published one, in the model's own eyes."""
    accelerator, experts = step.cluster.accelerator, step.architecture.kind == "moe"
    constants = default_efficiency().constants(accelerator, step.precision, experts, step.year, features=step.features)
    work, hardware = workload(step.architecture, step.sequence_length), hardware_rates(step.cluster, step.precision)
    asked = StepInputs(work, step.numbers, hardware, constants, float(step.batch_size), float(step.cluster.count))

    def seconds(layout: Layout) -> float:
        of = layouts(layout)
        return float(step_breakdown(work, step.numbers, hardware, asked.batch_size, of, constants).total)

    ran = min(candidates(step), key=seconds)
    found = search_space(asked, read_choices(software(ran, ran.recompute != "full")))
    return seconds(ran) / float(found.seconds[0]) - 1


def main() -> None:
    """Print the gaps by family, and of all."""
    steps, _ = read_steps(table("measurements/step_times"))
    gaps: dict[str, list[float]] = defaultdict(list)
    for step in steps:
        if step.tuned and step.numbers.backward == cm.Pretraining(tokens=1).numerics().backward:
            gaps[step.family].append(gap(step))
    for family, found in gaps.items():
        print(f"{family}: {len(found)} layouts, the best found is {statistics.median(found):.1%} faster in the median")
    every = [one for found in gaps.values() for one in found]
    print(f"all: {len(every)} layouts, {statistics.median(every):.1%} (at most 20 %)")


if __name__ == "__main__":
    main()
