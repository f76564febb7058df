"""The estimate of a serving scenario: throughput, latency, GPUs, cost and energy, with intervals and sources."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from costmodel._version import __version__
from costmodel.architecture.loading import released_checkpoint
from costmodel.estimation.chain import Missing
from costmodel.estimation.results import DRAWS
from costmodel.estimation.serving.checks import engine_recipe, model_of, replica_of
from costmodel.estimation.serving.curves import Factors, ServingCurve, load_curve, speed_curve
from costmodel.estimation.serving.explained import explained, swings
from costmodel.estimation.serving.figures import FIGURES, deployment_of, figures, limits_of
from costmodel.estimation.serving.inputs import errors_and_prices, inputs_of
from costmodel.estimation.serving.notes import missed_targets, notes_of, title_of
from costmodel.foundation import rendering
from costmodel.foundation.checks import check_level, checked
from costmodel.foundation.citations import Source
from costmodel.foundation.currencies import Priced
from costmodel.foundation.errors import InputError, MissingFactError, unknown
from costmodel.foundation.ranges import DEFAULT_LEVEL
from costmodel.foundation.tables import fingerprint
from costmodel.serving.load.served import serve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodel.estimation.explanation import Explanation
    from costmodel.estimation.serving.figures import Figures
    from costmodel.estimation.serving.scenario import Serving
    from costmodel.foundation.units import Quantity
    from costmodel.serving.step.replica import Replica

    Array = NDArray[np.float64]


class TokensPerSecond(NamedTuple):
    """Throughput [token/s]."""

    input: Quantity
    """Prompt tokens of all requests, cached ones included."""
    output: Quantity
    """Output tokens of all requests."""
    per_gpu: Quantity
    """Output tokens per accelerator, idle ones included."""
    per_user: Quantity
    """Output tokens of one request while it is decoded, 1 / TPOT."""


class CostPerMillionTokens(NamedTuple):
    """Cost of a million tokens [USD]; None for cached input without cached tokens."""

    input: Quantity
    """Prompt tokens that are not cached."""
    cached_input: Quantity | None
    """Cached prompt tokens."""
    output: Quantity
    """Output tokens."""
    blended: Quantity
    """All tokens of the requests."""


class ServingEstimate(Priced):
    """The figures of a serving scenario; `cm.estimate` returns it.

    Examples
    --------
    >>> import costmodel as cm
    >>> chat = cm.Serving(
    ...     "llama-3.1-8b", cm.Cluster("H100-SXM", 1), input_tokens=1000, output_tokens=500, concurrency=32
    ... )
    >>> est = cm.estimate(chat)
    >>> low, high = est.interval("tpot", 0.8)
    >>> low < est.tpot < high
    True
    """

    _index = "quantity"
    _width = rendering.WIDTH
    _money = ("value", "low", "high")

    def __init__(self, scenario: Serving) -> None:
        self.scenario = scenario
        model = model_of(scenario)
        self.layout: Replica = replica_of(scenario, model)
        recipe = engine_recipe(scenario)
        served, spreads = serve(model, scenario.cluster, self.layout, recipe)
        self.recipe = recipe
        self.inputs = inputs_of(scenario, spreads, recipe)
        self.deployment = deployment_of(scenario, served, model.requests)
        self.limits = limits_of(self.deployment)
        self._point: Figures = figures(self.deployment, self.limits, *errors_and_prices(self.inputs, 1, 0))

    @property
    def tokens_per_second(self) -> TokensPerSecond:
        """Throughput: input, output, per GPU and per user."""
        return TokensPerSecond(
            self.quantity("input_tokens_per_second"),
            self.quantity("output_tokens_per_second"),
            self.quantity("tokens_per_second_per_gpu"),
            self.quantity("tokens_per_second_per_user"),
        )

    @property
    def cost_per_million_tokens(self) -> CostPerMillionTokens:
        """Cost of a million tokens: input, cached input, output and blended."""
        cached = self.quantity("cached_input_cost") if "cached_input_cost" in self._point else None
        return CostPerMillionTokens(
            self.quantity("input_cost"), cached, self.quantity("output_cost"), self.quantity("blended_cost")
        )

    @property
    def ttft(self) -> Quantity:
        """Mean time to the first token, waiting included."""
        return self.quantity("ttft")

    @property
    def tpot(self) -> Quantity:
        """Mean time per output token after the first."""
        return self.quantity("tpot")

    @property
    def max_batch(self) -> int:
        """Largest number of concurrent requests of a replica."""
        return int(self.value("max_batch"))

    @property
    def gpus_needed(self) -> int:
        """Accelerators that the load needs within its targets, in replicas of the same layout."""
        return int(self.value("gpus_needed"))

    @property
    def target_probability(self) -> float:
        """Probability that the cluster serves the load within its targets, from the error of the predictions [1]."""
        self.value("gpus_needed")
        return float(np.mean(self.draws("gpus_needed") <= self.deployment.accelerators))

    @property
    def energy_per_token(self) -> Quantity:
        """Energy of the facility per output token, server and idle accelerators included."""
        return self.quantity("energy_per_token")

    @property
    def carbon_per_million_tokens(self) -> Quantity:
        """Greenhouse gases of the electricity per million output tokens, location-based."""
        return self.quantity("carbon_per_million_tokens")

    @checked("name")
    def value(self, name: str) -> float:
        """Return a figure in SI units; costs of tokens are for a million.

        Parameters
        ----------
        name : str
            A key of `FIGURES`, such as "output_cost".

        Raises
        ------
        MissingFactError
            If the figure is not known, with the reason.
        """
        value = self._figure(name, self._point)
        return float(value[0])

    @checked("name")
    def quantity(self, name: str) -> Quantity:
        """Return a figure as a pint Quantity.

        Parameters
        ----------
        name : str
            A key of `FIGURES`, such as "output_cost".
        """
        from costmodel.foundation.units import quantity

        return quantity(self.value(name), FIGURES[name].unit, FIGURES[name].shown)

    @checked("name")
    def interval(self, name: str, level: float = DEFAULT_LEVEL) -> tuple[Quantity, Quantity]:
        """Return the ends of the central interval of a figure.

        Parameters
        ----------
        name : str
            A key of `FIGURES`, such as "output_cost".
        level : float
            Probability inside the interval, between 0 and 1 [1].
        """
        from costmodel.foundation.units import quantity

        low, high = self.bounds(name, level)
        return quantity(low, FIGURES[name].unit, FIGURES[name].shown), quantity(
            high, FIGURES[name].unit, FIGURES[name].shown
        )

    @checked("name")
    def bounds(self, name: str, level: float = DEFAULT_LEVEL) -> tuple[float, float]:
        """Return the ends of the central interval in SI units; infinite where the load exceeds the capacity.

        Parameters
        ----------
        name : str
            A key of `FIGURES`, such as "output_cost".
        level : float
            Probability inside the interval, between 0 and 1 [1].
        """
        check_level(level)
        ends = [(1 - level) / 2, (1 + level) / 2]
        low, high = np.quantile(self.draws(name), ends, method="inverted_cdf")
        return float(low), float(high)

    @checked("name")
    def draws(self, name: str) -> Array:
        """Return random draws of a figure in SI units.

        Parameters
        ----------
        name : str
            A key of `FIGURES`, such as "output_cost".
        """
        return self._figure(name, self._sample)

    def time_bounds(self) -> tuple[float, float]:
        """Return the 80 % interval of the time per token over its central value [1]."""
        return self._error_bounds("time_factor")

    def ttft_bounds(self) -> tuple[float, float]:
        """Return the 80 % interval of the time to the first token over its central value [1]."""
        return self._error_bounds("ttft_factor")

    @checked("name")
    def explain(self, name: str = "output_cost") -> Explanation:
        """Return the steps from the inputs to a figure, and the source of each input.

        Parameters
        ----------
        name : str
            A key of `FIGURES`, such as "output_cost".
        """
        self.value(name)
        return explained(self, name, self._point)

    @checked("name")
    def sensitivity(self, name: str = "output_cost") -> rendering.RowTable:
        """Return the contribution of each uncertain input to the uncertainty of a figure, the largest first.

        One row per uncertain input: the figure with that input at its 10 % and 90 % quantile and all others at their
        medians, in the SI unit named in the row, and the share in the sum of squared swings.

        Parameters
        ----------
        name : str
            A key of `FIGURES`, such as "output_cost".
        """
        self.value(name)
        return rendering.RowTable(swings(self, name), f"{name}: inputs at their 10 % and 90 % quantiles", "input")

    def sources(self) -> set[Source]:
        """Return the sources of all inputs that are not given, of the model and of the engine."""
        checkpoint = released_checkpoint(self.scenario.architecture).get("source", "")
        listed = {Source(text) for text in (self.scenario.architecture.source, self.recipe.source, checkpoint)}
        for entry in self.inputs.values():
            if not isinstance(entry.figure, Missing):
                listed.add(Source(entry.figure.provenance.source, entry.figure.provenance.as_of))
        return {source for source in listed if source.text}

    def speed_curve(self, points: int = 200) -> ServingCurve:
        """Return throughput per GPU, speed per user, latency and cost over the number of requests at a time.

        Parameters
        ----------
        points : int
            Number of points [1].
        """
        return speed_curve(self.deployment, self._price(), points, self._factors())

    def load_curve(self, points: int = 200) -> ServingCurve:
        """Return latency and cost over the requests per second, at random times, up to 98 % of the capacity.

        Parameters
        ----------
        points : int
            Number of points [1].
        """
        return load_curve(self.deployment, self._price(), points, self._factors())

    def rows(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return one row per figure: quantity, value, low, high, unit, level, note; None for what is not known.

        Parameters
        ----------
        level : float
            Probability inside the interval, between 0 and 1 [1].
        """
        from costmodel.foundation.units import SI_FACTOR

        rows = []
        for name, value in self._point.items():
            output = FIGURES[name]
            factor = SI_FACTOR[output.unit] / SI_FACTOR[output.shown]
            unit = output.rendered if "per M" in output.rendered else "" if output.shown == "1" else output.shown
            numbers: list[float | None] = [None, None, None]
            if not isinstance(value, Missing) and not np.isinf(value[0]):
                ends = (float(value[0]), *self.bounds(name, level))
                numbers = [end * factor if np.isfinite(end) else None for end in ends]
            shown = dict(zip(("value", "low", "high"), numbers, strict=True))
            rows.append({"quantity": name, **shown, "unit": unit, "level": level, "note": self._note(name)})
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data: figures, layout, inputs with their sources, scenario, version and seed."""
        listed = {}
        for name, entry in self.inputs.items():
            if isinstance(entry.figure, Missing):
                continue
            value, spread, provenance = entry.figure
            ends = None if spread is None else [spread.quantile(0.1), spread.quantile(0.9)]
            listed[name] = {"value": value, "unit": entry.unit, "interval": ends, **provenance._asdict()}
        return {
            **self._stamp(),
            "scenario": self.scenario.to_data(),
            "layout": {**self.layout._asdict(), "replicas": self.deployment.replicas},
            "recipe": self.recipe.name,
            "figures": {row.pop("quantity"): row for row in self.rows()},
            "inputs": listed,
            "notes": self.notes(),
        }

    def notes(self) -> list[str]:
        """Return the notes below the table: layout, engine, targets, assumptions and sources."""
        return notes_of(self.scenario, self.deployment, self.recipe, self.inputs, self._point)

    def _figure(self, name: str, values: Figures) -> Array:
        if name not in FIGURES:
            raise InputError(unknown("figure", name, FIGURES))
        value = values.get(name, Missing("no prompt tokens are cached"))
        if isinstance(value, Missing):
            raise MissingFactError(f"{name} is not known: {value.reason}")
        if np.isinf(value).all():
            raise MissingFactError(f"{name} is not known: {self._note(name)}")
        return value

    def _factors(self) -> Factors:
        point, _ = errors_and_prices(self.inputs, 1, 0)
        return Factors(float(point.time[0]), float(point.first[0]))

    def _error_bounds(self, name: str) -> tuple[float, float]:
        figure = self.inputs[name].figure
        if isinstance(figure, Missing) or figure.spread is None:
            return 1.0, 1.0
        return figure.spread.quantile(0.1) / figure.value, figure.spread.quantile(0.9) / figure.value

    def _price(self) -> float | None:
        figure = self.inputs["prices.price"].figure
        return None if isinstance(figure, Missing) else figure.value

    def _note(self, name: str) -> str:
        value = self._point.get(name)
        if isinstance(value, Missing):
            return value.reason
        if value is not None and np.isinf(value[0]):
            return "the requests exceed the capacity of the cluster, so that they wait without limit"
        return ""

    @cached_property
    def _sample(self) -> Figures:
        drawn = errors_and_prices(self.inputs, DRAWS, self.scenario.seed)
        return figures(self.deployment, self.limits, *drawn)

    def __reduce__(self) -> tuple[Any, ...]:
        return ServingEstimate, (self.scenario,)

    def _contents(self) -> Serving:
        return self.scenario

    def __hash__(self) -> int:
        return hash((self.scenario.seed, self.layout))  # fields of a scenario may be dicts, which have no hash

    def _stamp(self) -> dict[str, Any]:
        return {"version": __version__, "data_hash": fingerprint(), "seed": self.scenario.seed}

    def _title(self) -> str:
        return title_of(self.scenario)

    def _cells(self) -> list[dict[str, str]]:
        rows: list[dict[str, str]] = []
        reasons = self._reasons()
        for name in self._point:
            if note := self._note(name):
                reason = f"see ({reasons.index(note) + 1})"
                rows.append({"": self._title_of(name), "value": "not known", "80 % interval": reason})
                continue
            low, high = self.bounds(name)
            value = _shown(name, self.value(name))
            between = "exact" if low == high else _range(_shown(name, low), _shown(name, high), value)
            rows.append({"": self._title_of(name), "value": value, "80 % interval": between})
        return rows

    def _title_of(self, name: str) -> str:
        """Return the title of a figure; costs of all tokens say whether the targets are kept, if there are some."""
        title, deployment = FIGURES[name].title, self.deployment
        if name not in {"blended_cost", "full_load_cost"} or (deployment.ttft is None and deployment.tpot is None):
            return title
        missed = name == "blended_cost" and bool(missed_targets(deployment, self._point))
        return f"{title}, targets {'missed' if missed else 'kept'}"

    def _reasons(self) -> list[str]:
        """Return why figures are not known, each reason once."""
        return list(dict.fromkeys(note for name in self._point if (note := self._note(name))))

    def _footer(self) -> str:
        stamp = "costmodel {version}, data {data_hash}, seed {seed}".format(**self._stamp())
        reasons = [f"({number}) {reason}" for number, reason in enumerate(self._reasons(), 1)]
        return "\n".join([*reasons, *self.notes(), stamp])


def _range(low: str, high: str, value: str) -> str:
    """Return two amounts, without their unit if it is that of the value."""
    parts = [text.partition(" ") for text in (low, high, value)]
    if len({unit for _, _, unit in parts}) == 1:
        return f"{parts[0][0]} to {parts[1][0]}"
    return f"{low} to {high}"


def _shown(name: str, value: float) -> str:
    if np.isinf(value):
        return "no limit"
    rendered = FIGURES[name].rendered
    if rendered == "ms":
        return f"{rendering.number(value * 1e3)} ms"
    if rendered.startswith("kg per"):
        return f"{rendering.number(value)} kg/Mtok"
    if rendered.startswith("USD per"):
        return rendering.amount(value, "USD/Mtok")
    return f"{value:,.0f}" if rendered == "count" else rendering.amount(value, rendered)
