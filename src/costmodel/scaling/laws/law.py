"""Base of all scaling laws: coefficients with domains and units, and checked, broadcast arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from functools import wraps
from types import EllipsisType
from typing import Any, NamedTuple, ParamSpec, TypeVar, dataclass_transform

from costmodel.foundation import rendering
from costmodel.foundation.citations import Source
from costmodel.scaling.laws.broadcast import POSITIVE, Domain, checked, raise_if_any

P = ParamSpec("P")
R = TypeVar("R")
L = TypeVar("L")

SECTIONS = ("Parameters", "Returns", "Raises", "References", "Examples")
"""Sections of a docstring, in their order."""


class Argument(NamedTuple):
    """An argument of a law: description with the unit in brackets, accepted numbers, and type if not a number."""

    description: str
    domain: Domain | None = POSITIVE
    type: str = ""


PARAMETERS = Argument("Number of parameters N [1].")
TOKENS = Argument("Training tokens D, repetitions included [token].")
COMPUTE = Argument("Training compute C [FLOP].")
UNIQUE_TOKENS = Argument("Distinct tokens available U [token]; those beyond D have no effect.")


def takes(**arguments: Argument) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function of floats or arrays: check its arguments and pass them on as floats or arrays.

    The function raises `InputError` with all wrong arguments at once. Its docstring gets a section with the
    arguments and one with the error.

    Parameters
    ----------
    arguments : Argument
        Each argument by its name; those without a domain are passed on as they are.

    Examples
    --------
    >>> @takes(tokens=TOKENS)
    ... def half(tokens: float) -> float:
    ...     "Return half of the tokens [token]."
    ...     return tokens / 2
    >>> half(3)
    1.5
    >>> half(-1)
    Traceback (most recent call last):
        ...
    costmodel.foundation.errors.InputError: `tokens` must be positive and finite; got -1.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        names = list(inspect.signature(function).parameters)
        numbers = [(name, argument.domain) for name, argument in arguments.items() if argument.domain is not None]
        places = [(names.index(name), name, domain) for name, domain in numbers]

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> R:
            values, problems = list(args), list[str]()
            for place, name, domain in places:
                if place < len(values):
                    values[place] = checked(name, values[place], domain, problems)
                elif name in kwargs:
                    kwargs[name] = checked(name, kwargs[name], domain, problems)
            raise_if_any(problems)
            return function(*values, **kwargs)

        call.__doc__ = _with_arguments(function.__doc__ or "", arguments)
        return call

    return decorate


def constant(description: str, domain: Domain = POSITIVE, *, default: float | EllipsisType | None = ...) -> float:
    """Return a dataclass field for a coefficient; a law refuses values outside the domain.

    Parameters
    ----------
    description : str
        Symbol, meaning and unit, as for a docstring.
    domain : Domain
        Accepted values; a coefficient whose default is None may be None too.
    default : float or None
        Value if none is given; the coefficient is required without it.
    """
    value: Any = MISSING if default is ... else default
    coefficient: float = field(default=value, metadata={"argument": Argument(description, domain)})
    return coefficient


def _coefficients(cls: Any) -> list[tuple[str, Argument, Any]]:
    listed = [(item.name, item.metadata.get("argument"), item.default) for item in fields(cls)]
    return [(name, argument, default) for name, argument, default in listed if argument is not None]


def _entries(arguments: dict[str, Argument], kind: str) -> list[str]:
    lines = []
    for name, argument in arguments.items():
        domain = argument.domain
        limits = "" if domain in (None, POSITIVE) else f" Accepted: {domain.description}."
        lines += [f"{name} : {argument.type or kind}", f"    {argument.description}{limits}"]
    return lines


def _with_arguments(text: str, arguments: dict[str, Argument]) -> str:
    text = _with_section(text, "Parameters", _entries(arguments, "float or array"))
    return _with_section(
        text, "Raises", ["InputError", "    If an argument is not positive and finite, or not accepted."]
    )


def _with_section(text: str, title: str, lines: list[str]) -> str:
    """Return a numpydoc text with lines added to a section, which comes before later sections if it is new."""
    text = inspect.cleandoc(text)
    heading = f"{title}\n{'-' * len(title)}\n"
    if heading in text:
        end = text.find("\n\n", text.index(heading))
        place, added = len(text) if end < 0 else end, "\n".join(["", *lines])
    else:
        following = [text.find(f"\n\n{word}\n---") for word in SECTIONS[SECTIONS.index(title) + 1 :]]
        place = min((index for index in following if index >= 0), default=len(text))
        added = f"\n\n{heading}" + "\n".join(lines)
    return f"{text[:place]}{added}{text[place:]}"


@dataclass_transform(frozen_default=True, field_specifiers=(constant, field))
def law(reference: str = "") -> Callable[[type[L]], type[L]]:
    """Decorate a class with coefficients: make it a frozen dataclass, and complete its docstring.

    Parameters
    ----------
    reference : str
        Publication of the formula: authors, year, title, equation, identifier.
    """

    def decorate(cls: type[L]) -> type[L]:
        decorated = dataclass(frozen=True, slots=True, repr=False)(cls)
        text = cls.__doc__ or ""
        if listed := {name: argument for name, argument, _ in _coefficients(decorated)}:
            text = _with_section(text, "Parameters", _entries(listed, "float"))
        decorated.__doc__ = _with_section(text, "References", [reference]) if reference else text
        return decorated

    return decorate


@law()
class Law(rendering.Shown):
    """A published scaling law: `name` and `source` are keyword arguments, its coefficients come first."""

    name: str = field(default="", kw_only=True)
    source: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        problems: list[str] = []
        for name, argument, default in _coefficients(type(self)):
            value = getattr(self, name)
            if argument.domain is not None and (value is not None or default is not None):
                checked(name, value, argument.domain, problems)
        raise_if_any(problems)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per coefficient: coefficient, value, meaning."""
        return [
            {"coefficient": name, "value": value, "meaning": argument.description}
            for name, argument, _ in _coefficients(type(self))
            if (value := getattr(self, name)) is not None
        ]

    def sources(self) -> set[Source]:
        """Return the publication of the coefficients, if it is known."""
        return {Source(self.source)} if self.source else set()

    def _title(self) -> str:
        form = type(self).__name__
        return f"{self.name} ({form})" if self.name else form

    def _cells(self) -> list[dict[str, str]]:
        return [
            {"coefficient": row["coefficient"], "value": f"{row['value']:.6g}", "meaning": row["meaning"]}
            for row in self.rows()
        ]

    def _footer(self) -> str:
        return self.source
