"""Lines of the bill for what stands around a run; see `OtherCosts`."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.estimation.chain import add
from costmodel.estimation.other_costs import CheckpointStorage, DataStorage, Egress, Evaluation, OtherCosts
from costmodel.foundation.arrays import N, largest, smallest
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.ranges import Range, between, middle
from costmodel.foundation.tables import Figure, Provenance, default, table
from costmodel.market.charges import Charges, CostLine
from costmodel.market.gpu_prices import MARKET
from costmodel.market.rental import Rental
from costmodel.market.storage_prices import storage_price
from costmodel.training.recipes.trained import trainable_parameters

if TYPE_CHECKING:
    from costmodel.estimation.scenario import Scenario

MULTIPLIER, STAFF = "R&D multiplier", "staff share"
"""Names of assumptions in `data/assumptions/development.csv`."""
PATH = "other_costs"
_PROMPT, _ANSWER, _REQUESTS = 1000, 500, 16
"""Tokens of a prompt and an answer in evaluations, and requests at a time per accelerator."""


class Amount(NamedTuple):
    """A number that is computed from inputs and figures of an estimate."""

    function: Callable[..., Any]
    inputs: tuple[str, ...]


def checkpoint_storage(size: N, kept: N, wall_time: N, days: N, interval: N | float = 0.0) -> N:
    """Return the storage of checkpoints over time [byte s].

    The number grows by one per interval to `kept`. All that are there at the end stay for a time after the run.

    Parameters
    ----------
    size : float or ndarray
        Size of a checkpoint [byte].
    kept : float or ndarray
        Newest checkpoints kept at a time [1].
    wall_time : float or ndarray
        Duration of the run [s].
    days : float or ndarray
        Time that they are kept after the run [s].
    interval : float or ndarray
        Time between two checkpoints; 0: the number `kept` lies there from the start [s].

    Examples
    --------
    >>> checkpoint_storage(1e9, 3.0, 10.0, 0.0, 2.0)  # 1, 2, then 3 GB: a ramp of 6 s, then 4 s
    21000000000.0
    """
    reached = smallest(kept, wall_time / largest(interval, wall_time * 1e-12))
    within = reached * (wall_time - reached * interval / 2)
    return size * (within + largest(reached, 1.0) * days)


def staff_of(others: N, share: N) -> N:
    """Return the cost of staff whose share of the total is given [USD].

    Parameters
    ----------
    others : float or ndarray
        All other costs [USD].
    share : float or ndarray
        Share of staff in the total [1].
    """
    return others * share / (1 - share)


def other_compute(final_run: N, multiplier: N) -> N:
    """Return the cost of experiments, failed and smaller runs [USD].

    Parameters
    ----------
    final_run : float or ndarray
        Cost of the final run [USD].
    multiplier : float or ndarray
        Cost of all compute over that of the final run [1]. Draws below 1 count as 1: a development contains its
        final run.
    """
    return final_run * largest(multiplier - 1, 0.0)


@lru_cache(maxsize=8)
def development_fact(name: str) -> Figure:
    """Return an assumption of `data/assumptions/development.csv` with its spread and source.

    Parameters
    ----------
    name : str
        Name of the assumption, such as "R&D multiplier".

    Examples
    --------
    >>> round(development_fact("R&D multiplier").value, 2)
    2.19
    """
    row = next(row for row in table("assumptions/development").rows if row["name"] == name and row["kind"] == "assumed")
    interval = between(float(row["low"]), float(row["high"]), level=float(row["level"]))
    spread = interval.settled("logitnormal" if row["shape"] == "logitnormal" else "lognormal")
    return Figure(spread.median(), spread, Provenance("assumed", row["source"], note=row["note"]))


def other_charges(scenario: Scenario, compute: tuple[str, ...], purchases: tuple[str, ...] = ()) -> Charges:
    """Return the lines of the bill beside those of the final run, with their inputs.

    Parameters
    ----------
    scenario : Scenario
    compute : tuple of str
        Figures of the lines that pay for the accelerators of the run, such as "cost.rent".
    purchases : tuple of str
        Figures of the further lines of the final run.
    """
    costs = scenario.other_costs or OtherCosts()
    lines = _Lines(scenario, costs)
    if costs.checkpoints is not None:
        lines.add_checkpoints(costs.checkpoints)
    if costs.data is not None:
        lines.add_data(costs.data)
    if costs.egress is not None:
        lines.add_egress(costs.egress)
    if costs.evaluation is not None:
        lines.add_evaluation(costs.evaluation, compute)
    lines.add_development((*compute, *purchases))
    lines.add_staff((*compute, *purchases))
    return Charges(tuple(lines.lines), lines.inputs)


class _Lines:
    """The lines of `OtherCosts` in the making."""

    def __init__(self, scenario: Scenario, costs: OtherCosts) -> None:
        self.scenario, self.costs = scenario, costs
        self.lines: list[CostLine] = []
        self.inputs: dict[str, tuple[str, Callable[[], Figure]]] = {}

    def put(self, name: str, unit: str, value: float | Range | None, look_up: Callable[[], Figure]) -> str:
        """Add an input, given or looked up; return its path."""
        path = f"{PATH}.{name}"
        self.inputs[path] = unit, (look_up if value is None else lambda: _given(value))
        return path

    def line(self, name: str, title: str, formula: str, function: Callable[..., Any], *amounts: Amount | str) -> None:
        """Add a line whose amount is a function of amounts or inputs."""
        whole = _combined(function, *amounts)
        self.lines.append(CostLine(name, title, whole.function, whole.inputs, formula))

    def add_checkpoints(self, storage: CheckpointStorage) -> None:
        size, price = self.checkpoint_size(), self.storage_price()
        days = self.put("checkpoints.days", "day", storage.days, lambda: default("days_stored"))
        amounts: list[Amount | str] = [size, "wall_time", days, price]
        kept = interval = ""
        if storage.kept is not None or storage.interval is None:
            kept = self.put("checkpoints.kept", "1", storage.kept, lambda: default("checkpoints_kept"))
        if storage.interval is not None:
            interval = self.put("checkpoints.interval", "hour", storage.interval, _unknown)

        def cost(size: Any, wall_time: Any, days: Any, price: Any, *rest: Any) -> Any:
            values = list(rest)
            number = values.pop(0) if kept else float("inf")
            return price * checkpoint_storage(size, number, wall_time, days, values[0] if interval else 0.0)

        amounts += [path for path in (kept, interval) if path]
        formula = "size × number kept × (duration + days) × price"
        self.line("checkpoint_storage", "checkpoint storage", formula, cost, *amounts)

    def add_data(self, storage: DataStorage) -> None:
        days = self.put("data.days", "day", storage.days, lambda: default("days_stored"))

        def cost(size: Any, wall_time: Any, days: Any, price: Any) -> Any:
            return size * (wall_time + days) * price

        formula = "size × (duration + days) × price"
        self.line(
            "data_storage", "data storage", formula, cost, self.data_size(), "wall_time", days, self.storage_price()
        )

    def add_egress(self, egress: Egress) -> None:
        price = self.put("egress_price", "USD/GB", self.costs.egress_price, lambda: self.looked_up("egress"))
        if egress.size is not None:
            size = self.put("egress.size", "GB", egress.size, _unknown)
            self.line("egress", "egress", "amount × price", _product, size, price)
            return
        given = {name: getattr(egress, name) for name in ("checkpoints", "data_share")}
        note = Provenance("assumed", note="the final checkpoint leaves once, the data do not")
        factors, sizes = [], []
        for name, value in given.items():
            if value == 0.0:
                continue
            is_given = name in egress.model_fields_set
            factors.append(
                self.put(f"egress.{name}", "1", value if is_given else None, lambda: Figure(1.0, None, note))
            )
            sizes.append(self.checkpoint_size() if name == "checkpoints" else self.data_size())

        def cost(price: Any, *values: Any) -> Any:
            parts = [factor * size for factor, size in zip(values[: len(factors)], values[len(factors) :], strict=True)]
            return price * add(*parts, 0.0)

        formula = "(checkpoints × their size + share of the data × its size) × price"
        self.line("egress", "egress", formula, cost, price, *factors, *sizes)

    def add_evaluation(self, evaluation: Evaluation, compute: tuple[str, ...]) -> None:
        spent = Amount(add, compute)
        if evaluation.has_tokens:
            self._add_evaluated_tokens(evaluation, spent)
        elif evaluation.gpu_hours is not None:
            hours = self.put("evaluation.gpu_hours", "hour", evaluation.gpu_hours, _unknown)
            formula = "its GPU-hours × cost of the accelerators per GPU-hour"
            self.line("evaluation", "evaluation", formula, _per_gpu_hour, spent, "gpu_hours", hours)
        else:
            share = self.put("evaluation.share", "1", evaluation.share, lambda: default("evaluation_gpu_hours"))
            self.line("evaluation", "evaluation", "share × cost of the accelerators", _product, share, spent)

    def _add_evaluated_tokens(self, evaluation: Evaluation, spent: Amount) -> None:
        """Add the line of an evaluation by its tokens, at the GPU time per token of the serving model."""
        times: list[Amount] = []
        for name, figure in (("scored_tokens", "input_cost"), ("generated_tokens", "output_cost")):
            tokens = getattr(evaluation, name)
            if tokens is None:
                continue
            path = self.put(f"evaluation.{name}", "token", tokens, _unknown)
            seconds = self.put(f"evaluation.{name}.seconds", "s", None, partial(_gpu_seconds, self.scenario, figure))
            times.append(Amount(_product, (path, seconds)))

        def cost(spent: Any, gpu_hours: Any, *times: Any) -> Any:
            return _per_gpu_hour(spent, gpu_hours, add(*times))

        formula = "tokens × GPU time per token × cost of the accelerators per GPU-hour"
        self.line("evaluation", "evaluation", formula, cost, spent, "gpu_hours", *times)

    def add_development(self, final_run: tuple[str, ...]) -> None:
        """Add the lines of experiments and failed runs: as shares, or together by the R&D multiplier."""
        costs, run = self.costs, Amount(add, final_run)
        if costs.experiments is None and costs.failed_runs is None:
            if costs.rd_multiplier is not None or self.scenario.scope == "development":
                path = self.put("rd_multiplier", "1", costs.rd_multiplier, lambda: development_fact(MULTIPLIER))
                formula = "cost of the final run × (R&D multiplier - 1)"
                self.line("experiments", "experiments and failed runs", formula, other_compute, run, path)
            return
        for name, title in (("experiments", "experiments"), ("failed_runs", "failed runs")):
            share = getattr(costs, name)
            if share is not None:
                path = self.put(name, "1", share, _unknown)
                self.line(name, title, "share × cost of the final run", _product, path, run)

    def add_staff(self, final_run: tuple[str, ...]) -> None:
        """Add the line of staff: an amount, or a share of the total."""
        costs = self.costs
        if costs.staff is not None:
            path = self.put("staff", "USD", costs.staff, _unknown)
            self.line("rd_staff", "R&D staff", "given", add, path)
        elif costs.staff_share is not None or self.scenario.scope == "development":
            path = self.put("staff_share", "1", costs.staff_share, lambda: development_fact(STAFF))
            others = Amount(add, (*final_run, *(f"cost.{line.name}" for line in self.lines)))
            self.line("rd_staff", "R&D staff", "other lines × share / (1 - share)", staff_of, others, path)

    def checkpoint_size(self) -> Amount:
        """Return the size of a checkpoint [byte]."""
        storage = self.costs.checkpoints
        if storage is not None and storage.size is not None:
            return Amount(_product, (self.put("checkpoints.size", "GB", storage.size, _unknown),))
        scenario = self.scenario
        parameters = self.put("checkpoints.parameters", "1", None, lambda: _trained(scenario))
        path = "reliability.checkpoint_bytes_per_parameter"
        unit, figure = scenario.reliability.figures(scenario.cluster.count)[path.partition(".")[2]]
        self.inputs[path] = unit, lambda: figure
        return Amount(_product, (parameters, path))

    def data_size(self) -> Amount:
        """Return the size of the training data [byte]."""
        storage = self.costs.data or DataStorage()
        if storage.size is not None:
            return Amount(_product, (self.put("data.size", "GB", storage.size, _unknown),))
        per_token = self.put(
            "data.bytes_per_token", "byte", storage.bytes_per_token, lambda: default("bytes_per_token")
        )
        recipes = self.scenario.recipes
        prefixes = ["recipe."] if len(recipes) == 1 else [f"recipe.{index}." for index in range(len(recipes))]
        epochs = [getattr(recipe, "total_epochs", 1.0) for recipe in recipes]

        def size(per_token: Any, *tokens: Any) -> Any:
            return per_token * add(*(trained / passes for trained, passes in zip(tokens, epochs, strict=True)))

        return Amount(size, (per_token, *(f"{prefix}tokens" for prefix in prefixes)))

    def storage_price(self) -> str:
        """Return the path of the price of storage."""
        costs = self.costs
        return self.put("storage_price", "USD/GB/month", costs.storage_price, lambda: self.looked_up(costs.storage))

    def looked_up(self, kind: str) -> Figure:
        """Return the price of a kind of storage: of the given provider, that of the rent, or the median."""
        prices, provider = self.scenario.prices, self.costs.provider
        fallback = provider is None
        if fallback and isinstance(prices, Rental) and prices.price is None and prices.provider.lower() != MARKET:
            provider = prices.provider
        figure = storage_price(kind, provider, fallback)
        provenance = figure.provenance
        cautions = [provenance.caution] if provenance.caution else []
        on = getattr(prices, "on", None)
        if on is not None and str(on) < provenance.as_of:
            cautions.append(f"a price of {provenance.as_of} for {on}; no older one is known")
        field = f"{PATH}.{'egress' if kind == 'egress' else 'storage'}_price"
        caution = f"{field}: {'; '.join(cautions)}" if cautions else ""
        return figure._replace(provenance=provenance._replace(caution=caution))


def _combined(function: Callable[..., Any], *amounts: Amount | str) -> Amount:
    """Return the function of amounts as a function of their inputs."""
    parts = [Amount(_product, (part,)) if isinstance(part, str) else part for part in amounts]

    def run(*values: Any) -> Any:
        rest, arguments = list(values), []
        for part in parts:
            count = len(part.inputs)
            arguments.append(part.function(*rest[:count]))
            rest = rest[count:]
        return function(*arguments)

    return Amount(run, tuple(name for part in parts for name in part.inputs))


def _product(*values: Any) -> Any:
    product = values[0]
    for value in values[1:]:
        product = product * value
    return product


def _per_gpu_hour(spent: Any, gpu_hours: Any, used: Any) -> Any:
    """Return the cost of GPU time at the cost of the accelerators per GPU time of the run [USD]."""
    return spent / gpu_hours * used


def _given(value: float | Range) -> Figure:
    return Figure(middle(value), value if isinstance(value, Range) else None, Provenance("given"))


def _unknown() -> Figure:
    raise MissingFactError("is not given")


def _trained(scenario: Scenario) -> Figure:
    """Return the largest number of parameters that a recipe trains [1]."""
    count = max(trainable_parameters(scenario.architecture, recipe) for recipe in scenario.recipes)
    note = "trained parameters, those of adapters where only they are trained"
    return Figure(float(count), None, Provenance("looked up", scenario.architecture.source or "config", note=note))


def _gpu_seconds(scenario: Scenario, figure: str) -> Figure:
    """Return the GPU time per token that the model reads or writes when it is served [s]."""
    from costmodel.estimation.serving.estimate import ServingEstimate
    from costmodel.estimation.serving.scenario import Serving

    cluster = scenario.cluster
    try:
        served = ServingEstimate(
            Serving(
                scenario.architecture,
                cluster,
                input_tokens=_PROMPT,
                output_tokens=_ANSWER,
                concurrency=_REQUESTS * cluster.count,
                prices=Rental(price=1.0),
                seed=scenario.seed,
            )
        )
    except InputError as error:
        raise MissingFactError(f"the model cannot be served on the accelerators of the run: {error}") from None
    scale = 3600 / 1e6  # GPU-hours of a million tokens
    low, high = (end * scale for end in served.bounds(figure))
    spread = between(low, high, level=0.8).settled("lognormal") if high > low else None
    value = float(served.value(figure)) * scale if spread is None else spread.median()
    note = f"serving model: prompts of {_PROMPT}, answers of {_ANSWER} tokens, {_REQUESTS} requests at a time per GPU"
    return Figure(value, spread, Provenance("fitted", "data/fitted/serving.csv", note=note))
