"""The laws of Kaplan et al. 2020: loss from non-embedding parameters, tokens or compute, and the critical batch.

They are kept for comparison: their parameters leave out the embeddings, and their loss is that of runs over
several epochs, stopped early, to which 6 N D does not apply.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from costmodel.scaling.laws.broadcast import POSITIVE, check_coefficients, positive

PF_DAY = 8.64e19
"""A PFLOP/s for a day, the unit of compute of Kaplan et al. [FLOP]."""


@dataclass(frozen=True, slots=True)
class KaplanLaw:
    """Loss ((N_c / N)^(alpha_N / alpha_D) + D_c / D)^alpha_D of `N` non-embedding parameters and `D` tokens.

    References
    ----------
    Kaplan et al. 2020, "Scaling Laws for Neural Language Models", equation 1.5 and table 2 (arXiv 2001.08361).

    Examples
    --------
    >>> law = KaplanLaw(parameter_scale=6.4e13, token_scale=1.8e13, parameter_exponent=0.076, token_exponent=0.103)
    >>> round(law.loss(1e9, 22e9), 2)
    2.37
    """

    parameter_scale: float
    """N_c [1]."""
    token_scale: float
    """D_c [token]."""
    parameter_exponent: float
    """alpha_N [1]."""
    token_exponent: float
    """alpha_D [1]."""
    name: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        names = ("parameter_scale", "token_scale", "parameter_exponent", "token_exponent")
        check_coefficients(self, **dict.fromkeys(names, POSITIVE))

    def loss(self, parameters: Any, tokens: Any) -> Any:
        """Return the loss [nat/token], of the broadcast shape.

        Parameters
        ----------
        parameters : non-embedding parameters N [1], shape (...)
        tokens : D [token], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        parameters, tokens = positive(parameters=parameters, tokens=tokens)
        limited: Any = (self.parameter_scale / parameters) ** (self.parameter_exponent / self.token_exponent)
        return (limited + self.token_scale / tokens) ** self.token_exponent


@dataclass(frozen=True, slots=True)
class KaplanSingleLaw:
    """Loss (scale / x)^exponent of one `quantity` x, where nothing else holds the loss up.

    References
    ----------
    Kaplan et al. 2020, "Scaling Laws for Neural Language Models", equations 1.1 to 1.3 (arXiv 2001.08361).

    Examples
    --------
    >>> law = KaplanSingleLaw("parameters", scale=8.8e13, exponent=0.076)
    >>> round(law.loss(8.8e13), 2), round(law.loss(1e9), 2)
    (1.0, 2.38)
    """

    quantity: str
    """What x is: "parameters" [1], "tokens" [token] or "compute" [FLOP]."""
    scale: float
    exponent: float
    name: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        check_coefficients(self, scale=POSITIVE, exponent=POSITIVE)

    def loss(self, amount: Any) -> Any:
        """Return the loss [nat/token].

        Parameters
        ----------
        amount : the quantity x, in its unit, shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        (amount,) = positive(**{self.quantity: amount})
        return (self.scale / amount) ** self.exponent


@dataclass(frozen=True, slots=True)
class CriticalBatchLaw:
    """Critical batch B = scale / loss^(1 / exponent) [token]: above it more data per step saves little time.

    References
    ----------
    Kaplan et al. 2020, "Scaling Laws for Neural Language Models", equation 1.4 (arXiv 2001.08361).

    Examples
    --------
    >>> round(CriticalBatchLaw(scale=2e8, exponent=0.21).batch_tokens(3.0) / 1e6, 2)
    1.07
    """

    scale: float
    exponent: float
    name: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        check_coefficients(self, scale=POSITIVE, exponent=POSITIVE)

    def batch_tokens(self, loss: Any) -> Any:
        """Return the critical batch [token].

        Parameters
        ----------
        loss : loss of the model at that point of the run [nat/token], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        (loss,) = positive(loss=loss)
        return self.scale / loss ** (1 / self.exponent)
