"""Division of a batch over the replicas of a layout: rounded default batch sizes, and warnings of uneven division."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.foundation.arrays import N, largest, rounded_up, where
from costmodel.foundation.tables import constant
from costmodel.training.layouts.space import most_replicas
from costmodel.training.step.layout import accumulation

if TYPE_CHECKING:
    from costmodel.training.layouts.step_time import StepInputs
    from costmodel.training.step.layout import Layouts

MOST_ROUNDING = 1 / 8
"""Largest relative change of a default batch size to a multiple of the replicas [1]."""
MOST_GROWTH = constant("batch_growth")
"""Largest factor on a default batch size so that each accelerator can have a sequence [1]."""
MOST_WASTE = 0.02
"""Share of the step that replicas or accelerators may wait without a warning [1]."""


def settled_batch(inputs: StepInputs, layout: Layouts[N]) -> N | float:
    """Return the sequences per step: the given batch size, or the default one rounded to what a layout needs [1].

    A default grows to the number of accelerators, at most by the factor `MOST_GROWTH`. It is rounded to the nearest
    multiple of data × micro_batch (with an interleaved schedule, times the stages), unless that changes it by more than
    `MOST_ROUNDING`.

    Parameters
    ----------
    inputs : StepInputs
    layout : Layouts
    """
    if not inputs.free_batch:
        return inputs.batch_size
    batch, count = inputs.batch_size, inputs.accelerators
    batch = where((batch < count) & (count <= MOST_GROWTH * batch), count, batch)
    multiple = layout.data * layout.micro_batch * where(layout.interleave > 1, layout.pipeline, 1.0)
    rounded = multiple * rounded_up(batch / multiple - 0.5)
    change = largest(rounded - batch, batch - rounded)
    return where(change <= MOST_ROUNDING * batch, rounded, batch)


def division_warning(inputs: StepInputs, layout: Layouts) -> str:
    """Return a warning if replicas or accelerators wait because numbers divide badly, with numbers that do not.

    Parameters
    ----------
    inputs : StepInputs
    layout : Layouts

    Returns
    -------
    str
        Empty if at most `MOST_WASTE` of the step is lost.
    """
    batch = settled_batch(inputs, layout)
    count, used = inputs.accelerators, layout.accelerators
    warnings = []
    group = layout.tensor * layout.pipeline * layout.context
    sequences = layout.micro_batch * accumulation(batch, layout)
    most = layout.data * sequences
    if batch < (1 - MOST_WASTE) * most:
        experts = layout.expert * layout.expert_tensor
        step = most_replicas(experts * group, layout.tensor, 1.0, layout.context, experts) or 1.0
        needed = min(rounded_up(batch / sequences / step) * step, layout.data)
        smaller = most - layout.data * layout.micro_batch * (layout.pipeline if layout.interleave > 1 else 1.0)
        nearest = smaller if smaller > 0 and batch - smaller < most - batch else most
        better = f"a batch size of {nearest:,.0f}"
        if needed < layout.data:
            better += f", or {needed * group:,.0f} GPUs, which take the same step time"
        warnings.append(
            f"a batch size of {batch:,.0f} does not divide evenly over {layout.data:,.0f} data-parallel replicas with "
            f"micro-batches of {layout.micro_batch:,.0f}: they wait for {1 - batch / most:.0%} of the step; better: "
            f"{better}"
        )
    if used < (1 - MOST_WASTE) * count:
        warnings.append(
            f"the layout uses {used:,.0f} of {count:,.0f} GPUs, because {count:,.0f} divides badly; better: "
            f"{used:,.0f} GPUs"
        )
    return "; ".join(warnings)
