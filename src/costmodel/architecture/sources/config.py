"""Typed access to the keys of a `config.json`; unread keys and all problems are reported at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.architecture.sources.keys import Finding, contradiction, find_unread, other_names
from costmodel.foundation.errors import InputError
from costmodel.foundation.limits import CONFIG_KEYS, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_LARGEST = 10**9
_MOST_LISTED = 20
"""Most unread keys in one error [1]."""
_LONGEST_PROBLEM = 600
"""Most characters of one problem [1]."""


class Config:
    """The keys of a config, with all problems of reading them.

    Parameters
    ----------
    data : Mapping
        The config.
    model_type : str
        Type whose layout is read; it says which keys change no count.
    head : str, optional
        Head that the caller names, where `architectures` does not.
    """

    def __init__(self, data: Mapping[str, Any], model_type: str = "", head: str | None = None) -> None:
        self.data = data
        self.model_type = model_type
        self.head = head
        self.problems: list[str] = []
        self.doubts: list[str] = []
        self._read: set[str] = set()
        self._inside: list[tuple[str, Config]] = []

    def integer(self, *keys: str, default: int | None = None, least: int = 1) -> int:
        """Return the integer at the first of `keys` that the config has, or the default of the family."""
        value = self._first(keys)
        if value is None:
            if default is None:
                self.problems.append(f"{keys[0]}: is required and missing")
                return least
            return default
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not whole or not least <= value <= _LARGEST:
            self.problems.append(f"{keys[0]}: must be a whole number from {least} to {_LARGEST:,}; got {shown(value)}")
            return least
        return int(value)

    def optional(self, *keys: str, default: int | None = None) -> int | None:
        """Return the positive integer at the first of `keys`; null, 0 and false give None, no key the default."""
        present = [key for key in keys if self.has(key)]
        value = self._first(keys)
        if not present:
            return default
        return None if value is None or value is False or value == 0 else self.integer(*present)

    def flag(self, *keys: str, default: bool) -> bool:
        """Return the boolean at the first of `keys` that the config has, or the default.

        Null is a problem where the default is true: the reference takes it for false, and configs may mean the default.
        """
        value = self._first(keys)
        if value is None:
            null = next((key for key in keys if key in self.data), None)
            self.require(null is None or not default, f"{null}: must be true or false; got null")
            return default
        if not isinstance(value, bool):
            self.problems.append(f"{keys[0]}: must be true or false; got {shown(value)}")
            return default
        return value

    def names(self, key: str, length: int, accepted: tuple[str, ...]) -> list[str] | None:
        """Return the list at `key`, `length` of the accepted names, or None if it is absent."""
        value = self._first((key,))
        if value is None:
            return None
        if not isinstance(value, list) or len(value) != length or not all(name in accepted for name in value):
            self.problems.append(f"{key}: must be a list of {length} out of {accepted}; got {shown(value)}")
            return None
        return [str(name) for name in value]

    def numbers(self, key: str) -> list[int]:
        """Return the list of integers at `key`, empty if it is absent."""
        value = self._first((key,))
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(number, int) and number >= 0 for number in value):
            self.problems.append(f"{key}: must be a list of whole numbers; got {shown(value)}")
            return []
        return value

    def value(self, key: str) -> Any:
        """Return the value at `key`, of any type, or None."""
        return self._first((key,))

    def inner(self, key: str) -> Config:
        """Return the nested config at `key`, empty if it is absent; its problems are reported too."""
        data = self._first((key,))
        if data is not None and not isinstance(data, dict):
            self.problems.append(f"{key}: must be an object; got {shown(data)}")
        inside = Config(data if isinstance(data, dict) else {})
        inside.model_type = str(inside.data.get("model_type") or "")
        self._inside.append((key, inside))
        return inside

    def changed(self, changes: Mapping[str, Any]) -> Config:
        """Return a config with some keys replaced, whose problems and read keys are those of this one."""
        other = Config({**self.data, **changes}, self.model_type, self.head)
        other.problems, other._read, other._inside = self.problems, self._read, self._inside
        other.doubts = self.doubts
        return other

    def skip(self, *keys: str) -> None:
        """Accept keys that change no count in this family."""
        self._read.update(keys)

    def require(self, holds: bool, problem: str) -> None:
        """Note a problem unless a condition `holds`."""
        if not holds:
            self.problems.append(problem)

    def doubt(self, reason: str) -> None:
        """Note why the counts are unverified."""
        self.doubts.append(reason)

    def shape(self) -> dict[str, Any]:
        """Return the keys that were read, and `model_type`."""
        return {key: value for key, value in self.data.items() if key in self._read or key == "model_type"}

    def unread(self) -> list[Finding]:
        """Return the keys that were not read and change the counts, or may change them."""
        return find_unread(self.data, self._read, self.model_type)

    def has_read(self, key: str) -> bool:
        """Tell whether a reader asked for a key."""
        return key in self._read

    def finish(self, strict: bool = True) -> tuple[str, ...]:
        """Raise `InputError` with all problems, if there are any; return the doubts that are none.

        Parameters
        ----------
        strict : bool
            Whether a key that is not understood is a problem; else it is a doubt.
        """
        if problems := self.all_problems(strict):
            raise InputError(problems)
        return (*self._all_doubts(), *_listed([f"{finding.key}: {finding.text}" for finding in self._unknown()]))

    def _all_doubts(self) -> list[str]:
        """Return the doubts of this config and of nested ones."""
        inside = [f"{key}.{doubt}" for key, config in self._inside for doubt in config._all_doubts()]
        return [*self.doubts, *inside]

    def found_problems(self) -> list[str]:
        """Return the problems of the keys that were read; a reader that stopped did not come to the others."""
        inside = [f"{key}.{problem}" for key, config in self._inside for problem in config.found_problems()]
        return [*self.problems, *inside]

    def all_problems(self, strict: bool = True) -> list[str]:
        """Return all problems; those of nested configs begin with the key of the config."""
        if len(self.data) > CONFIG_KEYS:
            return [f"a config has at most {CONFIG_KEYS:,} keys; got {len(self.data):,}"]
        wrong = [f"{finding.key}: {finding.text}" for finding in self.unread() if finding.kind != "unknown"]
        unknown = [f"{finding.key}: {finding.text}" for finding in self._unknown(inside=False)] if strict else []
        inside = [f"{key}.{problem}" for key, config in self._inside for problem in config.all_problems(strict)]
        problems = dict.fromkeys([*self.problems, *wrong, *_listed(unknown), *inside])
        return [each if len(each) <= _LONGEST_PROBLEM else each[: _LONGEST_PROBLEM - 3] + "..." for each in problems]

    def _unknown(self, inside: bool = True) -> list[Finding]:
        """Return the keys that are not understood, those of nested configs included with `inside`."""
        own = [finding for finding in self.unread() if finding.kind == "unknown"]
        if not inside:
            return own
        nested = [
            finding._replace(key=f"{key}.{finding.key}")
            for key, config in self._inside
            for finding in config._unknown()
        ]
        return own + nested

    def has(self, key: str) -> bool:
        """Tell whether the config has a key, under this name or another name that its type has for it."""
        return key in self.data or bool(other_names(self.data, self.model_type, key))

    def _first(self, keys: tuple[str, ...]) -> Any:
        self._read.update(keys)
        if len(keys) > 1 and (problem := contradiction(self.data, keys)):
            self.problems.append(problem)
        value = next((self.data[key] for key in keys if self.data.get(key) is not None), None)
        if value is not None or any(key in self.data for key in keys):
            return value
        others = [name for key in keys for name in other_names(self.data, self.model_type, key)]
        self._read.update(others)
        return next((self.data[name] for name in others if self.data[name] is not None), None)


def _listed(lines: list[str]) -> list[str]:
    """Return the first lines, and how many more there are."""
    more = len(lines) - _MOST_LISTED
    return [*lines[:_MOST_LISTED], f"{more} further keys are not understood"] if more > 0 else lines
