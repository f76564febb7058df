"""`read_trainer_file`: the scenario of a trainer's own file, and what became of each of its keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from costmodel.estimation.trainers import axolotl, hugging_face, llama_factory, megatron, peft, torchtitan, torchtune
from costmodel.estimation.trainers.assembly import scenario_of
from costmodel.estimation.trainers.beside import Beside, is_file
from costmodel.estimation.trainers.keys import Keys
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError
from costmodel.foundation.plain_files import SCRIPTS, SUFFIXES, parsed
from costmodel.training.recipes.table import RECIPES, SHORT_KINDS

if TYPE_CHECKING:
    from costmodel.estimation.scenario import Scenario
    from costmodel.estimation.trainers.settings import Settings
    from costmodel.foundation.fields import CountLike, RangeLike
    from costmodel.training.recipes.lengths import LengthsLike

Data = Mapping[str, object]


def _plain(data: Data) -> dict[str, object]:
    return dict(data)


class Trainer(NamedTuple):
    """A kind of trainers' files."""

    name: str
    """Name for messages."""
    is_its_file: Callable[[Data], bool]
    """Whether a file is of this kind."""
    read: Callable[[Keys, Beside], Settings]
    """Reader of its keys."""
    prepare: Callable[[Data], dict[str, object]] = _plain
    """What joins the parts of the file."""


def _has(data: Data, *names: str) -> bool:
    return any(name in data for name in names)


def _parts(data: Data, *names: str) -> list[Data]:
    return [part for name in names if isinstance(part := data.get(name), Mapping)]


TRAINERS = (
    Trainer(
        "torchtune",
        lambda data: any("_component_" in part for part in _parts(data, "model", "dataset", "optimizer", "tokenizer")),
        torchtune.read,
    ),
    Trainer(
        "torchtitan",
        lambda data: len(_parts(data, "training", "model", "parallelism", "job", "activation_checkpoint")) >= 3,
        torchtitan.read,
    ),
    Trainer("PEFT", lambda data: "peft_type" in data, peft.read),
    Trainer("axolotl", lambda data: "base_model" in data and not _has(data, "model_name_or_path"), axolotl.read),
    Trainer(
        "LLaMA-Factory",
        lambda data: (
            "model_name_or_path" in data and _has(data, "finetuning_type", "cutoff_len", "stage", "lora_target")
        ),
        llama_factory.read,
    ),
    Trainer(
        "Megatron-LM",
        lambda data: "num_layers" in (flat := megatron.flattened(data)) and "hidden_size" in flat,
        megatron.read,
        megatron.flattened,
    ),
    Trainer(
        "Hugging Face trainers",
        lambda data: _has(
            hugging_face.flattened(data),
            "per_device_train_batch_size",
            "num_train_epochs",
            "gradient_accumulation_steps",
            "max_seq_length",
            "model_name_or_path",
            *hugging_face.UNSLOTH,
        ),
        hugging_face.read,
        hugging_face.flattened,
    ),
)
"""Kinds of trainers' files, the most specific first."""
Other = tuple[str, Callable[[Data], bool], str]
"""A kind of file, whether a file is of it, and the command that takes it."""
_BESIDE: tuple[Other, ...] = (
    (
        "a DeepSpeed configuration",
        lambda data: "zero_optimization" in data,
        "costmodel estimate TRAINER_FILE --deepspeed FILE",
    ),
    (
        "a configuration of accelerate",
        lambda data: _has(data, "distributed_type", "compute_environment"),
        "costmodel estimate TRAINER_FILE --accelerate FILE",
    ),
    ("the state of a run", lambda data: "log_history" in data, "costmodel forecast SCENARIO --log FILE"),
)
"""Files that trainers write or read beside their own."""
_OTHERS: tuple[Other, ...] = (
    (
        "a scenario file",
        lambda data: "architecture" in data and "recipe" in data,
        "costmodel estimate FILE, if its name ends in .toml or .json",
    ),
    (
        "the config of a model",
        lambda data: _has(data, "model_type", "n_layers", "dim", "architectures"),
        "costmodel estimate FILE --tokens TOKENS --gpu GPU --gpus NUMBER, or costmodel finetune FILE",
    ),
    ("a project file", lambda data: _has(data, "items", "phases"), "costmodel budget FILE"),
)
"""Other files that are given in place of a trainer's."""


@dataclass(frozen=True)
class TrainerFile:
    """A trainer's file as it was read."""

    path: str
    """Path of the file."""
    trainer: str
    """Kind of file: the trainer that reads it."""
    scenario: Scenario
    """The scenario of the file and the options."""
    read: tuple[str, ...]
    """Keys that decide the scenario."""
    ignored: tuple[str, ...]
    """Keys that change no figure."""
    not_understood: tuple[str, ...]
    """Keys that may change the figures, and were not read."""
    assumed: tuple[str, ...]
    """What the file does not state, and what was taken for it."""

    def notes(self) -> list[str]:
        """Return what became of the keys, one line each."""
        lines = [f"read as a file of {self.trainer}: {len(self.read)} keys; {len(self.ignored)} change no figure"]
        if self.assumed:
            lines.append(f"not stated in {Path(self.path).name}: {'; '.join(self.assumed)}")
        if self.not_understood:
            lines.append(f"not understood, and without effect here: {', '.join(self.not_understood)}")
        return lines

    def to_dict(self) -> dict[str, object]:
        """Return path, trainer and lists of keys as plain data."""
        names = ("path", "trainer", "read", "ignored", "not_understood", "assumed")
        values = {name: getattr(self, name) for name in names}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


