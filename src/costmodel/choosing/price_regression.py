"""List prices of models against their size, training compute and age: whether cheaper training means cheaper tokens.

    ln price = a + b ln(active parameters) + c ln(training compute) + d years + e,  ordinary least squares

Training compute is 6 × active parameters × tokens. It stands for the cost of training at one price per FLOP; prices of
the day differ, which the term of the years takes up. A row is an architecture with open weights: its price is the
median over its priced models of the median over their providers. Closed models are left out, as they publish neither
parameters nor tokens.

Intervals are from a bootstrap over organizations, as prices of one organization are alike. The held-out error is that
of predicting the models of an organization from those of all others.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np

from costmodel.architecture.loading import load_architecture
from costmodel.choosing.models import model_named
from costmodel.foundation import rendering
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.ranges import DEFAULT_LEVEL
from costmodel.foundation.tables import table
from costmodel.market.api_prices import APIPrice, api_models, api_price, api_providers

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

PriceKind: TypeAlias = Literal["blended", "output"]
TermName: TypeAlias = Literal["active parameters", "training compute", "years"]
FITS: tuple[tuple[TermName, ...], ...] = (
    ("active parameters", "years"),
    ("training compute", "years"),
    ("active parameters", "training compute", "years"),
)
"""Terms of the fits."""
BOOTSTRAPS = 2000
"""Samples of organizations with replacement [1]."""
FLOPS_PER_PARAMETER = 6.0
"""Training FLOPs per active parameter and token [FLOP]. Source: Kaplan et al. 2020 (arXiv 2001.08361)."""
_ORIGIN = dt.date(2024, 1, 1)
"""Day from which the years count; it changes the constant of a fit only."""


class PricedModel(NamedTuple):
    """A model with open weights: its size, its training and its list price."""

    architecture: str
    organization: str
    models: tuple[str, ...]
    """Names in the table of prices."""
    offers: int
    """Prices of providers behind the median [1]."""
    active: float
    """Active parameters [1]."""
    released: dt.date | None
    tokens: float | None
    """Training tokens [token]."""
    usd_per_million_input: float
    """[USD/1e6 token]"""
    usd_per_million_output: float
    """[USD/1e6 token]"""

    @property
    def compute(self) -> float | None:
        """Training compute [FLOP]; None if the tokens are not published."""
        return None if self.tokens is None else FLOPS_PER_PARAMETER * self.active * self.tokens


class Slope(NamedTuple):
    """A coefficient of a fit: an elasticity, or for the years the change of ln price per year."""

    term: TermName
    value: float
    low: float
    """10 % quantile of the bootstrap."""
    high: float
    """90 % quantile of the bootstrap."""
    probability_positive: float
    """Share of the bootstrap above 0 [1]."""

    @property
    def factor(self) -> float:
        """Price over that of a model with ten times less of the term, or a year older [1]."""
        return math.exp(self.value * (1.0 if self.term == "years" else math.log(10)))

    @property
    def interval(self) -> tuple[float, float]:
        """80 % interval of the factor [1]."""
        scale = 1.0 if self.term == "years" else math.log(10)
        return math.exp(self.low * scale), math.exp(self.high * scale)


class PriceFit(NamedTuple):
    """A fit of ln price, with its errors as factors."""

    price: PriceKind
    slopes: tuple[Slope, ...]
    n: int
    """Models [1]."""
    organizations: int
    """Organizations [1]."""
    r_squared: float
    """Share of the variance of ln price that the fit explains [1]."""
    held_out_error: float
    """Root mean square of ln(predicted / price) of organizations left out of the fit [1]."""
    mean_error: float
    """The same of predicting the mean of the other organizations [1]."""

    @property
    def name(self) -> str:
        """Terms of the fit."""
        return " + ".join(slope.term for slope in self.slopes)

    def slope(self, term: TermName) -> Slope:
        """Return the coefficient of a term.

        Parameters
        ----------
        term : str
            "active parameters", "training compute" or "years".

        Raises
        ------
        InputError
            If the fit does not have it.
        """
        for each in self.slopes:
            if each.term == term:
                return each
        raise InputError(unknown("term", term, [each.term for each in self.slopes]))


class PriceRegression(rendering.Shown):
    """Fits of list prices; see `price_regression`."""

    _width = rendering.WIDTH

    def __init__(
        self, fits: tuple[PriceFit, ...], models: tuple[PricedModel, ...], output_share: float, seed: int
    ) -> None:
        self.fits, self.models, self.output_share, self.seed = fits, models, output_share, seed

    @checked("price")
    def fit(self, *terms: TermName, price: PriceKind = "blended") -> PriceFit:
        """Return the fit with these terms.

        Parameters
        ----------
        terms : str
            "active parameters", "training compute", "years"; as in `FITS`.
        price : str
            "blended" or "output".
        """
        for each in self.fits:
            if each.price == price and {slope.term for slope in each.slopes} == set(terms):
                return each
        listed = "; ".join(f"{each.price}: {each.name}" for each in self.fits)
        raise InputError(f"no fit of the {price} price with {', '.join(terms)}; known: {listed}")

    @property
    def left_out(self) -> dict[str, str]:
        """Why an architecture is missing in a fit, by its name."""
        reasons = {}
        for model in self.models:
            missing = [
                name for name, value in (("date of release", model.released), ("tokens", model.tokens)) if value is None
            ]
            if missing:
                reasons[model.architecture] = f"no {' and no '.join(missing)}"
        return reasons

    @property
    def conclusion(self) -> str:
        """What holds, in words."""
        alone = self.fit("training compute", "years")
        both = self.fit("active parameters", "training compute", "years")
        training, at_size, size = (
            alone.slope("training compute"),
            both.slope("training compute"),
            both.slope("active parameters"),
        )
        sentences = [
            f"Models with ten times less training compute cost {_times(training)} as much per token "
            f"({alone.n} models of {alone.organizations} organizations, blended list price)."
        ]
        if at_size.low <= 0 <= at_size.high:
            sentences.append(
                f"At the same number of active parameters it is {_times(at_size)} as much, which cannot be told from 1."
            )
        else:
            sentences.append(f"At the same number of active parameters it is {_times(at_size)} as much.")
        sentences.append(f"Ten times fewer active parameters at the same training compute: {_times(size)} as much.")
        if size.low > 0 and at_size.low <= 0:
            sentences.append(
                "So cheaper training goes with cheaper inference, as both follow the active parameters; in these data "
                "training compute beyond that does not raise the price."
            )
        elif size.low <= 0:
            sentences.append("The data do not separate training compute from size.")
        else:
            sentences.append("So training compute goes with the price beyond what size explains.")
        sentences.append(
            f"Predicted for an organization left out, a price is off by a factor of "
            f"{math.exp(both.held_out_error):.1f}; the mean price by {math.exp(both.mean_error):.1f}."
        )
        sentences.append("Closed models are not in it: they publish neither parameters nor tokens.")
        return " ".join(sentences)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per coefficient of each fit."""
        return [
            {
                "price": each.price,
                "fit": each.name,
                **slope._asdict(),
                "factor": slope.factor,
                "n": each.n,
                "organizations": each.organizations,
                "r_squared": each.r_squared,
                "held_out_error": each.held_out_error,
                "mean_error": each.mean_error,
            }
            for each in self.fits
            for slope in each.slopes
        ]

    def to_frame(self) -> pd.DataFrame:
        """Return `rows` as a pandas DataFrame."""
        return rendering.data_frame(self.rows())

    def to_dict(self) -> dict[str, Any]:
        """Return fits, models and conclusion as plain data."""
        models = [
            {**model._asdict(), "released": None if model.released is None else str(model.released)}
            for model in self.models
        ]
        return {
            "fits": self.rows(),
            "models": models,
            "left_out": self.left_out,
            "conclusion": self.conclusion,
            "level": DEFAULT_LEVEL,
            "output_share": self.output_share,
        }

    def _title(self) -> str:
        return "List price per token against size, training compute and age: elasticities"

    def _cells(self) -> list[dict[str, str]]:
        cells = []
        for each in self.fits:
            for place, slope in enumerate(each.slopes):
                cells.append(
                    {
                        "price": each.price if place == 0 else "",
                        "term": slope.term,
                        "slope": f"{slope.value:.2f} ({slope.low:.2f} to {slope.high:.2f})",
                        "n": f"{each.n} of {each.organizations}" if place == 0 else "",
                        "R²": f"{each.r_squared:.2f}" if place == 0 else "",
                        "left out": f"×{math.exp(each.held_out_error):.1f}" if place == 0 else "",
                    }
                )
        return cells

    def _footer(self) -> str:
        return "\n".join(
            [
                self.conclusion,
                f"blended: {1 - self.output_share:.0%} of the input price and {self.output_share:.0%} of the output "
                "price; slopes are elasticities, that of the years the change of ln price per year of release",
                f"n: models of organizations; left out: error for an organization left out of the fit; in brackets: "
                f"{DEFAULT_LEVEL:.0%} intervals of a bootstrap over organizations, of which there are few; "
                f"seed {self.seed}",
                f"without date or tokens: {', '.join(self.left_out) or 'none'}",
            ]
        )


