"""What stands around a run and costs money: storage, egress, evaluation, experiments, failed runs and staff."""

from typing import TYPE_CHECKING, Annotated, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from costmodel.foundation.fields import MOST, GPUHours, Measure, reported
from costmodel.foundation.ranges import Range
from costmodel.foundation.specs import Spec
from costmodel.market.storage_prices import StorageKind, provider_of_storage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.foundation.fields import RangeLike

Size: TypeAlias = Annotated[float | Range, Measure("GB", 0.0, 1e15, open_low=True)]
Days: TypeAlias = Annotated[float | Range, Measure("day", 0.0, 1e5)]
Number: TypeAlias = Annotated[float | Range, Measure("1", 0.0, 1e9)]
Kept: TypeAlias = Annotated[float | Range, Measure("1", 1.0, 1e9)]
BytesPerToken: TypeAlias = Annotated[float | Range, Measure("byte", 0.0, 1e9, open_low=True)]
Share: TypeAlias = Annotated[float | Range, Measure("1", 0.0, 1e6)]
Part: TypeAlias = Annotated[float | Range, Measure("1", 0.0, 1.0, open_high=True)]
Multiplier: TypeAlias = Annotated[float | Range, Measure("1", 1.0, 1e6)]
EvaluatedTokens: TypeAlias = Annotated[float | Range, Measure("token", 0.0, MOST)]
StoragePrice: TypeAlias = Annotated[float | Range, Measure("USD/GB/month", 0.0, 1e9)]
EgressPrice: TypeAlias = Annotated[float | Range, Measure("USD/GB", 0.0, 1e9)]
Amount: TypeAlias = Annotated[float | Range, Measure("USD", 0.0, MOST)]


class CheckpointStorage(Spec):
    """Storage of checkpoints: how many are kept, and how long.

    Without a `size`, a checkpoint has the trained parameters (of LoRA those of the adapters) times
    `reliability.checkpoint_bytes_per_parameter`, for weights and optimizer state.

    Examples
    --------
    >>> CheckpointStorage(size="112 GB", kept=5, days=90).size
    112.0
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            size: RangeLike | None = ...,
            kept: RangeLike | None = ...,
            interval: RangeLike | None = ...,
            days: RangeLike | None = ...,
        ) -> None: ...

    size: Size | None = Field(
        default=None, description="Size of a checkpoint [GB]; default: from the trained parameters."
    )
    kept: Kept | None = Field(
        default=None,
        description="Newest checkpoints kept at a time, at least 1 [1]. Default: all if `interval` is given, else the "
        "number that training software keeps.",
    )
    interval: GPUHours | None = Field(
        default=None,
        description="Wall time between two checkpoints that are kept [hour]; default: the number `kept` lies there "
        "from the start.",
    )
    days: Days | None = Field(
        default=None, description="Time that they are kept after the run [day]; default: assumed."
    )


class DataStorage(Spec):
    """Storage of the training data.

    Examples
    --------
    >>> DataStorage(size="500 GB", days=30).size
    500.0
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self, *, size: RangeLike | None = ..., bytes_per_token: RangeLike | None = ..., days: RangeLike | None = ...
        ) -> None: ...

    size: Size | None = Field(
        default=None, description="Size of the data [GB]; default: tokens of one epoch × `bytes_per_token`."
    )
    bytes_per_token: BytesPerToken | None = Field(
        default=None, description="Stored bytes per token of the data [byte]; default: that of published datasets."
    )
    days: Days | None = Field(
        default=None,
        description="Time that the data are stored beside the duration of the run [day]; default: assumed.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.size is not None and self.bytes_per_token is not None:
            raise ValueError("size and bytes_per_token are both given; leave one out")
        return self


class Egress(Spec):
    """Data that leave the provider: checkpoints and training data, or a given amount.

    Examples
    --------
    >>> Egress(checkpoints=2).data_share  # two checkpoints leave the provider, the training data do not
    0.0
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self, *, size: RangeLike | None = ..., checkpoints: RangeLike = ..., data_share: RangeLike = ...
        ) -> None: ...

    size: Size | None = Field(
        default=None, description="Amount that leaves [GB]; default: from `checkpoints` and `data_share`."
    )
    checkpoints: Number = Field(default=1.0, description="Checkpoints that leave, the final one included [1].")
    data_share: Share = Field(default=0.0, description="Times that the training data leave [1].")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.size is not None and {"checkpoints", "data_share"} & self.model_fields_set:
            raise ValueError("size is given, so checkpoints and data_share have no effect; leave them out")
        return self


class Evaluation(Spec):
    """Evaluation beside the run, on the same kind of accelerators at the same price.

    Evaluation that the run waits for is part of its goodput (`reliability.evaluation_share`).

    Examples
    --------
    >>> Evaluation(gpu_hours="500 to 1500").share is None  # the hours are given instead of a share of the run
    True
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            share: RangeLike | None = ...,
            gpu_hours: RangeLike | None = ...,
            scored_tokens: RangeLike | None = ...,
            generated_tokens: RangeLike | None = ...,
        ) -> None: ...

    share: Share | None = Field(
        default=None, description="GPU-hours of evaluation per GPU-hour of the run [1]; default: assumed."
    )
    gpu_hours: GPUHours | None = Field(default=None, description="GPU-hours of evaluation [hour]; replaces `share`.")
    scored_tokens: EvaluatedTokens | None = Field(
        default=None, description="Tokens that the model reads in evaluations, prompts included [token]."
    )
    generated_tokens: EvaluatedTokens | None = Field(
        default=None,
        description="Tokens that the model writes in evaluations [token]; their time is that of the serving model.",
    )

    @property
    def has_tokens(self) -> bool:
        """Whether tokens are given."""
        return self.scored_tokens is not None or self.generated_tokens is not None

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [name for name in ("share", "gpu_hours") if getattr(self, name) is not None]
        given += ["scored_tokens or generated_tokens"] if self.has_tokens else []
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are given; leave all but one out")
        return self


