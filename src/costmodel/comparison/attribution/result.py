"""The result of an attribution: the ratio and the difference of two costs, by factor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from costmodel._version import __version__
from costmodel.comparison.attribution.factors import FACTORS, Side, Term, shared_names
from costmodel.comparison.attribution.shapley import shapley_parts
from costmodel.comparison.runs import CONFIDENCE
from costmodel.foundation import rendering
from costmodel.foundation.checks import check_level, checked
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.names import Names
from costmodel.foundation.ranges import DEFAULT_LEVEL
from costmodel.foundation.tables import fingerprint
from costmodel.foundation.units import money

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from costmodel.comparison.attribution.factors import Values
    from costmodel.foundation.units import Quantity

_SAME = 1e-12
"""Relative difference of two numbers that counts as rounding [1]."""
_LARGE = math.log(1.25)
"""|ln factor| from which the summary names a factor [1]."""
_NAMED = 3
"""Factors that the summary names at most [1]."""
_UNITS = ((1e9, "B$"), (1e6, "M$"), (1e3, "k$"), (1.0, "USD"))
"""Units of dollars with their size, the largest first."""


@dataclass(frozen=True)
class Part:
    """A factor of an attribution: its ratio, its part in dollars, and why."""

    name: str
    """Name of the factor; a key of `FACTORS`."""
    a: Term
    """The factor of the first run."""
    b: Term
    """The factor of the second run."""
    ratios: Values
    """Factor of the second run / factor of the first, central value first [1]."""
    usd: Values
    """Shapley value of the factor in the difference of the costs, central value first [USD]."""
    sentence: str
    """What differs, with the numbers."""
    merged: str = ""
    """Why the factor is not split further, or ""."""

    @property
    def title(self) -> str:
        """Title of the factor."""
        return FACTORS[self.name].title

    @property
    def group(self) -> str:
        """Group of the factor: "model and data", "speed", "price" or "scope"."""
        return FACTORS[self.name].group

    @property
    def factor(self) -> float:
        """Cost of the second run / cost of the first, by this factor alone [1]."""
        return float(self.ratios[0])

    @property
    def speculative(self) -> bool:
        """Whether a number is a guess of outsiders (confidence C)."""
        return self.a.speculative or self.b.speculative

    @property
    def sources(self) -> tuple[str, ...]:
        """Sources of the numbers of both runs."""
        return tuple(dict.fromkeys((*self.b.sources, *self.a.sources)))

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What is estimated or assumed."""
        return tuple(dict.fromkeys(text for text in (self.b.assumed, self.a.assumed) if text))

    @property
    def same(self) -> bool:
        """Whether the factor is the same for both runs."""
        return abs(self.factor - 1) <= _SAME


