"""Setups whose step time was measured: a prediction for the same setup starts from the measurement."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field

from costmodel.foundation.arrays import BoolLike, FloatLike, N, equal
from costmodel.foundation.fields import Count
from costmodel.foundation.specs import Spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.training.step.configuration import HardwareRates
    from costmodel.training.step.layout import Layouts
    from costmodel.training.step.workload import Workload

_SAME = 1e-6
"""Relative difference up to which two numbers of a setup count as equal [1]."""
SOFTWARE_FIELDS = ("attention", "loss", "sequence_parallel", "overlap_tensor", "overlap_data", "eager")
"""Fields of a layout that the software decides: they tell setups apart only where a row states them."""


class MeasuredSetup(Spec):
    """A setup whose step time was measured: accelerator, and settings that determine the step.

    Kernels and overlaps that the rows do not state may differ in a prediction of the same setup.
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(self, *, accelerator: str, settings: Mapping[str, float], step_time: float, rows: int) -> None: ...

    accelerator: str = Field(description="Name of the accelerator.")
    settings: dict[str, float] = Field(
        description="Numbers of `settings_of`; fields of the layout that are not stated match any value."
    )
    step_time: float = Field(gt=0, description="Geometric mean of the measured step times [s].")
    rows: Count = Field(description="Number of measured rows [1].")

    @property
    def key(self) -> tuple[object, ...]:
        """What tells setups apart."""
        return self.accelerator, tuple(sorted((name, float(f"{value:.6g}")) for name, value in self.settings.items()))

    def matches(self, accelerator: str, settings: Mapping[str, FloatLike]) -> BoolLike:
        """Return whether predictions are for this setup: a boolean, or an array for several layouts.

        Parameters
        ----------
        accelerator : str
            Name of the accelerator.
        settings : Mapping
            Numbers of `settings_of`; those of the layout may be arrays of shape (layouts,).
        """
        if accelerator != self.accelerator:
            return False
        matched: BoolLike = True
        for name, value in self.settings.items():
            other = settings[name]
            if isinstance(other, (int, float)):
                if not math.isclose(other, value, rel_tol=_SAME):
                    return False
            else:
                matched = matched & equal(other, value)
        return matched


def settings_of(
    work: Workload, hardware: HardwareRates, batch_size: float | N, count: float, layouts: Layouts[N]
) -> dict[str, float | N]:
    """Return the numbers that determine a step on an accelerator, by name.

    Parameters
    ----------
    work : Workload
        Work of one sequence.
    hardware : HardwareRates
        Peak at the precision of the matmuls, and network bandwidth.
    batch_size : float or ndarray
        Sequences per step [1].
    count : float
        Accelerators [1].
    layouts : Layouts
        Numbers of one layout, or arrays of shape (layouts,).
    """
    return {
        "model_flops": float(work.model_flops),
        "matmul_peak": float(hardware.matmul_peak),
        "network_bandwidth": float(hardware.network_bandwidth),
        "batch_size": batch_size,
        "count": float(count),
        **layouts._asdict(),
    }
