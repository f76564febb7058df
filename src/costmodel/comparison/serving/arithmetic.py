"""Cost of reserved replicas and of billed tokens, and the volume from which reserved replicas cost less.

With prices per month, P of a replica, F fixed, s spare replicas, a per request of an API, and c requests per month
that a replica may serve on average (capacity × allowed load ÷ peak-to-mean):

    reserved        (N + s) P + F,  N = ceil(requests / c), at least 1
    usage           a × requests
    break-even      ((N + s) P + F) / a  for the smallest N with this at most N c; none if a c ≤ P
    always below    the same for the smallest N with (N + 1 + s) P + F ≤ a N c: a further replica no longer turns it

All take numbers or arrays over draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from costmodel.foundation.arrays import FloatLike

    Array = NDArray[np.float64]

_ROUNDING = 1e-9
"""Relative excess over a whole number of replicas that counts as rounding."""


class Reserved(NamedTuple):
    """Prices and capacity of replicas; numbers, or arrays over draws."""

    usd_per_replica: FloatLike
    """Price of a replica per month [USD]."""
    requests_per_replica: FloatLike
    """Requests per month that a replica may serve: capacity × allowed load ÷ peak-to-mean [1]."""
    fixed: float = 0.0
    """Cost per month that does not depend on the replicas [USD]."""
    spare: int = 0
    """Replicas beyond those needed [1]."""

    def replicas(self, requests: FloatLike) -> Array:
        """Return the replicas reserved, spare ones included [1].

        Parameters
        ----------
        requests : float or NDArray
            Requests per month [1].
        """
        import numpy as np

        needed = np.asarray(requests) / self.requests_per_replica
        return np.maximum(np.ceil(needed * (1 - _ROUNDING)), 1.0) + self.spare

    def cost(self, requests: FloatLike) -> Array:
        """Return the cost per month [USD].

        Parameters
        ----------
        requests : float or NDArray
            Requests per month [1].
        """
        return self.replicas(requests) * self.usd_per_replica + self.fixed

    def break_even(self, usd_per_request: FloatLike) -> Array:
        """Return the smallest volume at which the replicas cost what an API bills; infinite if there is none.

        Parameters
        ----------
        usd_per_request : float or NDArray
            Price of a request of the API [USD].
        """
        return self._volume(usd_per_request, self.spare)

    def always_below(self, usd_per_request: FloatLike) -> Array:
        """Return the volume beyond which the replicas never cost more than an API; infinite if there is none.

        Parameters
        ----------
        usd_per_request : float or NDArray
            Price of a request of the API [USD].
        """
        return self._volume(usd_per_request, self.spare + 1)

    def _volume(self, usd_per_request: FloatLike, beyond: int) -> Array:
        """Return the break-even volume for the fewest replicas that pay for `beyond` further ones."""
        import numpy as np

        price = np.asarray(usd_per_request, dtype=float)
        margin = price * self.requests_per_replica - self.usd_per_replica
        pays = margin > 0
        needed = (beyond * np.asarray(self.usd_per_replica) + self.fixed) / np.where(pays, margin, 1.0)
        fewest = np.maximum(np.ceil(needed * (1 - _ROUNDING)), 1.0)
        cost = (fewest + self.spare) * self.usd_per_replica + self.fixed
        return np.where(pays, cost / np.where(price > 0, price, 1.0), np.inf)
