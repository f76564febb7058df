"""Optimal learning rate and batch size by compute, parameters and tokens: DeepSeek LLM and Step Law."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NamedTuple

from costmodel.foundation.arrays import N_co
from costmodel.scaling.laws.broadcast import FINITE, power
from costmodel.scaling.laws.law import TOKENS, Argument, Law, constant, law, takes

if TYPE_CHECKING:
    from costmodel.foundation.arrays import M, N

_COMPUTE = Argument("Non-embedding training compute C [FLOP].")


class ModelScale(NamedTuple, Generic[N_co]):
    """Compute-optimal allocation where model size is measured in non-embedding FLOPs per token."""

    flops_per_token: N_co
    """Model scale M, forward and backward [FLOP/token]."""
    tokens: N_co
    compute: Any


@law(
    'DeepSeek-AI 2024, "DeepSeek LLM: Scaling Open-Source Language Models with Longtermism", equations 1 '
    "and 4 (arXiv 2401.02954)."
)
class DeepSeekLaw(Law):
    """Power laws of compute for the learning rate, the batch size, the model scale M and the tokens D, with C = M D.

    Examples
    --------
    >>> from costmodel.scaling.laws.presets import scaling_law
    >>> law = scaling_law("deepseek-2024")
    >>> f"{law.learning_rate(1e20):.2e}, {law.batch_tokens(1e20):.2e} tokens"
    '9.86e-04, 1.02e+06 tokens'
    """

    learning_rate_coefficient: float = constant("Learning rate at C = 1 FLOP [1].")
    learning_rate_exponent: float = constant("Exponent of the learning rate [1].", FINITE)
    batch_coefficient: float = constant("Batch size at C = 1 FLOP [token].")
    batch_exponent: float = constant("Exponent of the batch size [1].", FINITE)
    model_coefficient: float = constant("Model scale at C = 1 FLOP [FLOP/token].")
    model_exponent: float = constant("Exponent of the model scale [1].", FINITE)
    tokens_coefficient: float = constant("Tokens at C = 1 FLOP [token].")
    tokens_exponent: float = constant("Exponent of the tokens [1].", FINITE)

    @takes(compute=_COMPUTE)
    def learning_rate(self, compute: N) -> N:
        """Return the peak learning rate [1]."""
        return self.learning_rate_coefficient * power(compute, self.learning_rate_exponent)

    @takes(compute=_COMPUTE)
    def batch_tokens(self, compute: N) -> N:
        """Return the global batch size [token]."""
        return self.batch_coefficient * power(compute, self.batch_exponent)

    @takes(compute=_COMPUTE)
    def allocate(self, compute: N) -> ModelScale[N]:
        """Return the model scale, which is not a number of parameters, and the tokens."""
        model = self.model_coefficient * power(compute, self.model_exponent)
        return ModelScale(model, self.tokens_coefficient * power(compute, self.tokens_exponent), compute)


@law('Li et al. 2025, "Predictable Scale: Part I, Step Law" (arXiv 2503.04715).')
class StepLaw(Law):
    """Learning rate as a power law of parameters and tokens, batch size as a power law of tokens.

    Examples
    --------
    >>> from costmodel.scaling.laws.presets import scaling_law
    >>> f"{scaling_law('steplaw-2025').learning_rate(1e9, 100e9):.2e}"
    '1.63e-03'
    """

    learning_rate_coefficient: float = constant("Learning rate at N = D = 1 [1].")
    parameter_exponent: float = constant("Exponent of the parameters in the learning rate [1].", FINITE)
    token_exponent: float = constant("Exponent of the tokens in the learning rate [1].", FINITE)
    batch_coefficient: float = constant("Batch size at D = 1 [token].")
    batch_exponent: float = constant("Exponent of the tokens in the batch size [1].", FINITE)

    @takes(parameters=Argument("Non-embedding parameters N [1]."), tokens=TOKENS)
    def learning_rate(self, parameters: N, tokens: M) -> N | M:
        """Return the peak learning rate [1]."""
        return (
            self.learning_rate_coefficient
            * power(parameters, self.parameter_exponent)
            * power(tokens, self.token_exponent)
        )

    @takes(tokens=TOKENS)
    def batch_tokens(self, tokens: N) -> N:
        """Return the global batch size [token]."""
        return self.batch_coefficient * power(tokens, self.batch_exponent)
