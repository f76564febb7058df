"""Rental price of an accelerator by day: price fact in the past, distribution in the future."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from costmodel.foundation import rendering
from costmodel.foundation.checks import check_draws, check_level, checked
from costmodel.foundation.errors import InputError, UnknownNameError, unknown
from costmodel.foundation.limits import shown
from costmodel.foundation.ranges import DEFAULT_LEVEL
from costmodel.foundation.tables import Table, constant, table
from costmodel.foundation.units import quantity
from costmodel.market.dated import day_of
from costmodel.market.gpu_prices import (
    HYPERSCALERS,
    MARKET,
    PURCHASE_MODELS,
    GPUPrice,
    gpu_price,
    named_purchase_model,
    vintage,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from costmodel.foundation.units import Quantity
    from costmodel.market.gpu_prices import PurchaseModel

    Array = NDArray[np.float64]

YEAR = 365.25
"""Days per year."""
SAME_PROVIDER = constant("same_provider_correlation")
OTHER_PROVIDER = constant("other_provider_correlation")
"""Correlation of the changes of two prices, of one provider and of different providers [1]. Rounded from the shares of
variance explained by the half year: 0.49 within a provider, 0.23 over all neoclouds."""
SPREAD_GROWTH = constant("spread_growth")
"""Time after which the variance of ln(price / price now) of a changed price has doubled [year]."""
MOST_YEARS = 100.0
"""Longest accepted horizon [year]."""


@dataclass(frozen=True, slots=True)
class RentalPath:
    """Distribution of y = ln(p(t + h) / p(t)) of the rental price of one accelerator at one provider, without drift.

    The distribution is a mixture of two models. *Sticky*: the price stays constant until it is changed, at a rate of
    `changes_per_year`; then y has a Laplace distribution around `step` with a scale that grows as sqrt(1 + h/4).
    *Walk*: y is normal with mean 0 and a variance that grows up to a horizon of `walk_years`.

    References
    ----------
    Parameters: `data/fitted/rental_paths.csv`, fitted by `costmodel refit rental_paths`.

    Examples
    --------
    >>> path = rental_path("neocloud")
    >>> path.quantile(0.5, 2.0), bool(path.quantile(0.9, 2.0) > 0.2)
    (0.0, True)
    """

    price_class: str
    """Price class: "hyperscaler", "neocloud" or "marketplace"."""
    changes_per_year: float
    """Rate of price changes in the sticky model [1/year]."""
    step: float
    """Mean of ln(new price / old price) of a change [1]."""
    step_scale: float
    """Scale of the Laplace distribution around `step` [1]."""
    walk: float
    """Standard deviation of y after one year in the random walk [1]."""
    walk_years: float
    """Horizon beyond which the variance of the random walk stays constant [year]."""
    sticky_share: float
    """Weight of the sticky model in the mixture [1]."""
    source: str = ""
    """Source of the parameters."""

    def cdf(self, change: Any, years: Any) -> Any:
        """Return the probability that ln(price / price now) is at most `change` [1]; arguments are broadcast.

        Parameters
        ----------
        change : float or array
            ln(price / price now) [1].
        years : float or array
            Time from now [year].
        """
        import numpy as np
        from scipy.special import ndtr

        y, h = np.broadcast_arrays(np.asarray(change, dtype=float), checked_years(years))
        unchanged = np.exp(-self.changes_per_year * h)
        z = (y - self.step) / (self.step_scale * np.sqrt(1 + h / SPREAD_GROWTH))
        tail = 0.5 * np.exp(-np.abs(z))
        sticky = unchanged * (y >= 0) + (1 - unchanged) * np.where(z < 0, tail, 1 - tail)
        spread = self.walk * np.sqrt(np.minimum(h, self.walk_years))
        with np.errstate(divide="ignore", invalid="ignore"):
            walk = np.where(spread > 0, ndtr(y / spread), y >= 0)
        return _plain(self.sticky_share * sticky + (1 - self.sticky_share) * walk)

    def quantile(self, probability: Any, years: Any) -> Any:
        """Return a quantile of ln(price / price now) [1]; exactly 0 for an unchanged price. Arguments are broadcast.

        Parameters
        ----------
        probability : float or array
            Between 0 and 1 [1].
        years : float or array
            Time from now [year].
        """
        import numpy as np

        p, h = np.broadcast_arrays(np.asarray(probability, dtype=float), checked_years(years))
        if not ((p > 0) & (p < 1)).all():
            raise InputError(f"probability must be between 0 and 1; got {probability!r}")
        low, high = np.full(p.shape, -60.0), np.full(p.shape, 60.0)
        for _ in range(70):
            middle = (low + high) / 2
            below = np.asarray(self.cdf(middle, h)) < p
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        unchanged = (np.asarray(self.cdf(-1e-12, h)) < p) & (p <= np.asarray(self.cdf(0.0, h)))
        return _plain(np.where(unchanged, 0.0, high))

    def factor(self, years: Any, probability: Any = 0.5) -> Any:
        """Return a quantile of price / price now [1]; arguments are broadcast.

        Parameters
        ----------
        years : float or array
            Time from now [year].
        probability : float or array
            Between 0 and 1 [1]; 0.5 is the median.
        """
        import numpy as np

        return _plain(np.exp(np.asarray(self.quantile(probability, years))))

    def interval(self, years: Any, level: float = DEFAULT_LEVEL) -> tuple[Any, Any]:
        """Return the low and high end of the central interval of price / price now [1].

        Parameters
        ----------
        years : float or array
            As for `factor`.
        level : float
            Probability inside the interval [1].
        """
        check_level(level)
        return self.factor(years, (1 - level) / 2), self.factor(years, (1 + level) / 2)

    def paths(self, years: Any, count: int, generator: np.random.Generator) -> Array:
        """Return draws of price / price now, shape (count, horizons) [1].

        Parameters
        ----------
        years, count, generator : sequence of float, int, numpy.random.Generator
            As for `joint_paths`.
        """
        paths: Array = joint_paths([self], [""], years, count, generator)[0]
        return paths

    def rows(self, years: Any = (0.5, 1.0, 2.0, 3.0)) -> list[dict[str, Any]]:
        """Return one row per horizon: class, years, median, low and high of price / price now.

        Parameters
        ----------
        years : sequence of float
            Times from now, shape (horizons,) [year].
        """
        return [
            {
                "class": self.price_class,
                "years": float(h),
                "median": self.factor(h),
                **dict(zip(("low", "high"), self.interval(h), strict=True)),
            }
            for h in checked_years(years).ravel()
        ]


def price_class(provider: str, purchase_model: str = "on_demand") -> str:
    """Return the price class of an offer: "hyperscaler", "neocloud" or "marketplace".

    Spot prices belong to the class "marketplace". Reserved prices are assumed to follow the on-demand list price; no
    reserved price was tested.

    Parameters
    ----------
    provider : str
        Name in the price table, or "market" for the median of all providers except hyperscalers.
    purchase_model : str
        "on_demand", "spot", "reserved_short", "reserved_1y", "reserved_3y" or "marketplace".

    Examples
    --------
    >>> price_class("aws"), price_class("lambda"), price_class("aws", "spot")
    ('hyperscaler', 'neocloud', 'marketplace')
    """
    problems = []
    if not isinstance(provider, str) or not provider.strip():
        problems.append(f"provider must be a name; got {provider!r}")
    purchase_model = named_purchase_model(purchase_model)
    if purchase_model not in PURCHASE_MODELS:
        problems.append(unknown("purchase model", purchase_model, PURCHASE_MODELS))
    if problems:
        raise InputError(problems)
    if purchase_model in {"marketplace", "spot"}:
        return "marketplace"
    return "hyperscaler" if provider.strip().lower() in HYPERSCALERS else "neocloud"


@lru_cache(maxsize=8)
def rental_path(price_class: str) -> RentalPath:
    """Return the fitted price distribution of a price class.

    Parameters
    ----------
    price_class : str
        "hyperscaler", "neocloud" or "marketplace"; see `costmodel.projection.rents.outlook.price_class`.

    Raises
    ------
    UnknownNameError
        If the class is unknown.
    """
    rows = {row["price_class"]: row for row in table("fitted/rental_paths").rows}
    if price_class not in rows:
        raise UnknownNameError.of("class of prices", price_class, rows)
    row = rows[price_class]
    numbers = {name: float(row[name]) for name in ("changes_per_year", "step", "step_scale", "walk", "walk_years")}
    return RentalPath(price_class, **numbers, sticky_share=float(row["sticky_share"]), source=row["source"])


def joint_paths(
    paths: Sequence[RentalPath], providers: Sequence[str], years: Any, count: int, generator: np.random.Generator
) -> Array:
    """Return correlated draws of price / price now of several prices.

    Each draw selects the sticky model or the random walk for all prices. A sticky path is constant until its first
    change and keeps the rank of that change afterwards. A random walk is constant after `walk_years`. Each horizon
    follows `RentalPath.cdf`. Changes have a correlation of 0.5 within a provider and of 0.2 between providers.

    Parameters
    ----------
    paths : sequence of RentalPath
        Distribution of each price.
    providers : sequence of str
        Provider of each price.
    years : sequence of float
        Times from now, shape (horizons,) [year].
    count : int
        Number of draws.
    generator : numpy.random.Generator
        Source of the random numbers.

    Returns
    -------
    numpy.ndarray
        Price / price now, shape (paths, count, horizons) [1].
    """
    import numpy as np
    from scipy.special import ndtr

    problems = [f"paths and providers must have the same length; got {len(paths)} and {len(providers)}"] * (
        len(paths) != len(providers) or not paths
    )
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        problems.append(f"count must be a positive whole number; got {count!r}")
    if problems:
        raise InputError(problems)
    horizons = np.atleast_1d(checked_years(years))
    if horizons.ndim != 1:
        raise InputError(f"years must have one dimension; got the shape {horizons.shape}")
    same = np.asarray(providers)[:, None] == np.asarray(providers)[None, :]
    correlation = np.where(same, SAME_PROVIDER, OTHER_PROVIDER)
    np.fill_diagonal(correlation, 1.0)
    root = np.linalg.cholesky(correlation)

    def shocks(*shape: int) -> Array:
        """Return standard normal draws, correlated over the paths, shape (paths, *shape)."""
        drawn = generator.standard_normal((len(paths), *shape))
        return drawn if len(paths) == 1 else np.einsum("ij,j...->i...", root, drawn)

    model, when, size = generator.random(count), shocks(count), shocks(count)
    order = np.argsort(horizons, kind="stable")
    ordered = horizons[order]
    steps = shocks(len(horizons), count)
    result = np.empty((len(paths), count, len(horizons)))
    for i, path in enumerate(paths):
        sticky = model < path.sticky_share
        until = np.minimum(ordered, path.walk_years)
        drawn = result[i]
        # the smaller tail probability is used, so that the logarithm stays accurate
        rank = ndtr(-np.abs(size[i, sticky]))
        laplace = -np.sign(size[i, sticky]) * np.log(2 * rank)
        first_change = -np.log(ndtr(when[i, sticky]))  # in mean times between changes
        spread = path.step_scale * np.sqrt(1 + horizons / SPREAD_GROWTH)
        changed = first_change[:, None] <= path.changes_per_year * horizons
        drawn[sticky] = np.where(changed, path.step + laplace[:, None] * spread, 0.0)
        deviations = path.walk * np.sqrt(np.diff(until, prepend=0.0))
        walked = np.cumsum(steps[i][:, ~sticky] * deviations[:, None], axis=0)
        columns = np.empty_like(walked)
        columns[order] = walked
        drawn[~sticky] = columns.T
    ratios: Array = np.exp(result, out=result)
    return ratios


@dataclass(frozen=True, repr=False)
class RentalOutlook(rendering.Shown):
    """Rental price of an accelerator on past and future days; see `rental_outlook`."""

    days: tuple[dt.date, ...]
    """Days of the prices."""
    facts: tuple[GPUPrice, ...]
    """Last published price on each day."""
    years: tuple[float, ...]
    """Time from the published price to the day [year]; 0 for days up to the newest date of the table."""
    path: RentalPath
    """Distribution of the later price."""

    @property
    def medians(self) -> tuple[Quantity, ...]:
        """Median price of a GPU-hour on each day."""
        return tuple(_price(usd) for usd in self.usd_per_gpu_hour)

    @property
    def usd_per_gpu_hour(self) -> tuple[float, ...]:
        """Median price of a GPU-hour on each day [USD/hour]."""
        pairs = zip(self.facts, self.years, strict=True)
        return tuple(fact.usd_per_gpu_hour * self.path.factor(years) for fact, years in pairs)

    def interval(self, level: float = DEFAULT_LEVEL) -> list[tuple[Quantity, Quantity]]:
        """Return the low and high end of the central interval of the price of a GPU-hour on each day.

        Parameters
        ----------
        level : float
            Probability inside the interval [1].
        """
        return [(_price(low), _price(high)) for low, high in self.bounds(level)]

    def bounds(self, level: float = DEFAULT_LEVEL) -> list[tuple[float, float]]:
        """Return the low and high end of the central interval of the price of a GPU-hour on each day [USD/hour].

        Parameters
        ----------
        level : float
            Probability inside the interval [1].
        """
        ends = [self.path.interval(years, level) for years in self.years]
        prices = [fact.usd_per_gpu_hour for fact in self.facts]
        return [(price * low, price * high) for price, (low, high) in zip(prices, ends, strict=True)]

    @checked("count", "generator")
    def draws(self, count: int, generator: np.random.Generator) -> Array:
        """Return draws of the price [USD/hour], shape (count, days).

        Parameters
        ----------
        count : int
            Number of draws.
        generator : numpy.random.Generator
            Source of the random numbers.
        """
        import numpy as np

        check_draws(count)
        prices = np.array([fact.usd_per_gpu_hour for fact in self.facts])
        drawn: Array = prices * self.path.paths(self.years, count, generator)
        return drawn

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per day: price, interval, and the published price it starts from."""
        return [
            {
                "day": str(day),
                "usd_per_gpu_hour": median,
                "low": low,
                "high": high,
                "basis": "fact" if years == 0 else f"{self.path.price_class}, {years:.1f} years on",
                "fact": fact.usd_per_gpu_hour,
                "as_of": str(fact.as_of),
                "source": fact.source,
            }
            for day, fact, years, median, (low, high) in zip(
                self.days, self.facts, self.years, self.usd_per_gpu_hour, self.bounds(), strict=True
            )
        ]

    def _title(self) -> str:
        first = self.facts[0]
        purchase = first.purchase_model.replace("_", " ")
        return f"{first.accelerator} at {first.provider}, {purchase}, USD per GPU-hour"

    def _cells(self) -> list[dict[str, str]]:
        hidden = {"source"}
        return [rendering.cells({key: value for key, value in row.items() if key not in hidden}) for row in self.rows()]