class Attribution(rendering.Shown):
    """Why one run costs less than another; see `attribute`."""

    _index = "part"

    def __init__(self, a: Side, b: Side, seed: int = 0) -> None:
        self._sides, self.seed = (a, b), seed
        names, merged = shared_names(a, b)
        if _is_one(a.terms["other_costs"]) and _is_one(b.terms["other_costs"]):
            names.remove("other_costs")
        self.parts = tuple(_parts(a, b, names, merged))
        """The factors in the order of the table."""
        self._names = Names("factor of this attribution", {part.name: part for part in self.parts})

    def __getitem__(self, name: str) -> Part:
        return self._names.get(name)

    @property
    def names(self) -> tuple[str, str]:
        """Names of both runs, or labels if the names are the same."""
        a, b = self._sides
        return a.name, b.name

    @property
    def costs(self) -> tuple[Quantity, Quantity]:
        """Costs of both runs."""
        a, b = self.usd
        return money(a, "USD"), money(b, "USD")

    @property
    def usd(self) -> tuple[float, float]:
        """Costs of both runs [USD]."""
        a, b = (float(side.cost[0]) for side in self._sides)
        return a, b

    @property
    def ratio(self) -> float:
        """Cost of the second run / cost of the first [1]: the product of all factors."""
        return self.usd[1] / self.usd[0]

    @property
    def difference(self) -> Quantity:
        """Cost of the second run − cost of the first: the sum of all parts."""
        return money(self.usd[1] - self.usd[0], "USD")

    @checked("name", "unit")
    def draws(self, name: str, unit: str = "factor") -> NDArray[np.float64]:
        """Return the draws of a part.

        Parameters
        ----------
        name : str
            Name of a factor, or "total" for the ratio or the difference of the costs.
        unit : str
            "factor" for the ratio [1], or "usd" for the part in dollars [USD].

        Returns
        -------
        NDArray
            Draws, shape (20000,). Factors multiply to the ratio, dollars add up to the difference, in every draw.
        """
        if unit not in ("factor", "usd"):
            raise InputError(f"unit: {unknown('unit', unit, ('factor', 'usd'))}")
        if name == "total":
            a, b = (side.cost[1:] for side in self._sides)
            return b / a if unit == "factor" else b - a
        part = self[name]
        return part.ratios[1:] if unit == "factor" else part.usd[1:]

    def rows(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return one row per factor.

        Parameters
        ----------
        level : float
            Probability inside the intervals, between 0 and 1 [1].

        Returns
        -------
        list[dict]
            Rows with `part`, `title`, `group`, `a` and `b` (values of both runs), `factor` [1], `usd` [USD], the ends
            of their intervals, `log_share` (ln factor / ln ratio [1]; None if the costs are equal), `sentence`,
            `source`, `speculative`, `assumed` and `merged` (why the factor is not split further).
        """
        check_level(level)
        whole = math.log(self.ratio)
        rows = []
        for part in self.parts:
            factor_low, factor_high = self._ends(part.name, "factor", level)
            usd_low, usd_high = self._ends(part.name, "usd", level)
            rows.append(
                {
                    "part": part.name,
                    "title": part.title,
                    "group": part.group,
                    "a": part.a.shown,
                    "b": part.b.shown,
                    "factor": part.factor,
                    "factor_low": factor_low,
                    "factor_high": factor_high,
                    "log_share": math.log(part.factor) / whole if abs(whole) > _SAME else None,
                    "usd": float(part.usd[0]),
                    "usd_low": usd_low,
                    "usd_high": usd_high,
                    "level": level,
                    "sentence": part.sentence,
                    "source": " ; ".join(part.sources),
                    "speculative": part.speculative,
                    "assumed": "; ".join(part.assumptions),
                    "merged": part.merged,
                }
            )
        return rows

    def groups(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return one row per group of factors: `group`, `factor` with the ends of its interval [1], and `usd` [USD].

        Parameters
        ----------
        level : float
            Probability inside the intervals, between 0 and 1 [1].
        """
        import numpy as np

        check_level(level)
        ends = [(1 - level) / 2, (1 + level) / 2]
        rows = []
        for group in dict.fromkeys(part.group for part in self.parts):
            members = [part for part in self.parts if part.group == group]
            ratios = np.prod([part.ratios for part in members], axis=0)
            low, high = (float(end) for end in np.quantile(ratios[1:], ends))
            usd = float(sum(part.usd[0] for part in members))
            row = {"group": group, "factor": float(ratios[0]), "factor_low": low, "factor_high": high, "usd": usd}
            rows.append({**row, "level": level})
        return rows

    def total(self, level: float = DEFAULT_LEVEL) -> dict[str, Any]:
        """Return both costs, their ratio and their difference with intervals.

        Parameters
        ----------
        level : float
            Probability inside the intervals, between 0 and 1 [1].
        """
        check_level(level)
        factor_low, factor_high = self._ends("total", "factor", level)
        usd_low, usd_high = self._ends("total", "usd", level)
        return {
            "a": self.names[0],
            "b": self.names[1],
            "usd_a": self.usd[0],
            "usd_b": self.usd[1],
            "basis_a": self._sides[0].basis,
            "basis_b": self._sides[1].basis,
            "confidence_a": self._sides[0].confidence,
            "confidence_b": self._sides[1].confidence,
            "factor": self.ratio,
            "factor_low": factor_low,
            "factor_high": factor_high,
            "usd": self.usd[1] - self.usd[0],
            "usd_low": usd_low,
            "usd_high": usd_high,
            "level": level,
        }

    def summary(self) -> str:
        """Return the answer in sentences: both costs, the groups of factors, and the largest factors."""
        a, b = self.names
        usd_a, usd_b = (rendering.amount(cost, "USD") for cost in self.usd)
        total = self.total()
        lines = [f"{b} costs {usd_b}, {a} {usd_a}: × {_factor(self.ratio)} ({_ends(total, 'factor')})."]
        if all(part.same for part in self.parts):
            return f"{lines[0]} No factor differs."
        groups = ", ".join(
            f"{row['group']} × {_factor(row['factor'])}" for row in self.groups() if abs(row["factor"] - 1) > _SAME
        )
        lines.append(f"By group: {groups}.")
        large = sorted(self.parts, key=lambda part: -abs(math.log(part.factor)))
        large = [part for part in large if abs(math.log(part.factor)) >= _LARGE][:_NAMED]
        lines += [part.sentence for part in large]
        if any(part.speculative for part in self.parts):
            lines.append("Speculative numbers are guesses of outsiders; the intervals include their error.")
        return " ".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data: total, groups, parts, summary, version, hash of the data and seed."""
        stamp = {"version": __version__, "data_hash": fingerprint(), "seed": self.seed}
        whole = {"total": self.total(), "groups": self.groups(), "parts": self.rows(), "summary": self.summary()}
        return {**stamp, **whole}

    @cached_property
    def _quantiles(self) -> dict[tuple[str, str, float], tuple[float, float]]:
        return {}

    def _ends(self, name: str, unit: str, level: float) -> tuple[float, float]:
        """Return the ends of the interval of a part."""
        import numpy as np

        key = (name, unit, level)
        if key not in self._quantiles:
            low, high = np.quantile(self.draws(name, unit), [(1 - level) / 2, (1 + level) / 2])
            self._quantiles[key] = float(low), float(high)
        return self._quantiles[key]

    @checked("width")
    def to_text(self, width: int | None = rendering.WIDTH) -> str:
        """Return the table as plain text.

        Parameters
        ----------
        width : int, optional
            Width to which the sentences are wrapped; None for no wrapping [character].
        """
        return super().to_text(width)

    def _title(self) -> str:
        a, b = self.names
        how = "as much as" if abs(self.ratio - 1) <= _SAME else "less than" if self.ratio < 1 else "more than"
        return f"Why {b} (B) costs {how} {a} (A)"

    def _cells(self) -> list[dict[str, str]]:
        total, rows = self.total(), self.rows()
        size, unit = next((pair for pair in _UNITS if max(self.usd) >= pair[0]), _UNITS[-1])
        cells = [
            {
                "factor": row["title"],
                "A": row["a"] + "*" * part.a.speculative,
                "B": row["b"] + "*" * part.b.speculative,
                "B / A": _factor(row["factor"]),
                "80 % interval": _ends(row, "factor"),
                f"part [{unit}]": _signed(row["usd"] / size),
            }
            for row, part in zip(rows, self.parts, strict=True)
        ]
        whole = {
            "factor": "cost",
            "A": rendering.amount(total["usd_a"], "USD"),
            "B": rendering.amount(total["usd_b"], "USD"),
            "B / A": _factor(total["factor"]),
            "80 % interval": _ends(total, "factor"),
            f"part [{unit}]": _signed(total["usd"] / size),
        }
        return [*cells, whole]

    def _footer(self) -> str:
        different = [part for part in self.parts if not part.same]
        lines = [f"- {part.title}: {part.sentence}" for part in different]
        if same := [part.title for part in self.parts if part.same]:
            lines.append(f"- the same for both: {', '.join(same)}")
        lines += [f"{part.title} is not split further: {part.merged}" for part in self.parts if part.merged]
        assumed: dict[str, list[str]] = {}
        for part in self.parts:
            for text in part.assumptions:
                assumed.setdefault(text, []).append(part.title)
        lines += [f"{text} ({', '.join(titles)})" for text, titles in assumed.items()]
        lines += [f"cost of {side.name}: {side.basis}{_confidence(side)}" for side in self._sides]
        if any(part.speculative for part in self.parts):
            lines.append(f"* guesses of outsiders (confidence C: {CONFIDENCE['C']})")
        lines.append(
            "B / A multiplies to the ratio of the costs. The parts are Shapley values of the difference in dollars: "
            "they add up to it and depend on no order of the factors."
        )
        lines.append("sources:")
        listed = (source for part in different for source in part.sources)
        lines += [f"- {source}" for source in dict.fromkeys(listed)]
        return "\n".join(lines)


def _parts(a: Side, b: Side, names: list[str], merged: dict[str, str]) -> list[Part]:
    """Return the factors of an attribution with their parts in dollars."""
    import numpy as np

    ratios = np.stack([b.terms[name].values / a.terms[name].values for name in names])
    dollars = shapley_parts(a.cost, ratios)
    parts = []
    for place, name in enumerate(names):
        one, other = a.terms[name], b.terms[name]
        parts.append(
            Part(
                name,
                one,
                other,
                ratios[place],
                dollars[place],
                _sentence(a, b, name, ratios[place][0]),
                merged.get(name, ""),
            )
        )
    return parts


def _sentence(a: Side, b: Side, name: str, ratio: float) -> str:
    one, other = (f"{side.name} {side.terms[name].phrase}{_mark(side.terms[name])}" for side in (a, b))
    return f"{other}; {one}: × {_factor(ratio)}."


def _mark(term: Term) -> str:
    return " (speculative)" if term.speculative else ""


def _is_one(term: Term) -> bool:
    import numpy as np

    return bool(np.all(np.abs(term.values - 1) <= _SAME))


def _factor(value: float) -> str:
    return rendering.number(value, 3)


def _ends(row: dict[str, Any], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "exact" if high - low <= _SAME * abs(high) else f"{_factor(low)} to {_factor(high)}"


def _signed(value: float) -> str:
    """Return an amount with its sign and three digits."""
    return "0" if abs(value) < 5e-4 else ("+" if value > 0 else "-") + rendering.number(abs(value), 3)


def _confidence(side: Side) -> str:
    """Return the confidence of a published row for a note, or ""."""
    return f"; confidence {side.confidence}: {CONFIDENCE[side.confidence]}" if side.confidence else ""
