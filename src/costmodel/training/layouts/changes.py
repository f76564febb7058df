"""The smallest changes of a training step that make it fit in memory, each with its price in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.errors import CostModelError
from costmodel.training.layouts.fitting import SAFE_PROBABILITY
from costmodel.training.layouts.step_result import StepFigures
from costmodel.training.layouts.step_time import step_time
from costmodel.training.recipes.registry import read_recipe
from costmodel.training.step.layout import Layout

if TYPE_CHECKING:
    from costmodel.architecture.specification import Architecture
    from costmodel.hardware.cluster import Cluster
    from costmodel.training.recipes.registry import AnyRecipe
    from costmodel.training.step.efficiency import Efficiency

Fields = Mapping[str, Any]
"""Values by field of a scenario, such as {"layout.micro_batch": 2}."""
LEAST_LENGTH = 128
"""Shortest sequence length that is tried, and the step between lengths [token]."""
RANKS = (32, 16, 8, 4)
"""Ranks of adapters that are tried [1]."""
MOST_FACTOR = 64
"""Largest factor by which the number of accelerators is tried to grow [1]."""


class Case(NamedTuple):
    """A training step: everything that a change can alter."""

    architecture: Architecture
    cluster: Cluster
    recipe: AnyRecipe
    layout: Layout
    efficiency: Efficiency | None = None

    def step(self) -> StepFigures:
        """Return the predicted step."""
        return step_time(self.architecture, self.cluster, self.recipe, self.layout, self.efficiency).si

    def changed(self, fields: Fields) -> Case:
        """Return the case with other values of fields, which are named as in a scenario."""
        parts: dict[str, dict[str, Any]] = {"layout": {}, "recipe": {}, "cluster": {}}
        for path, value in fields.items():
            part, _, name = path.partition(".")
            parts[part][name] = value
        recipe = self.recipe
        if "kind" in parts["recipe"]:
            recipe = read_recipe({**recipe.to_data(), **parts["recipe"]})
        elif parts["recipe"]:
            recipe = recipe.replace(parts["recipe"])
        return self._replace(
            recipe=recipe,
            layout=self.layout.replace(parts["layout"]) if parts["layout"] else self.layout,
            cluster=self.cluster.replace(parts["cluster"]) if parts["cluster"] else self.cluster,
        )


class FittingChange(NamedTuple):
    """A change that makes a step fit, or a pair of changes."""

    text: str
    """The change in words."""
    fields: Fields
    """The changed fields, as `Scenario.replace` accepts them."""
    fit_probability: float
    """Probability that the changed step fits in memory [1]."""
    time_factor: float
    """Time per token over that of the unchanged step [1]."""
    gpu_time_factor: float
    """Accelerator time per token over that of the unchanged step [1]."""
    same_training: bool
    """Whether the same weights are trained on the same sequences with the same optimizer."""

    def row(self) -> dict[str, Any]:
        """Return the change as a row."""
        return {
            "change": self.text,
            "fit_probability": self.fit_probability,
            "time_factor": self.time_factor,
            "gpu_time_factor": self.gpu_time_factor,
            "same_training": self.same_training,
        }


class _Option(NamedTuple):
    """A change of one kind."""

    text: str
    fields: Fields


def fitting_changes(case: Case, least: float = SAFE_PROBABILITY, pairs: bool = True) -> list[FittingChange]:
    """Return the smallest changes of each kind with which a step fits.

    Changes that leave the training the same come first, by ascending accelerator time.

    Parameters
    ----------
    case : Case
        The unchanged step.
    least : float
        Least probability to fit of a changed step [1].
    pairs : bool
        Whether pairs of changes are tried where no single one is enough.

    Raises
    ------
    InputError
        If the unchanged layout is not possible.
    """
    base = case.step()
    kinds = [list(kind) for kind in _kinds(case)]
    singles = [change for kind in kinds if (change := _first(case, base, kind, least)) is not None]
    if pairs and not singles:
        for first, second in combinations(kinds, 2):
            if not first or not second or _evaluated(case, base, _joined(first[-1], second[-1]), least) is None:
                continue
            joined = [_joined(one, other) for one in first for other in second]
            change = _first(case, base, joined, least)
            singles += [] if change is None else [change]
    return sorted(singles, key=lambda change: (not change.same_training, round(change.gpu_time_factor, 2)))


def _first(case: Case, base: StepFigures, options: list[_Option], least: float) -> FittingChange | None:
    """Return the first of the options, in ascending order of their effect, with which the step fits."""
    for option in options:
        change = _evaluated(case, base, option, least)
        if change is not None:
            return change
    return None


def _joined(first: _Option, second: _Option) -> _Option:
    return _Option(f"{first.text} and {second.text}", {**first.fields, **second.fields})


def _evaluated(case: Case, base: StepFigures, option: _Option, least: float) -> FittingChange | None:
    """Return the changed step; None if it is not possible or does not fit."""
    try:
        changed = case.changed(option.fields)
        step = changed.step()
    except CostModelError:
        return None
    probability = float(step.fit_probability)
    if probability < least:
        return None
    factor = _seconds_per_token(changed, step) / _seconds_per_token(case, base)
    gpus = changed.cluster.count / case.cluster.count
    same = not any(path.startswith("recipe.") for path in option.fields)
    return FittingChange(option.text, option.fields, probability, factor, factor * gpus, same)


def _seconds_per_token(case: Case, step: StepFigures) -> float:
    sequences = case.recipe.sequences(case.cluster.count)
    return float(step.seconds) / (sequences * case.recipe.sequence_length)


def _kinds(case: Case) -> Iterator[Iterator[_Option]]:
    """Yield the kinds of changes, each as options in ascending order of their effect."""
    yield _micro_batches(case.layout)
    yield _lengths(case.recipe)
    yield _recomputation(case.layout)
    yield _losses(case.layout)
    yield _optimizers(case.recipe)
    yield _sharding(case.layout)
    yield _tiles(case.layout)
    yield _offloading(case.layout, "optimizer")
    yield _offloading(case.layout, "weights")
    yield _offloading(case.layout, "activations")
    yield _adapters(case.recipe)
    yield _quantization(case.recipe)
    yield _accelerators(case)


def _micro_batches(layout: Layout) -> Iterator[_Option]:
    for size in range(layout.micro_batch - 1, 0, -1):
        if layout.micro_batch % size == 0:
            yield _Option(f"micro-batch {size}", {"layout.micro_batch": size})


def _lengths(recipe: AnyRecipe) -> Iterator[_Option]:
    length = recipe.sequence_length
    multiple = LEAST_LENGTH * max(length // (32 * LEAST_LENGTH), 1)
    for shorter in range((length - 1) // multiple * multiple, LEAST_LENGTH - 1, -multiple):
        yield _Option(f"sequence length {shorter:,}", {"recipe.sequence_length": shorter})


def _recomputation(layout: Layout) -> Iterator[_Option]:
    modes = {"none": ("selective", "full"), "selective": ("full",), "full": ()}
    for mode in modes[layout.recompute]:
        yield _Option(f"{mode} recomputation", {"layout.recompute": mode})


def _losses(layout: Layout) -> Iterator[_Option]:
    losses = ("whole", "half", "fused", "chunked")
    for loss in losses[losses.index(layout.loss) + 1 :]:
        yield _Option(f"{loss} loss", {"layout.loss": loss})


def _optimizers(recipe: AnyRecipe) -> Iterator[_Option]:
    if recipe.optimizer == "adamw":
        yield _Option("8-bit optimizer", {"recipe.optimizer": "adamw-8bit"})


def _sharding(layout: Layout) -> Iterator[_Option]:
    if layout.data * layout.context > 1 and layout.pipeline == 1:
        for level in range(layout.zero + 1, 4):
            yield _Option(f"ZeRO {level}", {"layout.zero": level})


def _tiles(layout: Layout) -> Iterator[_Option]:
    if not layout.tiled_feed_forward:
        yield _Option("tiled feed-forward", {"layout.tiled_feed_forward": True})


def _offloading(layout: Layout, what: str) -> Iterator[_Option]:
    if not getattr(layout, f"offload_{what}"):
        fields: dict[str, Any] = {f"layout.offload_{what}": True}
        if what == "activations":
            fields["layout.recompute"] = "full"
        yield _Option(f"{what} offloaded", fields)


def _adapters(recipe: AnyRecipe) -> Iterator[_Option]:
    rank = getattr(recipe, "rank", None)
    if rank is not None:
        for lower in RANKS:
            if lower < rank:
                yield _Option(f"rank {lower}", {"recipe.rank": lower})
    elif recipe.kind == "full_fine_tuning":
        yield _Option("LoRA of rank 16", {"recipe.kind": "lora", "recipe.rank": 16})


def _quantization(recipe: AnyRecipe) -> Iterator[_Option]:
    if getattr(recipe, "quantization", "nf4") == "none" and getattr(recipe, "rank", None) is not None:
        for numbers in ("int8", "nf4"):
            yield _Option(f"{numbers} weights", {"recipe.quantization": numbers})
    elif recipe.kind == "full_fine_tuning":
        yield _Option("QLoRA of rank 16", {"recipe.kind": "qlora", "recipe.rank": 16})


def _accelerators(case: Case) -> Iterator[_Option]:
    factor = 2
    while factor <= MOST_FACTOR:
        count, data = factor * case.cluster.count, factor * case.layout.data
        fields: dict[str, Any] = {"cluster.count": count, "layout.data": data}
        if case.layout.pipeline == 1:
            fields["layout.zero"] = 3
        text = f"{count:,} accelerators with ZeRO {fields.get('layout.zero', case.layout.zero)}"
        batch, least = case.recipe.batch_size, data * case.layout.micro_batch
        if batch is not None and batch < least:  # each replica needs a micro-batch
            fields["recipe.batch_size"] = least
            text += f", batch {least:,}"
        yield _Option(text, fields)
        factor *= 2
