"""How do loss and error go where a model reads far more tokens than is best? The forms of Gadre et al."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from costmodel.scaling.laws.broadcast import (
    FINITE,
    NOT_NEGATIVE,
    POSITIVE,
    apply,
    check_coefficients,
    checked,
    positive,
)
from costmodel.scaling.laws.hoffmann import FLOPS_PER_PARAMETER, Allocation, HoffmannLaw


@dataclass(frozen=True, slots=True)
class GadreLaw:
    """Loss E + (a M^eta + b M^-eta) C^-eta at compute C and M tokens per parameter: one exponent for all.

    Its coefficients belong to one data set; fit them on own runs.

    References
    ----------
    Gadre et al. 2024, "Language models scale reliably with over-training and on downstream tasks", equation 4
    (arXiv 2403.08540); github:mlfoundations/scaling, scaling/laws.py.

    Examples
    --------
    >>> law = GadreLaw(E=1.8, a=100.0, b=250.0, eta=0.17)
    >>> round(law.loss_of_compute(1e21, 20), 3), round(law.loss_of_compute(1e21, 640), 3)
    (1.885, 1.903)
    """

    E: float
    a: float
    b: float
    eta: float
    name: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        check_coefficients(self, E=NOT_NEGATIVE, a=POSITIVE, b=POSITIVE, eta=POSITIVE)

    @property
    def hoffmann(self) -> HoffmannLaw:
        """The same law in parameters and tokens, with alpha = beta = 2 eta."""
        scale = FLOPS_PER_PARAMETER**self.eta
        return HoffmannLaw(self.E, self.a / scale, self.b / scale, 2 * self.eta, 2 * self.eta, self.name, self.source)

    def loss_of_compute(self, compute: Any, tokens_per_parameter: Any) -> Any:
        """Return the loss [nat/token], of the broadcast shape.

        Parameters
        ----------
        compute : FLOPs of training C [FLOP], shape (...)
        tokens_per_parameter : M [token], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        compute, ratio = positive(compute=compute, tokens_per_parameter=tokens_per_parameter)
        return self.E + (self.a * ratio**self.eta + self.b / ratio**self.eta) / compute**self.eta

    def loss(self, parameters: Any, tokens: Any) -> Any:
        """Return the loss [nat/token], of the broadcast shape.

        Parameters
        ----------
        parameters : N [1], shape (...)
        tokens : D [token], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        parameters, tokens = positive(parameters=parameters, tokens=tokens)
        return self.loss_of_compute(FLOPS_PER_PARAMETER * parameters * tokens, tokens / parameters)

    def allocate(self, compute: Any) -> Allocation:
        """Return the parameters and tokens of the least loss with 6 N D = `compute`; M is the same for all.

        Parameters
        ----------
        compute : FLOPs of training [FLOP], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        return self.hoffmann.allocate(*positive(compute=compute))


@dataclass(frozen=True, slots=True)
class DownstreamError:
    """Mean error on tasks, epsilon - k exp(-gamma loss), which tends to epsilon where a model knows nothing.

    References
    ----------
    Gadre et al. 2024, "Language models scale reliably with over-training and on downstream tasks", equation 5
    (arXiv 2403.08540); the mean of 17 tasks.

    Examples
    --------
    >>> round(DownstreamError(epsilon=0.85, k=2.0, gamma=0.75).error(3.0), 3)
    0.639
    """

    epsilon: float
    k: float
    gamma: float
    name: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        check_coefficients(self, epsilon=POSITIVE, k=POSITIVE, gamma=POSITIVE)

    def error(self, loss: Any) -> Any:
        """Return the mean error [1].

        Parameters
        ----------
        loss : [nat/token], shape (...)

        Raises
        ------
        InputError
            If a loss is not finite.
        """
        (loss,) = checked(("loss", loss, FINITE))
        return self.epsilon - self.k * apply("exp", -self.gamma * loss)
