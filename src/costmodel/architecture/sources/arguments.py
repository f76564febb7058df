"""Values of a model's file by name, as numbers, switches and texts, with all problems of reading them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST = 10**9


class Arguments:
    """Typed access to values that may be written as texts, such as command-line arguments.

    Parameters
    ----------
    values : Mapping
        Values by name.
    """

    def __init__(self, values: Mapping[str, object]) -> None:
        self.values = values
        self._problems: list[str] = []

    def stated(self, name: str) -> bool:
        """Return whether a name has a value that sets something."""
        return self.values.get(name) not in (None, False, "", 0, "0", [])

    def value(self, name: str) -> object:
        """Return a value as it is written, or None."""
        return self.values.get(name)

    def text(self, name: str, default: str = "") -> str:
        """Return a text."""
        value = self.values.get(name)
        return default if value is None or isinstance(value, (bool, dict, list)) else str(value).strip()

    def whole(self, *names: str, default: int | None = None, least: int = 1) -> int:
        """Return the whole number at the first of some names that has a value."""
        name = next((name for name in names if self.values.get(name) is not None), None)
        if name is None:
            if default is None:
                self.problem(f"{names[0]}: is required and missing")
            return least if default is None else default
        value = self.values[name]
        try:
            number = float(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None
        except ValueError:
            number = None
        if number is None or not least <= number <= LARGEST or number != int(number):
            shown = repr(value)[:60]
            self.problem(f"{name}: must be a whole number from {least} to {LARGEST:,}; got {shown}")
            return least
        return int(number)

    def number(self, name: str, default: float | None = None) -> float | None:
        """Return a positive number, or the default."""
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < LARGEST:
            self.problem(f"{name}: must be a number above 0; got {repr(value)[:60]}")
            return default
        return float(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a switch, written as a boolean or as a word."""
        value = self.values.get(name)
        if value is None:
            return default
        words = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False}
        word = str(value).strip().lower()
        if word not in words:
            self.problem(f"{name}: must be true or false; got {repr(value)[:60]}")
            return default
        return words[word]

    def problem(self, text: str) -> None:
        """Note a problem."""
        if text not in self._problems:
            self._problems.append(text)

    def report_to(self, other: Arguments, prefix: str) -> None:
        """Note the problems with another reader, each with the name of the part in front."""
        for problem in self._problems:
            other.problem(f"{prefix}.{problem}")

    def finish(self) -> None:
        """Raise `InputError` with all problems, if there are any."""
        if self._problems:
            raise InputError(self._problems)
