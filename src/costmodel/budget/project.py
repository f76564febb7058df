"""A project around training runs, and its budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.budget.budget import Budget
from costmodel.budget.plan import ProjectPlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from costmodel.budget.actuals import Actual
    from costmodel.budget.items import Experiments, Item, Person, Run, ServedModel, Storage
    from costmodel.foundation.fields import DateLike, NumberLike, RangeLike


class Project(ProjectPlan):
    """A project around training runs: its total cost and its calendar.

    Examples
    --------
    >>> project = Project(
    ...     name="ticket classifier",
    ...     data=[{"name": "labels", "quantity": "20k", "unit": "example", "unit_price": 0.5}],
    ...     people=[{"role": "engineer", "weeks": 10, "usd_per_year": 104_000, "overhead": 1.3}],
    ...     contingency=0.1,
    ... )
    >>> print(f"{project.budget().total:,.2f~P}")  # (20,000 x 0.5 + 10 x 104,000 x 1.3 / 52) x 1.1
    39,600.00 USD
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            name: str,
            *,
            currency_year: int = ...,
            start: DateLike | None = ...,
            runs: Sequence[Run | Mapping[str, object]] = ...,
            experiments: Experiments | Mapping[str, object] | None = ...,
            data: Sequence[Item | Mapping[str, object]] = ...,
            evaluation: Sequence[Item | Mapping[str, object]] = ...,
            people: Sequence[Person | Mapping[str, object]] = ...,
            storage: Sequence[Storage | Item | Mapping[str, object]] = ...,
            serving: Sequence[ServedModel | Item | Mapping[str, object]] = ...,
            other: Sequence[Item | Mapping[str, object]] = ...,
            contingency: RangeLike = ...,
            actuals: Mapping[str, Actual | Mapping[str, object] | NumberLike] = ...,
            owner: str = ...,
            seed: int = ...,
        ) -> None: ...

    def budget(self) -> Budget:
        """Return the budget of the project: lines, total with its interval, drivers and calendar.

        Raises
        ------
        InputError, MissingFactError
            If a run cannot be estimated or its price is not known. The message names the run.
        """
        return Budget(self)
