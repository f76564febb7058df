"""`what_would_fit`: the smallest changes that make a training run fit in memory, with their price in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from costmodel.estimation.scenario import Scenario
from costmodel.foundation import rendering
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError
from costmodel.foundation.rendering import percent
from costmodel.foundation.units import GIB, convert, quantity
from costmodel.planning.limits import planned
from costmodel.training.layouts.changes import Case, FittingChange, fitting_changes
from costmodel.training.layouts.fitting import SAFE_PROBABILITY, TooLargeError
from costmodel.training.step.layout import Layout, layout_of

if TYPE_CHECKING:
    from costmodel.foundation.units import Quantity


@dataclass(frozen=True, repr=False)
class FittingChanges(rendering.Shown):
    """Changes with which a run fits; see `what_would_fit`."""

    _index = "change"

    scenario: Scenario
    """The unchanged scenario, with its layout: given, planned, or data-parallel where no layout fits."""
    layout: Layout
    """The unchanged layout."""
    needed: Quantity
    """Predicted peak memory per GPU of the unchanged layout, auxiliary models included."""
    host_needed: Quantity
    """Host memory per GPU of the unchanged layout."""
    fit_probability: float
    """Probability that the unchanged layout fits [1]."""
    changes: tuple[FittingChange, ...]
    """The changes; empty where the run fits already, and where no pair of changes is enough."""

    @property
    def fits(self) -> bool:
        """Whether the unchanged layout fits with the least probability."""
        return self.fit_probability >= SAFE_PROBABILITY

    @checked("index")
    def changed(self, index: int = 0) -> Scenario:
        """Return the scenario with one of the changes.

        Parameters
        ----------
        index : int
            Position of the change [1].
        """
        if not 0 <= index < len(self.changes):
            raise InputError(f"index must be from 0 to {len(self.changes) - 1}; got {index!r}")
        return self.scenario.replace(dict(self.changes[index].fields))

    def rows(self) -> list[dict[str, Any]]:
        """Return the changes as rows: change, fit_probability [1], time_factor [1], gpu_time_factor [1]."""
        return [change.row() for change in self.changes]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {
            "layout": self.layout.to_data(),
            "memory_gib": convert(self.needed, "GiB"),
            "host_memory_gib": convert(self.host_needed, "GiB"),
            "fit_probability": self.fit_probability,
            "changes": [{**change.row(), "fields": dict(change.fields)} for change in self.changes],
        }

    def _title(self) -> str:
        usable = (self.scenario.cluster.accelerator.usable_memory or 0.0) / GIB
        needed = f"needs {convert(self.needed, 'GiB'):.1f} of {usable:.1f} GiB per GPU"
        offloaded = convert(self.host_needed, "GiB")
        host = f" and {offloaded:.0f} GiB of host memory per GPU" if offloaded else ""
        return f"{self.layout.brief()}\n{needed}{host}: fits with {percent(self.fit_probability)}"

    def _cells(self) -> list[dict[str, str]]:
        return [
            {
                "change": change.text,
                "fits": percent(change.fit_probability),
                "time per token": f"x {change.time_factor:.2f}",
                "GPU time": f"x {change.gpu_time_factor:.2f}",
                "training": "same" if change.same_training else "changed",
            }
            for change in self.changes
        ]

    def _footer(self) -> str:
        if self.changes:
            return f"each makes it fit with at least {percent(SAFE_PROBABILITY)}"
        return "no change is needed" if self.fits else "no pair of changes is enough"


def what_would_fit(scenario: Scenario) -> FittingChanges:
    """Return the smallest changes that make a training run fit in memory with a probability of 90 %.

    The changes are those of micro-batch, sequence length, recomputation, loss, optimizer, ZeRO level, offloading,
    adapters, quantization and the number of accelerators. Pairs are tried where no single change is enough.

    Parameters
    ----------
    scenario : Scenario
        With one recipe. Its layout is the given one, else the planned one, else data parallelism with full
        recomputation.

    Returns
    -------
    FittingChanges
        The changes: first those that leave the training the same, by ascending accelerator time. None where the run
        fits already.

    Raises
    ------
    InputError
        If the scenario has several recipes, or its layout is not possible.
    MissingFactError
        If a fact of the accelerator is unknown, or no step was measured on its generation.

    Examples
    --------
    >>> import costmodel as cm
    >>> run = cm.Scenario(
    ...     architecture="llama-3.1-8b",
    ...     recipe=cm.LoRA(tokens="20M", batch_size=16, software="eager"),
    ...     cluster=cm.Cluster("RTX-4090", 1),
    ...     layout=cm.Layout(micro_batch=4, recompute="full", eager=True),
    ... )
    >>> changes = what_would_fit(run)
    >>> changes.fit_probability < 0.9 <= changes.changes[0].fit_probability
    True
    """
    if not isinstance(scenario, Scenario):
        raise InputError(f"`scenario` must be a Scenario (Scenario.load reads a file); got {type(scenario).__name__}")
    if len(scenario.recipes) > 1:
        raise InputError(f"scenario: needs one recipe; got {len(scenario.recipes)}")
    if scenario.layout is None:
        scenario = _planned(scenario)
    recipe, layout = scenario.recipes[0], scenario.layout
    if layout is None:
        raise InputError("scenario: has no layout")
    case = Case(scenario.architecture, scenario.cluster, recipe, layout, scenario.efficiency)
    step = case.step()
    auxiliary = recipe.auxiliary_bytes(scenario.architecture) / recipe.training_gpus(scenario.cluster.count)
    probability = float(step.fit_probability)
    return FittingChanges(
        scenario,
        layout,
        quantity(float(step.memory.total) + auxiliary, "byte", "GiB"),
        quantity(float(step.host_bytes), "byte", "GiB"),
        probability,
        () if probability >= SAFE_PROBABILITY else tuple(fitting_changes(case)),
    )


def _planned(scenario: Scenario) -> Scenario:
    """Return the scenario with the planned layout, or with data parallelism and full recomputation where none fits.

    A given or measured speed says nothing about memory and is left out.
    """
    scenario = scenario.replace(dict.fromkeys(("mfu", "step_time", "tokens_per_second", "gpu_hours")))
    recipe, count = scenario.recipes[0], scenario.cluster.count
    try:
        _, plan = planned(scenario.architecture, recipe, scenario.cluster)
    except TooLargeError:
        layout = Layout(data=count, zero=3 if count > 1 else 1, recompute="full", eager=recipe.eager)
        return scenario.replace({"layout": layout, "recipe.batch_size": recipe.sequences(count)})
    return scenario.replace({"layout": layout_of(list(plan.layout)), "recipe.batch_size": int(plan.batch_size)})
