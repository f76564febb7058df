"""Requests per month that a model serves, with their tokens and their peak."""

from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import Field

from costmodel.foundation.fields import MOST, Measure
from costmodel.foundation.ranges import Range
from costmodel.foundation.specs import Spec

if TYPE_CHECKING:
    from costmodel.foundation.fields import NumberLike, RangeLike

HOURS_PER_MONTH = 365.25 * 24 / 12
"""Mean length of a month [hour]."""
SECONDS_PER_MONTH = 3600 * HOURS_PER_MONTH
"""Mean length of a month [s]."""

Requests: TypeAlias = Annotated[float | Range, Measure("1", 0.0, MOST, open_low=True)]
TokensPerRequest: TypeAlias = Annotated[float, Measure("token", 0.0, 1e9, open_low=True, uncertain=False)]
Share: TypeAlias = Annotated[float, Measure("1", 0.0, 1.0, uncertain=False)]
Ratio: TypeAlias = Annotated[float, Measure("1", 1.0, 1e6, uncertain=False)]


class ServingWorkload(Spec):
    """Requests that a model serves per month.

    Examples
    --------
    >>> workload = ServingWorkload(requests_per_month="10M", input_tokens=2000, output_tokens=500, peak_to_mean=3)
    >>> round(workload.requests_per_second, 2)
    3.8
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            requests_per_month: RangeLike,
            input_tokens: NumberLike,
            output_tokens: NumberLike,
            peak_to_mean: NumberLike,
            cached_share: NumberLike = ...,
        ) -> None: ...

    requests_per_month: Requests = Field(description="Requests in a month of 30.4 days [1].")
    input_tokens: TokensPerRequest = Field(description="Mean tokens of a prompt, cached ones included [token].")
    output_tokens: TokensPerRequest = Field(description="Mean tokens of an answer, reasoning tokens included [token].")
    peak_to_mean: Ratio = Field(
        description="Requests per second at the peak over their mean over the month [1]; reserved accelerators are "
        "sized for the peak."
    )
    cached_share: Share = Field(
        default=0.0, description="Share of the input tokens that is read from a cache of prompts [1]."
    )

    @property
    def requests_per_second(self) -> float:
        """Mean requests per second over the month, the median of a range [1]."""
        from costmodel.foundation.ranges import middle

        return middle(self.requests_per_month) / SECONDS_PER_MONTH

    @property
    def tokens(self) -> float:
        """Input and output tokens of a request [token]."""
        return self.input_tokens + self.output_tokens
