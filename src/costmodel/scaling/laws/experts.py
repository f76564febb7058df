"""Loss of mixture-of-experts models: by number of experts (Clark) and by granularity (Krajewski)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.scaling.laws.broadcast import AT_LEAST_ONE, FINITE, NOT_NEGATIVE, apply, power, ten_to
from costmodel.scaling.laws.law import PARAMETERS, TOKENS, Argument, Law, constant, law, takes

if TYPE_CHECKING:
    from costmodel.foundation.arrays import K, M, N

_DENSE = Argument("Parameters of the dense model that routing is added to N [1].")
_EXPERTS = Argument("Number of experts E [1].", AT_LEAST_ONE)


@law('Clark et al. 2022, "Unified Scaling Laws for Routed Language Models", table 3 (arXiv 2202.01169).')
class ClarkLaw(Law):
    """log10 loss = a log10 N + b log10 E' + c log10 N log10 E' + d, with the saturated number of experts E'.

    All models are trained on 130e9 tokens.

    Examples
    --------
    >>> from costmodel.scaling.laws.presets import scaling_law
    >>> law = scaling_law("clark-2022-s-base-refit")
    >>> round(law.loss(1.3e9, 64), 2), f"{law.effective_parameters(1.3e9, 64):.1e}"
    (2.04, '3.8e+09')
    """

    a: float = constant("Exponent of the parameters [1].", FINITE)
    b: float = constant("Exponent of the experts [1].", FINITE)
    c: float = constant("Interaction of parameters and experts [1].", FINITE)
    d: float = constant("Intercept: log10 of the loss at N = E' = 1 [1].", FINITE)
    E_start: float = constant("E' of a model with one expert [1].")
    E_max: float = constant("E' in the limit of infinitely many experts [1].")

    @property
    def cutoff(self) -> float:
        """Parameters of the dense model above which experts no longer lower the loss [1]."""
        return power(10.0, -self.b / self.c)

    @takes(experts=_EXPERTS)
    def saturated(self, experts: N) -> N:
        """Return E', which rises from E_start at one expert toward E_max [1]."""
        first = 1 / (1 / self.E_start - 1 / self.E_max)
        return 1 / (1 / (experts - 1 + first) + 1 / self.E_max)

    @takes(parameters=_DENSE, experts=_EXPERTS)
    def loss(self, parameters: N, experts: M) -> N | M:
        """Return the loss [nat/token], of the broadcast shape."""
        size, number = apply("log10", parameters), apply("log10", self.saturated(experts))
        return ten_to(self.a * size + self.b * number + self.c * size * number + self.d)

    @takes(parameters=_DENSE, experts=_EXPERTS)
    def effective_parameters(self, parameters: N, experts: M) -> N | M:
        """Return the parameters of the dense model of the same loss [1]."""
        log_loss = apply("log10", self.loss(parameters, experts))
        single = apply("log10", self.saturated(1.0))
        return ten_to((log_loss - self.d - self.b * single) / (self.a + self.c * single))


@law('Krajewski et al. 2024, "Scaling Laws for Fine-Grained Mixture of Experts", equation 9 (arXiv 2402.07871).')
class KrajewskiLaw(Law):
    """Loss c + (g / G^gamma + a) / N^alpha + b / D^beta of fine-grained experts of granularity G.

    Examples
    --------
    >>> from costmodel.scaling.laws.presets import scaling_law
    >>> [round(scaling_law("krajewski-2024").loss(1e9, 16e9, granularity), 3) for granularity in (1, 16)]
    [3.308, 3.153]
    """

    a: float = constant("Scale of the parameter term at infinite granularity [nat/token].")
    alpha: float = constant("Exponent of the parameters [1].")
    b: float = constant("Scale of the token term [nat/token].")
    beta: float = constant("Exponent of the tokens [1].")
    g: float = constant("Scale of the granularity term [nat/token].", NOT_NEGATIVE)
    gamma: float = constant("Exponent of the granularity [1].")
    c: float = constant("Irreducible loss [nat/token].", NOT_NEGATIVE)

    @takes(
        parameters=PARAMETERS,
        tokens=TOKENS,
        granularity=Argument("Width of the feed-forward layer over the width of an expert G [1]."),
    )
    def loss(self, parameters: N, tokens: M, granularity: K) -> N | M | K:
        """Return the loss [nat/token], of the broadcast shape."""
        size = self.g / power(granularity, self.gamma) + self.a
        return self.c + size / power(parameters, self.alpha) + self.b / power(tokens, self.beta)
