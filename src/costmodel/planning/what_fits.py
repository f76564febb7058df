"""Feasible combinations of model, recipe and accelerators, with memory, time, cost and carbon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.architecture.specification import Architecture
from costmodel.estimation.cautions import unverified
from costmodel.estimation.chain import OUTPUTS, Missing
from costmodel.estimation.estimate import Estimate, estimate
from costmodel.estimation.scenario import Scenario
from costmodel.estimation.speed import plan_together
from costmodel.foundation import markup, rendering
from costmodel.foundation.errors import InputError, MissingFactError, UnknownNameError
from costmodel.foundation.ranges import DEFAULT_LEVEL
from costmodel.foundation.units import GIB, SI_FACTOR, quantity
from costmodel.hardware.cluster import Cluster
from costmodel.planning.fit_request import FitRequest, several
from costmodel.planning.limits import check_auxiliary_models, plan_stand_ins, planned, unknown_memory
from costmodel.training.layouts.fitting import SAFE_PROBABILITY, TooLargeError, fit_probability
from costmodel.training.layouts.planner import MOST_KEPT
from costmodel.training.step.layout import Layout, layout_of
from costmodel.training.step.memory import Memory, memory

if TYPE_CHECKING:
    from costmodel.foundation.units import Quantity

SHOWN = 20
"""Rows of the text table [1]."""


class FitFigures(NamedTuple):
    """Figures of a row as plain numbers; None if unknown."""

    memory: float | None = None
    """Peak memory per GPU [byte]."""
    headroom: float | None = None
    """Free memory on the GPU with the highest use [byte]."""
    wall_time: float | None = None
    """Wall time [s]."""
    cost: float | None = None
    """Cost [USD]."""
    carbon: float | None = None
    """Carbon [kg]."""


@dataclass(frozen=True)
class Fit:
    """A recipe for a model on a number of accelerators: feasibility, memory, time, cost and carbon.

    Figures with a unit are pint quantities; `si` has them as plain numbers.
    """

    scenario: Scenario
    """Scenario of the row, for `estimate(row.scenario)`."""
    reason: str = ""
    """Why it is not feasible, or which limit it violates; empty if it fits."""
    si: FitFigures = field(default_factory=FitFigures)
    layout: Layout | None = None
    notes: tuple[str, ...] = ()

    @property
    def memory(self) -> Quantity | None:
        """Peak memory per GPU; None if it does not fit."""
        return _quantity(self.si.memory, "byte", "GiB")

    @property
    def headroom(self) -> Quantity | None:
        """Free memory on the GPU with the highest use."""
        return _quantity(self.si.headroom, "byte", "GiB")

    @property
    def wall_time(self) -> Quantity | None:
        """Wall time."""
        return _quantity(self.si.wall_time, "s", OUTPUTS["wall_time"].shown)

    @property
    def cost(self) -> Quantity | None:
        """Cost; None if no price is known."""
        return _quantity(self.si.cost, "USD", OUTPUTS["cost"].shown)

    @property
    def carbon(self) -> Quantity | None:
        """Carbon; None if the power is unknown."""
        return _quantity(self.si.carbon, "kg", OUTPUTS["carbon"].shown)

    @property
    def fits(self) -> bool:
        """Whether it is feasible within all limits."""
        return not self.reason

    @property
    def architecture(self) -> Architecture:
        """The model."""
        return self.scenario.architecture

    @property
    def accelerator(self) -> str:
        """Name of the accelerator."""
        return self.scenario.cluster.accelerator.name

    @property
    def count(self) -> int:
        """Accelerators."""
        return self.scenario.cluster.count

    @property
    def kind(self) -> str:
        """Kind of the recipe."""
        return self.scenario.recipes[0].kind

    @property
    def estimate(self) -> Estimate:
        """The estimate, with its intervals and sources."""
        return estimate(self.scenario)

    def memory_components(self) -> Memory[float]:
        """Return the peak memory per GPU by component [byte].

        Raises
        ------
        MissingFactError
            If the combination has no layout, as the memory is not enough.
        """
        if self.layout is None:
            raise MissingFactError(f"no layout, and so no memory by component: {self.reason}")
        return _components(self.scenario)[0]

    def interval(self, figure: str, level: float = DEFAULT_LEVEL) -> tuple[Quantity, Quantity]:
        """Return the ends of the central interval of a figure.

        Parameters
        ----------
        figure : such as "wall_time", "cost" or "carbon"
        level : share of the probability inside [1]
        """
        return self.estimate.interval(figure, level)

    def row(self) -> dict[str, Any]:
        """Return the fit as a row; unknown values are None."""
        layout, figures = self.layout, self.si
        return {
            "model": self.architecture.name,
            "recipe": self.kind,
            "accelerator": self.accelerator,
            "count": self.count,
            "fits": self.fits,
            "memory_gib": _in(figures.memory, "GiB"),
            "headroom_gib": _in(figures.headroom, "GiB"),
            "hours": _in(figures.wall_time, "hour"),
            "cost_usd": figures.cost,
            "carbon_kg": figures.carbon,
            "micro_batch": None if layout is None else layout.micro_batch,
            "recompute": None if layout is None else layout.recompute,
            "layout": None if layout is None else layout.brief(),
            "reason": self.reason,
            "notes": "; ".join(self.notes),
        }


class Fits(rendering.Shown):
    """What fits and what does not; see `what_fits`.

    `possible` and `rejected` hold the rows as objects (`Fit`), in order.
    """

    def __init__(self, possible: tuple[Fit, ...], rejected: tuple[Fit, ...]) -> None:
        self.possible = possible
        self.rejected = rejected

    def __len__(self) -> int:
        return len(self.possible)

    @property
    def best(self) -> Fit:
        """First row: the cheapest; without a given model, the cheapest of the largest model."""
        return self._least("row", lambda fit: 0.0)

    @property
    def cheapest(self) -> Fit:
        """The row of the least cost."""
        return self._least("cost", lambda fit: fit.si.cost)

    @property
    def fastest(self) -> Fit:
        """The row of the shortest wall time."""
        return self._least("wall time", lambda fit: fit.si.wall_time)

    def rows(self) -> list[dict[str, Any]]:
        """Return what fits, in order, and then what does not, with the reason.

        Memory in GiB, time in hours, cost in USD, carbon in kg; unknown values are None.
        """
        return [fit.row() for fit in (*self.possible, *self.rejected)]

    def to_markdown(self) -> str:
        """Return the table of what fits as Markdown."""
        return markup.markdown(self._cells(), self._footer())

    def to_text(self, width: int | None = None) -> str:
        """Return the first rows of what fits as plain text.

        Parameters
        ----------
        width : int, optional
            Width to which the notes are wrapped; default: they are not wrapped [character].
        """
        footer = self._footer(SHOWN) if width is None else rendering.wrapped(self._footer(SHOWN), width)
        return rendering.text(self._cells()[:SHOWN], footer=footer)

    def _repr_html_(self) -> str:
        return markup.html_table(self._cells()[:SHOWN], notes=self._footer(SHOWN).splitlines())

    def _least(self, figure: str, value_of: Callable[[Fit], float | None]) -> Fit:
        if not self.possible:
            raise InputError(f"nothing fits: {self._why_not() or 'nothing was tried'}")
        values = [(value, index) for index, fit in enumerate(self.possible) if (value := value_of(fit)) is not None]
        if not values:
            raise MissingFactError(
                f"the {figure} of every row that fits is unknown; estimate(row.scenario) names the missing fact"
            )
        return self.possible[min(values)[1]]

    def _cells(self) -> list[dict[str, str]]:
        several = {name for name in ("model", "recipe") if len({row[name] for row in self.rows()}) > 1}
        cells: list[dict[str, str]] = []
        for fit in self.possible:
            row = fit.row()
            recompute = (
                "" if fit.layout is None or fit.layout.recompute == "none" else f", recompute {row['recompute']}"
            )
            cells.append(
                {
                    **{name: str(row[name]) for name in ("model", "recipe") if name in several},
                    "accelerators": f"{fit.count} × {fit.accelerator}",
                    "memory": _shown(fit.si.memory, "byte"),
                    "headroom": _shown(fit.si.headroom, "byte"),
                    "wall time": _shown(fit.si.wall_time, "s"),
                    "cost": _shown(fit.si.cost, "USD"),
                    "carbon": _shown(fit.si.carbon, "kg"),
                    "micro-batch": "-" if fit.layout is None else f"{fit.layout.micro_batch}{recompute}",
                    "notes": "; ".join(fit.notes),
                }
            )
        return cells

    def _footer(self, shown: int | None = None) -> str:
        hidden = 0 if shown is None else len(self.possible) - shown
        more = [f"{hidden} more fit: rows() has all"] if hidden > 0 else []
        return "\n".join([*more, *([f"does not fit: {self._why_not()}"] if self.rejected else [])])

    def _why_not(self) -> str:
        """Return the number of rejected rows by reason, with the message if it is the same for all."""
        if len(self.rejected) == 1:
            return self.rejected[0].reason
        details: dict[str, list[str]] = {}
        for fit in self.rejected:
            reason, _, words = fit.reason.partition(": ")
            details.setdefault(reason, []).append(words)
        return ", ".join(
            f"{len(words)} by {reason}" + (f" ({words[0]})" if len(set(words)) == 1 else "")
            for reason, words in sorted(details.items(), key=lambda item: -len(item[1]))
        )


def _shown(value: float | None, unit: str) -> str:
    return "-" if value is None else rendering.amount(value, unit)


def what_fits(
    architecture: Any = None,
    recipe: Any = None,
    *,
    accelerator: Any = None,
    count: Any = None,
    tokens: Any = None,
    memory: Any = None,
    budget: Any = None,
    carbon: Any = None,
    deadline: Any = None,
    prices: Any = None,
    site: Any = None,
) -> Fits:
    """Return what can be trained on which accelerators, with its memory, time, cost and carbon.

    By default all models or all accelerators of the catalog are compared, with full fine-tuning, LoRA and QLoRA. A list
    gives alternatives for any argument. Rows are in ascending order of cost, rows without a price last; without a given
    model, the largest model is first.

    Parameters
    ----------
    architecture : str, Mapping, Architecture or list, optional
        As in `load_architecture`; default: the catalog.
    recipe : recipe or list, optional
        Default: full fine-tuning, LoRA and QLoRA.
    accelerator : str, Accelerator, Mapping or list, optional
        Name, object or fields; default: the catalog.
    count : int or list, optional
        Numbers of accelerators; default: 1, 2, 4 and 8 [1].
    tokens : float or str, optional
        Tokens of the default recipes; default: a million, so that costs are per million tokens [token].
    memory : float or str, optional
        Largest memory of an accelerator, as in "24 GB" [GB].
    budget : float or str, optional
        Limit of the cost [USD].
    carbon : float or str, optional
        Limit of the carbon, as in "10 kg" [kg].
    deadline : float or str, optional
        Limit of the wall time, as in "1 day" [day].
    prices : Rental, Ownership or Mapping, optional
        Default: the market.
    site : Site or Mapping, optional
        Where the accelerators are.

    Returns
    -------
    Fits
        `.best`, `.cheapest`, `.fastest`, each with `.scenario` and `.interval("cost")`; `.rows()` also lists what does
        not fit or violates a limit, with the reason. For accelerators without measured steps, the memory is that of the
        layout planned for others of the same memory, and the time follows from a class utilization.

    Raises
    ------
    InputError, UnknownNameError
        With every invalid argument; if neither a model nor an accelerator is given.

    References
    ----------
    Memory: `costmodel.training.step.memory`; four of five measured peaks are within 13 % of it; rows with less
    headroom are noted as tight.

    Examples
    --------
    >>> from costmodel.training.recipes.finetuning import QLoRA
    >>> fits = what_fits("llama-3.1-8b", QLoRA(tokens="20M"), memory="24 GB", budget="10 USD", deadline="1 day")
    >>> "RTX-4090" in {row.accelerator for row in fits.possible}
    True
    >>> fits.cheapest.cost <= fits.fastest.cost and fits.fastest.cost.to("USD").magnitude < 10
    True
    >>> low, high = fits.best.interval("cost")
    >>> low < fits.best.cost < high
    True
    >>> [row.kind for row in what_fits("llama-3.1-8b", accelerator="RTX-4090", count=1).possible]
    ['lora', 'qlora', 'full_fine_tuning']
    """
    given = {
        "architecture": architecture,
        "recipe": recipe,
        "accelerator": accelerator,
        "count": list(count) if isinstance(count, range) else count,
        "tokens": tokens,
        "memory": memory,
        "budget": budget,
        "carbon": carbon,
        "deadline": deadline,
        "prices": prices,
        "site": site,
    }
    request = FitRequest(**{name: value for name, value in given.items() if value is not None})
    combinations = product(request.models(), request.recipes(), request.devices(), sorted(set(several(request.count))))
    scenarios = [
        Scenario(model, recipe, Cluster(device, number, site=request.site), prices=request.prices)
        for model, recipe, device, number in combinations
    ]
    tried: list[Fit] = []
    for start in range(0, len(scenarios), MOST_KEPT):
        part = scenarios[start : start + MOST_KEPT]
        plan_stand_ins(plan_together(part))
        tried += [_fit(request, scenario) for scenario in part]
    open_model = request.architecture is None

    def order(fit: Fit) -> tuple[Any, ...]:
        size = -float(fit.architecture.parameters.total) if open_model else 0.0
        return size, fit.si.cost is None, fit.si.cost or 0.0, fit.si.wall_time or 0.0

    possible = sorted((fit for fit in tried if fit.fits), key=order)
    return Fits(tuple(possible), tuple(fit for fit in tried if not fit.fits))


def _quantity(value: float | None, unit: str, shown: str) -> Quantity | None:
    """Return a number in SI units as a quantity; None if it is not known."""
    return None if value is None else quantity(value, unit, shown)


def _in(value: float | None, unit: str) -> float | None:
    """Return a number in SI units in another unit; None if it is not known."""
    return None if value is None else value / SI_FACTOR[unit]


def _fit(request: FitRequest, scenario: Scenario) -> Fit:
    """Return one row: memory, figures and constraint violations."""
    accelerator, recipe = scenario.cluster.accelerator, scenario.recipes[0]
    capacity, marketed, empty = accelerator.usable_memory, accelerator.memory, Fit(scenario)
    if capacity is None:
        return replace(empty, reason=f"accelerator: {unknown_memory(accelerator)}")
    if request.memory is not None and marketed is not None and marketed > request.memory:
        return replace(empty, reason=f"accelerator: its {marketed:g} GB are above the {request.memory:g} GB given")
    try:
        accelerator.peak(recipe.precision)
    except MissingFactError as error:
        return replace(empty, reason=f"precision: {error}")
    try:
        check_auxiliary_models(scenario.architecture, recipe, scenario.cluster)
        result = estimate(scenario)
        fit = _with_memory(empty, result, capacity)
    except UnknownNameError:
        raise  # an unknown provider or region is an error of the request
    except TooLargeError as error:
        return replace(empty, reason=f"memory: {str(error).removeprefix('layout: ')}")
    except InputError as error:
        return replace(empty, reason=str(error))
    figures = {name: result.value(name) for name in ("wall_time", "cost", "carbon")}
    known = {name: None if isinstance(value, Missing) else float(value) for name, value in figures.items()}
    notes = list(fit.notes)
    if fit.si.memory is not None and fit_probability(fit.si.memory, capacity) < SAFE_PROBABILITY:
        notes.append("tight")
    notes += [f"{name} unknown" for name in ("cost", "carbon") if known[name] is None]
    if known["cost"] is not None and (note := result.note("cost")):
        notes.append(note)
    notes += ["counts unverified"] if unverified(scenario) else []
    time = figures["wall_time"]
    reasons = [f"time: {time.reason}"] if isinstance(time, Missing) else []
    reasons += _constraint_violations(request, figures)
    return replace(fit, si=fit.si._replace(**known), notes=tuple(notes), reason="; ".join(reasons))


def _with_memory(fit: Fit, result: Estimate, capacity: float) -> Fit:
    """Return a row with its layout and memory; without those of the estimate, those of a stand-in accelerator.

    `capacity` is the usable memory of the accelerator [byte].
    """
    peak, scenario = result.value("memory"), fit.scenario
    if not isinstance(peak, Missing):
        if peak > capacity:
            raise TooLargeError(f"the smallest layout needs {peak / GIB:.1f} of {capacity / GIB:.1f} GiB per GPU")
        return replace(fit, si=FitFigures(peak, capacity - peak), layout=result.layout)
    components, layout = _components(scenario)
    figures = FitFigures(components.total, capacity - components.total)
    notes = () if scenario.recipes[0].gpu_hours is not None else ("time by class of accelerator",)
    return replace(fit, si=figures, layout=layout, notes=notes)


def _components(scenario: Scenario) -> tuple[Memory[float], Layout]:
    """Return the memory by component [byte] of the planned layout, auxiliary models included, and the layout."""
    inputs, plan = planned(scenario.architecture, scenario.recipes[0], scenario.cluster)
    found = memory(inputs.work, inputs.numerics, plan.batch_size, plan.layout)
    components = Memory(*(float(value) for value in found))
    return components._replace(auxiliary_models=float(inputs.auxiliary_bytes)), layout_of(list(plan.layout))


def _constraint_violations(request: FitRequest, figures: dict[str, float | Missing]) -> list[str]:
    """Return the constraint violations of the figures; an unknown figure violates its limit."""
    days = None if request.deadline is None else request.deadline * 86400
    reasons = []
    for name, figure, unit, limit in (
        ("budget", "cost", "USD", request.budget),
        ("carbon", "carbon", "kg", request.carbon),
        ("deadline", "wall_time", "s", days),
    ):
        value = figures[figure]
        if limit is None:
            continue
        if isinstance(value, Missing):
            reasons.append(
                f"{name}: {figure} is unknown, so the limit of {rendering.amount(limit, unit)} cannot be checked; "
                f"{value.reason}"
            )
        elif value > limit:
            reasons.append(
                f"{name}: {rendering.amount(value, unit)} is above the {rendering.amount(limit, unit)} given"
            )
    return reasons