@checked("seed")
def price_regression(output_share: float = 0.25, *, bootstrap: int = BOOTSTRAPS, seed: int = 0) -> PriceRegression:
    """Fit the list prices of models with open weights on their size, training compute and date of release.

    Parameters
    ----------
    output_share : float
        Share of output tokens in the blended price [1].
    bootstrap : int
        Samples of organizations for the intervals, at least 100 [1].
    seed : int
        Seed of the samples.

    Returns
    -------
    PriceRegression
        `.fits`, `.models`, `.conclusion`, `.rows()`; it prints as a table.

    Raises
    ------
    InputError
        If an argument is out of bounds.

    References
    ----------
    Bootstrap over clusters: Cameron, Gelbach and Miller 2008, Review of Economics and Statistics 90 (3).

    Examples
    --------
    >>> result = price_regression()
    >>> fit = result.fit("active parameters", "years")
    >>> fit.n > 30, 0 < fit.slope("active parameters").value < 1
    (True, True)
    """
    problems = []
    if isinstance(output_share, bool) or not isinstance(output_share, (int, float)) or not 0 <= output_share <= 1:
        problems.append(f"output_share: must be a number at least 0 and at most 1; got {output_share!r}")
    if isinstance(bootstrap, bool) or not isinstance(bootstrap, int) or not 100 <= bootstrap <= 10**6:
        problems.append(f"bootstrap: must be a whole number from 100 to 1,000,000; got {bootstrap!r}")
    if problems:
        raise InputError(problems)
    models = priced_models()
    prices: tuple[PriceKind, ...] = ("blended", "output")
    fits = [fitted(models, terms, price, output_share, bootstrap, seed) for price in prices for terms in FITS]
    return PriceRegression(tuple(fits), models, output_share, seed)


