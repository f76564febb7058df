"""Actuals of a budget: what was paid and ordered so far, and how much of a line is done."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from costmodel.foundation.fields import Measure, OrJson
from costmodel.foundation.ranges import Range
from costmodel.foundation.specs import Spec

if TYPE_CHECKING:
    from costmodel.foundation.fields import NumberLike, RangeLike

Money: TypeAlias = Annotated[float, Measure("USD", 0.0, 1e15, uncertain=False)]
UncertainMoney: TypeAlias = Annotated[float | Range, Measure("USD", 0.0, 1e15)]
Done: TypeAlias = Annotated[float, Measure("1", 0.0, 1.0, uncertain=False)]


class Actual(Spec):
    """What was spent and ordered on a line so far, and what is left of it.

    What is left follows from `left`, or else from `done`, or else from the line: its cost, given that it is at least
    what was spent and committed.

    Examples
    --------
    >>> Actual(9_400, done=0.6).done
    0.6
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            spent: NumberLike = ...,
            *,
            committed: NumberLike = ...,
            done: NumberLike | None = ...,
            left: RangeLike | None = ...,
        ) -> None: ...

    spent: Money = Field(default=0.0, description="Amount paid so far [USD].")
    committed: Money = Field(default=0.0, description="Amount ordered and not yet paid [USD].")
    done: Done | None = Field(
        default=None, description="Share of the work of the line that is done, 0 to 1 [1]; 1: nothing more is ordered."
    )
    left: UncertainMoney | None = Field(
        default=None, description="Own estimate of what is left to pay, commitments included [USD]; replaces `done`."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.done is not None and self.left is not None:
            raise ValueError("give at most one of done and left")
        return self


def _amount(value: Any) -> Any:
    """Return the fields of an actual that is given as the amount paid."""
    return value if isinstance(value, (Actual, Mapping)) else {"spent": value}


ActualField: TypeAlias = Annotated[Actual, BeforeValidator(_amount), OrJson(("number", "string"))]
"""An actual, or the amount paid."""
