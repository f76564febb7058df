"""Sums of estimates: additive figures only, and estimates of one scope only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.estimation.chain import OUTPUTS, Missing
from costmodel.estimation.results import DRAWS, Result
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from costmodel.estimation.estimate import Estimate
    from costmodel.estimation.ghg import GHGReport
    from costmodel.foundation.citations import Source


class Total(Result):
    """The sum of estimates that run in sequence; inputs of the same path share their random draws.

    Raises
    ------
    InputError
        If the estimates have different scopes or seeds.
    """

    def __init__(self, parts: tuple[Result, ...]) -> None:
        for name in ("scope", "seed"):
            values = sorted({str(getattr(part, name)) for part in parts})
            if len(values) > 1:
                raise InputError(f"estimates of different {name} cannot be added: {' and '.join(values)}")
        self.parts = parts
        self.scope = parts[0].scope
        self.seed = parts[0].seed

    @checked("name")
    def value(self, name: str) -> float | Missing:
        if name not in OUTPUTS or not OUTPUTS[name].additive:
            return Missing("it cannot be added over estimates; read it from the parts")
        total = 0.0
        for part in self.parts:
            value = part.value(name)
            if isinstance(value, Missing):
                return value
            total += value
        return total

    @checked("name", "count")
    def draws(self, name: str, count: int = DRAWS) -> NDArray[np.float64]:
        import numpy as np

        total: NDArray[np.float64] = np.sum([part.draws(name, count) for part in self.parts], axis=0)
        return total

    @checked("name")
    def note(self, name: str) -> str:
        if name not in OUTPUTS or not OUTPUTS[name].additive:
            return ""
        return "; ".join(dict.fromkeys(note for part in self.parts if (note := part.note(name))))

    def notes(self) -> list[str]:
        notes = dict.fromkeys(note for part in self.parts for note in part.notes())
        return [f"sum of {len(self.parts)} estimates in sequence", *notes]

    def sources(self) -> set[Source]:
        return {source for part in self.parts for source in part.sources()}

    def ghg(self) -> GHGReport:
        from costmodel.estimation.ghg import GHGReport

        estimates = self.estimates()
        jobs = "; ".join(dict.fromkeys(estimate.title() for estimate in estimates))
        return GHGReport(estimates, f"sum of {len(estimates)} estimates ({jobs})")

    def estimates(self) -> list[Estimate]:
        return [estimate for part in self.parts for estimate in part.estimates()]

    def __add__(self, other: Any) -> Total:
        if isinstance(other, Total):
            return Total((*self.parts, *other.parts))
        if isinstance(other, Result):
            return Total((*self.parts, other))
        return NotImplemented

    def __radd__(self, other: Any) -> Total:
        return self if other == 0 else NotImplemented  # sum() starts from 0
