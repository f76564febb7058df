"""`estimate`: FLOPs, GPU-hours, duration, energy, carbon and cost of a scenario, with intervals and sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from costmodel.estimation import chain, inputs
from costmodel.estimation.bill import Bill
from costmodel.estimation.cautions import cautions, unfinished, unverified
from costmodel.estimation.chain import GIVEN_UP, OUTPUTS, Missing, Step
from costmodel.estimation.climate import NO_CONTRACT
from costmodel.estimation.explanation import Explanation, explain
from costmodel.estimation.ghg import GHGReport
from costmodel.estimation.paths import field_of, is_settable
from costmodel.estimation.price_cautions import age_caution, price_cautions, price_line
from costmodel.estimation.results import DRAWS, Result
from costmodel.estimation.sampling import newest_sample, sample
from costmodel.estimation.scenario import Scenario
from costmodel.estimation.total import Total
from costmodel.foundation import rendering
from costmodel.foundation.checks import check_draws, checked
from costmodel.foundation.citations import Source
from costmodel.foundation.errors import InputError, MissingFactError, unknown
from costmodel.foundation.ranges import DEFAULT_LEVEL
from costmodel.foundation.renamed import RENAMED
from costmodel.foundation.tables import Figure, table
from costmodel.market.owned import Ownership

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import numpy as np
    from numpy.typing import NDArray

    from costmodel.estimation.serving.estimate import ServingEstimate
    from costmodel.estimation.serving.scenario import Serving
    from costmodel.estimation.speed import Basis
    from costmodel.foundation.units import Quantity
    from costmodel.market.charges import CostLine
    from costmodel.training.step.layout import Layout

_STEADY_UNKNOWN = Missing("gpu_hours are given; only the utilization of the job follows from them")
_NO_LAYOUT = Missing("the estimate has no layout: a speed or gpu_hours are given, or the speed is a class default")
_SEVERAL = Missing("there are several recipes, each with steps of its own")
_FULL_SPEED = Missing("the job runs at the given or modeled speed; set realized_efficiency to change that")


@overload
def estimate(scenario: Scenario) -> Estimate: ...
@overload
def estimate(scenario: Serving) -> ServingEstimate: ...
def estimate(scenario: Scenario | Serving) -> Estimate | ServingEstimate:
    """Estimate FLOPs, GPU-hours, duration, energy, carbon, water and cost of a scenario, or the figures of serving.

    Parameters
    ----------
    scenario : Scenario or Serving
        Model, recipe, cluster and prices; or a model that is served, with its requests and their load.

    Returns
    -------
    Estimate or ServingEstimate
        Figures as pint Quantities (`.cost`, `.gpu_hours`, ...), their intervals, and their sources.
        A figure with an unknown input raises `MissingFactError` on access; all others are available.

    Examples
    --------
    >>> import costmodel as cm
    >>> run = cm.Scenario(
    ...     architecture={"total": "7B"},
    ...     recipe=cm.Pretraining(tokens="2T"),
    ...     cluster=cm.Cluster("A100-80GB-SXM", 512),
    ...     prices=cm.Rental(price="2 USD/hour"),
    ...     mfu=0.4,
    ...     goodput=1.0,
    ... )
    >>> est = cm.estimate(run)
    >>> print(f"{est.cost.to('kUSD'):.1f~P}")  # 6 x 7e9 x 2e12 / (312e12 x 0.4) / 3600 x 2
    373.9 kUSD
    """
    if isinstance(scenario, Scenario):
        return Estimate(scenario)
    from costmodel.estimation.serving.scenario import Serving

    if not isinstance(scenario, Serving):
        raise InputError(
            f"`scenario` must be a Scenario (Scenario.load reads a file) or a Serving; got {type(scenario).__name__}"
        )
    from costmodel.estimation.serving.estimate import ServingEstimate

    return ServingEstimate(scenario)


class Estimate(Result):
    """The figures of a scenario; see `estimate`.

    Examples
    --------
    >>> import costmodel as cm
    >>> run = cm.Scenario("llama-3.1-8b", cm.Pretraining(tokens="1T"), cm.Cluster("H100-SXM", 256))
    >>> est = cm.estimate(run)
    >>> low, high = est.interval("gpu_hours", 0.8)
    >>> low < est.gpu_hours < high
    True
    >>> est.to_dict()["figures"]["gpu_hours"]["unit"]
    'hour'
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.scope: str = scenario.scope
        self.seed: int = scenario.seed
        resolved = inputs.resolve(scenario)
        self.steps: tuple[Step, ...] = resolved.steps
        self.lines: tuple[CostLine, ...] = resolved.lines
        """Lines of the bill; see `bill`."""
        self.inputs, self.missing, self._speed = resolved.inputs, resolved.missing, resolved.speed
        values: dict[str, Any] = {path: entry.value for path, entry in self.inputs.items()}
        left = [step for step in self.steps if step.name not in resolved.results]
        self._point = chain.run(left, {**values, **resolved.results, **self.missing})
        if self._has_goodput_step and self._point["goodput"] == GIVEN_UP:
            self._give_up(values)
        self._check_utilization()
        self._ends: dict[tuple[str, float], tuple[float, float]] = {}

    @property
    def mfu(self) -> Quantity:
        """Model FLOPs utilization (MFU) in steady state."""
        return self.quantity("mfu")

    @property
    def utilization(self) -> Quantity:
        """Utilization over the whole job: MFU × goodput."""
        return self.quantity("utilization")

    @property
    def step_time(self) -> Quantity:
        """Time of a step in steady state, all passes included; of reinforcement learning, from rollout to update."""
        return self.quantity("step_time")

    @property
    def rollout_time(self) -> Quantity:
        """Time of the rollout of a step of reinforcement learning."""
        return self.quantity("rollout_time")

    @property
    def update_time(self) -> Quantity:
        """Time of the policy update of a step of reinforcement learning."""
        return self.quantity("update_time")

    @property
    def tokens_per_second(self) -> Quantity:
        """Tokens of the data per second of all accelerators, in steady state."""
        return self.quantity("tokens_per_second")

    @property
    def realized_efficiency(self) -> Quantity:
        """Achieved speed / modeled speed, where the layout is planned."""
        return self.quantity("realized_efficiency")

    @property
    def goodput(self) -> Quantity:
        """Share of the wall time that is spent in useful steps."""
        return self.quantity("goodput")

    @property
    def memory(self) -> Quantity:
        """Peak memory per GPU, in the given or planned layout."""
        return self.quantity("memory")

    @property
    def fit_probability(self) -> float:
        """Probability that the job fits in the memory of the accelerators, from the error of the memory model [1]."""
        return float(self.quantity("fit_probability").magnitude)

    @property
    def layout(self) -> Layout | None:
        """The given or planned layout of the first recipe; None where the estimate has no layout."""
        return self._speed.layouts[0] if self._speed.layouts else None

    @property
    def basis(self) -> Basis:
        """Origin of the speed: "given", "measured", "layout", "planned", "class", or "none" (GPU-hours are given)."""
        return self._speed.basis

    def bill(self) -> Bill:
        """Return the lines of the cost, which add up to it in every draw."""
        return Bill(self)

    @checked("name")
    def figure_title(self, name: str) -> str:
        if name == "electricity_cost" and isinstance(self.scenario.prices, Ownership):
            return "electricity (busy hours)"
        return super().figure_title(name)

    def estimates(self) -> list[Estimate]:
        return [self]

    def ghg(self) -> GHGReport:
        return GHGReport((self,), self.title())

    @checked("name")
    def value(self, name: str) -> float | Missing:
        if name in self._point:
            value: float | Missing = self._point[name]
            return value
        if name not in OUTPUTS:
            raise InputError(unknown("figure", name, OUTPUTS))
        if name in {"memory", "fit_probability"}:
            return _NO_LAYOUT
        if name == "realized_efficiency" and "mfu" in self._point:
            return _FULL_SPEED
        return _SEVERAL if name in {"steps", "step_time"} and "mfu" in self._point else _STEADY_UNKNOWN

    @checked("name", "count")
    def draws(self, name: str, count: int = DRAWS) -> NDArray[np.float64]:
        """Return random draws of a figure, of a step of the calculation, or of an input.

        Parameters
        ----------
        name : str
            A figure of `OUTPUTS`, a step or an input.
        count : int
            Number of draws.

        Returns
        -------
        array, shape (count,)
            In SI units (with FLOP, token, kg, USD).
        """
        import numpy as np

        check_draws(count)
        sampled = newest_sample(self) if count == DRAWS else sample(self, count, [name])
        if name not in sampled:
            raise InputError(unknown("figure", name, [*OUTPUTS, *self._point]))
        values = sampled[name]
        if isinstance(values, Missing):
            raise MissingFactError(f"{name} is not known: {values.reason}")
        return np.broadcast_to(np.asarray(values, dtype=float), (count,))

    @checked("count")
    def sample(self, count: int = DRAWS, executor: Executor | None = None) -> dict[str, NDArray[np.float64]]:
        """Return random draws of every known figure, each of shape (count,), in SI units.

        Parameters
        ----------
        count : int
            Number of draws [1].
        executor : concurrent.futures.Executor, optional
            Draws the inputs in parallel, such as a `ThreadPoolExecutor`; the result does not depend on it.
        """
        import numpy as np

        check_draws(count)
        sampled = sample(self, count, list(OUTPUTS), executor)
        return {
            name: np.broadcast_to(np.asarray(sampled[name], dtype=float), (count,))
            for name in OUTPUTS
            if not isinstance(sampled.get(name, _SEVERAL), Missing)
        }

    @checked("name")
    def explain(self, name: str = "cost") -> Explanation:
        """Return the steps from the inputs to a figure, and the source of each input.

        Parameters
        ----------
        name : str
            Figure of the results, such as "cost" (see `Estimate.rows`), or line of the bill, such as "cost.rent".
        """
        if name not in self.inputs:
            self._unit_of(name)
        return explain(name, self.steps, self._point, self.inputs)

    @checked("name")
    def sensitivity(self, name: str = "cost") -> rendering.RowTable:
        """Return the contribution of each uncertain input to the uncertainty of a figure, the largest first.

        One row per uncertain input: the figure with that input at its 10 % and 90 % quantile and all
        others at their medians, in the SI unit named in the row, and the share in the sum of squared swings.

        Parameters
        ----------
        name : str
            Figure of the results, such as "cost" (see `Estimate.rows`), or line of the bill, such as "cost.rent".
        """
        unit = self._unit_of(name)
        needed = chain.ancestors(self.steps, name)
        paths = dict.fromkeys(path for step in needed for path in step.inputs if path in self.inputs)
        medians = {path: entry.value for path, entry in self.inputs.items()} | self.missing
        rows: list[dict[str, Any]] = []
        for path in paths:
            spread = self.inputs[path].spread
            if spread is None:
                continue
            ends = [chain.run(needed, medians | {path: spread.quantile(p)})[name] for p in (0.1, 0.9)]
            swing = abs(ends[1] - ends[0])
            rows.append({"input": path, "low": ends[0], "high": ends[1], "swing": swing, "unit": unit})
        total = sum(row["swing"] ** 2 for row in rows)
        for row in rows:
            row["share"] = row["swing"] ** 2 / total if total else 0.0
        title = f"{name}: inputs at their 10 % and 90 % quantiles"
        return rendering.RowTable(sorted(rows, key=lambda row: -row["swing"]), title, "input")

    def _unit_of(self, name: str) -> str:
        """Return the SI unit of a known figure or line of the bill."""
        if name not in {f"cost.{line.name}" for line in self.lines}:
            self.known_value(name)
            return OUTPUTS[name].unit
        if isinstance(value := self._point[name], Missing):
            raise MissingFactError(f"{name} is not known: {value.reason}")
        return "USD"

    @checked("name", "level")
    def bounds(self, name: str, level: float = DEFAULT_LEVEL) -> tuple[float, float]:
        ends = self._ends.get((name, level))
        if ends is None:
            ends = self._ends[name, level] = super().bounds(name, level)
        return ends

    @checked("name")
    def note(self, name: str) -> str:
        value, price = self.value(name), self.inputs.get("prices.price")
        if isinstance(value, Missing):
            return value.reason if value in self.missing.values() else ""
        proxy = price is not None and price.provenance.kind == "assumed"
        return price.provenance.caution if name == "cost" and price is not None and proxy else ""

    def notes(self) -> list[str]:
        lines = list(dict.fromkeys(entry.reason for entry in self.missing.values() if entry is not NO_CONTRACT))
        uncertain = [
            path
            for path, entry in self.inputs.items()
            if entry.spread and entry.provenance.kind in {"assumed", "fitted"}
        ]
        if assumed := [field_of(path) for path in uncertain if is_settable(path)]:
            lines.append(f"assumed (set with --set): {', '.join(dict.fromkeys(assumed))}")
        if predicted := [path for path in uncertain if not is_settable(path)]:
            lines.append(f"predicted, with uncertainty: {', '.join(predicted)}")
        lines += dict.fromkeys(entry.provenance.caution for entry in self.inputs.values() if entry.provenance.caution)
        goodput = self.value("goodput")
        lines += cautions(self.scenario, self._speed, None if isinstance(goodput, Missing) else goodput)
        if not isinstance(goodput, Missing) and self._has_goodput_step:
            lines += unfinished(self.draws("goodput"))
        wall_time = self.value("wall_time")
        lines += price_cautions(self.scenario, self._speed.basis, None if isinstance(wall_time, Missing) else wall_time)
        if self._speed.layouts:
            choice = "given" if self._speed.basis == "layout" else "planned"
            lines += dict.fromkeys(f"layout {choice}: {layout.brief()}" for layout in self._speed.layouts)
        price = self.inputs.get("prices.price")
        prices = self.scenario.prices
        if price is not None:
            lines.append(price_line(prices, Figure(price.shown()[0], price.spread, price.provenance)))
            lines += filter(None, [age_caution(prices, price.provenance)])
        elif isinstance(prices, Ownership):
            lines.append("price: the accelerators are owned; the lines of the bill are their cost")
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data: figures, inputs with their sources, scenario, version, hash, seed."""
        listed = {}
        for path, entry in self.inputs.items():
            shown, unit = entry.shown()
            listed[path] = {"value": shown, "unit": unit, "interval": entry.interval(), **entry.provenance._asdict()}
        figures = {row.pop("quantity"): row for row in self.rows()}
        figures |= {old: figures[new] for old, new in RENAMED.items() if new in figures}
        return {
            **self.stamp(),
            "data_vintage": table("gpu_prices").vintage,
            "scope": self.scope,
            "scenario": self.scenario.to_data(),
            "unverified": unverified(self.scenario),
            "figures": figures,
            "inputs": listed,
            "missing": {path: entry.reason for path, entry in self.missing.items()}
            | {name: note for name in OUTPUTS if name not in figures and (note := self.note(name))},
        }

    def sources(self) -> set[Source]:
        provenances = (entry.provenance for entry in self.inputs.values())
        return {Source(each.source, each.as_of) for each in provenances if each.source}

    def __add__(self, other: object) -> Total:
        return Total((self,)) + other

    def __radd__(self, other: object) -> Total:
        return Total((self,)).__radd__(other)

    def __reduce__(self) -> tuple[Any, ...]:
        return Estimate, (self.scenario,)

    def _contents(self) -> Scenario:
        return self.scenario

    def __hash__(self) -> int:
        return hash((self.seed, self._point["flops"]))  # fields of a scenario may be dicts, which have no hash

    @property
    def _has_goodput_step(self) -> bool:
        return self.steps[0].name == "goodput"

    def _give_up(self, values: dict[str, Any]) -> None:
        """Make the goodput, and what depends on it, missing: the run does not finish."""
        rates = [
            f"{path}={figure.value / 3600:,.4g}"
            for name in ("failure", "interruption")
            if (figure := self.inputs.get(path := f"reliability.gpu_time_per_{name}")) is not None
        ]
        reason = (
            f"the run does not finish: less than {GIVEN_UP:.0%} of the time of {self.scenario.cluster.count:,} "
            f"accelerators is useful at this rate of failures and interruptions ({', '.join(rates)} GPU-hours)"
        )
        self.missing = {**self.missing, "goodput": Missing(reason)}
        self.steps = self.steps[1:]
        self._point = chain.run(self.steps, values | self.missing)

    def _check_utilization(self) -> None:
        """Raise `InputError` if given GPU-hours need more than the highest peak rate of the accelerator."""
        utilization = self._point["utilization"]
        if isinstance(utilization, Missing):
            return
        accelerator = self.scenario.cluster.accelerator
        peaks = (getattr(accelerator, precision) or 0.0 for precision in ("fp16", "bf16", "fp8", "fp4"))
        most = max(peaks) * 1e12 / accelerator.peak()
        if utilization > most:
            hours, least = self._point["gpu_hours"] / 3600, self._point["gpu_hours"] / 3600 * utilization / most
            raise InputError(
                f"gpu_hours: {hours:,.6g} GPU-hours are too few: the FLOPs take at least {least:,.6g} "
                f"at the peak rate of {accelerator.name}"
            )

    def title(self) -> str:
        """Return the job in a line: name, model, recipe and cluster."""
        run = self.scenario
        what = " + ".join(
            f"{recipe.kind.replace('_', ' ')} on {_tokens(recipe.trained_tokens())} of {recipe.sequence_length:,}"
            for recipe in run.recipes
        )
        cluster = f"{run.cluster.count:,} × {run.cluster.accelerator.name}"
        name = f"{run.name}: " if run.name else ""
        return f"{name}{run.architecture.name}, {what}, {cluster}"

    def _title(self) -> str:
        return self.title()


def _tokens(tokens: Any) -> str:
    from costmodel.foundation.ranges import middle
    from costmodel.foundation.rendering import amount

    return amount(middle(tokens), "token")
