"""How sparse may a model with experts be? Loss by parameters, tokens and the share of experts left idle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from costmodel.scaling.laws.broadcast import FINITE, POSITIVE, SHARE, check_coefficients, checked


@dataclass(frozen=True, slots=True)
class AbnarLaw:
    """Loss a / N^alpha + b / D^beta + c / (1 - S)^lambda + d / ((1 - S)^delta N^gamma) + e at sparsity S.

    `N` counts every expert. The fitted lambda is negative: at given N the third term falls with sparsity.

    References
    ----------
    Abnar et al. 2025, "Parameters vs FLOPs: Scaling Laws for Optimal Sparsity for Mixture-of-Experts Language
    Models", table 3 (arXiv 2501.12370).

    Examples
    --------
    >>> from costmodel.scaling.laws.presets import scaling_law
    >>> law = scaling_law("abnar-2025")
    >>> [round(law.loss(10e9, 100e9, sparsity), 3) for sparsity in (0.0, 0.9)]
    [2.101, 2.15]
    """

    a: float
    alpha: float
    b: float
    beta: float
    c: float
    lambda_: float
    d: float
    delta: float
    gamma: float
    e: float
    name: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        above = dict.fromkeys(("a", "alpha", "b", "beta", "d", "gamma"), POSITIVE)
        check_coefficients(self, c=FINITE, lambda_=FINITE, delta=FINITE, e=FINITE, **above)

    def loss(self, parameters: Any, tokens: Any, sparsity: Any) -> Any:
        """Return the loss [nat/token], of the broadcast shape.

        Parameters
        ----------
        parameters : all parameters N [1], shape (...)
        tokens : D [token], shape (...)
        sparsity : share of the experts that a token does not use, S [1], shape (...)

        Raises
        ------
        InputError
            If parameters or tokens are not above 0 and finite, or a sparsity is below 0 or not below 1.
        """
        parameters, tokens, sparsity = checked(
            ("parameters", parameters, POSITIVE), ("tokens", tokens, POSITIVE), ("sparsity", sparsity, SHARE)
        )
        used = 1 - sparsity
        dense = self.a / parameters**self.alpha + self.b / tokens**self.beta + self.e
        return dense + self.c / used**self.lambda_ + self.d / (used**self.delta * parameters**self.gamma)
