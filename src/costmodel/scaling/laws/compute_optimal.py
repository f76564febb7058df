"""Compute-optimal parameters or tokens as a power law of compute, without a law of the loss."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.scaling.laws.broadcast import FINITE, power
from costmodel.scaling.laws.hoffmann import FLOPS_PER_PARAMETER, Allocation
from costmodel.scaling.laws.law import COMPUTE, PARAMETERS, Law, constant, law, takes

if TYPE_CHECKING:
    from costmodel.foundation.arrays import N


@law('Hoffmann et al. 2022, "Training Compute-Optimal Large Language Models", approaches 1 and 2 (arXiv 2203.15556).')
class ComputePowerLaw(Law):
    """Optimal parameters or tokens, coefficient (C / unit)^exponent; the other follows from 6 N D = C.

    If a source gives the exponent alone, `through` sets the coefficient from a known point.

    Parameters
    ----------
    quantity : {"parameters", "tokens"}
        Quantity that the power law gives.

    Examples
    --------
    >>> llama = ComputePowerLaw("tokens", exponent=0.537, coefficient=0.299)
    >>> round(llama.allocate(3.8e25).tokens / 1e12, 2)
    16.29
    """

    quantity: Literal["parameters", "tokens"]
    exponent: float = constant("Exponent of compute [1].", FINITE)
    coefficient: float | None = constant("Value at C = `unit`, in the unit of the quantity.", default=None)
    unit: float = constant("Unit of compute [FLOP].", default=1.0)

    def __post_init__(self) -> None:
        if self.quantity not in ("parameters", "tokens"):
            raise InputError(f"`quantity` must be 'parameters' or 'tokens'; got {self.quantity!r}.")
        Law.__post_init__(self)

    @property
    def parameter_exponent(self) -> float:
        """Exponent a of the optimal number of parameters in compute [1]."""
        return self.exponent if self.quantity == "parameters" else 1 - self.exponent

    @takes(compute=COMPUTE, parameters=PARAMETERS)
    def through(self, *, compute: float, parameters: float) -> ComputePowerLaw:
        """Return the law with the same exponent through the point (`compute`, `parameters`).

        Examples
        --------
        >>> law = ComputePowerLaw("parameters", exponent=0.49).through(compute=5.76e23, parameters=67e9)
        >>> f"{law.allocate(5.76e25).parameters:.2e}"
        '6.40e+11'
        """
        value = parameters if self.quantity == "parameters" else compute / (FLOPS_PER_PARAMETER * parameters)
        return replace(self, coefficient=value / power(compute / self.unit, self.exponent))

    @takes(compute=COMPUTE)
    def allocate(self, compute: N) -> Allocation[N]:
        """Return the parameters and tokens of a compute budget; the loss is None, because the law has none.

        Raises
        ------
        MissingFactError
            If the law has no coefficient.
        """
        if self.coefficient is None:
            raise MissingFactError(
                f"the law {self.name or 'given'} has an exponent and no coefficient: set it with "
                "through(compute=..., parameters=...)"
            )
        amount = self.coefficient * power(compute / self.unit, self.exponent)
        other = compute / (FLOPS_PER_PARAMETER * amount)
        parameters, tokens = (amount, other) if self.quantity == "parameters" else (other, amount)
        return Allocation(parameters, tokens, None, compute)  # type: ignore[arg-type]