@lru_cache(maxsize=1)
def priced_models() -> tuple[PricedModel, ...]:
    """Return the architectures with open weights that have a list price, sorted by name."""
    offered: dict[str, dict[str, list[APIPrice]]] = {}
    for name in api_models():
        architecture = model_named(name).architecture
        if architecture is not None:
            prices = [api_price(name, provider) for provider in api_providers(name)]
            offered.setdefault(architecture, {})[name] = prices
    found = []
    for row in table("facts/model_training").rows:
        by_model = offered.get(row["architecture"])
        if by_model is None:
            continue
        found.append(
            PricedModel(
                architecture=row["architecture"],
                organization=row["organization"],
                models=tuple(by_model),
                offers=sum(map(len, by_model.values())),
                active=float(load_architecture(row["architecture"]).parameters.active),
                released=dt.date.fromisoformat(row["released"]) if row["released"] else None,
                tokens=float(row["tokens"]) if row["tokens"] else None,
                usd_per_million_input=_median_price(by_model, "usd_per_million_input"),
                usd_per_million_output=_median_price(by_model, "usd_per_million_output"),
            )
        )
    return tuple(found)


def _median_price(by_model: dict[str, list[APIPrice]], field: str) -> float:
    """Return the median over models of the median over providers; of prices above 0."""
    medians = []
    for prices in by_model.values():
        known = [rate for price in prices if (rate := float(getattr(price, field))) > 0]
        medians += [float(np.median(known))] if known else []
    return float(np.median(medians))


