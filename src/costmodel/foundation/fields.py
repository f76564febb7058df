"""Pydantic types of numeric fields, one per physical quantity.

A field accepts a bare number in the unit of its type, a string (`"2.50 USD/hour"`, `"15T"`), a pint Quantity of any
registry, or a range. It holds a float, or a range, in that unit.
"""

import datetime as dt
import math
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, SupportsFloat, SupportsIndex, TypeAlias

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from costmodel.foundation.errors import CostModelError, FieldsError, InputError
from costmodel.foundation.ranges import SHAPES, Interval, Range, Samples, Shape, Triangular, from_data
from costmodel.foundation.units import convert, is_quantity, read, rescale, written_unit

JsonSchema: TypeAlias = dict[str, Any]
"""A JSON schema, or a part of one."""
_RANGE_JSON: JsonSchema = {
    "title": "Range",
    "description": "A range by its shape, as `costmodel.between`, `triangular`, `beta` and `samples` return it.",
    "type": "object",
    "properties": {
        "shape": {
            "description": "Distribution; default: the one that suits the field.",
            "enum": [*SHAPES, "triangular", "beta", "samples"],
        },
        "low": {"description": "Lower end.", "type": "number"},
        "mode": {"description": "Peak of a triangular range.", "type": "number"},
        "high": {"description": "Upper end.", "type": "number"},
        "level": {"description": "Probability of the interval from low to high [1].", "type": "number"},
        "floor": {"description": "Lower limit of a lognormal range.", "type": "number"},
        "alpha": {"description": "First parameter of a beta range [1].", "type": "number"},
        "beta": {"description": "Second parameter of a beta range [1].", "type": "number"},
        "values": {"description": "Samples.", "type": "array", "items": {"type": "number"}},
        "unit": {"description": "Unit of the numbers; default: that of the field.", "type": "string"},
    },
    "additionalProperties": False,
}


LEAST = 1e-15
"""Lower bound of numbers that must be above 0: results are divided by them, and would exceed all floats."""


