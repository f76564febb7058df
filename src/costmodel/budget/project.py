"""A project around training runs, and its budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.budget.budget import Budget
from costmodel.budget.plan import ProjectPlan


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

    if TYPE_CHECKING:  # fields take more than the types in which they are held

        def __init__(self, *args: Any, **fields: Any) -> None: ...

    def budget(self) -> Budget:
        """Return the budget of the project: lines, total with its interval, drivers and calendar.

        Raises
        ------
        InputError, MissingFactError
            If a run cannot be estimated or its price is not known. The message names the run.
        """
        return Budget(self)
