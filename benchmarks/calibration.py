"""Score `calibrate` on the shipped measured steps: each row left out, calibrated on other rows of its software stack.

Run: python benchmarks/calibration.py [--rows N] [--others N]

A family of rows is one framework on one accelerator. The prediction starts from the constants of the fit without the
family. For at most N rows of each family with enough rows, it is scored before and after a calibration on other rows of
the family. It prints the median and mean error, and the share of rows in their 80 % intervals: for rows whose setup
(model, batch size, accelerators, layout) is among the others, and for rows whose setup is new.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict

import numpy as np

from costmodel.foundation.ranges import normal_quantile
from costmodel.foundation.tables import Table, table
from costmodel.training.calibration.calibrate import calibrate
from costmodel.training.calibration.measured_steps import READER, MeasuredStep, candidates
from costmodel.training.step.efficiency import Efficiency, default_efficiency, hardware_rates
from costmodel.training.step.layout import layouts
from costmodel.training.step.measured_setup import settings_of
from costmodel.training.step.timing import step_breakdown
from costmodel.training.step.workload import workload
from costmodel.validation.step_times import _Folds

LEAST = 5
"""Fewest rows of a family."""


def predicted(step: MeasuredStep, efficiency: Efficiency) -> tuple[float, float, bool]:
    """Return step time, spread, and whether the setup was measured."""
    experts = step.architecture.kind == "moe"
    work = workload(step.architecture, step.sequence_length, step.adapters)
    rates = hardware_rates(step.cluster, step.precision)
    constants = efficiency.constants(
        step.cluster.accelerator, step.precision, experts, step.year, features=step.features
    )
    layout = min(
        (layouts(each) for each in candidates(step)),
        key=lambda each: step_breakdown(work, step.numbers, rates, step.batch_size, each, constants).total,
    )
    parts = step_breakdown(work, step.numbers, rates, step.batch_size, layout, constants)
    seconds = float(parts.total)
    spread = efficiency.spread(step.cluster.accelerator, experts, launch_share=float(parts.launch) / seconds)
    settings = settings_of(work, rates, step.batch_size, step.cluster.count, layout)
    for setup in efficiency.setups:
        if setup.matches(step.cluster.accelerator.name, settings) is True:
            weight, spread = efficiency.measurement(setup.rows)
            return seconds ** (1 - weight) * setup.step_time**weight, spread, True
    return seconds, spread, False


def main() -> None:
    """Print the scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=8, help="rows left out of each family, one at a time")
    parser.add_argument("--others", type=int, default=1000, help="other rows of the family to calibrate on")
    options = parser.parse_args()
    shipped = table("measurements/step_times")
    read = [(row, each.value) for row, each in zip(shipped.rows, READER.rows(shipped), strict=True) if each.value]
    families = defaultdict(list)
    for row, step in read:
        families[step.family].append((row, step))
    random = np.random.default_rng(0)
    found: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    folds = _Folds(default_efficiency(), [step for _, step in read])
    for family, members in families.items():
        if len(members) < LEAST:
            continue
        start = folds.without(family, lambda step, name=family: step.family == name)  # type: ignore[misc]
        for index in random.permutation(len(members))[: options.rows]:
            step = members[index][1]
            others = [row for number, (row, _) in enumerate(members) if number != index]
            others = [others[number] for number in random.permutation(len(others))[: options.others]]
            own = calibrate(Table("others", tuple(others), shipped.columns, ""), start)
            after = predicted(step, own)
            setup = "measured setup" if after[2] else "new setup"
            for when, (seconds, spread, _) in (("before", predicted(step, start)), ("after", after)):
                log = math.log(seconds / step.seconds)
                found[f"{setup}, {when}"].append((log, abs(log) <= normal_quantile(0.9) * spread))
    for name in sorted(found):
        errors = [abs(math.expm1(log)) for log, _ in found[name]]
        inside = np.mean([each for _, each in found[name]])
        shown = f"median {np.median(errors):.1%}  mean {np.mean(errors):.1%}  in 80 % interval {inside:.0%}"
        print(f"{name:24s} {len(errors):4d} rows  {shown}")


if __name__ == "__main__":
    main()
