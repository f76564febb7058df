"""What is to be estimated? A model, what is done with it, on what, and what that costs."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, PlainSerializer, Tag, model_validator

from costmodel.architecture.loading import load_architecture
from costmodel.architecture.specification import Architecture
from costmodel.estimation import files
from costmodel.foundation.fields import Fraction, GPUHours, Measure, reported
from costmodel.foundation.ranges import Range
from costmodel.foundation.specs import Spec
from costmodel.hardware.cluster import Cluster
from costmodel.market.rental import Rental
from costmodel.training.jobs.goodput import Reliability
from costmodel.training.recipes.registry import AnyRecipe
from costmodel.training.step.efficiency import Efficiency
from costmodel.training.step.layout import Layout

Scope = Literal["final_run", "development"]
MOST_RECIPES = 100
RealizedEfficiency = Annotated[float | Range, Measure("1", 0.0, 100.0, open_low=True)]


def _written_architecture(architecture: Architecture) -> Any:
    return architecture.origin if architecture.origin is not None else architecture.to_data()


ArchitectureField = Annotated[
    Architecture, BeforeValidator(reported(load_architecture)), PlainSerializer(_written_architecture)
]
Stages = Annotated[
    Annotated[AnyRecipe, Tag("one recipe")] | Annotated[tuple[AnyRecipe, ...], Tag("several recipes")],
    Discriminator(lambda value: "several recipes" if isinstance(value, (list, tuple)) else "one recipe"),
]


class Scenario(Spec):
    """One question: what does it take to train this, so, on that?

    What is not given is a default with a spread, said in `Estimate.explain`.

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

    if TYPE_CHECKING:  # fields take more than the types in which they are held

        def __init__(self, *args: Any, **fields: Any) -> None: ...

    architecture: ArchitectureField
    """A name of the catalog, a path, a config, counts (`{"total": "7B"}`) or an `Architecture`."""
    recipe: Stages
    """What is done, or a list of stages one after the other."""
    cluster: Cluster
    prices: Rental = Rental()
    mfu: Fraction | None = None
    """Model FLOPs utilization in steady state: of the dense bf16 peak, whatever the precision."""
    goodput: Fraction | None = None
    """Share of the wall time that is spent in useful steps."""
    layout: Layout | None = None
    """How the model is spread over the accelerators. Unless given the best of a bounded set is planned, and
    the speed is what published runs reach of such plans; one that is given is taken to run as modeled."""
    search: Literal["bounded", "full"] = "bounded"
    """Where no layout is given: the best of some hundred by rule, or of the whole space."""
    efficiency: Efficiency | None = None
    """Constants of the time model, such as `calibrate` returns them; the shipped ones unless given."""
    reliability: Reliability = Reliability()
    """Failures, checkpoints and restarts, from which the goodput follows where it is not given."""
    realized_efficiency: RealizedEfficiency | None = None
    """Share of the modeled speed that the job reaches, where your jobs tell; else fine-tunes whose layout is not
    given take what published ones reached [1]."""
    gpu_hours: GPUHours | None = None
    """GPU-hours of the whole, where they are known [hour]; excludes mfu and goodput."""
    scope: Scope = "final_run"
    """What the cost stands for: the final run alone, or the whole development."""
    name: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of the draws behind the intervals."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not 1 <= len(self.recipes) <= MOST_RECIPES:
            raise ValueError(f"recipe: one to {MOST_RECIPES} recipes make a run; got {len(self.recipes)}")
        timed = [recipe for recipe in self.recipes if recipe.gpu_hours is not None]
        if self.layout is not None and self.mfu is not None:
            raise ValueError("mfu is given, which leaves nothing for layout to say; leave one out")
        if self.layout is not None and (self.gpu_hours is not None or len(timed) == len(self.recipes)):
            raise ValueError("gpu_hours is given, which leaves nothing for layout to say; leave one out")
        if self.realized_efficiency is not None and (self.gpu_hours is not None or len(timed) == len(self.recipes)):
            raise ValueError("gpu_hours is given, which leaves nothing for realized_efficiency to say; leave one out")
        if self.gpu_hours is not None and (self.mfu is not None or self.goodput is not None):
            raise ValueError("gpu_hours is given, which leaves nothing for mfu and goodput to say; leave one out")
        if self.gpu_hours is not None and timed:
            raise ValueError("gpu_hours is given for the whole and for a recipe; leave one out")
        if len(timed) == len(self.recipes) and (self.mfu is not None or self.goodput is not None):
            raise ValueError("every recipe has its gpu_hours, which leaves nothing for mfu and goodput to say")
        return self

    def __repr_args__(self) -> Any:
        return self.to_data().items()

    @property
    def recipes(self) -> tuple[AnyRecipe, ...]:
        """The recipes, one after the other."""
        return self.recipe if isinstance(self.recipe, tuple) else (self.recipe,)

    @classmethod
    def load(cls, path: str | Path, changes: Mapping[str, Any] | None = None) -> Self:
        """Read a scenario from a TOML or JSON file.

        Parameters
        ----------
        path : of the file; `extends = "other.toml"` in it names a file whose values it changes
        changes : values by dotted path, which win over the file: `{"cluster.count": 2048}`

        Raises
        ------
        InputError
            With all problems of the file at once.
        """
        return cls.from_data(files.read(Path(path), changes or {}))

    def save(self, path: str | Path) -> None:
        """Write the scenario to a TOML or JSON file (by its ending), which `load` reads back."""
        files.write(Path(path), self.to_data())
