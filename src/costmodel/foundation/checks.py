"""Checks of arguments: their types by annotation, the level of an interval, and the seed of random draws."""

from __future__ import annotations

import builtins
import collections.abc
import functools
import inspect
import math
import operator
import os
import pathlib
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, ParamSpec, TypeVar, Union, get_args, get_origin

from costmodel.foundation.errors import InputError
from costmodel.foundation.limits import DRAWS, shown

if typing.TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

P = ParamSpec("P")
R = TypeVar("R")
Test = Callable[[Any], bool]


def check_level(level: float) -> None:
    """Raise `InputError` unless `level` is a fraction between 0 and 1."""
    if not is_finite(level) or not 0 < level < 1:
        raise InputError(f"level must be a fraction between 0 and 1; got {shown(level)}")


def check_draws(count: int, name: str = "count") -> None:
    """Raise `InputError` unless the number of random draws is a whole number above 0, within the limit."""
    if not (is_whole(count) and 1 <= count <= DRAWS):
        raise InputError(f"{name} must be a whole number from 1 to {DRAWS:,}; got {shown(count)}")


def positive_numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return an argument as an array, or raise `InputError` unless its numbers are positive and finite.

    Parameters
    ----------
    name : str
        Argument, for the message.
    values : float or array
        Value given.
    """
    import numpy as np

    try:
        array = np.asarray(values, dtype=float)
        valid = not isinstance(values, (str, bytes, bool)) and bool(np.all(np.isfinite(array) & (array > 0)))
    except (TypeError, ValueError, OverflowError):
        valid = False
    if not valid:
        raise InputError(f"{name}: must be positive and finite; got {shown(values)}")
    return array


def seed_problems(seed: object) -> list[str]:
    """Return what is wrong with the seed of random draws: nothing, or one message.

    >>> seed_problems(0), seed_problems(-1)
    ([], ['seed: must be a whole number of at least 0; got -1'])
    """
    if is_whole(seed) and operator.index(seed) >= 0:  # type: ignore[arg-type]
        return []
    return [f"seed: must be a whole number of at least 0; got {shown(seed)}"]


def checked(*names: str, **kinds: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that refuses arguments whose type is not that of their annotation.

    It raises `InputError` with the problems of all named arguments. Annotations are read at the first call, so that
    the decorator loads no module. A class that is imported for type checkers only is known by its name.

    Parameters
    ----------
    names : str
        Parameters to check; a function checks those that it reads in several forms itself. A `seed` must not be
        negative either.
    kinds : type
        Types of further parameters, where the annotation is an alias that is imported for type checkers only.

    Examples
    --------
    >>> @checked("count", "name")
    ... def buy(count: int, name: str | None = None) -> str:
    ...     return f"{count} {name}"
    >>> buy(2, name="H100")
    '2 H100'
    >>> buy("two", 3)
    Traceback (most recent call last):
    costmodel.foundation.errors.InputError: 2 problems:
      - count: must be a whole number; got 'two'
      - name: must be a text or None; got 3
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        rules: list[_Rule] = []

        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            if not rules:
                rules.extend(_rules(function, names, kinds))
            problems: list[str] = []
            for rule in rules:
                if rule.name in kwargs:
                    problems += rule.problems(kwargs[rule.name])
                elif rule.place < len(args):
                    problems += rule.problems(args[rule.place])
            if problems:
                raise InputError(problems)
            return function(*args, **kwargs)

        return wrapper

    return decorate


class _Rule(NamedTuple):
    """What a parameter accepts."""

    name: str
    place: int
    """Place among the arguments; that of a keyword-only parameter is beyond all of them."""
    test: Test
    words: str

    def problems(self, value: object) -> list[str]:
        return [] if self.test(value) else [f"{self.name}: must be {self.words}; got {shown(value)}"]


_SEED = _Rule("seed", 0, lambda value: not seed_problems(value), "a whole number of at least 0")


def _rules(function: Callable[..., object], names: Iterable[str], kinds: Mapping[str, Any]) -> list[_Rule]:
    parameters = inspect.signature(function).parameters
    known = _Known(inspect.unwrap(function).__globals__)
    rules = []
    for name in (*names, *kinds):
        stated = kinds.get(name, parameters[name].annotation)
        kind = eval(stated, {}, known) if isinstance(stated, str) else stated
        place = list(parameters).index(name) if parameters[name].kind is not inspect.Parameter.KEYWORD_ONLY else 10**6
        rules.append(
            _SEED._replace(name=name, place=place)
            if name in {"seed", "rng"}
            else _Rule(name, place, _test(kind), _words(kind))
        )
    return rules


class _Known(dict[str, Any]):
    """Names of a module; those that it imports for type checkers only are of `typing`, or a class known by its name.

    `AnyRecipe` is any `Recipe`, and `ArchitectureLike` one of the forms that the function reads.
    """

    def __missing__(self, name: str) -> Any:
        spaces = map(vars, (builtins, collections.abc, typing, pathlib))
        return next(
            (space[name] for space in spaces if name in space), Any if name.endswith("Like") else _ByName.of(name)
        )


class _ByName(type):
    """A class that stands for any class of its name."""

    def __instancecheck__(cls, value: object) -> bool:
        return any(base.__name__ == cls.__name__ for base in type(value).__mro__)

    def __getattr__(cls, name: str) -> _ByName:  # a class of a module, such as `dt.date`
        if name.startswith("_"):
            raise AttributeError(name)
        return _ByName.of(name)

    @staticmethod
    def of(name: str) -> _ByName:
        """Return the class that stands for a name."""
        return _ByName(name.removeprefix("Any"), (), {})


def _test(kind: Any) -> Test:
    """Return the test of the values of an annotation."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        tests = [_test(each) for each in inner]
        return lambda value: any(test(value) for test in tests)
    if origin is Literal:
        return lambda value: isinstance(value, str)  # the function suggests the nearest known word
    if origin is Callable:
        return callable
    if origin is not None and issubclass(origin, Mapping):
        return _mapping_test(*map(_test, inner))
    if origin is not None and issubclass(origin, Iterable):
        return _sequence_test(origin, _test(inner[0]))
    if kind in _TESTS:
        return _TESTS[kind]
    return (lambda value: isinstance(value, kind)) if isinstance(kind, type) else (lambda _: True)


