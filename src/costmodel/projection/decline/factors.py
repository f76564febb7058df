"""Factors that lower the cost of a capability: rate, fading of the rate, and upper bound of each.

Factors and end-to-end declines describe the same decline of cost, so a projection uses only one of them.
A factor is simpler than a `Trend`: it only lowers the cost, it has an upper bound, and its rate is correlated with
the rates of the other factors.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.ranges import normal_quantile
from costmodel.foundation.renamed import original
from costmodel.foundation.tables import constant, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

Regime = Literal["fast", "slow", "mixture"]
REGIMES: tuple[Regime, ...] = ("fast", "slow", "mixture")
"""Algorithmic progress: "fast" is the published rate of frontier language models (Ho et al. 2024), "slow" the rate
of small-scale ablations (Gundlach et al. 2025), "mixture" either with equal probability."""
CORRELATION = constant("factor_correlation")
"""Assumed correlation of the rates of two factors [1]. The data do not determine it; plausible are 0 to 0.3."""


class Factor(NamedTuple):
    """Yearly decline of ln cost by one factor.

    The rate fades from its initial value toward `lasting`, unless it is slower already.
    """

    name: str
    """Name of the row in `data/assumptions/cost_factors.csv`."""
    low: float
    """Low end of the initial rate [1/year]: of the 80 % interval, or of the whole range if `shape` is "uniform"."""
    high: float
    """High end of the initial rate [1/year]."""
    shape: Literal["lognormal", "uniform"] = "lognormal"
    """Distribution of the initial rate."""
    fade: float = math.inf
    """Median time constant with which the rate fades [year]."""
    fade_spread: float = 0.0
    """Standard deviation of ln(time constant) [1]."""
    lasting: float = 0.0
    """Rate after fading [1/year]."""
    most: float = math.inf
    """Upper bound of the total decline of ln cost [1]."""
    source: str = ""
    """Source of the rate."""

    def declines(self, horizons: Sequence[float], normals: np.ndarray, fades: np.ndarray) -> np.ndarray:
        """Return ln(cost now / cost then) by path and horizon, shape (paths, horizons).

        Parameters
        ----------
        horizons : sequence of float
            Times from the reference date, at least 0 [year].
        normals : numpy.ndarray
            Standard normal draws of the initial rate, shape (paths,).
        fades : numpy.ndarray
            Standard normal draws of the time constant, shape (paths,).
        """
        import numpy as np

        if self.shape == "uniform":
            from scipy.special import ndtr

            rates = self.low + (self.high - self.low) * ndtr(normals)
        else:
            middle = math.log(self.low * self.high) / 2
            spread = math.log(self.high / self.low) / (2 * normal_quantile(0.9))
            rates = np.exp(middle + spread * normals)
        years = np.asarray(horizons, dtype=float)[None, :]
        if math.isinf(self.fade):
            total = rates[:, None] * years
        else:
            times = self.fade * np.exp(self.fade_spread * fades)[:, None]
            fading = times * -np.expm1(-years / times)
            lasting = np.minimum(self.lasting, rates)[:, None]
            total = lasting * years + (rates[:, None] - lasting) * fading
        bounded: np.ndarray = np.minimum(total, self.most)
        return bounded


def factor(name: str, **changes: float) -> Factor:
    """Return a factor of `data/assumptions/cost_factors.csv`.

    Parameters
    ----------
    name : str
        Name of the factor.
    changes : float
        Fields of `Factor` that replace values of the table.

    Raises
    ------
    InputError
        If the table has no factor of that name.
    """
    rows = {row["name"]: row for row in table("assumptions/cost_factors").rows}
    if name not in rows:
        raise InputError(unknown("factor", name, rows))
    row = rows[name]
    numbers = {
        field: float(row[field]) for field in ("low", "high", "fade", "fade_spread", "lasting", "most") if row[field]
    }
    return Factor(name, shape=row["shape"], source=row["source"], **{**numbers, **changes})  # type: ignore[arg-type]


def algorithms(regime: Regime) -> tuple[Factor, ...]:
    """Return the factors of algorithmic progress of a regime.

    Parameters
    ----------
    regime : {"fast", "slow", "mixture"}
        Assumed rate of algorithmic progress.

    Returns
    -------
    tuple of Factor
        One factor; two for "mixture", where each path takes one of them with equal probability.
    """
    if regime not in REGIMES:
        raise InputError(f"regime: {unknown('regime', regime, REGIMES)}")
    both = {"fast": factor("algorithms, fast"), "slow": factor("algorithms, slow")}
    return tuple(both.values()) if regime == "mixture" else (both[regime],)


def declines(
    parts: Mapping[str, tuple[Factor, ...]],
    horizons: Sequence[float],
    count: int,
    seed: int,
    correlation: float = CORRELATION,
) -> dict[str, np.ndarray]:
    """Return draws of the decline of ln cost by factor. The rate of a path is drawn once.

    Parameters
    ----------
    parts : mapping of str to tuple of Factor
        Alternatives by name; each path takes one of them with equal probability.
    horizons : sequence of float
        Times from the reference date [year].
    count : int
        Number of paths.
    seed : int
        Seed of the draws; each factor has its own stream.
    correlation : float
        Correlation of the rates of any two factors [1].

    Returns
    -------
    dict of str to numpy.ndarray
        Decline of ln cost by name, shape (count, horizons) [1].
    """
    import numpy as np

    def stream(key: str) -> np.ndarray:
        return generator(key, seed).standard_normal(count)

    shared = stream("shared by all factors")
    by_part = {}
    for name, choices in parts.items():
        own = math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * stream(name)
        fades = stream(f"{name}, fading")
        drawn = [choice.declines(horizons, own, fades) for choice in choices]
        chosen = (stream(f"{name}, regime") > 0).astype(int)
        by_part[name] = drawn[0] if len(drawn) == 1 else np.where((chosen == 0)[:, None], *drawn)
    return by_part


def generator(key: str, seed: int) -> np.random.Generator:
    """Return the random number generator of a named quantity.

    Parameters
    ----------
    key : str
        Name of the quantity. Renamed inputs keep the stream of their old name.
    seed : int
        Seed of all draws.
    """
    import numpy as np

    key = original(key)
    words = [int.from_bytes(key.encode()[start : start + 4], "little") for start in range(0, len(key), 4)]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))
