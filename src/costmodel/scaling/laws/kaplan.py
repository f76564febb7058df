"""The laws of Kaplan et al. 2020: loss from non-embedding parameters, tokens or compute, and critical batch size.

They are kept for comparison. Their parameters leave out the embeddings. Their losses come from runs of several
epochs with early stopping, so 6 N D is not the compute of these runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.scaling.laws.broadcast import POSITIVE, checked, power, raise_if_any
from costmodel.scaling.laws.law import TOKENS, Argument, Law, constant, law, takes

if TYPE_CHECKING:
    from costmodel.foundation.arrays import M, N


@law('Kaplan et al. 2020, "Scaling Laws for Neural Language Models", equation 1.5 and table 2 (arXiv 2001.08361).')
class KaplanLaw(Law):
    """Loss ((N_c / N)^(alpha_N / alpha_D) + D_c / D)^alpha_D of `N` non-embedding parameters and `D` tokens.

    Examples
    --------
    >>> law = KaplanLaw(parameter_scale=6.4e13, token_scale=1.8e13, parameter_exponent=0.076, token_exponent=0.103)
    >>> round(law.loss(1e9, 22e9), 2)
    2.37
    """

    parameter_scale: float = constant("N_c [1].")
    token_scale: float = constant("D_c [token].")
    parameter_exponent: float = constant("alpha_N [1].")
    token_exponent: float = constant("alpha_D [1].")

    @takes(parameters=Argument("Non-embedding parameters N [1]."), tokens=TOKENS)
    def loss(self, parameters: N, tokens: M) -> N | M:
        """Return the loss [nat/token], of the broadcast shape."""
        parameter_term = power(self.parameter_scale / parameters, self.parameter_exponent / self.token_exponent)
        return power(parameter_term + self.token_scale / tokens, self.token_exponent)


@law('Kaplan et al. 2020, "Scaling Laws for Neural Language Models", equations 1.1 to 1.3 (arXiv 2001.08361).')
class KaplanSingleLaw(Law):
    """Loss (scale / x)^exponent of one `quantity` x, if nothing else limits the loss.

    Parameters
    ----------
    quantity : str
        The quantity x: "parameters" [1], "tokens" [token] or "compute" [FLOP].

    Examples
    --------
    >>> law = KaplanSingleLaw("parameters", scale=8.8e13, exponent=0.076)
    >>> round(law.loss(8.8e13), 2), round(law.loss(1e9), 2)
    (1.0, 2.38)
    """

    quantity: str
    scale: float = constant("Value of x at a loss of 1 nat/token, in the unit of x.")
    exponent: float = constant("Exponent of x [1].")

    def loss(self, amount: N) -> N:
        """Return the loss [nat/token].

        Parameters
        ----------
        amount : float or array
            The quantity x, in its unit.

        Raises
        ------
        InputError
            If a value is not positive and finite.
        """
        problems: list[str] = []
        value: N = checked(self.quantity, amount, POSITIVE, problems)
        raise_if_any(problems)
        return power(self.scale / value, self.exponent)


@law('Kaplan et al. 2020, "Scaling Laws for Neural Language Models", equation 1.4 (arXiv 2001.08361).')
class CriticalBatchLaw(Law):
    """Critical batch size scale / loss^(1 / exponent) [token]: a larger batch saves little training time.

    Examples
    --------
    >>> round(CriticalBatchLaw(scale=2e8, exponent=0.21).batch_tokens(3.0) / 1e6, 2)
    1.07
    """

    scale: float = constant("Critical batch size at a loss of 1 nat/token [token].")
    exponent: float = constant("alpha_B [1].")

    @takes(loss=Argument("Loss of the model at that point of the run [nat/token]."))
    def batch_tokens(self, loss: N) -> N:
        """Return the critical batch size [token]."""
        return self.scale / power(loss, 1 / self.exponent)
