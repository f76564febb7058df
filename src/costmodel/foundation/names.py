"""Names with aliases, matched in one way for all tables: case and separators do not matter."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, TypeVar

from costmodel.foundation.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

T = TypeVar("T")
_SEPARATORS = re.compile(r"[-_\s./:]+")
_LETTER_DIGIT = re.compile(r"(?<=[a-z])(?=\d)")
_GIGABYTES = re.compile(r"(?<=\d)-(?=gb?(?:-|$))")
_MAX_LENGTH = 200


@lru_cache(maxsize=4096)
def name_key(name: str) -> str:
    """Return the form in which names are compared: lower case, one kind of separator.

    >>> name_key("H100 SXM5_80GB") == name_key("h100-sxm5-80 gb")
    True
    """
    key = _SEPARATORS.sub("-", _LETTER_DIGIT.sub("-", name.strip().lower())).strip("-")
    return _GIGABYTES.sub("", key)


class Names(Generic[T]):
    """Entries by name, with aliases. An unknown name raises an error that lists the nearest names.

    Parameters
    ----------
    kind : str
        Kind of the entries, for messages: "accelerator".
    things : Mapping
        The entries by proper name.
    aliases : Mapping, optional
        Further names of an entry, by its proper name.
    dropped : tuple of str
        Leading words that are ignored, such as a vendor.
    """

    def __init__(
        self,
        kind: str,
        things: Mapping[str, T],
        aliases: Mapping[str, Iterable[str]] | None = None,
        dropped: tuple[str, ...] = (),
    ) -> None:
        self.kind, self._dropped = kind, dropped
        self.things: Mapping[str, T] = dict(things)
        self._proper = {name_key(alias): name for name, others in (aliases or {}).items() for alias in others}
        self._proper |= {name_key(name): name for name in self.things}

    def proper(self, name: object) -> str | None:
        """Return the proper name of a name or alias, or None if it is unknown."""
        if not isinstance(name, str):
            return None
        key = name_key(name[:_MAX_LENGTH])
        if key in self._proper:
            return self._proper[key]
        for word in self._dropped:
            if key.startswith(f"{word}-") and (proper := self._proper.get(key.removeprefix(f"{word}-"))) is not None:
                return proper
        return None

    def get(self, name: str, hint: str = "") -> T:
        """Return the entry of a name or alias, or raise `UnknownNameError` with the nearest names."""
        proper = self.proper(name)
        if proper is None:
            raise UnknownNameError.of(self.kind, name, self.things, hint)
        return self.things[proper]

    def __iter__(self) -> Iterator[str]:
        return iter(self.things)

    def __len__(self) -> int:
        return len(self.things)