def fitted(
    models: Sequence[PricedModel],
    terms: Sequence[TermName],
    price: PriceKind,
    output_share: float = 0.25,
    bootstrap: int = BOOTSTRAPS,
    seed: int = 0,
) -> PriceFit:
    """Return the fit of a price on terms, over the models for which all of them are known.

    Parameters
    ----------
    models : sequence of PricedModel
    terms : sequence of str
        As in `FITS`.
    price : str
        "blended" or "output".
    output_share : float
        Share of output tokens in the blended price [1].
    bootstrap : int
        Samples of organizations [1].
    seed : int
        Seed of the samples.
    """
    rows = [(model, values) for model in models if (values := _values(model, terms)) is not None]
    share = output_share if price == "blended" else 1.0
    mixed = [(1 - share) * model.usd_per_million_input + share * model.usd_per_million_output for model, _ in rows]
    outcome = np.log(mixed)
    inputs = np.array([[1.0, *values] for _, values in rows])
    names = np.array([model.organization for model, _ in rows])
    solved = _least_squares(inputs, outcome)
    residuals = outcome - inputs @ solved
    draws = _bootstrap(inputs, outcome, names, bootstrap, seed)
    low, high = np.quantile(draws, [0.1, 0.9], axis=0)
    held_out, mean = _held_out(inputs, outcome, names)
    return PriceFit(
        price=price,
        slopes=tuple(
            Slope(term, float(solved[k]), float(low[k]), float(high[k]), float(np.mean(draws[:, k] > 0)))
            for k, term in enumerate(terms, start=1)
        ),
        n=len(rows),
        organizations=len(set(names.tolist())),
        r_squared=float(1 - residuals.var() / outcome.var()),
        held_out_error=held_out,
        mean_error=mean,
    )


def _values(model: PricedModel, terms: Sequence[TermName]) -> list[float] | None:
    """Return the values of the terms of a model; None if one is not known."""
    known: dict[TermName, float | None] = {
        "active parameters": math.log(model.active),
        "training compute": None if model.compute is None else math.log(model.compute),
        "years": None if model.released is None else (model.released - _ORIGIN).days / 365.25,
    }
    values = [value for term in terms if (value := known[term]) is not None]
    return values if len(values) == len(terms) else None


def _least_squares(inputs: Array, outcome: Array) -> Array:
    solved: Array = np.linalg.lstsq(inputs, outcome, rcond=None)[0].astype(np.float64)
    return solved


def _bootstrap(inputs: Array, outcome: Array, names: NDArray[np.str_], count: int, seed: int) -> Array:
    """Return the coefficients of samples of organizations with replacement, shape (samples, coefficients)."""
    groups = [np.flatnonzero(names == name) for name in np.unique(names)]
    generator = np.random.default_rng(seed)
    found: list[Array] = []
    while len(found) < count:
        drawn = generator.integers(0, len(groups), len(groups))
        if len(np.unique(drawn)) <= inputs.shape[1] // 2:  # too few organizations to tell the terms apart
            continue
        rows = np.concatenate([groups[place] for place in drawn])
        found.append(_least_squares(inputs[rows], outcome[rows]))
    return np.stack(found)


def _held_out(inputs: Array, outcome: Array, names: NDArray[np.str_]) -> tuple[float, float]:
    """Return the errors of organizations left out: of the fit, and of the mean of the others; in ln price."""
    errors, means = np.empty(len(outcome)), np.empty(len(outcome))
    for name in np.unique(names):
        out = names == name
        solved = _least_squares(inputs[~out], outcome[~out])
        errors[out] = inputs[out] @ solved - outcome[out]
        means[out] = outcome[~out].mean() - outcome[out]
    return float(np.sqrt(np.mean(errors**2))), float(np.sqrt(np.mean(means**2)))


def _times(slope: Slope) -> str:
    """Return the factor for ten times less of a term, with its interval, in words."""
    low, high = sorted(1 / end for end in slope.interval)
    return f"{1 / slope.factor:.2f} times ({low:.2f} to {high:.2f})"
