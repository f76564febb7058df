"""The input of an estimate: a model, how it is trained, on which cluster, at which prices."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, PlainSerializer, Tag, model_validator

from costmodel.architecture.families.classes import Head
from costmodel.architecture.loading import OPTIONS, load_architecture
from costmodel.architecture.specification import Architecture
from costmodel.estimation import files
from costmodel.estimation.measured_speed import MeasuredStepTime, MeasuredTokensPerSecond, speed_problems
from costmodel.estimation.other_costs import OtherCosts
from costmodel.estimation.paths import field_of
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError
from costmodel.foundation.fields import Fraction, GPUHours, Measure, OrJson, reported
from costmodel.foundation.ranges import Range
from costmodel.foundation.specs import Spec
from costmodel.hardware.cluster import Cluster
from costmodel.market.rental import Rental
from costmodel.market.ways_to_pay import Prices
from costmodel.training.jobs.goodput import Reliability
from costmodel.training.layouts.fitting import SAFE_PROBABILITY
from costmodel.training.recipes.registry import AnyRecipe
from costmodel.training.step.efficiency import Efficiency
from costmodel.training.step.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costmodel.architecture.loading import ArchitectureLike
    from costmodel.foundation.fields import CountLike, RangeLike
    from costmodel.market.owned import Ownership
    from costmodel.training.recipes.registry import RecipeLike

Scope = Literal["final_run", "development"]
MOST_RECIPES = 100
Probability = Annotated[float, Measure("1", 0.0, 1.0, open_low=True, open_high=True, uncertain=False)]
RealizedEfficiency = Annotated[float | Range, Measure("1", 0.0, 100.0, open_low=True)]


def _written_architecture(architecture: Architecture) -> Any:
    return architecture.origin if architecture.origin is not None else architecture.to_data()


ArchitectureField = Annotated[
    Architecture,
    BeforeValidator(reported(load_architecture)),
    PlainSerializer(_written_architecture),
    OrJson(("string", "object", "number")),
]
Stages = Annotated[
    Annotated[AnyRecipe, Tag("one recipe")] | Annotated[tuple[AnyRecipe, ...], Tag("several recipes")],
    Discriminator(lambda value: "several recipes" if isinstance(value, (list, tuple)) else "one recipe"),
]


class Scenario(Spec):
    """A training job to estimate: model, recipe, cluster and prices.

    Fields that are not given are looked up or assumed with an uncertainty; `Estimate.explain` lists them.

    Examples
    --------
    >>> import costmodel as cm
    >>> run = cm.Scenario(
    ...     architecture="llama-3.1-8b",
    ...     recipe=cm.Pretraining(tokens="15T", sequence_length=8192),
    ...     cluster=cm.Cluster("H100-SXM", 1024),
    ... )
    >>> run.replace({"cluster.count": 2048}).cluster.count
    2048
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            architecture: ArchitectureLike,
            recipe: RecipeLike | Sequence[RecipeLike],
            cluster: Cluster | Mapping[str, object],
            *,
            prices: Rental | Ownership | Mapping[str, object] = ...,
            mfu: RangeLike | None = ...,
            step_time: RangeLike | None = ...,
            tokens_per_second: RangeLike | None = ...,
            goodput: RangeLike | None = ...,
            layout: Layout | Mapping[str, object] | str | None = ...,
            search: Literal["bounded", "full"] = ...,
            planned_fit_probability: float | str = ...,
            efficiency: Efficiency | Mapping[str, object] | None = ...,
            reliability: Reliability | Mapping[str, object] = ...,
            realized_efficiency: RangeLike | None = ...,
            rollout_efficiency: RangeLike | None = ...,
            gpu_hours: RangeLike | None = ...,
            scope: Scope = ...,
            other_costs: OtherCosts | Mapping[str, object] | None = ...,
            name: str = ...,
            seed: CountLike = ...,
            family: str | None = ...,
            strict: bool | None = ...,
            head: Head | None = ...,
        ) -> None: ...

    architecture: ArchitectureField = Field(
        description='A name of the catalog, a path, a config, counts (`{"total": "7B"}`) or an `Architecture`; with '
        'options of reading it: `{"config": "config.json", "family": "llama"}`.'
    )
    recipe: Stages = Field(description="How the model is trained, or a list of stages in sequence.")
    cluster: Cluster = Field(description="Accelerators and the site that they run at.")
    prices: Prices = Field(
        default=Rental(),
        description="How the accelerators are paid: rented at a price of a GPU-hour, given or looked up by provider "
        'and day, or owned (`kind = "owned"`).',
    )
    mfu: Fraction | None = Field(
        default=None,
        description="Model FLOPs utilization in steady state [1], relative to the dense bf16 peak at every precision.",
    )
    step_time: MeasuredStepTime | None = Field(
        default=None,
        description="Measured time of an optimizer step in steady state [s], instead of mfu; of one recipe with one "
        "training pass, at its batch size, or of the whole step of reinforcement learning, from rollout to update.",
    )
    tokens_per_second: MeasuredTokensPerSecond | None = Field(
        default=None,
        description="Measured tokens per second of the whole cluster in steady state, without padding [token/s], "
        "instead of mfu; of one recipe with one training pass, or of whole steps of reinforcement learning.",
    )
    goodput: Fraction | None = Field(
        default=None, description="Share of the wall time that is spent in useful steps [1]."
    )
    layout: Annotated[Layout, OrJson(("string",))] | None = Field(
        default=None,
        description="How the model is distributed over the accelerators: fields of `Layout`, or a short text such as "
        '"data 16, micro_batch 2, zero 1", as estimates print it. A given layout runs at its modeled speed, and the '
        "estimate says what it takes where it is planned; it has no part in rollouts. "
        "Default: the fastest layout of a search, with the modeled speed times the realized efficiency of "
        "published runs.",
    )
    search: Literal["bounded", "full"] = Field(
        default="bounded",
        description="Search where no layout is given: some hundred layouts selected by rules, or the full space.",
    )
    planned_fit_probability: Probability = Field(
        default=SAFE_PROBABILITY,
        description="Least probability to fit in memory of a planned layout [1]: the fastest layout that reaches it is "
        "planned, or the one that needs least memory, with a caution.",
    )
    efficiency: Efficiency | None = Field(
        default=None,
        description="Constants of the step-time model, as `calibrate` returns them. Default: the shipped constants.",
    )
    reliability: Reliability = Field(
        default=Reliability(),
        description="Failures, checkpoints and restarts, from which the goodput is computed where it is not given.",
    )
    realized_efficiency: RealizedEfficiency | None = Field(
        default=None,
        description="Achieved speed / modeled speed of your jobs [1]. Default: that of published fine-tunes, for "
        "fine-tunes without a given layout; of reinforcement learning also with one.",
    )
    rollout_efficiency: RealizedEfficiency | None = Field(
        default=None,
        description="Achieved speed / modeled speed of your rollouts of reinforcement learning [1]. Default: "
        "realized_efficiency if it is given, or that of published runs.",
    )
    gpu_hours: GPUHours | None = Field(
        default=None,
        description="Measured or planned GPU-hours of all recipes [hour]; excludes a given speed and a goodput.",
    )
    scope: Scope = Field(
        default="final_run",
        description='What the cost covers: "final_run", or "development" with experiments, failed runs and staff.',
    )
    other_costs: OtherCosts | None = Field(
        default=None,
        description="Costs around the run, each a line of the bill: storage, egress, evaluation, experiments, failed "
        "runs and staff. Default: none; in scope development the last three, as assumed for frontier models.",
    )
    name: str = Field(default="", description="Title of the estimate.")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(
        default=0, description="Seed of the random draws behind the intervals."
    )
    family: str | None = Field(
        default=None,
        description="A `model_type` whose layout the config shares, where its own is not known; the estimate says that "
        "the counts are unverified. It becomes an option of `architecture`, as the next two.",
    )
    strict: bool | None = Field(
        default=None,
        description="Whether keys of the config that are not understood are errors (default), or listed by the "
        "estimate.",
    )
    head: Head | None = Field(
        default=None,
        description="Head of the model, where the class in the `architectures` of the config is not known; the "
        "estimate says that it is unverified.",
    )

    @model_validator(mode="before")
    @classmethod
    def _move_options(cls, data: Any) -> Any:
        """Make the options of reading a config part of the architecture."""
        if not isinstance(data, Mapping) or "architecture" not in data:
            return data
        options = {name: data[name] for name in OPTIONS if data.get(name) is not None}
        rest = {name: value for name, value in data.items() if name not in OPTIONS}
        if options:
            rest["architecture"] = {"config": data["architecture"], **options}
        return rest

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not 1 <= len(self.recipes) <= MOST_RECIPES:
            raise ValueError(f"recipe: give 1 to {MOST_RECIPES} recipes; got {len(self.recipes)}")
        if problems := speed_problems(self):
            raise ValueError("; ".join(problems))
        timed = [recipe for recipe in self.recipes if recipe.gpu_hours is not None]
        if self.layout is not None and self.mfu is not None:
            raise ValueError("mfu and layout are both given; leave one out")
        if self.layout is not None and (self.gpu_hours is not None or len(timed) == len(self.recipes)):
            raise ValueError("gpu_hours and layout are both given; leave one out")
        if self.realized_efficiency is not None and (self.gpu_hours is not None or len(timed) == len(self.recipes)):
            raise ValueError("gpu_hours and realized_efficiency are both given; leave one out")
        if self.rollout_efficiency is not None and not any(
            recipe.job_kind == "reinforcement" and recipe.gpu_hours is None for recipe in self.recipes
        ):
            raise ValueError(
                "rollout_efficiency: is for reinforcement learning whose GPU-hours are not given; leave it out"
            )
        if self.gpu_hours is not None and (self.mfu is not None or self.goodput is not None):
            raise ValueError("gpu_hours is given together with mfu or goodput; leave one out")
        if self.gpu_hours is not None and timed:
            raise ValueError("gpu_hours is given for the scenario and for a recipe; leave one out")
        if len(timed) == len(self.recipes) and (self.mfu is not None or self.goodput is not None):
            raise ValueError("gpu_hours of every recipe are given together with mfu or goodput; leave one out")
        return self

    def __repr_args__(self) -> Any:
        return self.to_data().items()

    @property
    def recipes(self) -> tuple[AnyRecipe, ...]:
        """The recipes in sequence.

        Pretraining without a given precision has that in which the model was trained, where the model says so and the
        accelerator has it.
        """
        stated = self.recipe if isinstance(self.recipe, tuple) else (self.recipe,)
        own = self.architecture.training_precision
        if own is None or not self.cluster.accelerator.supports(own):
            return stated
        return tuple(recipe.replace(precision=own) if has_default_precision(recipe) else recipe for recipe in stated)

    def replace(self, changes: Mapping[str, Any] | None = None, /, **fields: Any) -> Self:
        """Return a copy with the given fields changed.

        Parameters
        ----------
        changes : Mapping, optional
            Values by dotted path: `{"cluster.count": 2048}`. Paths as estimates print them (`site.pue`) are
            accepted too.
        **fields : object
            Values by name.
        """
        if changes is not None and not isinstance(changes, Mapping):
            raise InputError(f"changes must be a mapping of values by path; got {type(changes).__name__}")
        return super().replace({field_of(path): value for path, value in {**(changes or {}), **fields}.items()})

    @classmethod
    @checked("changes", "base_folder")
    def load(
        cls, path: str | Path, changes: Mapping[str, Any] | None = None, *, base_folder: str | Path | None = None
    ) -> Self:
        """Read a scenario from a TOML or JSON file.

        Parameters
        ----------
        path : str or Path
            The file. `extends = "other.toml"` in it names a file in its folder whose values it overrides.
        changes : Mapping, optional
            Values by dotted path that override the file: `{"cluster.count": 2048}`. Paths as estimates print them
            (`site.pue`) are accepted too.
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


def has_default_precision(recipe: AnyRecipe) -> bool:
    """Return whether a recipe is a pretraining whose precision is not given.

    Parameters
    ----------
    recipe : recipe
    """
    return recipe.job_kind == "pretraining" and "precision" not in recipe.model_fields_set
