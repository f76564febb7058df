"""What is a token worth that was read before? Loss and best model where unique tokens are few."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from costmodel.scaling.laws.broadcast import (
    NOT_NEGATIVE,
    POSITIVE,
    apply,
    check_coefficients,
    elementwise,
    minimum,
    positive,
)
from costmodel.scaling.laws.hoffmann import FLOPS_PER_PARAMETER, Allocation, HoffmannLaw

_GOLDEN = (math.sqrt(5) - 1) / 2
_COARSE, _FINE = 300, 60


class Worth(NamedTuple):
    """Fresh tokens and parameters that would do as much as the given ones (D' and N')."""

    parameters: Any
    tokens: Any


@dataclass(frozen=True, slots=True)
class MuennighoffLaw:
    """The law of Hoffmann et al. in effective parameters N' and tokens D', where tokens repeat.

    With U unique tokens, D' = U + U r_D (1 - exp(-R_D / r_D)) for R_D = D / U - 1 repetitions. N' is formed in
    the same way around the parameters that fit U best (fewer, if the model has fewer). A run that repeats no
    token has U = D.

    References
    ----------
    Muennighoff et al. 2023, "Scaling Data-Constrained Language Models" (arXiv 2305.16264).

    Examples
    --------
    >>> from costmodel.scaling.laws.presets import scaling_law
    >>> law = scaling_law("muennighoff-2023")
    >>> round(law.worth(8.67e9, 178e9, unique_tokens=44.5e9).tokens / 1e9)  # four epochs: nearly as good as fresh
    166
    """

    E: float
    A: float
    B: float
    alpha: float
    beta: float
    repeated_tokens: float
    """r_D: epochs after which repeated tokens have lost most of their worth [1]."""
    excess_parameters: float
    """r_N: the same for parameters beyond those that fit the unique tokens [1]."""
    name: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        above = dict.fromkeys(("A", "B", "alpha", "beta", "repeated_tokens", "excess_parameters"), POSITIVE)
        check_coefficients(self, E=NOT_NEGATIVE, **above)

    @property
    def fresh(self) -> HoffmannLaw:
        """The law for tokens that do not repeat, by which the parameters that fit them are found."""
        return HoffmannLaw(self.E, self.A, self.B, self.alpha, self.beta, self.name, self.source)

    def fitting_parameters(self, tokens: Any) -> Any:
        """Return the parameters for which so many unique tokens are the best number in compute [1].

        Parameters
        ----------
        tokens : unique tokens [token], shape (...)
        """
        (tokens,) = positive(tokens=tokens)
        return (self.alpha * self.A * tokens**self.beta / (self.beta * self.B)) ** (1 / self.alpha)

    def worth(self, parameters: Any, tokens: Any, *, unique_tokens: Any) -> Worth:
        """Return the effective parameters N' [1] and tokens D' [token].

        Parameters
        ----------
        parameters : N [1], shape (...)
        tokens : tokens read in all, D [token], shape (...)
        unique_tokens : tokens there are [token], shape (...); those above D do not count

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        parameters, tokens, unique = positive(parameters=parameters, tokens=tokens, unique_tokens=unique_tokens)
        unique = minimum(unique, tokens)
        fitting = minimum(self.fitting_parameters(unique), parameters)
        return Worth(_worth(parameters, fitting, self.excess_parameters), _worth(tokens, unique, self.repeated_tokens))

    def loss(self, parameters: Any, tokens: Any, *, unique_tokens: Any) -> Any:
        """Return the loss [nat/token], of the broadcast shape.

        Parameters
        ----------
        parameters : N [1], shape (...)
        tokens : tokens read in all, D [token], shape (...)
        unique_tokens : tokens there are [token], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        effective = self.worth(parameters, tokens, unique_tokens=unique_tokens)
        return self.E + self.A / effective.parameters**self.alpha + self.B / effective.tokens**self.beta

    def allocate(self, compute: Any, *, unique_tokens: Any) -> Allocation:
        """Return the parameters and tokens of the least loss with 6 N D = `compute`, where tokens are few.

        All compute is spent, though the last of it may buy nothing. The search over log N is a grid and then
        golden sections: N is found to about 1e-7 of itself, the loss to the last digits.

        Parameters
        ----------
        compute : FLOPs of training [FLOP], shape (...)
        unique_tokens : tokens there are [token], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.

        Examples
        --------
        >>> from costmodel.scaling.laws.presets import scaling_law
        >>> best = scaling_law("muennighoff-2023").allocate(9.3e21, unique_tokens=25e9)
        >>> f"{best.parameters:.2e} parameters, {best.tokens / 25e9:.1f} epochs"
        '6.82e+09 parameters, 9.1 epochs'
        """
        compute, unique = positive(compute=compute, unique_tokens=unique_tokens)
        (parameters,) = elementwise(lambda *point: (self._best_parameters(*point),), 1, compute, unique)
        tokens = compute / (FLOPS_PER_PARAMETER * parameters)
        return Allocation(parameters, tokens, self.loss(parameters, tokens, unique_tokens=unique), compute)

    def _best_parameters(self, compute: float, unique: float) -> float:
        free = self.fresh.allocate(compute)
        if free.tokens <= unique:
            return float(free.parameters)

        def loss(log_parameters: float) -> float:
            parameters = math.exp(log_parameters)
            tokens = compute / (FLOPS_PER_PARAMETER * parameters)
            return float(self.loss(parameters, tokens, unique_tokens=unique))

        fitting = self.fitting_parameters(unique)
        low, high = math.log(min(free.parameters, fitting) / 100), math.log(free.parameters * 100)
        width = (high - low) / _COARSE
        center = min((low + step * width for step in range(_COARSE + 1)), key=loss)
        return math.exp(_golden_section(loss, center - width, center + width))


def _worth(amount: Any, unique: Any, decay: float) -> Any:
    repetitions = amount / unique - 1
    return unique - unique * decay * apply("expm1", -repetitions / decay)


def _golden_section(function: Any, low: float, high: float) -> float:
    inner, outer = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_inner, at_outer = function(inner), function(outer)
    for _ in range(_FINE):
        if at_inner <= at_outer:
            high, outer, at_outer = outer, inner, at_inner
            inner = high - _GOLDEN * (high - low)
            at_inner = function(inner)
        else:
            low, inner, at_inner = inner, outer, at_outer
            outer = low + _GOLDEN * (high - low)
            at_outer = function(outer)
    return (low + high) / 2
