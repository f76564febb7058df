"""What are parameters worth that are trained in few bits? Effective parameters by precision.

Kumar et al. report a best training precision of 7 to 8 bits. That does not follow from the constants that
they print, so it is quoted here and never computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from costmodel.scaling.laws.broadcast import POSITIVE, apply, check_coefficients, positive
from costmodel.scaling.laws.hoffmann import FLOPS_PER_PARAMETER, HoffmannLaw

FULL_PRECISION_BITS = 16.0
"""Bits at which a FLOP of training costs a FLOP (arXiv 2411.04330) [bit]."""


@dataclass(frozen=True, slots=True)
class PrecisionLaw:
    """Effective parameters N (1 - exp(-P_w / gamma_w)) (1 - exp(-P_a / gamma_a)) (1 - exp(-P_kv / gamma_kv)).

    References
    ----------
    Kumar et al. 2024, "Scaling Laws for Precision", equations 2 to 4 (arXiv 2411.04330).

    Examples
    --------
    >>> from costmodel.scaling.laws.presets import scaling_law
    >>> law = scaling_law("kumar-2024")
    >>> [round(law.effective_parameters(1e9, weight_bits=bits) / 1e9, 3) for bits in (3, 4, 8, 16)]
    [0.674, 0.775, 0.949, 0.997]
    """

    gamma_weights: float
    gamma_activations: float
    gamma_cache: float
    name: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        check_coefficients(self, gamma_weights=POSITIVE, gamma_activations=POSITIVE, gamma_cache=POSITIVE)

    def effective_parameters(
        self,
        parameters: Any,
        *,
        weight_bits: Any = FULL_PRECISION_BITS,
        activation_bits: Any = FULL_PRECISION_BITS,
        cache_bits: Any = FULL_PRECISION_BITS,
    ) -> Any:
        """Return the parameters of exact arithmetic that would do as much [1].

        Parameters
        ----------
        parameters : N [1], shape (...)
        weight_bits, activation_bits, cache_bits : precision of weights, activations and the key-value cache
            in training [bit], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        parameters, weights, activations, cache = positive(
            parameters=parameters, weight_bits=weight_bits, activation_bits=activation_bits, cache_bits=cache_bits
        )
        kept = apply("expm1", -weights / self.gamma_weights) * apply("expm1", -activations / self.gamma_activations)
        return -parameters * kept * apply("expm1", -cache / self.gamma_cache)

    def loss(
        self,
        parameters: Any,
        tokens: Any,
        *,
        base: HoffmannLaw,
        weight_bits: Any = FULL_PRECISION_BITS,
        activation_bits: Any = FULL_PRECISION_BITS,
        cache_bits: Any = FULL_PRECISION_BITS,
    ) -> Any:
        """Return the loss [nat/token] that `base` gives for the effective parameters.

        Parameters
        ----------
        parameters : N [1], shape (...)
        tokens : D [token], shape (...)
        base : the law of the loss in exact arithmetic
        weight_bits, activation_bits, cache_bits : precision in training [bit], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        (tokens,) = positive(tokens=tokens)
        effective = self.effective_parameters(
            parameters, weight_bits=weight_bits, activation_bits=activation_bits, cache_bits=cache_bits
        )
        return base.loss(effective, tokens)


def cost_at_precision(parameters: Any, tokens: Any, bits: Any) -> Any:
    """Return the cost of training in FLOPs at 16 bits, 6 N D P / 16 [FLOP].

    Parameters
    ----------
    parameters : N [1], shape (...)
    tokens : D [token], shape (...)
    bits : precision P of weights, activations and cache alike [bit], shape (...)

    Raises
    ------
    InputError
        If a value is not above 0 and finite.

    References
    ----------
    Kumar et al. 2024, "Scaling Laws for Precision" (arXiv 2411.04330).
    """
    parameters, tokens, bits = positive(parameters=parameters, tokens=tokens, bits=bits)
    return FLOPS_PER_PARAMETER / FULL_PRECISION_BITS * parameters * tokens * bits


def quantization_penalty(
    parameters: Any,
    tokens: Any,
    bits: Any,
    *,
    coefficient: float,
    gamma_tokens: float,
    gamma_parameters: float,
    gamma_bits: float,
) -> Any:
    """Return the loss that quantizing after training adds, C_T D^gamma_D / N^gamma_N exp(-P / gamma_P) [nat/token].

    It grows with tokens: the longer a model was trained, the more it loses.

    Parameters
    ----------
    parameters : N [1], shape (...)
    tokens : D [token], shape (...)
    bits : precision of the weights after training P [bit], shape (...)
    coefficient, gamma_tokens, gamma_parameters, gamma_bits : C_T, gamma_D, gamma_N and gamma_P, of own fits

    Raises
    ------
    InputError
        If a value is not above 0 and finite.

    References
    ----------
    Kumar et al. 2024, "Scaling Laws for Precision", equation 2 (arXiv 2411.04330).
    """
    parameters, tokens, bits, coefficient, gamma_tokens, gamma_parameters, gamma_bits = positive(
        parameters=parameters,
        tokens=tokens,
        bits=bits,
        coefficient=coefficient,
        gamma_tokens=gamma_tokens,
        gamma_parameters=gamma_parameters,
        gamma_bits=gamma_bits,
    )
    return coefficient * tokens**gamma_tokens / parameters**gamma_parameters * apply("exp", -bits / gamma_bits)
