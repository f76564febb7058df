"""Low-precision scaling laws: effective parameters by bits of weights, activations and key-value cache.

Kumar et al. report an optimal training precision of 7 to 8 bits. That does not follow from the constants that
they print, so it is not computed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.scaling.laws.broadcast import apply, power
from costmodel.scaling.laws.hoffmann import FLOPS_PER_PARAMETER, LOSS_LAW, HoffmannLaw
from costmodel.scaling.laws.law import PARAMETERS, TOKENS, Argument, Law, constant, law, takes

if TYPE_CHECKING:
    from costmodel.foundation.arrays import FloatLike, K, M, N

FULL_PRECISION_BITS = 16.0
"""Bits at which the cost of a training FLOP is 1 FLOP (arXiv 2411.04330) [bit]."""
_BITS = {
    "weight_bits": Argument("Precision of the weights in training [bit]."),
    "activation_bits": Argument("Precision of the activations in training [bit]."),
    "cache_bits": Argument("Precision of the key-value cache in training [bit]."),
}


@law('Kumar et al. 2024, "Scaling Laws for Precision", equations 2 to 4 (arXiv 2411.04330).')
class PrecisionLaw(Law):
    """Effective parameters N (1 - exp(-P_w / gamma_w)) (1 - exp(-P_a / gamma_a)) (1 - exp(-P_kv / gamma_kv)).

    Examples
    --------
    >>> from costmodel.scaling.laws.presets import scaling_law
    >>> round(scaling_law("kumar-2024").effective_parameters(1e9, weight_bits=4) / 1e9, 3)
    0.775
    """

    gamma_weights: float = constant("Decay constant of the weights gamma_w [bit].")
    gamma_activations: float = constant("Decay constant of the activations gamma_a [bit].")
    gamma_cache: float = constant("Decay constant of the key-value cache gamma_kv [bit].")

    @takes(parameters=PARAMETERS, **_BITS)
    def effective_parameters(
        self,
        parameters: FloatLike,
        *,
        weight_bits: FloatLike = FULL_PRECISION_BITS,
        activation_bits: FloatLike = FULL_PRECISION_BITS,
        cache_bits: FloatLike = FULL_PRECISION_BITS,
    ) -> FloatLike:
        """Return the number of 16-bit parameters with the same loss [1]."""
        weights = apply("expm1", -weight_bits / self.gamma_weights)
        activations = apply("expm1", -activation_bits / self.gamma_activations)
        return -parameters * (weights * activations) * apply("expm1", -cache_bits / self.gamma_cache)

    @takes(parameters=PARAMETERS, tokens=TOKENS, base=LOSS_LAW, **_BITS)
    def loss(
        self,
        parameters: FloatLike,
        tokens: FloatLike,
        *,
        base: HoffmannLaw,
        weight_bits: FloatLike = FULL_PRECISION_BITS,
        activation_bits: FloatLike = FULL_PRECISION_BITS,
        cache_bits: FloatLike = FULL_PRECISION_BITS,
    ) -> FloatLike:
        """Return the loss of the effective parameters [nat/token], of the broadcast shape."""
        bits = {"weight_bits": weight_bits, "activation_bits": activation_bits, "cache_bits": cache_bits}
        return base.loss(self.effective_parameters(parameters, **bits), tokens)


@takes(parameters=PARAMETERS, tokens=TOKENS, bits=Argument("Precision P of weights, activations and cache [bit]."))
def cost_at_precision(parameters: N, tokens: M, bits: K) -> N | M | K:
    """Return the training cost in 16-bit FLOPs, 6 N D P / 16 [FLOP].

    References
    ----------
    Kumar et al. 2024, "Scaling Laws for Precision" (arXiv 2411.04330).
    """
    return FLOPS_PER_PARAMETER / FULL_PRECISION_BITS * parameters * tokens * bits


@takes(
    parameters=PARAMETERS,
    tokens=TOKENS,
    bits=Argument("Precision of the weights after training P [bit]."),
    coefficient=Argument("Scale C_T [nat/token]."),
    gamma_tokens=Argument("Exponent of the tokens gamma_D [1]."),
    gamma_parameters=Argument("Exponent of the parameters gamma_N [1]."),
    gamma_bits=Argument("Decay constant of the bits gamma_P [bit]."),
)
def quantization_penalty(
    parameters: N,
    tokens: M,
    bits: K,
    *,
    coefficient: float,
    gamma_tokens: float,
    gamma_parameters: float,
    gamma_bits: float,
) -> N | M | K:
    """Return the increase in loss from post-training quantization, C_T D^gamma_D / N^gamma_N exp(-P / gamma_P).

    The unit is [nat/token]. The penalty grows with the number of training tokens. The four coefficients are
    those of own fits.

    References
    ----------
    Kumar et al. 2024, "Scaling Laws for Precision", equation 2 (arXiv 2411.04330).
    """
    return (
        coefficient
        * power(tokens, gamma_tokens)
        / power(parameters, gamma_parameters)
        * apply("exp", -bits / gamma_bits)
    )
