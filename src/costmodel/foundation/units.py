"""Units: numbers as text are read into floats, and floats are returned as pint quantities.

Inside the library numbers are plain floats in the unit of their field. `read` converts text (`"2.50 USD/hour"`,
`"15T"`, `"$2.99/h"`, `"80 GB"`) into that unit; `quantity` returns SI numbers as pint quantities. No other file
imports pint. Dollar signs and suffixes are replaced before pint parses a unit: pint ignores the dollar of
`"$2.99/hour"` and reads `"7B"` as seven bytes.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

from costmodel.foundation.errors import InputError
from costmodel.foundation.ranges import DEFAULT_LEVEL, Range, between

if TYPE_CHECKING:
    from pint.registry import Quantity as PintQuantity

    Quantity: TypeAlias = PintQuantity[Any]

GIB = 1024.0**3
"""Bytes in a GiB."""

SI_FACTOR: dict[str, float] = {
    "1": 1.0,
    "token": 1.0,
    "token/s": 1.0,
    "FLOP": 1.0,
    "FLOP/s": 1.0,
    "FLOP/token": 1.0,
    "TFLOP/s": 1e12,
    "byte": 1.0,
    "GB": 1e9,
    "GiB": GIB,
    "GB/s": 1e9,
    "W": 1.0,
    "s": 1.0,
    "J": 1.0,
    "hour": 3600.0,
    "day": 86400.0,
    "year": 365.25 * 86400.0,
    "kWh": 3.6e6,
    "MWh": 3.6e9,
    "kg": 1.0,
    "tonne": 1e3,
    "liter": 1e-3,
    "m**3": 1.0,
    "USD": 1.0,
    "USD/hour": 1 / 3600,
    "USD/kWh": 1 / 3.6e6,
    "USD/year": 1 / 31557600,
    "USD/kW/month": 1e-3 * 12 / 31557600,
    "USD/MW": 1e-6,
    "kg/kWh": 1 / 3.6e6,
    "kg/J": 1.0,
    "liter/kWh": 1e-3 / 3.6e6,
    "m**3/J": 1.0,
    "USD/s": 1.0,
    "USD/J": 1.0,
    "USD/GB": 1e-9,
    "USD/GB/month": 1e-9 / (30.4375 * 86400),
    "mm**2": 1e-6,
}
"""SI units (with byte, FLOP, token, kg, USD) per unit of a field."""

COUNTED = frozenset({"1", "token", "token/s", "FLOP", "USD", "hour"})
"""Units of numbers such as 15T, 8B or 3M (hours: 2.7M, not 5m); with other units a bare suffix is ambiguous."""

_SCALES = {
    **dict.fromkeys(("k", "thousand"), 1e3),
    **dict.fromkeys(("m", "mn", "million"), 1e6),
    **dict.fromkeys(("b", "bn", "billion"), 1e9),
    **dict.fromkeys(("t", "tn", "trillion"), 1e12),
}
_NUMBER = r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d[\d_]*)?(?:\.\d+)?(?:[eE][+-]?\d+)?"
_TEXT = re.compile(rf"(?P<number>{_NUMBER})\s*(?P<rest>.*)", re.DOTALL)
_SCALED = re.compile(r"(?P<scale>[kKmMbBtT]|mn|bn|tn|thousand|million|billion|trillion)(?:\s+(?P<unit>.*)|$)")
_RANGE = re.compile(r"(?P<low>.+?)\s+to\s+(?P<high>.+?)(?:\s*\(\s*(?P<level>\d+(?:\.\d+)?)\s*%\s*\))?")
_DASHED = re.compile(r"(?P<low>\d[\d.,_]*\s?%?)\s*[-–]\s*(?P<high>\d[\d.,_]*\s?%)(?P<level>)")
"""A range of percentages such as 10-20 %; with other units a dash is ambiguous."""
_CONVERTED = re.compile(
    r"(?P<text>.+?)\s+at\s+(?P<rate>\d*\.?\d+)\s+USD/(?P<code>[A-Z]{3})\s+on\s+(?P<day>\d{4}-\d\d-\d\d)"
)
_CURRENCY = re.compile(r"[€£¥₹₩]|(?<![A-Za-z])(?:EUR|GBP|JPY|CNY|RMB|CHF|CAD|AUD|INR|KRW)(?![A-Za-z])")
_LISTED = re.compile(r"(?P<text>.*(?<![A-Za-z])(?P<code>EUR|GBP|CNY)(?![A-Za-z]).*?)\s+on\s+(?P<day>\d{4}-\d\d-\d\d)")
_ALLOWED = re.compile(r"(?:1\s*/)?(?:[A-Za-zµ_/ ()·-]|\*(?!\*)|(?:\*\*|\^)[23](?![\d*^]))*")
_REWRITES = (
    (re.compile(r"\b([kMT])\$"), r"\1USD"),
    (re.compile(r"\bB\$"), "GUSD"),
    (re.compile(r"US\$|\$"), " USD "),
    (re.compile(r"\bdollars?\b"), "USD"),
    (re.compile(r"\b(?:gpu|GPU|chip|accelerator|device)s?[- ]?(?:hours?|hrs?)\b|\b(?:gpu|GPU)h\b"), "(gpu*hour)"),
    (re.compile(r"\b(?:gpu|GPU|chip|accelerator|device)s?[- ]?days?\b"), "(gpu*day)"),
    (re.compile(r"²"), "**2"),
    (re.compile(r"³"), "**3"),
    (re.compile(r"\b(?:GPU|chip|accelerator|device)s?\b|\bgpus\b"), "gpu"),
    (re.compile(r"\b([kMGTPEZ]?)(?:FLOPS|FLOPs/s|FLOP/s|FLOPS/s|flops/s)(?![A-Za-z])"), r"\1FLOP/s"),
    (re.compile(r"\b([kMGTPEZ]?)FLOPs\b"), r"\1FLOP"),
    (re.compile(r"\b(k?g)(?:CO2|CO2e|CO2eq| CO2e?)(?![A-Za-z0-9])"), r"\1"),
    (re.compile(r"\bt(?:CO2|CO2e|CO2eq| CO2e?)(?![A-Za-z0-9])"), "tonne"),
    (re.compile(r"\bper\b"), "/"),
    (re.compile(r"^\s*/"), "1/"),
)
_MONEY = {"kUSD": 1e3, "MUSD": 1e6, "GUSD": 1e9, "TUSD": 1e12}
"""Dollars per unit of money, as `_REWRITES` spells it: budgets are read without importing pint."""
_NO_RATE = (
    "{shown} is in {code}: add the exchange rate and its date, as in '8 EUR/hour at 1.08 USD/EUR on 2026-09-01'; or, "
    "for EUR, GBP and CNY, the date alone, as in '8 EUR/hour on 2026-06-15', for the mean of that month"
)
_MAX_LENGTH = 200
_REGISTRY_LOCK = Lock()


def read(text: str, unit: str) -> float | Range:
    """Return the number or range of a text, in `unit`.

    Parameters
    ----------
    text : str
        Such as "15T", "2.50 USD/hour", "$2.99/h", "80 GB", "5 M$", "35 %", "10-20 %", "1.8 to 3.2 USD/hour (90 %)",
        "8 EUR/hour at 1.08 USD/EUR on 2026-09-01", "8 EUR/hour on 2026-06-15" (at the mean of the month).
    unit : str
        Unit of the result, a key of `SI_FACTOR`. A number without a unit is in this unit.

    Raises
    ------
    InputError
        If the text is not a number, the unit is unknown or has another dimension, or the text is ambiguous.

    Examples
    --------
    >>> read("15T", "token"), read("$2.99/h", "USD/hour"), read("80 GB", "byte"), read("35 %", "1")
    (15000000000000.0, 2.99, 80000000000.0, 0.35)
    >>> read("500 W to 1.2 kW", "W")
    Interval(unit='W', low=500.0, high=1200.0, level=0.8, shape='auto', floor=0.0)
    """
    if len(text) > _MAX_LENGTH:
        raise InputError(f"a number must have at most {_MAX_LENGTH} characters; got {len(text)}")
    if converted := _CONVERTED.fullmatch(text.strip()):
        return _in_dollars(converted, unit)
    if listed := _LISTED.fullmatch(text.strip()):
        return _at_listed_rate(listed, unit)
    if leading := _CURRENCY.match(text.strip()):
        raise InputError(_NO_RATE.format(shown=repr(text), code=leading[0]))
    if parts := _RANGE.fullmatch(text.strip()) or _DASHED.fullmatch(text.strip()):
        high_number, high_rest = _split(parts["high"])
        low_number, low_rest = _split(parts["low"])
        level = float(parts["level"]) / 100 if parts["level"] else DEFAULT_LEVEL
        shared = not low_rest or (low_rest.strip() == "USD" and high_rest.startswith("USD"))  # $1.80 to $3.20 per hour
        low = _value(low_number, high_rest if shared else low_rest, unit, text)
        return between(low, _value(high_number, high_rest, unit, text), unit, level=level)
    return _value(*_split(text), unit, text)


def _in_dollars(converted: re.Match[str], unit: str) -> float | Range:
    """Return the number in USD of a text such as "8 EUR/hour at 1.08 USD/EUR on 2026-09-01"."""
    rate, code = float(converted["rate"]), converted["code"]
    try:
        dt.date.fromisoformat(converted["day"])
    except ValueError:
        raise InputError(f"{converted['day']!r} is not a date of the calendar") from None
    if rate <= 0:
        raise InputError(f"an exchange rate must be above 0; got {converted['rate']!r}")
    if not re.search(rf"(?<![A-Za-z]){code}(?![A-Za-z])", converted["text"]):
        raise InputError(f"{converted['text']!r} is not in {code}, so the rate of {code} does not apply")
    if " at " in converted["text"]:
        raise InputError(f"{converted['text']!r} has an exchange rate already; only one can be applied")
    value = read(converted["text"].replace(code, "USD"), unit)
    return value.scaled(rate, value.unit) if isinstance(value, Range) else value * rate


def _at_listed_rate(listed: re.Match[str], unit: str) -> float | Range:
    """Return the number in USD of a text such as "8 EUR/hour on 2026-06-15", at the listed mean of the month."""
    from costmodel.foundation.exchange_rates import exchange_rate

    rate = exchange_rate(listed["code"], on=listed["day"]).usd
    value = read(listed["text"].replace(listed["code"], "USD"), unit)
    return value.scaled(rate, value.unit) if isinstance(value, Range) else value * rate


def convert(value: Any, unit: str) -> float:
    """Return the magnitude of a pint quantity, of any registry, in `unit`."""
    try:
        magnitude, text = float(value.magnitude), str(value.units)
    except (TypeError, ValueError):
        raise InputError(f"must be a single number; got {value!r}") from None
    if not math.isfinite(magnitude):
        raise InputError(f"a number must be finite; got {value}")
    return magnitude * _factor("" if text == "dimensionless" else text, unit)


def rescale(spread: Range, unit: str) -> Range:
    """Return the range in `unit`; a range without a unit is in `unit` already."""
    factor = _factor(spread.unit, unit) if spread.unit and spread.unit != unit else 1.0
    return spread.scaled(factor, unit)


def written_unit(value: object) -> str:
    """Return the unit that is written with a number, or "" where there is none or the text is not a number.

    >>> written_unit("80 GiB"), written_unit("80"), written_unit(80)
    ('GiB', '', '')
    """
    if is_quantity(value):
        unit = str(getattr(value, "units", ""))
        return "" if unit == "dimensionless" else unit
    if not isinstance(value, str):
        return ""
    try:
        return _split(value)[1]
    except InputError:
        return ""


def is_quantity(value: object) -> bool:
    """Return whether `value` is a pint quantity, without importing pint."""
    return hasattr(value, "magnitude") and hasattr(value, "units")


def quantity(value: Any, unit: str, shown: str) -> Quantity:
    """Return an SI number or array of a dimension as a pint quantity.

    Parameters
    ----------
    value : float or array
        In SI units, with byte, FLOP, token, kg and USD.
    unit : str
        Unit of `value`, a key of `SI_FACTOR`.
    shown : str
        Unit of the quantity, a key of `SI_FACTOR`.
    """
    scaled = value if unit == shown else value * SI_FACTOR[unit] / SI_FACTOR[shown]
    result: Quantity = registry().Quantity(scaled, _pint_name(shown))
    return result


def money(value: float, currency: str) -> Quantity:
    """Return an amount of money as a pint quantity; currencies are dimensions of their own.

    Parameters
    ----------
    value : float
        Amount in the currency.
    currency : str
        "USD", "EUR", "GBP" or "CNY".
    """
    result: Quantity = registry().Quantity(value, currency)
    return result


def registry() -> Any:
    """Return pint's application registry with our units: USD, FLOP, token and gpu (a count)."""
    with _REGISTRY_LOCK:  # pint builds its registry at the first use, which is not safe in several threads
        return _defined_registry()


