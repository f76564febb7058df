"""The input to solve for: a dotted path in a scenario, its unit and bounds, and the scenario with a new value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic.fields import FieldInfo

from costmodel.estimation.chain import OUTPUTS, Missing
from costmodel.estimation.estimate import Estimate, estimate
from costmodel.estimation.scenario import Scenario
from costmodel.foundation.errors import InputError, MissingFactError, unknown
from costmodel.foundation.fields import Measure
from costmodel.foundation.ranges import Range
from costmodel.foundation.rendering import amount, number
from costmodel.foundation.specs import Spec
from costmodel.market.rental import Rental

_COUNTS = ("total", "active")
"""Counts of an architecture given only by counts."""
_OF_COUNTS = Measure("1", 1.0, 1e18, uncertain=False)


@dataclass(frozen=True, slots=True)
class Unknown:
    """The input to solve for."""

    path: str
    """Dotted path in the scenario."""
    measure: Measure
    """Unit and bounds."""
    whole: bool
    """Whether it is a whole number, such as a number of accelerators."""
    rounded: bool
    """Whether it is a large count, rounded to a whole number."""
    present: float | None
    """Value in the scenario, in the unit of `measure`; None without a value."""

    @property
    def unit(self) -> str:
        """Unit of the field."""
        return self.measure.unit

    def put(self, scenario: Scenario, value: float) -> Scenario:
        """Return a copy of the scenario with `value` as the input; a price replaces the price look-up."""
        if self.rounded:
            return scenario.replace(architecture=_counts(scenario, self.path, round(value)))
        if self.path == "prices.price" and _is_looked_up(scenario.prices):
            return scenario.replace(prices=Rental(price=value))
        return scenario.replace({self.path: int(value) if self.whole else value})

    def typed(self, value: float) -> float | int:
        """Return `value` with the type of the field."""
        return round(value) if self.whole or self.rounded else value

    def shown(self, value: float) -> str:
        """Return `value` as text, with its unit."""
        if self.unit == "token":
            return amount(value, "token", 4) if value < 1e18 else f"{value:.3e} tokens"
        if self.whole:
            return f"{round(value):,}"
        if self.rounded:
            return f"{round(value):,}" if value < 1e4 else amount(value, "token", 4).removesuffix(" tokens")
        unit = {"1": "", "hour": "hours"}.get(self.unit, self.unit)
        return f"{number(value, 4)} {unit}".rstrip()

    def bounds(self, within: Any) -> tuple[float, float]:
        """Return the bounds given by `within`, in the unit of the field."""
        if not isinstance(within, (tuple, list)) or len(within) != 2:
            raise InputError(f"within: two bounds of {self.path}, (low, high), are expected; got {within!r}")
        plain = Measure(
            self.unit,
            self.measure.lowest,
            self.measure.highest,
            self.measure.open_low,
            self.measure.open_high,
            uncertain=False,
        )
        try:
            low, high = (plain.validate(bound) for bound in within)
        except InputError as error:
            raise InputError(f"within: {error}") from None
        assert not isinstance(low, Range) and not isinstance(high, Range)
        if not low < high:
            raise InputError(f"within: the bounds go from low to high; got {within!r}")
        return low, high


def _is_looked_up(prices: object) -> bool:
    """Return whether the price of rented accelerators is looked up."""
    return isinstance(prices, Rental) and prices.price is None


def find(scenario: Scenario, path: str) -> Unknown:
    """Return the input at a dotted path of a scenario.

    Parameters
    ----------
    scenario : Scenario
    path : str
        Such as "cluster.count", "recipe.tokens" or, with several recipes, "recipe.0.tokens".

    Raises
    ------
    InputError
        If the field does not exist or is not a number.

    Examples
    --------
    >>> from costmodel import Cluster, Pretraining, Scenario
    >>> run = Scenario({"total": "7B"}, Pretraining(tokens="2T"), Cluster("H100-SXM", 512))
    >>> find(run, "recipe.tokens").present
    2000000000000.0
    """
    if not isinstance(path, str):
        raise InputError(f'an input is named by its dotted path, such as "cluster.count"; got {path!r}')
    if path.partition(".")[0] == "architecture":
        return _count(scenario, path)
    holder: Any = scenario
    *outer, last = path.split(".")
    for index, name in enumerate(outer):
        holder = _inside(holder, name, path, ".".join(outer[: index + 1]))
    value = _inside(holder, last, path, path, final=True)
    if not isinstance(holder, Spec) or isinstance(value, (Spec, tuple, dict)):
        raise InputError(f"{path}: not a number; name a number inside it, such as recipe.tokens or cluster.count")
    kind = _kind(type(holder).model_fields[last])
    if kind is None:
        raise InputError(f"{path}: not a number that can be solved for; it is {value!r}")
    measure, whole = kind
    present = value.median() if isinstance(value, Range) else value
    return Unknown(
        path, measure, whole, False, _default_value(scenario, path, measure) if present is None else float(present)
    )


def _inside(holder: Any, name: str, path: str, so_far: str, final: bool = False) -> Any:
    """Return the value of `holder` at `name`, or raise an error that lists the valid names."""
    if isinstance(holder, tuple):
        if name.isdigit() and int(name) < len(holder):
            return holder[int(name)]
        places = ", ".join(so_far.removesuffix(name) + str(index) for index in range(min(len(holder), 3)))
        raise InputError(f"{path}: there are {len(holder)}, numbered from 0; write {places}")
    if not isinstance(holder, Spec):
        raise InputError(f"{path}: {so_far.rpartition('.')[0]} has no parts")
    if name not in type(holder).model_fields:
        raise InputError(f"{path}: {unknown('field', name, type(holder).model_fields)}")
    value = getattr(holder, name)
    if value is None and not final:
        raise InputError(f"{path}: {so_far} is not given, so there is nothing inside it to solve for")
    return value


def _kind(field: FieldInfo) -> tuple[Measure, bool] | None:
    """Return the measure of a field, and whether it is a whole number; None if it is no number."""
    parts = [field.annotation, *field.metadata, *_parts(field.annotation)]
    measure = next((part for part in parts if isinstance(part, Measure)), None)
    if measure is not None:
        return measure, False
    low = next((part.ge for part in parts if hasattr(part, "ge")), None)
    high = next((part.le for part in parts if hasattr(part, "le")), None)
    if int not in parts or low is None or high is None:
        return None
    return Measure("1", float(low), float(high), uncertain=False), True


def _parts(annotation: Any) -> Iterator[Any]:
    for part in get_args(annotation):
        yield part
        if isinstance(part, FieldInfo):
            yield from part.metadata
        yield from _parts(part)


def _default_value(scenario: Scenario, path: str, measure: Measure) -> float | None:
    """Return the value that the estimate uses for a field that is not given, in the unit of the field."""
    try:
        present: Estimate = estimate(scenario)
    except (InputError, MissingFactError):
        return None
    default = present.inputs.get(path) or present.inputs.get(path.removeprefix("cluster."))
    if default is not None and default.unit == measure.unit:
        return default.shown()[0]
    value = present.value(path) if path in OUTPUTS else Missing("no figure")
    if isinstance(value, Missing):
        return None
    return value / 3600 if measure.unit == "hour" else value


def _count(scenario: Scenario, path: str) -> Unknown:
    name, architecture = path.partition(".")[2], scenario.architecture
    if name not in _COUNTS or not architecture.is_aggregate or not isinstance(architecture.origin, dict):
        raise InputError(
            f"{path}: only {' and '.join(_COUNTS)} of an architecture can be solved for, and only if it is given by "
            f"these counts, as in {{'total': '7B'}}"
        )
    return Unknown(path, _OF_COUNTS, False, True, float(architecture.origin[name]))


def _counts(scenario: Scenario, path: str, value: int) -> dict[str, Any]:
    """Return the counts of the architecture with one new value; a dense model stays dense."""
    origin = scenario.architecture.origin
    counts = dict(origin) if isinstance(origin, dict) else {}
    name = path.partition(".")[2]
    if name == "total" and counts.get("active") == counts.get("total"):
        counts.pop("active", None)
    return {**counts, name: value}
