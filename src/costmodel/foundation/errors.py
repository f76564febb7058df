"""What went wrong, what was given, what is allowed, and the nearest right thing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class CostModelError(Exception):
    """The base of every error that this library raises on purpose."""


class InputError(CostModelError, ValueError):
    """An input that cannot be used; `problems` lists all that was found wrong with it.

    Parameters
    ----------
    problems : one message, or a sequence of them
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__(self.problems[0] if len(self.problems) == 1 else self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return self.problems[0]
        lines = [f"{len(self.problems)} problems:", *(f"  - {problem}" for problem in self.problems)]
        return "\n".join(lines)


class FieldsError(InputError):
    """Problems of the fields of one part, to be told with the place of that part in the whole."""


class UnknownNameError(CostModelError, KeyError):
    """A name that is not in its list; the message names the nearest ones."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)

    def __str__(self) -> str:
        return self.message

    @classmethod
    def of(cls, kind: str, name: object, known: Iterable[str], hint: str = "") -> UnknownNameError:
        """Build the error for `name`, which is no `kind`; `known` are the names that are."""
        return cls(unknown(kind, name, known, hint))


class MissingFactError(CostModelError, KeyError):
    """A fact that a figure needs and that no table and no input holds."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)

    def __str__(self) -> str:
        return self.reason


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return the known names that are most like `name`, best first."""
    import difflib

    by_key = {_key(candidate): candidate for candidate in known}
    key = _key(name)
    if key in by_key:
        return [by_key[key]]
    within = [candidate for candidate in by_key if key and key in candidate]
    within.sort(key=lambda candidate: (not candidate.startswith(key), len(candidate)))
    close = difflib.get_close_matches(key, by_key, n=count, cutoff=0.6)
    return [by_key[candidate] for candidate in dict.fromkeys([*within, *close])][:count]


def unknown(kind: str, name: object, known: Iterable[str], hint: str = "") -> str:
    """Return the message for a name that is not known, with the nearest right thing.

    >>> unknown("accelerator", "H100SXM", ["H100-SXM", "A100-40GB-SXM"])
    "unknown accelerator 'H100SXM'; did you mean 'H100-SXM'?"
    """
    names = list(known)
    shown = repr(name if len(str(name)) <= 80 else str(name)[:77] + "...")
    message = f"unknown {kind} {shown}"
    if close := nearest(str(name)[:80], names):
        return f"{message}; did you mean {' or '.join(repr(each) for each in close)}?{_spaced(hint)}"
    listed = ", ".join(sorted(names)[:12]) + (", ..." if len(names) > 12 else "")
    return f"{message}; known: {listed or 'none'}.{_spaced(hint)}"


def _key(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalnum())


def _spaced(hint: str) -> str:
    return f" {hint}" if hint else ""
