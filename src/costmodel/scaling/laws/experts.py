"""Loss of models with experts: by their number (Clark) and by their granularity (Krajewski)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from costmodel.scaling.laws.broadcast import (
    AT_LEAST_ONE,
    FINITE,
    NOT_NEGATIVE,
    POSITIVE,
    apply,
    check_coefficients,
    checked,
    positive,
)


@dataclass(frozen=True, slots=True)
class ClarkLaw:
    """log10 loss = a log10 N + b log10 E' + c log10 N log10 E' + d, with E' the number of experts, saturated.

    All models read 130e9 tokens; `N` counts the parameters of the dense model that routing is added to.

    References
    ----------
    Clark et al. 2022, "Unified Scaling Laws for Routed Language Models", table 3 (arXiv 2202.01169).

    Examples
    --------
    >>> from costmodel.scaling.laws.presets import scaling_law
    >>> law = scaling_law("clark-2022-s-base-refit")
    >>> round(law.loss(1.3e9, 64), 2), f"{law.effective_parameters(1.3e9, 64):.1e}"
    (2.04, '3.8e+09')
    """

    a: float
    b: float
    c: float
    d: float
    E_start: float
    E_max: float
    name: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        check_coefficients(self, **dict.fromkeys("abcd", FINITE), E_start=POSITIVE, E_max=POSITIVE)

    @property
    def cutoff(self) -> float:
        """Parameters of the dense model above which experts no longer lower the loss [1]."""
        return float(10 ** (-self.b / self.c))

    def saturated(self, experts: Any) -> Any:
        """Return E', which runs from E_start at one expert toward E_max [1].

        Parameters
        ----------
        experts : number of experts E [1], shape (...)

        Raises
        ------
        InputError
            If a value is below 1 or not finite.
        """
        (experts,) = checked(("experts", experts, AT_LEAST_ONE))
        first = 1 / (1 / self.E_start - 1 / self.E_max)
        return 1 / (1 / (experts - 1 + first) + 1 / self.E_max)

    def loss(self, parameters: Any, experts: Any) -> Any:
        """Return the loss [nat/token], of the broadcast shape.

        Parameters
        ----------
        parameters : parameters of the dense model N [1], shape (...)
        experts : number of experts E [1], shape (...)

        Raises
        ------
        InputError
            If parameters are not above 0 and finite, or experts are below 1.
        """
        parameters, experts = checked(("parameters", parameters, POSITIVE), ("experts", experts, AT_LEAST_ONE))
        size, number = apply("log10", parameters), apply("log10", self.saturated(experts))
        return 10 ** (self.a * size + self.b * number + self.c * size * number + self.d)

    def effective_parameters(self, parameters: Any, experts: Any) -> Any:
        """Return the parameters of the dense model of the same loss [1].

        Parameters
        ----------
        parameters : parameters of the dense model N [1], shape (...)
        experts : number of experts E [1], shape (...)

        Raises
        ------
        InputError
            If parameters are not above 0 and finite, or experts are below 1.
        """
        logarithm = apply("log10", self.loss(parameters, experts))
        one = apply("log10", self.saturated(1.0))
        return 10 ** ((logarithm - self.d - self.b * one) / (self.a + self.c * one))


@dataclass(frozen=True, slots=True)
class KrajewskiLaw:
    """Loss c + (g / G^gamma + a) / N^alpha + b / D^beta of fine-grained experts, G times smaller than the layer.

    References
    ----------
    Krajewski et al. 2024, "Scaling Laws for Fine-Grained Mixture of Experts", equation 9 (arXiv 2402.07871).

    Examples
    --------
    >>> from costmodel.scaling.laws.presets import scaling_law
    >>> law = scaling_law("krajewski-2024")
    >>> [round(law.loss(1e9, 16e9, granularity), 3) for granularity in (1, 16)]
    [3.308, 3.153]
    """

    a: float
    alpha: float
    b: float
    beta: float
    g: float
    gamma: float
    c: float
    name: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        above = dict.fromkeys(("a", "alpha", "b", "beta", "gamma"), POSITIVE)
        check_coefficients(self, g=NOT_NEGATIVE, c=NOT_NEGATIVE, **above)

    def loss(self, parameters: Any, tokens: Any, granularity: Any) -> Any:
        """Return the loss [nat/token], of the broadcast shape.

        Parameters
        ----------
        parameters : N [1], shape (...)
        tokens : D [token], shape (...)
        granularity : width of the feed-forward layer over that of an expert, G [1], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        parameters, tokens, granularity = positive(parameters=parameters, tokens=tokens, granularity=granularity)
        size = self.g / granularity**self.gamma + self.a
        return self.c + size / parameters**self.alpha + self.b / tokens**self.beta
