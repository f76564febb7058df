"""Files that belong to a trainer's file: configurations of DeepSpeed and accelerate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from costmodel.estimation.trainers.keys import Keys
from costmodel.estimation.trainers.sharding import read_accelerate
from costmodel.foundation.plain_files import parsed

if TYPE_CHECKING:
    from costmodel.estimation.trainers.settings import Settings


def is_file(path: Path) -> bool:
    """Return whether a file exists; a text that cannot be a path is none.

    Parameters
    ----------
    path : Path
    """
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


@dataclass
class Beside:
    """What is given beside a trainer's file, and the keys of the files that were read with it."""

    folder: Path
    """Folder of the trainer's file, where the files that it names are looked for."""
    deepspeed_path: str | None = None
    """DeepSpeed configuration that replaces the one that the file names."""
    accelerate_path: str | None = None
    """Configuration of accelerate."""
    method: str = ""
    """Kind of recipe, where it is told; "" if the file decides."""
    parts: list[Keys] = field(default_factory=list)
    """Keys of the files beside."""

    def deepspeed(self, stated: object, settings: Settings) -> Keys | None:
        """Return the DeepSpeed configuration that a file names or holds; None without."""
        if self.deepspeed_path is not None:
            return self._opened(Path(self.deepspeed_path), "deepspeed")
        if isinstance(stated, Mapping):
            part = Keys(stated, "deepspeed.")
            self.parts.append(part)
            return part
        if not isinstance(stated, str) or not stated.strip():
            return None
        for path in self._candidates(stated):
            if is_file(path):
                return self._opened(path, "deepspeed")
        settings.sharding = "deepspeed"
        settings.open["layout.zero"] = (
            f"deepspeed: {stated!r} was not found; give --deepspeed FILE, or --set layout.zero=STAGE and the "
            "offloading of the file"
        )
        return None

    def read_accelerate(self, settings: Settings) -> None:
        """Read the configuration of accelerate, if one is given, and the DeepSpeed configuration that it names."""
        if self.accelerate_path is None:
            return
        keys = self._opened(Path(self.accelerate_path), "accelerate")
        read_accelerate(keys, settings)
        named = keys.inner("deepspeed_config").text("deepspeed_config_file")
        if named and self.deepspeed_path is None:
            near = Path(self.accelerate_path).parent / named
            self.deepspeed_path = str(near if is_file(near) else next(iter(self._candidates(named))))

    def _candidates(self, stated: str) -> list[Path]:
        """Return where a file may be: as it is written, from the folder of the trainer's file and those above it."""
        path = Path(stated)
        if path.is_absolute():
            return [path]
        return [self.folder / path, *(parent / path for parent in self.folder.resolve().parents[:4]), path]

    def _opened(self, path: Path, name: str) -> Keys:
        keys = Keys(parsed(path), f"{name}.")
        self.parts.append(keys)
        return keys
