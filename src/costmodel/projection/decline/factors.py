"""Factors that lower the cost of a capability: rate, fading of the rate, and upper bound of each.

Factors and end-to-end declines are two accounts of the same fall: a projection uses one of them, never both.
A factor is narrower than a `Trend`: it only falls, is used up at a bound, and its rate goes with those of others.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.ranges import normal_quantile
from costmodel.foundation.renamed import original
from costmodel.foundation.tables import table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

Regime = Literal["fast", "slow", "mixture"]
REGIMES: tuple[Regime, ...] = ("fast", "slow", "mixture")
"""Algorithmic progress: as published for frontier language models (Ho et al. 2024), as found by ablation at
small scale (Gundlach et al. 2025), or either with even odds."""
CORRELATION = 0.15
"""Between the rates of algorithms and hardware, which the data cannot tell; between 0 and 0.3 [1]."""


class Factor(NamedTuple):
    """A yearly decline of ln cost, and how it fades.

    `low` and `high` are the ends of its 80 % interval [1/year], lognormal, or uniform where `shape` says so. The
    rate fades with a time constant of `fade` [year], itself lognormal with a spread of `fade_spread`, toward
    `lasting` [1/year], where it is not slower already; a factor with `most` is used up at that decline of ln cost [1].
    """

    name: str
    low: float
    high: float
    shape: Literal["lognormal", "uniform"] = "lognormal"
    fade: float = math.inf
    fade_spread: float = 0.0
    lasting: float = 0.0
    most: float = math.inf
    source: str = ""

    def declines(self, horizons: Sequence[float], normals: np.ndarray, fades: np.ndarray) -> np.ndarray:
        """Return ln(cost now / cost then) by path and horizon, shape (paths, horizons).

        Parameters
        ----------
        horizons : years from the reference, at least 0 [year]
        normals : standard normal draws that settle each path's rate, shape (paths,)
        fades : the same for its time constant, shape (paths,)
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
            gone = times * -np.expm1(-years / times)
            lasting = np.minimum(self.lasting, rates)[:, None]
            total = lasting * years + (rates[:, None] - lasting) * gone
        found: np.ndarray = np.minimum(total, self.most)
        return found


def factor(name: str, **changes: float) -> Factor:
    """Return a factor of `data/assumptions/cost_factors.csv`, changed where wanted.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    rows = {row["name"]: row for row in table("assumptions/cost_factors").rows}
    if name not in rows:
        raise InputError(unknown("factor", name, rows))
    row = rows[name]
    numbers = {field: float(row[field]) for field in ("low", "high", "fade", "fade_spread", "lasting", "most")
               if row[field]}  # fmt: skip
    return Factor(name, shape=row["shape"], source=row["source"], **{**numbers, **changes})  # type: ignore[arg-type]


def algorithms(regime: Regime) -> tuple[Factor, ...]:
    """Return the algorithmic factors of a regime: one, or the two between which each path chooses with even odds."""
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
    """Return the decline of ln cost by factor, shape (count, horizons): rates are drawn once for each path.

    Parameters
    ----------
    parts : factors by what they are; where there are several, each path takes one of them with even odds
    horizons : years from the reference [year]
    count : number of paths
    seed : of the draws; each factor has a stream of its own
    correlation : between the rates of any two factors [1]
    """
    import numpy as np

    def stream(key: str) -> np.ndarray:
        return generator(key, seed).standard_normal(count)

    shared = stream("shared by all factors")
    found = {}
    for name, choices in parts.items():
        own = math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * stream(name)
        fades = stream(f"{name}, fading")
        of_each = [one.declines(horizons, own, fades) for one in choices]
        chosen = (stream(f"{name}, regime") > 0).astype(int)
        found[name] = of_each[0] if len(of_each) == 1 else np.where((chosen == 0)[:, None], *of_each)
    return found


def generator(key: str, seed: int) -> np.random.Generator:
    """Return the random numbers of what is named `key`: they depend on it and on `seed` alone."""
    import numpy as np

    key = original(key)
    words = [int.from_bytes(key.encode()[start : start + 4], "little") for start in range(0, len(key), 4)]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))