@checked("path", "method", "deepspeed", "accelerate", "changes")
def read_trainer_file(
    path: str | Path,
    accelerator: str | None = None,
    count: CountLike | None = None,
    *,
    examples: CountLike | None = None,
    lengths: LengthsLike | None = None,
    tokens: RangeLike | None = None,
    method: str | None = None,
    deepspeed: str | Path | None = None,
    accelerate: str | Path | None = None,
    changes: Mapping[str, object] | None = None,
) -> TrainerFile:
    """Read the file of a trainer: axolotl, LLaMA-Factory, TRL, unsloth, torchtune, torchtitan, Megatron-LM or PEFT.

    The layout is that of the file, so the job runs at its modeled speed with the named software.

    Parameters
    ----------
    path : str or Path
        YAML, JSON or TOML file, or a script with arguments. YAML needs the extra `yaml`.
    accelerator : str, optional
        Accelerator that the run is on; no trainer's file says it.
    count : int, optional
        Number of accelerators; needed where the file does not say it.
    examples : int, optional
        Examples of one epoch, before the file's evaluation share is taken off.
    lengths : float, str or sequence, optional
        Tokens per example: a number, an interval or a list [token].
    tokens : float or str, optional
        Tokens of one epoch, or of a pretraining [token].
    method : str, optional
        Kind of recipe, such as "dpo", where the file does not tell it.
    deepspeed, accelerate : str or Path, optional
        Configurations of DeepSpeed and of accelerate beside the file.
    changes : Mapping, optional
        Values by dotted path that override the file: `{"recipe.sequence_length": 4096}`.

    Returns
    -------
    TrainerFile
        With the `scenario`, and the keys that were read, ignored and not understood.

    Raises
    ------
    InputError
        If the file is of no known trainer, or with every value that is missing or wrong.

    Examples
    --------
    >>> import json
    >>> from tempfile import mkdtemp
    >>> settings = {"base_model": "NousResearch/Meta-Llama-3-8B", "adapter": "lora", "lora_r": 32, "sequence_len": 4096,
    ...             "micro_batch_size": 2, "gradient_accumulation_steps": 4, "num_epochs": 3}
    >>> path = Path(mkdtemp()) / "axolotl.json"
    >>> characters = path.write_text(json.dumps(settings))
    >>> read = read_trainer_file(path, "H100-SXM", 8, examples=52_000, lengths=400)
    >>> read.scenario.recipe.rank
    32
    """
    values = {"cluster.accelerator": accelerator, "cluster.count": count, "recipe.examples": examples,
              "recipe.lengths": lengths, "recipe.tokens": tokens}  # fmt: skip
    given = {place: value for place, value in values.items() if value is not None} | dict(changes or {})
    file = Path(path).expanduser()
    data = parsed(file)
    trainer = _trainer_of(data, file)
    beside = Beside(
        folder=file.parent,
        deepspeed_path=None if deepspeed is None else str(deepspeed),
        accelerate_path=None if accelerate is None else str(accelerate),
        method=_kind(method),
    )
    keys = Keys(trainer.prepare(data))
    settings = trainer.read(keys, beside)
    parts = [keys, *beside.parts]
    problems = [problem for part in parts for problem in part.problems]
    try:
        scenario = scenario_of(settings, file.parent, given)
    except InputError as error:
        raise InputError([f"{file.name}: {problem}" for problem in [*problems, *error.problems]]) from None
    if problems:
        raise InputError([f"{file.name}: {problem}" for problem in problems])
    return TrainerFile(
        str(path),
        trainer.name,
        scenario,
        tuple(key for part in parts for key in part.read()),
        tuple(key for part in parts for key in part.ignored()),
        tuple(key for part in parts for key in part.not_understood()),
        tuple(settings.assumed),
    )


def is_trainer_file(path: Path) -> bool:
    """Return whether a file is taken for a trainer's: a YAML file or a script, or by its keys.

    Parameters
    ----------
    path : Path
        A file that may not exist.
    """
    if not is_file(path):
        return False
    suffix = path.suffix.lower()
    if SUFFIXES.get(suffix) == "YAML" or suffix in SCRIPTS:
        return True
    if suffix not in SUFFIXES:
        return False
    try:
        data = parsed(path)
    except InputError:  # the reader of scenario files says what is wrong
        return False
    if "architecture" in data or "model_type" in data:
        return False
    return any(trainer.is_its_file(data) for trainer in TRAINERS) or any(fits(data) for _, fits, _ in _BESIDE)


def _trainer_of(data: Data, file: Path) -> Trainer:
    """Return the kind of a trainer's file, or raise `InputError` with the command for the file."""
    found = next((trainer for trainer in TRAINERS if trainer.is_its_file(data)), None)
    for what, fits, command in _BESIDE if found else (*_BESIDE, *_OTHERS):
        if fits(data):
            raise InputError(f"{file} is {what}; it is for: {command}")
    if found is not None:
        return found
    listed = ", ".join(trainer.name for trainer in TRAINERS)
    shown = ", ".join(list(data)[:8])
    raise InputError(f"{file} is of no known trainer ({listed}); it has the keys {shown}")


def _kind(method: str | None) -> str:
    """Return the kind of recipe of a method."""
    if not method:
        return ""
    kind = method.lower().replace("-", "_")
    kind = {"sft": "full_fine_tuning", **SHORT_KINDS}.get(kind, kind)
    if kind not in RECIPES:
        raise InputError(f"method: must be one of {', '.join(RECIPES)}; got {method!r}")
    return kind
