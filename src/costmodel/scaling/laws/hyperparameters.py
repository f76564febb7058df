"""Which learning rate and batch suit a run of that size? The laws of DeepSeek LLM and StepLaw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from costmodel.scaling.laws.broadcast import FINITE, POSITIVE, check_coefficients, positive


class ModelScale(NamedTuple):
    """What a compute budget buys where a model is measured by its non-embedding FLOPs per token."""

    flops_per_token: Any
    """M, for training: forward and backward [FLOP/token]."""
    tokens: Any
    compute: Any


@dataclass(frozen=True, slots=True)
class DeepSeekLaw:
    """Power laws of compute for the learning rate, the batch, the model scale M and the tokens D, with C = M D.

    References
    ----------
    DeepSeek-AI 2024, "DeepSeek LLM: Scaling Open-Source Language Models with Longtermism", equations 1 and 4
    (arXiv 2401.02954).

    Examples
    --------
    >>> from costmodel.scaling.laws.presets import scaling_law
    >>> law = scaling_law("deepseek-2024")
    >>> f"{law.learning_rate(1e20):.2e}, {law.batch_tokens(1e20):.2e} tokens"
    '9.86e-04, 1.02e+06 tokens'
    """

    learning_rate_coefficient: float
    learning_rate_exponent: float
    batch_coefficient: float
    batch_exponent: float
    model_coefficient: float
    model_exponent: float
    tokens_coefficient: float
    tokens_exponent: float
    name: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        quantities = ("learning_rate", "batch", "model", "tokens")
        exponents = {f"{quantity}_exponent": FINITE for quantity in quantities}
        check_coefficients(self, **exponents, **{f"{quantity}_coefficient": POSITIVE for quantity in quantities})

    def learning_rate(self, compute: Any) -> Any:
        """Return the peak learning rate [1].

        Parameters
        ----------
        compute : non-embedding FLOPs of training C [FLOP], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        (compute,) = positive(compute=compute)
        return self.learning_rate_coefficient * compute**self.learning_rate_exponent

    def batch_tokens(self, compute: Any) -> Any:
        """Return the batch [token].

        Parameters
        ----------
        compute : non-embedding FLOPs of training C [FLOP], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        (compute,) = positive(compute=compute)
        return self.batch_coefficient * compute**self.batch_exponent

    def allocate(self, compute: Any) -> ModelScale:
        """Return the model scale and the tokens; it is no number of parameters.

        Parameters
        ----------
        compute : non-embedding FLOPs of training C [FLOP], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        (compute,) = positive(compute=compute)
        model = self.model_coefficient * compute**self.model_exponent
        return ModelScale(model, self.tokens_coefficient * compute**self.tokens_exponent, compute)


@dataclass(frozen=True, slots=True)
class StepLaw:
    """Learning rate as a power law of parameters and tokens, batch as one of tokens.

    References
    ----------
    Li et al. 2025, "Predictable Scale: Part I, Step Law" (arXiv 2503.04715).

    Examples
    --------
    >>> from costmodel.scaling.laws.presets import scaling_law
    >>> law = scaling_law("steplaw-2025")
    >>> f"{law.learning_rate(1e9, 100e9):.2e}, {law.batch_tokens(100e9):.2e} tokens"
    '1.63e-03, 1.11e+06 tokens'
    """

    learning_rate_coefficient: float
    parameter_exponent: float
    token_exponent: float
    batch_coefficient: float
    batch_exponent: float
    name: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        exponents = dict.fromkeys(("parameter_exponent", "token_exponent", "batch_exponent"), FINITE)
        check_coefficients(self, learning_rate_coefficient=POSITIVE, batch_coefficient=POSITIVE, **exponents)

    def learning_rate(self, parameters: Any, tokens: Any) -> Any:
        """Return the peak learning rate [1].

        Parameters
        ----------
        parameters : non-embedding parameters N [1], shape (...)
        tokens : D [token], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        parameters, tokens = positive(parameters=parameters, tokens=tokens)
        return self.learning_rate_coefficient * parameters**self.parameter_exponent * tokens**self.token_exponent

    def batch_tokens(self, tokens: Any) -> Any:
        """Return the batch [token].

        Parameters
        ----------
        tokens : D [token], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        (tokens,) = positive(tokens=tokens)
        return self.batch_coefficient * tokens**self.batch_exponent
