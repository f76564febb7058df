"""The input of an estimate of serving: a model, its requests and their load, accelerators, and prices."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from costmodel.estimation import files
from costmodel.estimation.scenario import ArchitectureField
from costmodel.estimation.serving.checks import Recipe, problems_of
from costmodel.foundation.checks import checked
from costmodel.foundation.fields import Count, Fraction, Measure
from costmodel.foundation.ranges import Range
from costmodel.foundation.specs import Spec
from costmodel.hardware.cluster import Cluster
from costmodel.market.rental import Rental
from costmodel.market.ways_to_pay import Prices
from costmodel.serving.step.memory import MEMORY_SHARE

if TYPE_CHECKING:
    from costmodel.architecture.loading import ArchitectureLike
    from costmodel.foundation.fields import CountLike, NumberLike, RangeLike
    from costmodel.market.owned import Ownership

RequestTokens = Annotated[float | Range, Measure("token", 1.0, 1e9)]
ShareOfInput = Annotated[float, Measure("1", 0.0, 1.0, open_high=True, uncertain=False)]
Share = Annotated[float, Measure("1", 0.0, 1.0, open_low=True, uncertain=False)]
OpenShare = Annotated[float, Measure("1", 0.0, 1.0, open_low=True, open_high=True, uncertain=False)]
Requests = Annotated[float, Measure("1", 1.0, 1e9, uncertain=False)]
RequestRate = Annotated[float, Measure("1", 0.0, 1e9, open_low=True, uncertain=False)]
TokenRate = Annotated[float, Measure("token/s", 0.0, 1e9, open_low=True, uncertain=False)]
Factor = Annotated[float | Range, Measure("1", 0.0, 100.0, open_low=True)]
Latency = Annotated[float, Measure("s", 0.0, 1e6, open_low=True, uncertain=False)]


class Serving(Spec):
    """A model that is served: its requests, their load, accelerators and prices.

    The load is one of `concurrency`, `requests_per_second`, and `users` with `tokens_per_second_per_user`.

    Examples
    --------
    >>> import costmodel as cm
    >>> chat = cm.Serving(
    ...     architecture="llama-3.1-70b",
    ...     cluster=cm.Cluster("H100-SXM", 8),
    ...     precision="fp8",
    ...     input_tokens=1000,
    ...     output_tokens=500,
    ...     concurrency=64,
    ... )
    >>> 1500 < cm.estimate(chat).tokens_per_second.output.magnitude < 4000
    True
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            architecture: ArchitectureLike,
            cluster: Cluster | Mapping[str, object],
            *,
            input_tokens: RangeLike,
            output_tokens: RangeLike,
            cached_share: NumberLike = ...,
            concurrency: NumberLike | None = ...,
            requests_per_second: NumberLike | None = ...,
            users: NumberLike | None = ...,
            tokens_per_second_per_user: NumberLike | None = ...,
            target_ttft: NumberLike | None = ...,
            target_tpot: NumberLike | None = ...,
            utilization: RangeLike | None = ...,
            precision: str | None = ...,
            cache_precision: str = ...,
            engine: str = ...,
            recipe: Recipe | None = ...,
            engine_date: str | None = ...,
            tensor: CountLike | None = ...,
            pipeline: CountLike | None = ...,
            data_parallel_attention: bool | None = ...,
            draft_tokens: CountLike | None = ...,
            acceptance: NumberLike | None = ...,
            draft_time: NumberLike | None = ...,
            gpu_memory_utilization: NumberLike = ...,
            time_factor: RangeLike | None = ...,
            ttft_factor: RangeLike | None = ...,
            prices: Rental | Ownership | Mapping[str, object] = ...,
            name: str = ...,
            seed: CountLike = ...,
        ) -> None: ...

    architecture: ArchitectureField = Field(
        description="A name of the catalog, a path, a config, or an `Architecture` with its layers."
    )
    cluster: Cluster = Field(description="Accelerators, divided into equal replicas of the model, and their site.")
    input_tokens: RequestTokens = Field(
        description="Tokens of a prompt, cached ones included: their mean, or as a range their distribution over "
        "requests."
    )
    output_tokens: RequestTokens = Field(
        description="Output tokens of a request: their mean, or as a range their distribution over requests."
    )
    cached_share: ShareOfInput = Field(default=0.0, description="Share of the prompt that is in the prefix cache [1].")
    concurrency: Requests | None = Field(
        default=None, description="Requests at a time on the whole cluster; when one ends, another starts."
    )
    requests_per_second: RequestRate | None = Field(
        default=None, description="Requests that arrive per second, at random times."
    )
    users: Requests | None = Field(
        default=None,
        description="Users who receive an answer at the same time, each with `tokens_per_second_per_user`.",
    )
    tokens_per_second_per_user: TokenRate | None = Field(
        default=None, description="Output tokens per second that each of the `users` needs at least [token/s]."
    )
    target_ttft: Latency | None = Field(default=None, description="Longest mean time to the first token [s].")
    target_tpot: Latency | None = Field(default=None, description="Longest mean time per output token [s].")
    utilization: Fraction | None = Field(
        default=None,
        description="Mean load of the billed time over the load given here [1], by which the cost per token is "
        "divided. Default: the load lasts all the time.",
    )
    precision: str | None = Field(
        default=None,
        description="Precision of the weights: bf16, fp16, fp8, int8, nvfp4, mxfp4, int4, awq or gptq. Default: that "
        "of the released checkpoint.",
    )
    cache_precision: str = Field(default="bf16", description="Precision of the KV cache: bf16, fp16 or fp8.")
    engine: str = Field(default="vllm", description='Inference engine, such as "sglang", or "unknown".')
    recipe: Recipe | None = Field(
        default=None,
        description='Settings of the engine: its "default", or "tuned" by its makers for the model and the '
        'accelerator. Default: "default" of a known engine.',
    )
    engine_date: str | None = Field(
        default=None, description='Month of the release of the engine, such as "2025-11". Default: the latest.'
    )
    tensor: Count | None = Field(
        default=None,
        description="Accelerators that share each layer of a replica. Default: the fewest of a power of two that hold "
        "the weights and 64 requests, on several nodes one request.",
    )
    pipeline: Count | None = Field(default=None, description="Pipeline stages of a replica. Default: 1.")
    data_parallel_attention: bool | None = Field(
        default=None,
        description="Whether each accelerator of a replica has its own requests and all attention weights, with the "
        "experts spread over all. Default: for a mixture of experts whose cache would else be copied.",
    )
    draft_tokens: Count | None = Field(
        default=None, description="Tokens that speculative decoding proposes per step. Default: no speculation."
    )
    acceptance: OpenShare | None = Field(
        default=None, description="Probability that a proposed token is accepted, if all before it are [1]."
    )
    draft_time: ShareOfInput | None = Field(
        default=None,
        description="Time to propose a token over the time of a decode step [1]. Default: that of one layer.",
    )
    gpu_memory_utilization: Share = Field(
        default=MEMORY_SHARE, description="Share of the memory for weights and KV cache [1]."
    )
    time_factor: Factor | None = Field(
        default=None,
        description="Measured over predicted times per token of your stack [1], such as the interval that "
        "`calibrate_serving` returns. Default: 1, with the error of the model.",
    )
    ttft_factor: Factor | None = Field(
        default=None,
        description="Measured over predicted times to the first token of your stack [1]. Default: 1, with the error of "
        "the model.",
    )
    prices: Prices = Field(
        default=Rental(),
        description="How the accelerators are paid: rented at a price of a GPU-hour, given or looked up by provider "
        'and day, or owned (`kind = "owned"`) at the levelized cost of an hour.',
    )
    name: str = Field(default="", description="Title of the estimate.")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(
        default=0, description="Seed of the random draws behind the intervals."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if problems := problems_of(self):
            context = {"reason": "; ".join(problems), "problems": tuple(problems)}
            raise PydanticCustomError("costmodel fields", "{reason}", context)
        return self

    @classmethod
    @checked("changes", "base_folder")
    def load(
        cls, path: str | Path, changes: Mapping[str, Any] | None = None, *, base_folder: str | Path | None = None
    ) -> Self:
        """Read a serving scenario from a TOML or JSON file.

        Parameters
        ----------
        path : str or Path
            The file. `extends = "other.toml"` in it names a file in its folder whose values it overrides.
        changes : Mapping, optional
            Values by dotted path that override the file: `{"cluster.count": 16}`.
        base_folder : str or Path, optional
            Folder in which files that others extend must lie, such as a folder above; default: the folder of the file
            (or that of the environment variable COSTMODEL_BASE_FOLDER).

        Raises
        ------
        InputError
            With all problems of the file at once.
        """
        return cls.from_data(files.read(path, changes, base_folder))

    def save(self, path: str | Path) -> None:
        """Write the scenario to a TOML or JSON file, by its suffix; `load` reads it back.

        Parameters
        ----------
        path : str or pathlib.Path
            File to write; its ending, .toml or .json, is the format.
        """
        files.write(path, self.to_data())

    def __repr_args__(self) -> Any:
        return self.to_data().items()