@lru_cache(maxsize=1)
def _defined_registry() -> Any:
    import pint

    application = pint.get_application_registry()  # type: ignore[no-untyped-call]
    for definition in (
        "USD = [currency] = _ = dollar",
        "EUR = [currency_eur] = _",
        "GBP = [currency_gbp] = _",
        "CNY = [currency_cny] = _",
        "FLOP = [flop] = _ = flop",
        "token = [token] = _ = tokens",
        "parameter = [] = _ = parameters = param = params",
        "gpu = [] = _ = GPU",
    ):
        if definition.split(" ", 1)[0] not in application:
            application.define(definition)
    return application


def _pint_name(unit: str) -> str:
    return "dimensionless" if unit == "1" else unit


def _split(text: str) -> tuple[str, str]:
    """Return the number and the unit of "2.99 USD/h", "$2.99/h" or "USD 2.99/h"."""
    stripped = text.strip()
    prefix = ""
    if leading := re.match(r"(US\$|\$|USD\s)\s*", stripped):
        prefix, stripped = "USD", stripped[leading.end() :]
    match = _TEXT.fullmatch(stripped)
    if match is None or match["number"].lstrip("+-")[:1] in {"", "e", "E"}:
        raise InputError(f"{text!r} does not start with a number")
    rest = match["rest"].strip()
    if not prefix:
        return match["number"], rest
    if scaled := _SCALED.fullmatch(rest):
        return match["number"], f"{scaled['scale']} USD{scaled['unit'] or ''}"
    return match["number"], f"USD {rest}"