def _mapping_test(key_test: Test, value_test: Test) -> Test:
    return lambda value: (
        isinstance(value, Mapping) and all(key_test(key) and value_test(each) for key, each in value.items())
    )


def _sequence_test(origin: type, item_test: Test) -> Test:
    def test(value: Any) -> bool:
        if hasattr(value, "dtype"):  # an array or a series, whose entries are alike
            return getattr(value, "ndim", 0) == 1 and all(map(item_test, value[:1]))
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, origin):
            return False
        if not isinstance(value, (Collection, Iterator)):  # a specification, whose fields can be iterated over
            return False
        return not isinstance(value, Collection) or all(map(item_test, value))

    return test


def is_whole(value: Any) -> bool:
    """Return whether a value is a whole number; a truth value or an array is none."""
    whole = hasattr(value, "__index__") and not hasattr(value, "__len__")
    return whole and type(value).__name__ not in _BOOLEANS


def is_finite(value: Any) -> bool:
    """Return whether a value is a finite number that a float can hold; a text or a truth value is none."""
    if isinstance(value, (str, bytes)) or type(value).__name__ in _BOOLEANS or hasattr(value, "__len__"):
        return False
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


_BOOLEANS = ("bool", "bool_")
_TESTS: dict[Any, Test] = {
    Any: lambda _: True,
    bool: lambda value: type(value).__name__ in _BOOLEANS,
    int: is_whole,
    float: is_finite,
    pathlib.Path: lambda value: isinstance(value, os.PathLike),
}
_WORDS = {
    bool: "true or false", int: "a whole number", float: "a finite number", str: "a text", pathlib.Path: "a path",
    types.NoneType: "None",
}  # fmt: skip


def _words(kind: Any) -> str:
    """Return what an annotation accepts, in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        *first, last = dict.fromkeys(map(_words, inner))
        return f"{', '.join(first)} or {last}" if first else last
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if origin is Callable:
        return "a function"
    if origin is not None and issubclass(origin, Mapping):
        return f"a mapping to {_plural(inner[1])}" if inner[1] is not Any else "a mapping"
    if origin is not None and issubclass(origin, Iterable):
        return f"a list of {_plural(inner[0])}" if inner[0] is not Any else "a list"
    name = getattr(kind, "__name__", str(kind))
    return _WORDS.get(kind) or f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def _plural(kind: Any) -> str:
    """Return the values of an annotation in words, as entries of a list."""
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_plural, get_args(kind))))
    words = {bool: "true or false", int: "whole numbers", float: "numbers", str: "texts"}
    return words.get(kind) or _words(kind).removeprefix("a ").removeprefix("an ")