def _price(usd: float) -> Quantity:
    return quantity(usd, "USD/hour", "USD/hour")


@checked("count", "facts", "provider", "region", purchase_model=str)
def rental_outlook(
    accelerator: str,
    days: Sequence[dt.date | str],
    provider: str = MARKET,
    purchase_model: PurchaseModel = "on_demand",
    *,
    count: int | None = None,
    region: str | None = None,
    facts: Table | None = None,
) -> RentalOutlook:
    """Return the rental price of an accelerator on past and future days.

    A day up to the newest date of the price table has the last published price. A later day has a distribution that
    starts from the last published price; its spread grows from the date of that price.

    Parameters
    ----------
    accelerator, provider, purchase_model, count, region, facts : optional
        As in `gpu_price`.
    days : sequence of datetime.date or str
        Dates or ISO dates.

    Raises
    ------
    InputError, MissingFactError, UnknownNameError
        As in `gpu_price`; InputError also if `days` is empty or no list.

    Examples
    --------
    >>> outlook = rental_outlook("H100-SXM", ["2025-03-01", "2028-01-01"], provider="lambda", count=8)
    >>> [f"{price:.2f~P}" for price in outlook.medians]
    ['3.29 USD/h', '3.99 USD/h']
    """
    listed = isinstance(days, Collection) and not isinstance(days, str)
    if not listed or not len(days) or any(day is None for day in days):
        raise InputError(f"days must be a list of at least one date; got {shown(days)}")
    newest = vintage(facts)
    dates = tuple(date for day in days if (date := day_of(day)) is not None)
    prices = [
        gpu_price(accelerator, provider, purchase_model, min(day, newest), count=count, region=region, facts=facts)
        for day in dates
    ]
    years = tuple(
        (day - fact.as_of).days / YEAR if day > newest else 0.0 for day, fact in zip(dates, prices, strict=True)
    )
    return RentalOutlook(dates, tuple(prices), years, rental_path(price_class(provider, purchase_model)))


def checked_years(years: Any) -> Array:
    """Return horizons as an array, or raise `InputError`.

    Parameters
    ----------
    years : float or array
        Times from now [year].
    """
    import numpy as np

    try:
        array = np.asarray(years, dtype=float)
        valid = bool((np.isfinite(array) & (array >= 0) & (array <= MOST_YEARS)).all())
    except (TypeError, ValueError, OverflowError):
        valid = False
    if not valid:
        raise InputError(f"years must be numbers from 0 to {MOST_YEARS:g}; got {str(years)[:80]!r}")
    return array


def _plain(values: Any) -> Any:
    """Return a float for a scalar array, else the array."""
    return float(values) if values.ndim == 0 else values
