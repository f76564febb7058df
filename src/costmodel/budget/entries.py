"""Cost of each part of a project, as a product of factors with interval and provenance."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.budget.facts import ANNOTATION_OVERRUN, fact, priced_kinds
from costmodel.budget.items import Experiments, Item, Person, Run, ServedModel, Storage
from costmodel.estimation.chain import Missing
from costmodel.estimation.estimate import Estimate, estimate
from costmodel.estimation.sampling import draw_key
from costmodel.estimation.serving.estimate import ServingEstimate
from costmodel.foundation.errors import InputError, MissingFactError, UnknownNameError
from costmodel.foundation.ranges import Interval, Range, between, draws, middle, samples
from costmodel.foundation.renamed import present
from costmodel.foundation.tables import Figure, Provenance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from costmodel.budget.lines import Group
    from costmodel.budget.plan import Part, ProjectPlan

    Array = NDArray[np.float64]

WEEKS_PER_YEAR = 52.0
HOURS_PER_MONTH = 365.25 * 24 / 12
MEASURED = frozenset(
    {"second", "minute", "hour", "day", "week", "month", "year", "h", "kb", "mb", "gb", "tb", "pb", "byte", "kwh"}
    | {"mwh", "gwh", "kg", "tonne", "ktoken", "mtoken", "btoken", "usd", "percent", "%"}
)
"""Units that are measured; things in all other units are counted, in whole numbers."""
_HOUR = 3600.0
_DAY = 86400.0
_GIVEN = Provenance("given")
_TOO_WIDE = "its range is so wide that some draws exceed the largest float; give a narrower range"
_NO_REWORK = f"no piece is rejected or redone; rework = '{ANNOTATION_OVERRUN}' takes the usual figure"
_ONCE = Figure(1.0, None, Provenance("assumed", note=_NO_REWORK))


class Factor(NamedTuple):
    """One factor of a product: name, key of its draws, and value with interval."""

    name: str
    key: str
    figure: Figure
    least: float = -math.inf
    """Least possible value; draws below it count as it."""
    most: float = math.inf
    """Largest possible value; draws above it count as it."""
    whole: bool = False
    """Whether the factor counts whole things; its values and draws are rounded."""

    def at(self, key: str = "", probability: float = 0.5) -> float:
        """Return the median, or the quantile at `probability` if `key` is the key of this factor."""
        spread = self.figure.spread
        if spread is None:
            return self.figure.value
        if key != self.key:
            return float(round(self.figure.value)) if self.whole else self.figure.value
        try:
            value = min(max(spread.quantile(probability), self.least), self.most)
            return float(round(value)) if self.whole else value
        except OverflowError:
            raise InputError(f"{self.key!r}: {_TOO_WIDE}") from None

    def draws(self, count: int, seed: int) -> Array | float:
        """Return draws, shape (count,), or the value if the factor is certain."""
        spread = self.figure.spread
        if spread is None:
            return self.figure.value
        drawn = draws(self.key, spread, count, seed)
        bounded = drawn.clip(self.least, self.most) if math.isfinite(self.least) else drawn
        return bounded.round() if self.whole else bounded


class RunCost:
    """Estimate of a run with the seed of the project: cost [USD], GPU-hours and days."""

    def __init__(self, run: Run, seed: int) -> None:
        self.run = run
        self.estimate: Estimate = estimate(run.scenario.replace(seed=seed))
        self.cost, self.hours, self.days = (
            self._known(name) / unit for name, unit in (("cost", 1.0), ("gpu_hours", _HOUR), ("wall_time", _DAY))
        )
        self.gpus: int = run.scenario.cluster.count
        self.accelerator: str = run.scenario.cluster.accelerator.name
        price = self.estimate.inputs.get("prices.price", self.estimate.inputs.get("prices.purchase_price"))
        self.price: Provenance = price.provenance if price is not None else _GIVEN

    def _known(self, name: str) -> float:
        value = self.estimate.value(name)
        if isinstance(value, Missing):
            raise MissingFactError(f"run {self.run.name!r}: {name} is not known: {value.reason}")
        return value

    @property
    def purchases(self) -> float:
        """Purchases of the recipe [USD], such as the API calls of a teacher."""
        bought = any(line.name == "purchases" for line in self.estimate.lines)
        return self._known("cost.purchases") if bought else 0.0

    @cached_property
    def swings(self) -> dict[str, dict[float, float]]:
        """Change of the cost [USD] with an input at its 10 % and 90 % quantile, by the key of its draws."""
        changes: dict[str, dict[float, float]] = {}
        for row in self.estimate.sensitivity("cost"):
            path = str(row["input"])
            swing = changes.setdefault(present(draw_key(path)), {0.1: 0.0, 0.9: 0.0})
            for probability, end in ((0.1, "low"), (0.9, "high")):
                swing[probability] += row[end] - self.cost
        return changes

    def at(self, key: str = "", probability: float = 0.5) -> float:
        """Return the cost [USD], with the input `key` at its quantile at `probability` (0.1 or 0.9)."""
        return self.cost + self.swings[key][probability] if key and key in self.swings else self.cost


@dataclass(frozen=True)
class Entry:
    """Factors of a line: its quantity and its unit price as products, times the costs of its runs, if any."""

    name: str
    group: Group
    unit: str
    quantities: tuple[Factor, ...]
    prices: tuple[Factor, ...] = ()
    runs: tuple[RunCost, ...] = ()
    owner: str = ""
    note: str = ""
    origin: Provenance = field(default=_GIVEN)
    """Provenance of the unit price."""
    counted: bool = False
    """Whether the quantity counts whole things."""

    @property
    def quantity(self) -> float:
        """Number of units, at the medians; a whole number of things that are counted."""
        amount = self._amount()
        return amount * math.fsum(run.hours for run in self.runs) if self.runs else amount

    def _amount(self, key: str = "", probability: float = 0.5) -> float:
        """Return the product of the quantities, with the input `key` at its quantile at `probability`."""
        amount = math.prod(factor.at(key, probability) for factor in self.quantities)
        return float(math.floor(amount + 0.5)) if self.counted and math.isfinite(amount) else amount

    @property
    def unit_price(self) -> float:
        """Cost of one unit [USD], at the medians."""
        if self.runs:
            return math.fsum(run.cost for run in self.runs) / math.fsum(run.hours for run in self.runs)
        return math.prod(factor.at() for factor in self.prices)

    @property
    def factors(self) -> tuple[Factor, ...]:
        """All factors, without the runs."""
        return (*self.quantities, *self.prices)

    @property
    def keys(self) -> dict[str, str]:
        """Names of the uncertain inputs, by the key of their draws."""
        named = {factor.key: factor.key for factor in self.factors if factor.figure.spread is not None}
        return named | {key: f"runs: {key}" for run in self.runs for key in run.swings}

    def cost(self, key: str = "", probability: float = 0.5) -> float:
        """Return the cost [USD] at the medians, or with the input `key` at its quantile at `probability`."""
        product = self._amount(key, probability) * math.prod(factor.at(key, probability) for factor in self.prices)
        return product * math.fsum(run.at(key, probability) for run in self.runs) if self.runs else product

    def draws(self, count: int, seed: int) -> Array:
        """Return draws of the cost [USD], shape (count,).

        Raises
        ------
        InputError
            If the ranges are so wide that a draw is not finite.
        """
        import numpy as np

        product = np.ones(count)
        with np.errstate(over="ignore", invalid="ignore"):
            for factor in self.quantities:
                product = product * factor.draws(count, seed)
            if self.counted:
                product = np.floor(product + 0.5)
            for factor in self.prices:
                product = product * factor.draws(count, seed)
            if self.runs:
                product = product * np.sum([run.estimate.draws("cost", count) for run in self.runs], axis=0)
        if not np.isfinite(product).all():
            raise InputError(f"{self.name!r}: {_TOO_WIDE}")
        return product


def run_costs(project: ProjectPlan, unknown: dict[str, str] | None = None) -> dict[str, RunCost]:
    """Return the estimated runs of a project by name.

    Parameters
    ----------
    project : ProjectPlan
        The project.
    unknown : dict, optional
        Filled with the reason by name of each run whose cost is not known, in place of an error.

    Raises
    ------
    InputError, MissingFactError
        If a run cannot be estimated. The message names the run.
    """
    costs: dict[str, RunCost] = {}
    problems: list[str] = []
    missing: list[str] = []
    reasons: dict[str, str] = {}
    for index, run in enumerate(project.runs):
        try:
            costs[run.name] = RunCost(run, project.seed)
        except InputError as error:
            problems += [f"runs.{index}.scenario: {problem}" for problem in error.problems]
        except UnknownNameError as error:
            problems.append(f"runs.{index}.scenario: {error}")
        except MissingFactError as error:
            missing.append(f"runs.{index}.scenario: {error}")
            reasons[run.name] = str(error)
    if problems:
        raise InputError([*problems, *missing])
    if missing and unknown is None:
        raise MissingFactError("; ".join(missing))
    if unknown is not None:
        unknown |= reasons
    return costs


def entries(project: ProjectPlan, runs: dict[str, RunCost]) -> tuple[Entry, ...]:
    """Return the entries of a project without the contingency, in the order of the groups."""
    return tuple(entry_of(part, group, runs, project) for _, group, part in project.parts())


def entry_of(part: Part, group: Group, runs: dict[str, RunCost], project: ProjectPlan) -> Entry:
    """Return the entry of a part of a project.

    Parameters
    ----------
    part, group : Part, str
        The part and its group.
    runs : dict
        Estimated runs by name.
    project : ProjectPlan
        The project.
    """
    shared: dict[str, Any] = {"owner": part.owner or project.owner, "note": part.note}
    if isinstance(part, ServedModel):
        return _served(part, group, project.seed, shared)
    if isinstance(part, Run):
        run = runs[part.name]
        repeats = _factor(part.name, "repeats", float(part.repeats))
        if run.purchases:
            purchases = f"the unit price includes {part.repeats * run.purchases:,.2f} USD of purchases"
            shared["note"] = "; ".join(filter(None, (part.note, purchases)))
        return Entry(part.name, group, "GPU-hour", (repeats,), runs=(run,), origin=run.price, **shared)
    if isinstance(part, Experiments):
        tried = tuple(runs[name] for name in sorted(set(part.of) or runs))
        trials = _factor(part.name, "runs", part.runs, "experiment runs")._replace(whole=True)
        share = _factor(part.name, "share", _averaged(part.share), "experiment share", bounds=(0.0, 1.0))
        return Entry(part.name, group, "GPU-hour", (trials, share), runs=tried, origin=_joint(tried), **shared)
    if isinstance(part, Person):
        return _person(part, group, shared)
    if isinstance(part, Storage):
        amounts = _factor(part.name, "terabytes", part.terabytes), _factor(part.name, "months", part.months)
        price = _factor(part.name, "price", part.price, origin=_given(part))
        return Entry(part.name, group, "TB-month", amounts, (price,), origin=price.figure.provenance, **shared)
    if part.api is not None:
        price = Factor("unit_price", f"{part.name}: unit_price", part.api.figure())
    else:
        price = _factor(part.name, "unit_price", part.unit_price, part.kind or "", origin=_given(part))
    unit = part.unit or (priced_kinds()[part.kind] if part.kind else "")
    quantities = [_factor(part.name, "quantity", part.quantity)]
    if part.rework is not None:
        given = None if isinstance(part.rework, str) else _averaged(part.rework)
        quantities.append(_factor(part.name, "rework", given, ANNOTATION_OVERRUN, bounds=(1.0, math.inf)))
    elif part.kind is not None:
        quantities.append(Factor("rework", f"{part.name}: rework", _ONCE))
    shared["counted"] = _is_count(part.quantity, unit) and any(factor.figure.spread for factor in quantities)
    return Entry(part.name, group, unit, tuple(quantities), (price,), origin=price.figure.provenance, **shared)


def _is_count(quantity: float | Range, unit: str) -> bool:
    """Return whether a quantity counts whole things: whole numbers of a unit that is not measured, such as pairs."""
    numbers = (quantity.low, quantity.high) if isinstance(quantity, Interval) else (quantity,)
    whole = all(isinstance(number, float) and number.is_integer() for number in numbers)
    return whole and MEASURED.isdisjoint(unit.lower().removesuffix("s").split("-"))


def _averaged(share: float | Range | None) -> float | Range | None:
    """Return a range of a share as a normal distribution, whose median is the arithmetic mean of the ends."""
    if not isinstance(share, Interval) or share.shape == "normal":
        return share
    return between(share.low, share.high, share.unit, level=share.level, shape="normal")


def _served(part: ServedModel, group: Group, seed: int, shared: dict[str, Any]) -> Entry:
    """Return the entry of a served model: accelerators × hours × price, or tokens × cost per token of the load."""
    estimate = ServingEstimate(part.scenario.replace(seed=seed))
    name, unit, size = ("cost_per_hour", "GPU-hour", float(part.scenario.cluster.count))
    if part.months is not None:
        hours = _constant("hours per month × GPUs", HOURS_PER_MONTH * size)
        quantities = (_factor(part.name, "months", part.months), hours)
    else:
        name, unit, size = "blended_cost", "Mtoken", 1.0
        quantities = (_factor(part.name, "tokens", part.tokens), _constant("Mtoken per token", 1e-6))
    try:
        cost, drawn = estimate.value(name) / size, estimate.draws(name) / size
    except MissingFactError as error:
        raise MissingFactError(f"{part.name!r}: {error}") from None
    price = estimate.inputs.get("prices.price") or estimate.inputs.get("prices.purchase_price")
    origin = _GIVEN if price is None or isinstance(price.figure, Missing) else price.figure.provenance
    spread = samples(drawn) if drawn.min() < drawn.max() else None
    label = "price" if part.months is not None else "cost per million tokens"
    factor = Factor(label, f"{part.name}: {label}", Figure(cost, spread, origin))
    return Entry(part.name, group, unit, quantities, (factor,), origin=origin, **shared)


def _person(part: Person, group: Group, shared: dict[str, Any]) -> Entry:
    quantities = [_factor(part.role, "count", part.count)]
    if part.weeks is not None:
        quantities.append(_factor(part.role, "weeks", part.weeks))
    else:
        quantities += [_factor(part.role, "months", part.months), _constant("weeks per month", WEEKS_PER_YEAR / 12)]
    yearly = _factor(part.role, "usd_per_year", part.usd_per_year, "staff compensation")
    overhead = _factor(part.role, "overhead", _averaged(part.overhead), "overhead", bounds=(1.0, math.inf))
    prices = (yearly, overhead, _constant("years per week", 1 / WEEKS_PER_YEAR))
    return Entry(part.role, group, "person-week", tuple(quantities), prices, origin=yearly.figure.provenance, **shared)


def _constant(name: str, value: float) -> Factor:
    return Factor(name, name, Figure(value, None, _GIVEN))


def _factor(
    line: str,
    name: str,
    value: float | Range | None,
    known_as: str = "",
    origin: Provenance = _GIVEN,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Factor:
    """Return the given value, with draws keyed by its line, or the known fact, with draws shared by all lines."""
    if value is None:
        return Factor(name, f"{known_as} (looked up)", fact(known_as))  # no ": ", unlike the keys of lines
    figure = Figure(middle(value), value if isinstance(value, Range) else None, origin)
    return Factor(name, f"{line}: {name}", figure, *bounds)


def _given(part: Item | Storage) -> Provenance:
    return Provenance("given", part.source, str(part.as_of or ""))


def _joint(runs: tuple[RunCost, ...]) -> Provenance:
    """Return the provenance of the price of several runs: the oldest date, and each source once."""
    sources = dict.fromkeys(run.price.source for run in runs if run.price.source)
    dates = [run.price.as_of for run in runs if run.price.as_of]
    return Provenance(runs[0].price.kind, " ; ".join(sources), min(dates, default=""))
