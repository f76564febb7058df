"""Which of the things we know does a name mean? One way to match names for all tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Generic, TypeVar

from costmodel.foundation.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

T = TypeVar("T")
_SEPARATORS = re.compile(r"[-_\s./]+")
_LETTER_DIGIT = re.compile(r"(?<=[a-z])(?=\d)")
_MAX_LENGTH = 200


def name_key(name: str) -> str:
    """Return the form in which names are compared: case and separators do not count.

    >>> name_key("H100 SXM5_80GB") == name_key("h100-sxm5-80gb")
    True
    """
    return _SEPARATORS.sub("-", _LETTER_DIGIT.sub("-", name.strip().lower())).strip("-")


class Names(Generic[T]):
    """Things by name, with aliases; what is not found is an error that names the nearest.

    Parameters
    ----------
    kind : what the things are, for the message ("accelerator")
    things : the things by their proper name
    aliases : further names of each thing, by its proper name
    dropped : leading words that do not count, such as a vendor
    """

    def __init__(
        self,
        kind: str,
        things: Mapping[str, T],
        aliases: Mapping[str, Iterable[str]] | None = None,
        dropped: tuple[str, ...] = (),
    ) -> None:
        self.kind, self.things, self._dropped = kind, dict(things), dropped
        self._proper = {name_key(alias): name for name, others in (aliases or {}).items() for alias in others}
        self._proper |= {name_key(name): name for name in self.things}

    def proper(self, name: str) -> str | None:
        """Return the proper name of what is called `name`, or None."""
        key = name_key(name[:_MAX_LENGTH])
        if key in self._proper:
            return self._proper[key]
        for word in self._dropped:
            if key.startswith(f"{word}-"):
                return self._proper.get(key.removeprefix(f"{word}-"))
        return None

    def get(self, name: str, hint: str = "") -> T:
        """Return what is called `name`, or raise `UnknownNameError` with the nearest names."""
        proper = self.proper(name)
        if proper is None:
            raise UnknownNameError.of(self.kind, name, self.things, hint)
        return self.things[proper]

    def __iter__(self) -> Iterator[str]:
        return iter(self.things)

    def __len__(self) -> int:
        return len(self.things)
