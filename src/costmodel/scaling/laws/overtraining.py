"""Loss and downstream error of overtrained models (many tokens per parameter): the forms of Gadre et al."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.scaling.laws.broadcast import FINITE, NOT_NEGATIVE, apply, power
from costmodel.scaling.laws.hoffmann import FLOPS_PER_PARAMETER, Allocation, HoffmannLaw
from costmodel.scaling.laws.law import COMPUTE, PARAMETERS, TOKENS, Argument, Law, constant, law, takes

if TYPE_CHECKING:
    from costmodel.foundation.arrays import M, N


@law(
    'Gadre et al. 2024, "Language models scale reliably with over-training and on downstream tasks", '
    "equation 4 (arXiv 2403.08540); github:mlfoundations/scaling, scaling/laws.py."
)
class GadreLaw(Law):
    """Loss E + (a M^eta + b M^-eta) C^-eta at compute C and M tokens per parameter, with one exponent.

    The coefficients depend on the training data; fit them on own runs.

    Examples
    --------
    >>> law = GadreLaw(E=1.8, a=100.0, b=250.0, eta=0.17)
    >>> round(law.loss_of_compute(1e21, 20), 3), round(law.loss_of_compute(1e21, 640), 3)
    (1.885, 1.903)
    """

    E: float = constant("Irreducible loss [nat/token].", NOT_NEGATIVE)
    a: float = constant("Scale of the term that rises with M [nat/token].")
    b: float = constant("Scale of the term that falls with M [nat/token].")
    eta: float = constant("Exponent of compute and of M [1].")

    @property
    def hoffmann(self) -> HoffmannLaw:
        """The same law in parameters and tokens, with alpha = beta = 2 eta."""
        scale, exponent = power(FLOPS_PER_PARAMETER, self.eta), 2 * self.eta
        return HoffmannLaw(
            self.E, self.a / scale, self.b / scale, exponent, exponent, name=self.name, source=self.source
        )

    @takes(compute=COMPUTE, tokens_per_parameter=Argument("Training tokens per parameter M [token]."))
    def loss_of_compute(self, compute: N, tokens_per_parameter: M) -> N | M:
        """Return the loss at a compute and a ratio of tokens to parameters [nat/token], of the broadcast shape."""
        ratio = power(tokens_per_parameter, self.eta)
        return self.E + (self.a * ratio + self.b / ratio) / power(compute, self.eta)

    @takes(parameters=PARAMETERS, tokens=TOKENS)
    def loss(self, parameters: N, tokens: M) -> N | M:
        """Return the loss [nat/token], of the broadcast shape."""
        return self.loss_of_compute(FLOPS_PER_PARAMETER * parameters * tokens, tokens / parameters)

    @takes(compute=COMPUTE)
    def allocate(self, compute: N) -> Allocation[N]:
        """Return the parameters and tokens of the lowest loss with 6 N D = `compute`; M is the same for all."""
        return self.hoffmann.allocate(compute)


@law(
    'Gadre et al. 2024, "Language models scale reliably with over-training and on downstream tasks", '
    "equation 5 (arXiv 2403.08540); the mean of 17 tasks."
)
class DownstreamError(Law):
    """Mean error on tasks, epsilon - k exp(-gamma loss), which tends to epsilon at a high loss.

    Examples
    --------
    >>> round(DownstreamError(epsilon=0.85, k=2.0, gamma=0.75).error(3.0), 3)
    0.639
    """

    epsilon: float = constant("Error of random answers [1].")
    k: float = constant("Scale of the gain over random answers [1].")
    gamma: float = constant("Decay rate of the gain with the loss [token/nat].")

    @takes(loss=Argument("Loss [nat/token].", FINITE))
    def error(self, loss: N) -> N:
        """Return the mean error [1]."""
        return self.epsilon - self.k * apply("exp", -self.gamma * loss)
