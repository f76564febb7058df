"""A bounded cache of what was computed for many keys at once: it keeps the newest, and threads may share it."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Newest(Generic[K, V]):
    """The values of the newest keys.

    Parameters
    ----------
    maxsize : int
        Most keys that are kept [1].

    Examples
    --------
    >>> kept = Newest[str, int](2)
    >>> kept.update({"a": 1, "b": 2, "c": 3})
    >>> kept.get("a"), kept.get("c"), len(kept)
    (None, 3, 2)
    """

    def __init__(self, maxsize: int) -> None:
        self.maxsize = maxsize
        self._kept: dict[K, V] = {}
        self._lock = Lock()

    def get(self, key: K) -> V | None:
        """Return the value of a key, or None."""
        return self._kept.get(key)

    def update(self, values: Mapping[K, V]) -> None:
        """Keep values, and forget the oldest above `maxsize`.

        Parameters
        ----------
        values : Mapping
            Values by key.
        """
        with self._lock:
            self._kept.update(values)
            while len(self._kept) > self.maxsize:
                del self._kept[next(iter(self._kept))]

    def clear(self) -> None:
        """Forget all values."""
        with self._lock:
            self._kept.clear()

    def __contains__(self, key: object) -> bool:
        return key in self._kept

    def __len__(self) -> int:
        return len(self._kept)
