"""What a file asks of a comparison of serving options."""

from typing import TYPE_CHECKING

from pydantic import Field

from costmodel.comparison.serving.options import HostedAPI, Option, SelfHosted
from costmodel.comparison.serving.workload import ServingWorkload
from costmodel.foundation.specs import Spec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ComparisonRequest(Spec):
    """A workload and the options to serve it."""

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            workload: ServingWorkload | Mapping[str, object],
            options: Sequence[HostedAPI | SelfHosted | Mapping[str, object]],
            baseline: str | None = ...,
            seed: int = ...,
        ) -> None: ...

    workload: ServingWorkload = Field(description="Requests per month, their tokens, and their peak.")
    options: tuple[Option, ...] = Field(description="Hosted and self-hosted options.")
    baseline: str | None = Field(
        default=None, description="Name of the hosted option for the break-even; default: the cheapest."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the random draws.")
