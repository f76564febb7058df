"""The model that a trainer's file names: of the catalog, a path beside the file, or a name without its suffixes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from costmodel.architecture.loading import catalog

if TYPE_CHECKING:
    from costmodel.estimation.trainers.settings import Settings

_SUFFIX = re.compile(
    r"[-_](?:bnb-4bit|unsloth-bnb-4bit|unsloth|bnb|4bit|8bit|gptq(?:-int\d)?|awq|fp16|bf16|fp8|hf|instruct|chat|it|base|"
    r"tokenizer)$",
    re.IGNORECASE,
)


def known_model(stated: str, folder: Path, settings: Settings) -> str | None:
    """Return the catalog name or the path of a model that a trainer's file names; None if it is not known.

    Parameters
    ----------
    stated : str
        A name such as "unsloth/Qwen2.5-7B-Instruct-bnb-4bit", or the path of a folder with a config.
    folder : Path
        Folder of the trainer's file.
    settings : Settings
        Gets a note where the name differs from that of the catalog.
    """
    for path in (folder / stated, Path(stated).expanduser()):
        try:
            there = (path / "config.json").is_file() or (path.suffix == ".json" and path.is_file())
        except (OSError, ValueError):
            continue
        if there:
            return str(path)
    if proper := catalog().proper(stated):
        return proper
    name = stated.rstrip("/\\").replace("\\", "/").rpartition("/")[2]
    while name:
        if proper := catalog().proper(name):
            settings.assume(f"the shape of {proper} for {stated}")
            return proper
        shorter = _SUFFIX.sub("", name)
        if shorter == name:
            return None
        name = shorter
    return None
