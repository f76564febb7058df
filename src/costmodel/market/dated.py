"""Shared by the tables of prices per token: the newest price on or before a day, providers by name, amounts."""

from __future__ import annotations

import datetime as dt
import math
import os
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.names import Names

if TYPE_CHECKING:
    from collections.abc import Iterable

MILLION = 1e6
PROVIDER_ALIASES = {
    "fireworks": ("fireworks ai",),
    "google": ("gemini", "vertex", "vertex ai", "google cloud"),
    "moonshot": ("kimi",),
    "tinker": ("thinking machines",),
    "together": ("together ai", "togetherai"),
}
"""Further names of the providers of the tables."""
CLOUD_ALIASES = {
    "aws": ("amazon", "amazon web services", "ec2"),
    "azure": ("microsoft", "microsoft azure"),
    "gcp": ("google", "google cloud", "google cloud platform"),
    "lambda": ("lambda labs", "lambda cloud"),
    "oci": ("oracle", "oracle cloud"),
    "primeintellect": ("prime intellect",),
    "sfcompute": ("sf compute", "san francisco compute"),
    "together": ("together ai", "togetherai"),
    "vast": ("vast.ai", "vast ai"),
}
"""Further names of the providers of accelerators."""


class Dated(Protocol):
    """A fact of a day."""

    @property
    def as_of(self) -> dt.date:
        """The day."""


F = TypeVar("F", bound=Dated)


def day_of(on: dt.date | str | None, name: str = "on") -> dt.date | None:
    """Return a day that is given as a date or as ISO text; None if none is given.

    Parameters
    ----------
    on : datetime.date, str or None
    name : str
        Name of the input, for the message.
    """
    if on is None:
        return None
    if isinstance(on, dt.datetime):
        return on.date()
    if isinstance(on, dt.date):
        return on
    try:
        return dt.date.fromisoformat(on)
    except (TypeError, ValueError):
        raise InputError(f"{name}: must be a date such as 2026-09-01; got {on!r}") from None


def today() -> dt.date:
    """Return the day of pricing where none is given: today, or the day of the variable `SOURCE_DATE_EPOCH`, if set."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH", "")
    return dt.datetime.fromtimestamp(int(seconds), dt.UTC).date() if seconds.isdecimal() else dt.date.today()


def up_to(facts: Iterable[F], on: dt.date | str | None, what: str) -> list[F]:
    """Return the facts that are not newer than a day, the newest first; all facts if no day is given.

    Parameters
    ----------
    facts : iterable
        At least one fact with a day.
    on : datetime.date, str or None
        The day.
    what : str
        What the facts are, for the message: "price of gpt-4o at openai".

    Raises
    ------
    MissingFactError
        If all are newer.
    """
    day = day_of(on)
    ordered = sorted(facts, key=lambda fact: fact.as_of, reverse=True)
    in_time = [fact for fact in ordered if day is None or fact.as_of <= day]
    if not in_time:
        raise MissingFactError(f"no {what} is known on {day}: the first is of {ordered[-1].as_of}")
    return in_time


def provider_named(name: str, providers: Iterable[str]) -> str:
    """Return the proper name of a provider, or raise `UnknownNameError` with the nearest.

    Parameters
    ----------
    name : str
    providers : iterable of str
        Providers of the table.
    """
    if not isinstance(name, str):
        raise InputError(f"provider must be a name; got {name!r}")
    listed = set(providers)
    aliases = {proper: others for proper, others in PROVIDER_ALIASES.items() if proper in listed}
    return Names("provider", {proper: proper for proper in listed}, aliases).get(name)


def amounts(**given: Any) -> tuple[Any, ...]:
    """Return numbers as floats and arrays as arrays of floats.

    Parameters
    ----------
    given : float or array
        The amounts by name.

    Raises
    ------
    InputError
        With one problem for each amount that is no number, below 0 or not finite.
    """
    values, problems = [], []
    for name, value in given.items():
        try:
            number = _number(value)
            good = math.isfinite(number) and number >= 0 if isinstance(number, float) else _all_good(number)
        except (TypeError, ValueError, OverflowError):
            good, number = False, value
        if not good:
            shown = repr(value)
            shown = shown if len(shown) <= 80 else shown[:77] + "..."
            problems.append(f"{name} must be a finite number of at least 0, or an array of them; got {shown}")
        values.append(number)
    if problems:
        raise InputError(problems)
    return tuple(values)


def _number(value: Any) -> Any:
    if isinstance(value, (str, bytes, bool)):
        raise TypeError
    if not hasattr(value, "__len__"):
        return float(value)
    import numpy as np

    array = np.asarray(value, dtype=float)
    return array.item() if array.ndim == 0 else array


def _all_good(array: Any) -> bool:
    import numpy as np

    return bool((np.isfinite(array) & (array >= 0)).all())
