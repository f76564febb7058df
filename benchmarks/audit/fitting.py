"""Sums of products of keys that equal given whole numbers."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence

import numpy as np

Values = dict[str, float]
Terms = list[tuple[float, tuple[str, ...]]]
"""Coefficients, and products of keys or of whole quotients "a//b"."""
MOST_NAMES = 9
"""Most keys of one sum."""
_DENOMINATOR = 48
"""Coefficients are multiples of 1 / 48."""


def value_of(name: str, values: Values) -> float:
    """Return the value of a key, or of a whole quotient "a//b" of two keys or of a key and a number."""
    over, _, under = name.partition("//")
    if not under:
        return values[name]
    divisor = values[under] if under in values else float(under)
    return values[over] // divisor if divisor else math.nan


def total_of(terms: Terms, values: Values) -> float:
    """Return the value of a sum of products."""
    return sum(coefficient * math.prod(value_of(name, values) for name in product) for coefficient, product in terms)


def text_of(terms: Terms) -> str:
    """Return a sum of products as text, such as "2*hidden_size + 3"."""
    parts = []
    for coefficient, product in terms:
        whole = next((n for n in range(1, _DENOMINATOR + 1) if abs(coefficient * n - round(coefficient * n)) < 1e-9), 1)
        number = str(round(coefficient * whole))
        factors = "*".join(([number] if number != "1" or not product else []) + list(product))
        parts.append(factors if whole == 1 else f"{factors}/{whole}")
    return " + ".join(parts) or "0"


def names_of(text: str) -> set[str]:
    """Return the keys of a sum of products that is given as text."""
    return {factor for factor in re.split(r" \+ |\*|//|/", text) if not re.fullmatch(r"-?\d+", factor)}


def products_of(names: Sequence[str], samples: Sequence[Values]) -> list[tuple[str, ...]]:
    """Return products of keys and of whole quotients, simple ones first."""
    whole = [name for name in names if all(float(values[name]).is_integer() and values[name] > 0 for values in samples)]
    ratios = [f"{a}//{b}" for a in whole for b in whole if a != b and samples[0][a] > samples[0][b]][:8]
    quotients = [*ratios, *(f"{a}//{n}" for a in whole for n in (2, 4, 8, 16, 32) if len(names) <= 3)]
    listed: list[tuple[str, ...]] = [()]
    for power in range(1, 4 if len(names) <= 4 else 3):
        listed += itertools.combinations_with_replacement(names, power)
    listed += [(quotient,) for quotient in quotients]
    listed += [(quotient, other) for quotient in quotients for other in (*names, quotient)]
    listed += [(ratio, ratio, other) for ratio in ratios[:4] for other in names]
    listed += [(ratio, *pair) for ratio in ratios[:4] for pair in itertools.combinations(names, 2)]
    return listed


def fit(names: Sequence[str], samples: Sequence[Values], targets: Sequence[float]) -> Terms | None:
    """Return a sum of products of keys that equals the targets: one product, else two, else many; None if none does."""
    aims = np.array(targets, dtype=float)
    if np.all(aims == aims[0]):
        return [(float(aims[0]), ())]
    if not names or len(names) > MOST_NAMES:
        return None
    products = products_of(names, samples)
    table = _table(products, samples)
    good = np.flatnonzero(np.all(np.isfinite(table), axis=0))
    products, table = [products[column] for column in good], table[:, good]
    simple = [
        [column for column, product in enumerate(products) if len(product) <= power and "//" not in "".join(product)]
        for power in (1, 2)
    ]
    choices = itertools.chain(
        ([column] for column in range(len(products))),
        (list(pair) for pair in itertools.combinations(range(min(len(products), 60)), 2)),
        (columns for columns in simple if len(columns) <= 0.75 * len(aims)),
    )
    for columns in choices:
        found = _solved(table[:, columns], aims)
        if found is not None:
            return [(value, products[column]) for value, column in zip(found, columns, strict=True) if value]
    return None


def _table(products: Sequence[tuple[str, ...]], samples: Sequence[Values]) -> np.ndarray:
    names = {name for product in products for name in product}
    columns = {name: np.array([value_of(name, values) for values in samples], dtype=float) for name in names}
    table = np.ones((len(samples), len(products)))
    for column, product in enumerate(products):
        for name in product:
            table[:, column] *= columns[name]
    return table


def _solved(table: np.ndarray, aims: np.ndarray) -> list[float] | None:
    """Return the coefficients with which the columns equal the aims, or None."""
    if table.shape[1] == 1:
        top = int(np.argmax(np.abs(table[:, 0])))
        answer = np.array([aims[top] / table[top, 0] if table[top, 0] else 0.0])
    else:
        scale = np.abs(table).max(axis=0)
        scale[scale == 0] = 1
        answer, _, rank, _ = np.linalg.lstsq(table / scale, aims, rcond=None)
        if rank < table.shape[1]:
            return None
        answer = answer / scale
    values = np.round(answer * _DENOMINATOR) / _DENOMINATOR
    return values.tolist() if np.allclose(table @ values, aims, rtol=0, atol=1e-6) else None
