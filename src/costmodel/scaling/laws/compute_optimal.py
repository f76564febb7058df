"""How many parameters and tokens does a compute budget buy? Power laws of compute, with no law of the loss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.scaling.laws.broadcast import FINITE, POSITIVE, check_coefficients, positive
from costmodel.scaling.laws.hoffmann import FLOPS_PER_PARAMETER, Allocation


@dataclass(frozen=True, slots=True)
class ComputePowerLaw:
    """The best parameters or tokens as coefficient (C / unit)^exponent; 6 N D = C gives the other one.

    Where a source gives the exponent alone, `through` fixes the coefficient at a point that is known.

    References
    ----------
    Hoffmann et al. 2022, "Training Compute-Optimal Large Language Models", approaches 1 and 2 (arXiv 2203.15556).

    Examples
    --------
    >>> llama = ComputePowerLaw("tokens", exponent=0.537, coefficient=0.299)
    >>> round(llama.allocate(3.8e25).tokens / 1e12, 2)
    16.29
    """

    quantity: Literal["parameters", "tokens"]
    """What the power law gives."""
    exponent: float
    coefficient: float | None = None
    unit: float = 1.0
    """Unit of compute in which the coefficient stands [FLOP]."""
    name: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if self.quantity not in ("parameters", "tokens"):
            raise InputError(f"quantity must be 'parameters' or 'tokens'; got {self.quantity!r}")
        given = {} if self.coefficient is None else {"coefficient": POSITIVE}
        check_coefficients(self, exponent=FINITE, unit=POSITIVE, **given)

    @property
    def parameter_exponent(self) -> float:
        """Exponent a of the best number of parameters in compute [1]."""
        return self.exponent if self.quantity == "parameters" else 1 - self.exponent

    def through(self, *, compute: float, parameters: float) -> ComputePowerLaw:
        """Return the law with the same exponent through a point that is known.

        Parameters
        ----------
        compute : FLOPs of training at that point [FLOP]
        parameters : the best number of parameters there [1]

        Raises
        ------
        InputError
            If a value is not above 0 and finite.

        Examples
        --------
        >>> law = ComputePowerLaw("parameters", exponent=0.49).through(compute=5.76e23, parameters=67e9)
        >>> f"{law.allocate(5.76e25).parameters:.2e}"
        '6.40e+11'
        """
        compute, parameters = positive(compute=compute, parameters=parameters)
        known = parameters if self.quantity == "parameters" else compute / (FLOPS_PER_PARAMETER * parameters)
        return replace(self, coefficient=known / (compute / self.unit) ** self.exponent)

    def allocate(self, compute: Any) -> Allocation:
        """Return the parameters and tokens for so much compute; the loss is None, as the law has none.

        Parameters
        ----------
        compute : FLOPs of training [FLOP], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        MissingFactError
            If the law has no coefficient.
        """
        (compute,) = positive(compute=compute)
        if self.coefficient is None:
            raise MissingFactError(
                f"the law {self.name or 'given'} has an exponent and no coefficient: fix it with "
                "through(compute=..., parameters=...)"
            )
        amount = self.coefficient * (compute / self.unit) ** self.exponent
        other = compute / (FLOPS_PER_PARAMETER * amount)
        parameters, tokens = (amount, other) if self.quantity == "parameters" else (other, amount)
        return Allocation(parameters, tokens, None, compute)