@dataclass(frozen=True, slots=True)
class Measure:
    """The numbers that a field accepts: unit, bounds, and whether a range is accepted.

    Parameters
    ----------
    unit : str
        Unit of bare numbers and of the held value; a key of `units.SI_FACTOR`.
    lowest, highest : float
        Bounds [unit].
    open_low, open_high : bool
        Whether the bound itself is excluded.
    uncertain : bool
        Whether a range is accepted.
    smaller : str
        A smaller unit, in which numbers without a unit are often meant; suggested for a number above the bounds.
    """

    unit: str
    lowest: float = -math.inf
    highest: float = math.inf
    open_low: bool = False
    open_high: bool = False
    uncertain: bool = True
    smaller: str = ""

    def validate(self, value: Any) -> float | Range:
        """Return `value` as a number or a range in the unit of the field, or raise `InputError`."""
        number = self._read(value)
        if not isinstance(number, Range):
            self._check(number, value)
            return number
        if not self.uncertain:
            raise InputError(f"must be a number in {self.unit}, not a range; got {value!r}")
        if isinstance(number, Interval):
            number = number.settled(self.shape, self.lowest if math.isfinite(self.lowest) else 0.0)
            self._check(number.low, value)
            self._check(number.high, value)
        low, high = number.support()
        if isinstance(number, (Samples, Triangular)):  # draws can equal the ends
            self._check(low, value)
            self._check(high, value)
        beyond = high > self.highest and not (math.isinf(high) and self.highest > 1)
        if low < self.lowest or beyond:
            raise InputError(f"{self.allowed}; got a range beyond these bounds: {number.to_data()}")
        self._check(number.median(), value)
        return number

    @property
    def shape(self) -> Shape:
        """Shape of an interval whose shape is not given."""
        if (self.lowest, self.highest) == (0.0, 1.0):
            return "logitnormal"
        return "lognormal" if self.lowest >= 0 else "normal"

    @property
    def allowed(self) -> str:
        """The accepted numbers in words, for messages."""
        kind = "a number" if self.unit == "1" else f"a number in {self.unit}"
        bounds = []
        if math.isfinite(self.lowest):
            bounds.append(f"{'above' if self.open_low else 'at least'} {self.lowest:g}")
        if math.isfinite(self.highest):
            bounds.append(f"{'below' if self.open_high else 'at most'} {self.highest:g}")
        return f"must be {kind} {' and '.join(bounds)}".rstrip()

    def _read(self, value: Any) -> float | Range:
        if _is_boolean(value):
            raise InputError(f"{self.allowed}; got {value!r}")
        if isinstance(value, (int, float)):
            try:
                return float(value) + 0.0  # no negative zero
            except OverflowError:
                raise InputError(f"{self.allowed}; got a number too large to use") from None
        if isinstance(value, str):
            return read(value, self.unit)
        if isinstance(value, Range):
            return rescale(value, self.unit)
        if isinstance(value, Mapping):
            return rescale(from_data(value), self.unit)
        if is_quantity(value):
            return convert(value, self.unit)
        if hasattr(value, "__float__") and not hasattr(value, "__len__"):
            return float(value)
        raise InputError(f"{self.allowed}, as a number, a string or a range; got {type(value).__name__}")

    def _check(self, number: float, given: Any) -> None:
        if not math.isfinite(number):
            raise InputError(f"{self.allowed}, and finite; got {given!r}")
        if self.open_low and self.lowest == 0 < number < LEAST:
            raise InputError(f"{self.allowed}; got {given!r}, a number too small to use")
        too_low = number <= self.lowest if self.open_low else number < self.lowest
        too_high = number >= self.highest if self.open_high else number > self.highest
        if too_low or too_high:
            bare = self.smaller and too_high and isinstance(given, (int, float, str)) and not written_unit(given)
            hint = f"; if that is in {self.smaller}, write '{number:g} {self.smaller}'" if bare else ""
            raise InputError(f"{self.allowed}; got {given!r}{hint}")

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            reported(self.validate),
            serialization=core_schema.plain_serializer_function_ser_schema(_written),
        )

    def __get_pydantic_json_schema__(self, _: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        schema: JsonSchema = {"type": ["number", "string"]}
        if math.isfinite(self.lowest):
            schema["exclusiveMinimum" if self.open_low else "minimum"] = self.lowest
        if math.isfinite(self.highest):
            schema["exclusiveMaximum" if self.open_high else "maximum"] = self.highest
        return {"anyOf": [schema, _RANGE_JSON], "unit": self.unit} if self.uncertain else {**schema, "unit": self.unit}


@dataclass(frozen=True, slots=True)
class OrJson:
    """Metadata of a field that files can also give as other JSON types, such as the name of an accelerator.

    Parameters
    ----------
    types : tuple of str
        Names of JSON types.
    """

    types: tuple[str, ...]

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        form = handler(schema)
        if form.get("type") == "integer":  # bounds do not apply to the further types
            return {**form, "type": ["integer", *self.types]}
        return {"anyOf": [form, *({"type": name} for name in self.types)]}


def any_kind(title: str, classes: Iterable[Any], handler: GetJsonSchemaHandler, default: str = "") -> JsonSchema:
    """Return the JSON schema of a field that holds any of some specifications, which its `kind` names.

    Parameters
    ----------
    title : str
        Name of the union.
    classes : iterable of type
        The specifications.
    handler : GetJsonSchemaHandler
    default : str
        Kind of the specification that needs no `kind`.
    """
    forms = [handler(cls.__pydantic_core_schema__) for cls in classes]
    for form in map(handler.resolve_ref_schema, forms):
        kind = form["properties"]["kind"]
        if kind["const"] != default:
            kind.pop("default", None)
            form["required"] = ["kind", *(name for name in form.get("required", []) if name != "kind")]
    return {"title": title, "anyOf": forms}


def reported(function: Any) -> Any:
    """Return `function` with its errors turned into those that pydantic collects."""

    def validate(value: Any) -> Any:
        try:
            return function(value)
        except FieldsError as error:
            context = {"reason": str(error), "problems": error.problems}
            raise PydanticCustomError("costmodel fields", "{reason}", context) from None
        except CostModelError as error:
            raise PydanticCustomError("costmodel", "{reason}", {"reason": str(error)}) from None
        except (TypeError, AttributeError):
            reason = f"cannot be read from {type(value).__name__}"
            raise PydanticCustomError("costmodel", "{reason}", {"reason": reason}) from None

    return validate


def _is_boolean(value: object) -> bool:
    """Return whether a value is a boolean of Python, or of numpy 1 ("bool_") or 2 ("bool"), without importing numpy."""
    return type(value).__name__ in {"bool", "bool_"}


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        number = read(value, "1")
        if isinstance(number, float) and number.is_integer():
            return int(number)
        raise InputError(f"must be a whole number; got {value!r}")
    if _is_boolean(value) or not hasattr(value, "__index__"):
        shown = repr(value)
        raise InputError(f"must be a whole number; got {shown if len(shown) <= 80 else shown[:77] + '...'}")
    return operator.index(value)


def _written(value: float | Range) -> Any:
    return value.to_data() if isinstance(value, Range) else value


def _date(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        value = value.date()
    if isinstance(value, str):
        try:
            day = dt.date.fromisoformat(value.strip())
            if str(day) != value.strip():
                raise ValueError
            return day
        except ValueError:
            raise InputError(f"must be a date such as 2026-09-01; got {value!r}") from None
    if not isinstance(value, dt.date):
        raise InputError(f"must be a date such as 2026-09-01; got {value!r}")
    return value


MOST = 1e40
"""Upper bound of tokens, FLOPs, accelerator-hours and USD; larger numbers are mistakes."""

Tokens: TypeAlias = Annotated[float | Range, Measure("token", 0.0, MOST, open_low=True)]
Parameters: TypeAlias = Annotated[float, Measure("1", 1.0, 1e18, uncertain=False)]
Fraction: TypeAlias = Annotated[float | Range, Measure("1", 0.0, 1.0, open_low=True)]
Rate: TypeAlias = Annotated[float, Measure("TFLOP/s", 0.0, 1e9, open_low=True, uncertain=False)]
Gigabytes: TypeAlias = Annotated[float, Measure("GB", 0.0, 1e9, open_low=True, uncertain=False)]
Bytes: TypeAlias = Annotated[float, Measure("byte", 1e6, 1e18, uncertain=False)]
Bandwidth: TypeAlias = Annotated[float, Measure("GB/s", 0.0, 1e9, open_low=True, uncertain=False)]
Power: TypeAlias = Annotated[float | Range, Measure("W", 0.0, 1e9, open_low=True)]
GPUHours: TypeAlias = Annotated[float | Range, Measure("hour", 0.0, MOST, open_low=True)]
Dollars: TypeAlias = Annotated[float, Measure("USD", 0.0, 1e15, open_low=True, uncertain=False)]
PricePerGPUHour: TypeAlias = Annotated[float | Range, Measure("USD/hour", 0.0, 1e9)]
ElectricityPrice: TypeAlias = Annotated[float | Range, Measure("USD/kWh", 0.0, 1e4)]
GridIntensity: TypeAlias = Annotated[float | Range, Measure("kg/kWh", 0.0, 5.0, smaller="gCO2/kWh")]
WaterIntensity: TypeAlias = Annotated[float | Range, Measure("liter/kWh", 0.0, 1e4)]
Share: TypeAlias = Annotated[float | Range, Measure("1", 0.0, 1.0)]
IdleEnergy: TypeAlias = Annotated[float | Range, Measure("1", 0.0, 1e2)]
Years: TypeAlias = Annotated[float | Range, Measure("year", 0.0, 100.0, open_low=True)]
Emissions: TypeAlias = Annotated[float | Range, Measure("kg", 0.0, 1e9)]
PowerUsageEffectiveness: TypeAlias = Annotated[float | Range, Measure("1", 1.0, 1e2)]

NumberLike: TypeAlias = SupportsFloat | str
"""What a numeric field accepts: a number in its unit, a text such as "80 GB", or a pint Quantity."""
RangeLike: TypeAlias = NumberLike | Range | Mapping[str, object]
"""What a numeric field accepts that may be uncertain: also a range, as an object or as its data."""
CountLike: TypeAlias = SupportsIndex | str
"""What a count accepts: a whole number, or a text such as "64k"."""
DateLike: TypeAlias = dt.date | str
"""What a date accepts: a date, or a text such as "2026-09-01"."""

Date: TypeAlias = Annotated[dt.date, BeforeValidator(reported(_date))]
Count: TypeAlias = Annotated[int, Field(ge=1, le=10**9), BeforeValidator(reported(_whole)), OrJson(("string",))]
Dimension: TypeAlias = Count