def _value(number: str, rest: str, unit: str, text: str) -> float:
    value = float(number.replace(",", "").replace("_", ""))
    if rest == "%":
        rest, value = "", value / 100
        if unit != "1":
            raise InputError(f"{text!r} is a percentage, where a number in {unit} is expected")
    scaled = _SCALED.fullmatch(rest)
    if scaled and unit in COUNTED and not (unit == "hour" and scaled["scale"] in {"m", "b", "t"}):
        value *= _SCALES[scaled["scale"].lower()]
        rest = scaled["unit"] or ""
    elif scaled and scaled["unit"] is None and not (unit == "kg" and rest == "t"):
        raise InputError(f"{text!r} is ambiguous where a number in {unit} is expected: write the unit out")
    result = value * _factor(rest, unit, text)
    if not math.isfinite(result):
        raise InputError(f"{text!r} is too large to be a number")
    return result


@lru_cache(maxsize=512)
def _factor(rest: str, unit: str, text: str = "") -> float:
    """Return the factor from the unit `rest` to `unit`."""
    if not rest or rest == unit:
        return 1.0
    shown = repr(text or rest)
    if currency := _CURRENCY.search(rest):
        raise InputError(_NO_RATE.format(shown=shown, code=currency[0]))
    if rest[0] in ",.":
        raise InputError(f"{shown} is ambiguous: write 1.5 for one and a half, 1,500 for fifteen hundred")
    for pattern, replacement in _REWRITES:
        rest = pattern.sub(replacement, rest)
    if not _ALLOWED.fullmatch(rest.strip()):
        raise InputError(
            f"{shown} has a unit that is not known, or characters that are not part of a unit; "
            f"expected a number in {unit}"
        )
    if unit == "USD" and rest.strip() in _MONEY:
        return _MONEY[rest.strip()]
    import pint

    units = registry()
    try:
        quantum = units.Quantity(1.0, _parsed(rest.strip()))
    except Exception:  # pint raises its own errors, and those of the tokenizer below it
        raise InputError(f"{shown} has a unit that is not known; expected a number in {unit}") from None
    try:
        if _counts_alike(quantum, unit):
            factor = float(quantum.to(_pint_name(unit)).magnitude)
            if (2 * quantum).to(_pint_name(unit)).magnitude == 2 * factor:  # no decibels, no degrees
                return factor
    except (pint.DimensionalityError, pint.OffsetUnitCalculusError, ValueError):
        pass
    expected = "a plain number" if unit == "1" else f"a number in {unit}"
    raise InputError(f"{shown} has the wrong dimension; expected {expected}")


def _parsed(text: str) -> Any:
    """Return the unit of a text, as written or else in lower case (Watts, Tokens)."""
    try:
        return registry().parse_units(text)
    except Exception:
        return registry().parse_units(text.lower())


def _counts_alike(quantum: Any, unit: str) -> bool:
    """Return whether units that pint treats as dimensionless, such as a byte or a degree, suit `unit`."""
    free = [name for name in dict(quantum.unit_items()) if not registry().get_dimensionality(name)]
    data = "byte", "bit"
    if unit.startswith("USD/GB") and not any(name.endswith(data) for name in free):
        return False  # dollars alone are no price of data
    allowed = ("gpu", "parameter", "percent", "count") + (
        data if any(name in unit for name in ("byte", "GB", "GiB")) else ()
    )
    return all(name.endswith(allowed) for name in free)