class OtherCosts(Spec):
    """Costs around a run: each part that is given is a line of the bill.

    A part without fields takes its defaults: `OtherCosts(checkpoints={})`. In the scope "development" a scenario has
    experiments, failed runs and staff even where they are not given.

    Examples
    --------
    >>> costs = OtherCosts(data={"size": "45 TB", "days": "6 months"}, failed_runs="20 %")
    >>> round(costs.data.size), costs.failed_runs
    (45000, 0.2)
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            checkpoints: CheckpointStorage | Mapping[str, object] | None = ...,
            data: DataStorage | Mapping[str, object] | None = ...,
            egress: Egress | Mapping[str, object] | None = ...,
            evaluation: Evaluation | Mapping[str, object] | None = ...,
            rd_multiplier: RangeLike | None = ...,
            experiments: RangeLike | None = ...,
            failed_runs: RangeLike | None = ...,
            staff_share: RangeLike | None = ...,
            staff: RangeLike | None = ...,
            provider: str | None = ...,
            storage: StorageKind = ...,
            storage_price: RangeLike | None = ...,
            egress_price: RangeLike | None = ...,
        ) -> None: ...

    checkpoints: CheckpointStorage | None = Field(default=None, description="Storage of checkpoints.")
    data: DataStorage | None = Field(default=None, description="Storage of the training data.")
    egress: Egress | None = Field(default=None, description="Data that leave the provider.")
    evaluation: Evaluation | None = Field(default=None, description="Evaluation beside the run.")
    rd_multiplier: Multiplier | None = Field(
        default=None,
        description="Cost of all compute of a development over that of the final run, at least 1 [1]: experiments, "
        "failed and smaller runs. Default in scope development: `data/assumptions/development.csv`.",
    )
    experiments: Share | None = Field(
        default=None,
        description="Cost of experiments over that of the final run [1]; replaces `rd_multiplier`, as `failed_runs`.",
    )
    failed_runs: Share | None = Field(
        default=None,
        description="Cost of runs whose result was not used, over that of the final run [1]. Failures within the run "
        "are part of its goodput.",
    )
    staff_share: Part | None = Field(
        default=None,
        description="Share of R&D staff in the total, below 1 [1]. Default in scope development: "
        "`data/assumptions/development.csv`.",
    )
    staff: Amount | None = Field(default=None, description="Cost of R&D staff [USD]; replaces `staff_share`.")
    provider: Annotated[str, BeforeValidator(reported(provider_of_storage))] | None = Field(
        default=None,
        description="Provider of storage and egress; default: that of `prices`, or the median of all known.",
    )
    storage: StorageKind = Field(
        default="object",
        description='Kind of storage: "object", "fast_object", "infrequent_access", "archive" or "file".',
    )
    storage_price: StoragePrice | None = Field(
        default=None, description="Price of storage [USD/GB/month]; default: looked up."
    )
    egress_price: EgressPrice | None = Field(default=None, description="Price of egress [USD/GB]; default: looked up.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = []
        parts = [name for name in ("experiments", "failed_runs") if getattr(self, name) is not None]
        if self.rd_multiplier is not None and parts:
            problems.append(f"rd_multiplier covers experiments and failed runs; leave out it or {' and '.join(parts)}")
        if self.staff is not None and self.staff_share is not None:
            problems.append("staff and staff_share are both given; leave one out")
        problems += self._without_effect()
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _without_effect(self) -> list[str]:
        """Return one problem per field that no line uses."""
        stored = self.checkpoints is not None or self.data is not None
        priced = {"storage_price": stored, "egress_price": self.egress is not None}
        problems = [
            f"{name} has no effect: no {'storage' if name == 'storage_price' else 'egress'} is given"
            for name, used in priced.items()
            if getattr(self, name) is not None and not used
        ]
        if self.storage_price is not None and "storage" in self.model_fields_set:
            problems.append("storage_price is given, so storage has no effect; leave one out")
        if self.provider is not None and not (stored or self.egress is not None):
            problems.append("provider has no effect: neither storage nor egress is given")
        return problems
