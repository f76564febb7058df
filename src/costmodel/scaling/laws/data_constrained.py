"""Data-constrained scaling (repeated tokens): loss and optimal model where unique tokens are limited."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Generic, NamedTuple

from costmodel.foundation.arrays import N_co, smallest
from costmodel.scaling.laws.broadcast import apply, elementwise, power
from costmodel.scaling.laws.hoffmann import FLOPS_PER_PARAMETER, Allocation, HoffmannLaw, TwoTermLaw
from costmodel.scaling.laws.law import COMPUTE, PARAMETERS, TOKENS, UNIQUE_TOKENS, Argument, constant, law, takes

if TYPE_CHECKING:
    from collections.abc import Callable

    from costmodel.foundation.arrays import FloatLike, N

_GOLDEN = (math.sqrt(5) - 1) / 2
_GRID, _SECTIONS = 300, 60


class Effective(NamedTuple, Generic[N_co]):
    """Effective parameters N' [1] and tokens D' [token]: those of an equal loss without repetition."""

    parameters: N_co
    tokens: N_co


@law('Muennighoff et al. 2023, "Scaling Data-Constrained Language Models" (arXiv 2305.16264).')
class MuennighoffLaw(TwoTermLaw):
    """The law of Hoffmann et al. in effective parameters N' and tokens D', where tokens are repeated.

    With U unique tokens, D' = U + U r_D (1 - exp(-R_D / r_D)) for R_D = D / U - 1 repetitions. N' is formed in
    the same way from the parameters that are optimal for U tokens (or N, if the model is smaller). A run
    without repetition has U = D.

    Examples
    --------
    >>> from costmodel.scaling.laws.presets import scaling_law
    >>> law = scaling_law("muennighoff-2023")
    >>> round(law.effective(8.67e9, 178e9, unique_tokens=44.5e9).tokens / 1e9)  # four epochs
    166
    """

    repeated_tokens: float = constant("Decay constant r_D of the value of repeated tokens [epoch].")
    excess_parameters: float = constant("The same, r_N, for parameters beyond the optimum for U tokens [1].")

    @property
    def unrepeated(self) -> HoffmannLaw:
        """The law for tokens that are not repeated."""
        return HoffmannLaw(self.E, self.A, self.B, self.alpha, self.beta, name=self.name, source=self.source)

    @takes(tokens=TOKENS)
    def optimal_parameters(self, tokens: N) -> N:
        """Return the parameters that are compute-optimal for a number of unique tokens [1]."""
        return power(self.alpha * self.A * power(tokens, self.beta) / (self.beta * self.B), 1 / self.alpha)

    @takes(parameters=PARAMETERS, tokens=TOKENS, unique_tokens=UNIQUE_TOKENS)
    def effective(self, parameters: FloatLike, tokens: FloatLike, *, unique_tokens: FloatLike) -> Effective[FloatLike]:
        """Return the effective parameters N' [1] and tokens D' [token]."""
        return self._effective(parameters, tokens, unique_tokens)

    @takes(parameters=PARAMETERS, tokens=TOKENS, unique_tokens=UNIQUE_TOKENS)
    def loss(self, parameters: FloatLike, tokens: FloatLike, *, unique_tokens: FloatLike) -> FloatLike:
        """Return the loss [nat/token], of the broadcast shape."""
        effective = self._effective(parameters, tokens, unique_tokens)
        return self.E + self.A / power(effective.parameters, self.alpha) + self.B / power(effective.tokens, self.beta)

    def _effective(self, parameters: FloatLike, tokens: FloatLike, unique_tokens: FloatLike) -> Effective[FloatLike]:
        unique = smallest(unique_tokens, tokens)
        optimal = smallest(self.optimal_parameters(unique), parameters)
        return Effective(
            _decayed(parameters, optimal, self.excess_parameters), _decayed(tokens, unique, self.repeated_tokens)
        )

    @takes(compute=COMPUTE, unique_tokens=Argument("Distinct tokens available U [token]."))
    def allocate(self, compute: FloatLike, *, unique_tokens: FloatLike) -> Allocation[FloatLike]:
        """Return the parameters and tokens of the lowest loss with 6 N D = `compute` and limited tokens.

        All compute is spent, even if the last part of it does not lower the loss. A grid over log N is followed
        by a golden-section search: N is found to about 1e-7 of its value, the loss to the last digits.

        Examples
        --------
        >>> from costmodel.scaling.laws.presets import scaling_law
        >>> best = scaling_law("muennighoff-2023").allocate(9.3e21, unique_tokens=25e9)
        >>> f"{best.parameters:.2e} parameters, {best.tokens / 25e9:.1f} epochs"
        '6.82e+09 parameters, 9.1 epochs'
        """
        (parameters,) = elementwise(lambda *point: (self._best_parameters(*point),), 1, compute, unique_tokens)
        tokens = compute / (FLOPS_PER_PARAMETER * parameters)
        return Allocation(parameters, tokens, self.loss(parameters, tokens, unique_tokens=unique_tokens), compute)

    def _best_parameters(self, compute: float, unique: float) -> float:
        unlimited = self.unrepeated.allocate(compute)
        if unlimited.tokens <= unique:
            return float(unlimited.parameters)

        def loss(log_parameters: float) -> float:
            parameters = math.exp(log_parameters)
            tokens = compute / (FLOPS_PER_PARAMETER * parameters)
            return float(self.loss(parameters, tokens, unique_tokens=unique))

        smallest_optimum = min(unlimited.parameters, self.optimal_parameters(unique))
        low, high = math.log(smallest_optimum / 100), math.log(unlimited.parameters * 100)
        width = (high - low) / _GRID
        center = min((low + step * width for step in range(_GRID + 1)), key=loss)
        return math.exp(_golden_section(loss, center - width, center + width))


def _decayed(amount: FloatLike, unique: FloatLike, decay: float) -> FloatLike:
    repetitions = amount / unique - 1
    return unique - unique * decay * apply("expm1", -repetitions / decay)


def _golden_section(function: Callable[[float], float], low: float, high: float) -> float:
    """Return the minimum of a function with one minimum between `low` and `high`."""
    inner, outer = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_inner, at_outer = function(inner), function(outer)
    for _ in range(_SECTIONS):
        if at_inner <= at_outer:
            high, outer, at_outer = outer, inner, at_inner
            inner = high - _GOLDEN * (high - low)
            at_inner = function(inner)
        else:
            low, inner, at_inner = inner, outer, at_outer
            outer = low + _GOLDEN * (high - low)
            at_outer = function(outer)
    return (low + high) / 2
