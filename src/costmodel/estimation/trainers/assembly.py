"""The scenario that a trainer's file and the options beside it make together, or every problem of both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from pydantic import TypeAdapter, ValidationError

from costmodel.architecture.loading import load_architecture
from costmodel.architecture.specification import Architecture
from costmodel.estimation.paths import with_changes
from costmodel.estimation.scenario import Scenario
from costmodel.estimation.trainers.models import known_model
from costmodel.estimation.trainers.settings import PAIRS
from costmodel.foundation.errors import CostModelError, InputError
from costmodel.foundation.fields import Count
from costmodel.hardware.cluster import Cluster
from costmodel.training.step.software import load_software

if TYPE_CHECKING:
    from pathlib import Path

    from costmodel.estimation.trainers.settings import Settings

_COUNT: TypeAdapter[int] = TypeAdapter(Count)
_REINFORCED = frozenset({"grpo", "ppo"})
LONG = 8192
"""Sequence length where neither file nor model state one [token]."""
_SPEEDS = ("mfu", "gpu_hours", "step_time", "tokens_per_second", "layout")
"""Fields that replace the layout of the file."""
_DATA_FIELDS = ("recipe.tokens", "recipe.examples", "recipe.lengths", "recipe.epochs")


class _Sizes(NamedTuple):
    """Accelerators, replicas and sequences of a step."""

    accelerators: int
    replicas: int
    micro_batch: int
    batch_size: int


class Options:
    """Values by the path of the field: what the options give beside the file.

    Parameters
    ----------
    values : Mapping
        Values by dotted path.
    """

    def __init__(self, values: Mapping[str, object]) -> None:
        self.values = dict(values)

    def has(self, path: str) -> bool:
        """Return whether a field, or a part around it, is given."""
        return any(path == given or path.startswith(f"{given}.") for given in self.values)

    def number(self, path: str) -> float | None:
        """Return a count, written as a number or as a text such as "52k"; None if it is not given, or is none."""
        value = self.values.get(path)
        if value is None:
            return None
        try:
            return float(_COUNT.validate_python(value))
        except ValidationError:  # the scenario says what is wrong
            return None

    def take(self, *paths: str) -> dict[str, object]:
        """Return and remove the values of some fields."""
        return {path: self.values.pop(path) for path in paths if path in self.values}


def scenario_of(settings: Settings, folder: Path, given: Mapping[str, object]) -> Scenario:
    """Return the scenario of a trainer's file.

    Parameters
    ----------
    settings : Settings
        What the file says.
    folder : Path
        Folder of the file.
    given : Mapping
        Values by dotted path, which the options give; they override the file.

    Raises
    ------
    InputError
        With every problem: values that neither the file nor the options give, and options that contradict it.
    """
    options = Options(given)
    if (length := options.number("recipe.sequence_length")) is not None:
        settings.recipe["sequence_length"] = int(length)
    if isinstance(packing := options.values.get("recipe.packing"), bool):
        settings.recipe["packing"] = packing
    problems = [text for field, text in settings.open.items() if not options.has(field)]
    model = _model(settings, folder, options, problems)
    if not options.has("cluster.accelerator"):
        problems.append("cluster.accelerator: no trainer's file says it; give --gpu")
    sizes = _sizes(settings, options, problems)
    _open_length(settings, model)
    amounts = _data(settings, options, sizes or _Sizes(1, 1, settings.micro_batch, 1), problems)
    if problems or sizes is None:
        raise InputError(problems)
    recipe = {"kind": settings.kind, **settings.recipe, "software": settings.software}
    if not settings.plans:
        recipe["batch_size"] = sizes.batch_size
    if settings.own_rollout_gpus and settings.trained_on is not None and not options.has("recipe.rollout_gpus"):
        recipe["rollout_gpus"] = sizes.accelerators - settings.trained_on
    data: dict[str, object] = {
        "architecture": model,
        "recipe": {**recipe, **amounts},
        "cluster": {"count": sizes.accelerators},
    }
    planned = settings.plans or any(options.has(field) for field in _SPEEDS)
    if not planned:
        data["layout"] = {
            **_layout(settings, options, sizes.replicas),
            "data": sizes.replicas,
            "micro_batch": sizes.micro_batch,
        }
    changed: Mapping[str, object] = with_changes(data, options.values)
    return Scenario.from_data(changed)


def _model(settings: Settings, folder: Path, options: Options, problems: list[str]) -> object:
    """Return the model, as a scenario takes it."""
    if options.has("architecture"):
        return options.values.get("architecture")
    if isinstance(settings.model, str):
        if known := known_model(settings.model, folder, settings):
            return known
        problems.append(
            f"{settings.model_key}: the shape of {settings.model!r} is not known; give --model with a name of the "
            "catalog ('costmodel models') or a config.json"
        )
        return None
    if settings.model is None:
        problems.append("architecture: the file names no model; give --model")
    return settings.model


def _open_length(settings: Settings, model: object) -> None:
    """Take the context length of the model for a sequence length that the trainer leaves open: nothing is cut."""
    if settings.plans or "sequence_length" in settings.recipe:
        return
    length = LONG
    if isinstance(model, (str, Mapping, Architecture)):
        with suppress(CostModelError):  # the scenario says what is wrong
            length = load_architecture(model).context_length or LONG
    settings.recipe["sequence_length"] = length
    settings.assume(f"examples of up to {length:,} tokens: the file states no sequence length")


def _sizes(settings: Settings, options: Options, problems: list[str]) -> _Sizes | None:
    """Return accelerators, replicas and batch; note what is missing or does not divide."""
    degrees = math.prod(_degree(settings, options, name) for name in ("tensor", "pipeline", "context"))
    count = options.number("cluster.count")
    if count is None and settings.count is not None:
        count = float(settings.count)
    elif settings.count not in {None, count}:
        settings.assume(f"{count:,.0f} GPUs instead of the {settings.count:,} of the file")
    if count is None and settings.replicas is not None:
        count = float(settings.replicas * degrees)
    if count is None:
        problems.append("cluster.count: the file does not say how many GPUs train; give --gpus")
        return None
    if count < 1 or count != int(count):
        problems.append(f"cluster.count: --gpus must be a whole number from 1; got {options.values['cluster.count']!r}")
        return None
    whole = trainers = int(count)
    if settings.own_rollout_gpus:
        trainers = _trainers(settings, options, whole, problems)
    if trainers % degrees:
        problems.append(
            f"cluster.count: {trainers} GPUs are not a multiple of tensor × pipeline × context = {degrees}; give "
            "another --gpus"
        )
        return None
    replicas = max(trainers // degrees, 1)
    pair = 2 if settings.kind in PAIRS else 1
    micro_batch = int(options.number("layout.micro_batch") or settings.micro_batch * pair)
    batch = (settings.batch_size or settings.micro_batch * settings.accumulation * replicas) * pair
    return _Sizes(whole, replicas, micro_batch, int(options.number("recipe.batch_size") or batch))


def _trainers(settings: Settings, options: Options, count: int, problems: list[str]) -> int:
    """Return the accelerators that do not generate rollouts."""
    own = options.number("recipe.rollout_gpus")
    if own is not None:
        return max(count - int(own), 1)
    if "recipe.rollout_gpus" in settings.open:
        return 1
    if settings.trained_on is None or settings.trained_on >= count:
        problems.append(
            "recipe.rollout_gpus: rollouts have GPUs of their own, and the file does not say how many; give --gpus as "
            "the number of all, and --set recipe.rollout_gpus=NUMBER"
        )
        return 1
    return settings.trained_on


def _degree(settings: Settings, options: Options, name: str) -> int:
    stated = settings.layout.get(name, 1)
    return int(options.number(f"layout.{name}") or (stated if isinstance(stated, int) else 1))


def _data(settings: Settings, options: Options, sizes: _Sizes, problems: list[str]) -> dict[str, object]:
    """Return the fields that say how much is trained on."""
    given = {path.partition(".")[2]: value for path, value in options.take(*_DATA_FIELDS).items()}
    if settings.kind == "pretraining":
        return _pretraining_data(settings, given, sizes, problems)
    packed = settings.recipe.get("packing", settings.plans) is True
    if settings.kind in _REINFORCED:
        settings.recipe["padding_group"] = settings.micro_batch
    elif not packed and "padding_group" not in settings.recipe:
        settings.recipe["padding_group"] = sizes.micro_batch
    fields: dict[str, object] = {}
    if "padding_group" in settings.recipe:
        fields["padding_group"] = settings.recipe["padding_group"]
    if settings.padded_to_length and not packed:
        length = settings.recipe["sequence_length"]
        given["lengths"] = length
        settings.assume(f"all examples count as {length} tokens: the trainer pads each to the sequence length")
    if settings.steps is not None:
        return fields | _stepped(settings, given, sizes, packed, problems)
    if "tokens" not in given and "examples" not in given:
        what = "prompts" if settings.kind in _REINFORCED else "examples"
        problems.append(
            f"recipe.examples: the file does not say how many {what} the dataset has; give --examples"
            + ("" if "lengths" in given else " with --lengths")
            + (", or --tokens" if packed else "")
        )
    elif "examples" in given and "lengths" not in given:
        problems.append("recipe.lengths: --examples needs --lengths, the tokens per example")
    elif "tokens" in given and "lengths" not in given and not packed:
        problems.append("recipe.lengths: without packing, examples are padded: give --examples with --lengths")
    if "examples" in given:
        given["examples"] = _trained_examples(settings, given["examples"])
    if "epochs" not in given and "epochs" not in settings.recipe:
        settings.assume("one epoch")
    return fields | given


def _pretraining_data(
    settings: Settings, given: dict[str, object], sizes: _Sizes, problems: list[str]
) -> dict[str, object]:
    """Return the tokens of a pretraining: given, or steps × batch × length."""
    problems += [
        f"recipe.{name}: is for fine-tuning; the file is a pretraining, which takes --tokens"
        for name in ("examples", "lengths", "epochs")
        if name in given
    ]
    if "tokens" in given:
        return {"tokens": given["tokens"]}
    length = settings.recipe["sequence_length"]
    assert isinstance(length, int)
    if settings.samples is not None:
        return {"tokens": float(settings.samples * length)}
    if settings.steps is not None:
        settings.assume(f"{settings.steps:,} steps × {sizes.batch_size:,} sequences × {length:,} tokens are trained on")
        return {"tokens": float(settings.steps * sizes.batch_size * length)}
    problems.append("recipe.tokens: the file does not say how long it trains; give --tokens")
    return {}


def _stepped(
    settings: Settings, given: dict[str, object], sizes: _Sizes, packed: bool, problems: list[str]
) -> dict[str, object]:
    """Return the data of a run whose number of steps is stated, as one epoch."""
    settings.recipe.pop("epochs", None)
    steps = settings.steps or 0
    for name in ("examples", "tokens", "epochs"):
        if given.pop(name, None) is not None:
            settings.assume(f"--{name} has no effect: the file states {steps:,} steps")
    length = settings.recipe["sequence_length"]
    assert isinstance(length, int)
    if packed:
        settings.assume(f"{steps:,} steps × {sizes.batch_size:,} sequences × {length:,} tokens are trained on")
        return {"tokens": float(steps * sizes.batch_size * length), **given, "epochs": 1}
    if "lengths" not in given:
        problems.append("recipe.lengths: without packing, examples are padded: give --lengths, the tokens per example")
    group = settings.recipe.get("group_size", 2 if settings.kind in PAIRS else 1)
    assert isinstance(group, int)
    examples = steps * sizes.batch_size // group
    settings.assume(f"{steps:,} steps × {sizes.batch_size:,} sequences are trained on")
    return {"examples": max(examples, 1), **given, "epochs": 1}


def _trained_examples(settings: Settings, stated: object) -> object:
    """Return the examples that are trained on: without those held out, and at most as many as the trainer reads."""
    number = Options({"examples": stated}).number("examples")
    if number is None:
        return stated
    if settings.most_examples is not None and number > settings.most_examples:
        number = float(settings.most_examples)
        settings.assume(f"{settings.most_examples:,} examples, the most that the file allows")
    if settings.held_out:
        held = number * settings.held_out if settings.held_out < 1 else settings.held_out
        number = max(number - math.ceil(held), 1.0)
        settings.assume(f"{number:,.0f} examples are trained on; the others are held out for evaluation")
    return int(number) if number == int(number) else stated


def _layout(settings: Settings, options: Options, replicas: int) -> dict[str, object]:
    """Return the fields of the layout beside replicas and micro-batch."""
    layout = {"zero": 0, **settings.layout}
    if replicas == 1 and settings.sharding == "fsdp":
        layout["zero"] = 0  # nothing is sharded, and nothing gathered
    if load_software(settings.software).kernels == "eager":
        layout.setdefault("eager", True)
    accelerator = options.values.get("cluster.accelerator")
    if settings.hybrid and isinstance(accelerator, str):
        count = int(options.number("cluster.count") or settings.count or 1)
        layout.setdefault("shard", min(Cluster(accelerator, count).node_size, count))
    return layout
