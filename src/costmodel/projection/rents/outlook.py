"""Rental price of an accelerator by day: price fact in the past, distribution in the future."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from costmodel.estimation.results import check_level
from costmodel.foundation.errors import InputError, UnknownNameError, unknown
from costmodel.foundation.ranges import DEFAULT_LEVEL
from costmodel.foundation.rendering import cells
from costmodel.foundation.rendering import text as as_text
from costmodel.foundation.tables import Table, table
from costmodel.market.dated import day_of
from costmodel.market.gpu_prices import HYPERSCALERS, MARKET, PURCHASE_MODELS, GPUPrice, gpu_price, vintage

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from costmodel.market.gpu_prices import PurchaseModel

    Array = NDArray[np.float64]

YEAR = 365.25
"""Days of a year."""
SAME_PROVIDER, OTHER_PROVIDER = 0.5, 0.2
"""Correlation of the changes of two prices [1]: rounded from the shares of their variance that a half year explains,
0.49 within a provider and 0.23 over all neoclouds."""
SPREAD_GROWTH = 4.0
"""Years after which the variance of a change that happened has doubled [year]: a longer time holds more changes."""
MOST_YEARS = 100.0
"""No horizon is longer [year]."""


@dataclass(frozen=True, slots=True)
class RentalPath:
    """How the price of one accelerator at one provider may move: y = ln p(t + h) / p(t) without a drift.

    A pool of two views, each right with its share. *Sticky*: the price stays until it is changed (`changes_per_year`);
    then y is a Laplace distribution around `step` whose scale grows as sqrt(1 + h/4). *Walk*: y is normal with mean 0
    and a variance that grows for `walk_years` and no longer.

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
    changes_per_year: float
    """[1/year]"""
    step: float
    """Mean of ln(new / old) when a price is changed [1]."""
    step_scale: float
    """Scale of the Laplace distribution around it [1]."""
    walk: float
    """Standard deviation of y after one year [1]."""
    walk_years: float = 1.5
    sticky_share: float = 0.5
    source: str = ""

    def cdf(self, change: Any, years: Any) -> Any:
        """Return the probability that ln(price / price now) is at most `change`, of the broadcast shape.

        Parameters
        ----------
        change : ln(price / price now) [1], shape (...)
        years : from now [year], shape (...)
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
        """Return ln(price / price now) at a probability, of the broadcast shape; 0 where that is "unchanged".

        Parameters
        ----------
        probability : between 0 and 1, shape (...)
        years : from now [year], shape (...)
        """
        import numpy as np

        p, h = np.broadcast_arrays(np.asarray(probability, dtype=float), checked_years(years))
        if not ((p > 0) & (p < 1)).all():
            raise InputError(f"a probability lies between 0 and 1; got {probability!r}")
        low, high = np.full(p.shape, -60.0), np.full(p.shape, 60.0)
        for _ in range(70):
            middle = (low + high) / 2
            below = np.asarray(self.cdf(middle, h)) < p
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        unchanged = (np.asarray(self.cdf(-1e-12, h)) < p) & (p <= np.asarray(self.cdf(0.0, h)))
        return _plain(np.where(unchanged, 0.0, high))

    def factor(self, years: Any, probability: Any = 0.5) -> Any:
        """Return price / price now at a probability, of the broadcast shape.

        Parameters
        ----------
        years : from now [year], shape (...)
        probability : between 0 and 1, shape (...); the median unless given
        """
        import numpy as np

        return _plain(np.exp(np.asarray(self.quantile(probability, years))))

    def interval(self, years: Any, level: float = DEFAULT_LEVEL) -> tuple[Any, Any]:
        """Return the ends of the central interval of price / price now, each of the shape of `years`.

        Parameters
        ----------
        years : from now [year], shape (...)
        level : share of the probability inside [1]
        """
        check_level(level)
        return self.factor(years, (1 - level) / 2), self.factor(years, (1 + level) / 2)

    def paths(self, years: Any, count: int, generator: np.random.Generator) -> Array:
        """Return draws of price / price now by year, shape (count, horizons); see `joint_paths`.

        Parameters
        ----------
        years : from now [year], shape (horizons,)
        count : of draws
        generator : of random numbers
        """
        found: Array = joint_paths([self], [""], years, count, generator)[0]
        return found

    def rows(self, years: Any = (0.5, 1.0, 2.0, 3.0)) -> list[dict[str, Any]]:
        """Return the interval of price / price now by year, as rows of a table.

        Parameters
        ----------
        years : from now [year], shape (horizons,)
        """
        return [
            {"class": self.price_class, "years": float(h), "median": self.factor(h),
             **dict(zip(("low", "high"), self.interval(h), strict=True))}
            for h in checked_years(years).ravel()
        ]  # fmt: skip


def price_class(provider: str, purchase_model: str = "on_demand") -> str:
    """Return the kind of price that a provider's is: "hyperscaler", "neocloud" or "marketplace".

    Spot prices move as those of a marketplace do. Reserved prices move as the list they are a rebate on; that is an
    assumption, none was scored.

    Parameters
    ----------
    provider : as the facts spell it, or "market", the median of those that are no hyperscalers
    purchase_model : "on_demand", "spot", "reserved_short", "reserved_1y", "reserved_3y" or "marketplace"

    Examples
    --------
    >>> price_class("aws"), price_class("lambda"), price_class("aws", "spot")
    ('hyperscaler', 'neocloud', 'marketplace')
    """
    problems = []
    if not isinstance(provider, str) or not provider.strip():
        problems.append(f"provider must be a name; got {provider!r}")
    if purchase_model not in PURCHASE_MODELS:
        problems.append(unknown("purchase model", purchase_model, PURCHASE_MODELS))
    if problems:
        raise InputError(problems)
    if purchase_model in {"marketplace", "spot"}:
        return "marketplace"
    return "hyperscaler" if provider.strip().lower() in HYPERSCALERS else "neocloud"


@lru_cache(maxsize=8)
def rental_path(price_class: str) -> RentalPath:
    """Return how prices of a class move.

    Parameters
    ----------
    price_class : "hyperscaler", "neocloud" or "marketplace"; see `costmodel.projection.rents.outlook.price_class`

    Raises
    ------
    UnknownNameError
        If there is no such class.
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
    """Return draws of price / price now of several prices together, shape (paths, count, horizons).

    Which view is right is drawn once for all. A sticky path stays until its first change and keeps the rank of that
    change from then on; a walk stands still after `walk_years`. Each horizon on its own follows `RentalPath.cdf`.
    Changes are correlated by 0.5 within a provider and by 0.2 between two.

    Parameters
    ----------
    paths : one for each price
    providers : of each; those of one name move together more
    years : from now [year], shape (horizons,)
    count : of draws
    generator : of random numbers
    """
    import numpy as np
    from scipy.special import ndtr

    problems = [f"paths and providers go together; got {len(paths)} and {len(providers)}"] * (
        len(paths) != len(providers) or not paths
    )
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        problems.append(f"count is a whole number above 0; got {count!r}")
    if problems:
        raise InputError(problems)
    horizons = np.atleast_1d(checked_years(years))
    if horizons.ndim != 1:
        raise InputError(f"years has one axis; got the shape {horizons.shape}")
    same = np.asarray(providers)[:, None] == np.asarray(providers)[None, :]
    correlation = np.where(same, SAME_PROVIDER, OTHER_PROVIDER)
    np.fill_diagonal(correlation, 1.0)
    root = np.linalg.cholesky(correlation)

    def shocks(*shape: int) -> Array:
        """Return standard normal draws that are correlated over the paths, shape (paths, *shape)."""
        drawn = generator.standard_normal((len(paths), *shape))
        return drawn if len(paths) == 1 else np.einsum("ij,j...->i...", root, drawn)

    view, when, size = generator.random(count), shocks(count), shocks(count)
    order = np.argsort(horizons, kind="stable")
    ordered = horizons[order]
    steps = shocks(len(horizons), count)
    result = np.empty((len(paths), count, len(horizons)))
    for i, path in enumerate(paths):
        sticky = view < path.sticky_share
        until = np.minimum(ordered, path.walk_years)
        drawn = result[i]
        # one side holds the rank below, so that no logarithm of 1 - 1 is taken
        rank = ndtr(-np.abs(size[i, sticky]))
        laplace = -np.sign(size[i, sticky]) * np.log(2 * rank)
        waited = -np.log(ndtr(when[i, sticky]))  # in mean times between changes
        spread = path.step_scale * np.sqrt(1 + horizons / SPREAD_GROWTH)
        changed = waited[:, None] <= path.changes_per_year * horizons
        drawn[sticky] = np.where(changed, path.step + laplace[:, None] * spread, 0.0)
        deviations = path.walk * np.sqrt(np.diff(until, prepend=0.0))
        walked = np.cumsum(steps[i][:, ~sticky] * deviations[:, None], axis=0)
        columns = np.empty_like(walked)
        columns[order] = walked
        drawn[~sticky] = columns.T
    found: Array = np.exp(result, out=result)
    return found


@dataclass(frozen=True, slots=True)
class RentalOutlook:
    """The rental price of an accelerator on days past and to come; see `rental_outlook`."""

    days: tuple[dt.date, ...]
    facts: tuple[GPUPrice, ...]
    """Of each day: the last price known on it."""
    years: tuple[float, ...]
    """From the fact to the day [year]; 0 up to the newest day of the table, where the fact stands for itself."""
    path: RentalPath

    @property
    def medians(self) -> tuple[float, ...]:
        """Price of each day [USD/hour]."""
        pairs = zip(self.facts, self.years, strict=True)
        return tuple(fact.usd_per_gpu_hour * self.path.factor(years) for fact, years in pairs)

    def interval(self, level: float = DEFAULT_LEVEL) -> list[tuple[float, float]]:
        """Return the ends of the central interval of each day [USD/hour].

        Parameters
        ----------
        level : share of the probability inside [1]
        """
        ends = [self.path.interval(years, level) for years in self.years]
        prices = [fact.usd_per_gpu_hour for fact in self.facts]
        return [(price * low, price * high) for price, (low, high) in zip(prices, ends, strict=True)]

    def draws(self, count: int, generator: np.random.Generator) -> Array:
        """Return draws of the price [USD/hour], shape (count, days).

        Parameters
        ----------
        count : of draws
        generator : of random numbers
        """
        import numpy as np

        prices = np.array([fact.usd_per_gpu_hour for fact in self.facts])
        found: Array = prices * self.path.paths(self.years, count, generator)
        return found

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per day: price, interval, and the fact that it rests on."""
        return [
            {"day": str(day), "usd_per_gpu_hour": median, "low": low, "high": high,
             "basis": "fact" if years == 0 else f"{self.path.price_class}, {years:.1f} years on",
             "fact": fact.usd_per_gpu_hour, "as_of": str(fact.as_of), "source": fact.source}
            for day, fact, years, median, (low, high) in zip(
                self.days, self.facts, self.years, self.medians, self.interval(), strict=True)
        ]  # fmt: skip

    def __str__(self) -> str:
        first = self.facts[0]
        shown = [cells({key: value for key, value in row.items() if key != "source"}) for row in self.rows()]
        return as_text(shown, f"{first.accelerator} at {first.provider}, {first.purchase_model.replace('_', ' ')}")


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
    """Return the rental price of an accelerator on days past and to come.

    A day up to the newest of the facts has the last price known on it. A later day starts from the last fact; its
    uncertainty counts from the day of that fact, which may be old.

    Parameters
    ----------
    accelerator, provider, purchase_model, count, region, facts : as of `gpu_price`
    days : dates, or ISO texts of them

    Raises
    ------
    InputError, MissingFactError, UnknownNameError
        As `gpu_price`; also if there are no days.

    Examples
    --------
    >>> outlook = rental_outlook("H100-SXM", ["2025-03-01", "2028-01-01"], provider="lambda", count=8)
    >>> outlook.medians
    (3.29, 3.99)
    """
    if isinstance(days, (str, dt.date)) or not len(days):
        raise InputError(f"days is a list of dates; got {days!r}")
    newest = vintage(facts)
    dates = tuple(day for each in days if (day := day_of(each)) is not None)
    known = [gpu_price(accelerator, provider, purchase_model, min(day, newest), count=count, region=region, facts=facts)
             for day in dates]  # fmt: skip
    years = tuple((day - fact.as_of).days / YEAR if day > newest else 0.0
                  for day, fact in zip(dates, known, strict=True))  # fmt: skip
    return RentalOutlook(dates, tuple(known), years, rental_path(price_class(provider, purchase_model)))


def checked_years(years: Any) -> Array:
    """Return horizons as an array, or raise `InputError`.

    Parameters
    ----------
    years : from now [year], shape (...)
    """
    import numpy as np

    try:
        array = np.asarray(years, dtype=float)
        good = bool((np.isfinite(array) & (array >= 0) & (array <= MOST_YEARS)).all())
    except (TypeError, ValueError):
        good = False
    if not good:
        raise InputError(f"years must be numbers from 0 to {MOST_YEARS:g}; got {str(years)[:80]!r}")
    return array


def _plain(values: Any) -> Any:
    return float(values) if values.ndim == 0 else values
