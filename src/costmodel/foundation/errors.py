"""Errors: the problem, the value given, what is accepted, and the nearest known name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class CostModelError(Exception):
    """Base of all errors of this library.

    Examples
    --------
    >>> import costmodel as cm
    >>> try:
    ...     cm.load_architecture("lama-3.1-8b")
    ... except cm.CostModelError as error:
    ...     print(error)
    unknown architecture 'lama-3.1-8b'; did you mean ...
    """


class InputError(CostModelError, ValueError):
    """An input that is not valid; `problems` lists every problem.

    Parameters
    ----------
    problems : str or sequence of str
        One message per problem.

    Examples
    --------
    >>> import costmodel as cm
    >>> try:
    ...     cm.Cluster("H100-SXM", count=-1, site={"pue": 0.5})
    ... except cm.InputError as error:
    ...     len(error.problems)
    2
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        listed = (problems,) if isinstance(problems, str) else problems
        self.problems: tuple[str, ...] = tuple(map(_shortened, listed))
        super().__init__(self.problems[0] if len(self.problems) == 1 else self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return self.problems[0]
        lines = [f"{len(self.problems)} problems:", *(f"  - {problem}" for problem in self.problems)]
        return "\n".join(lines)


class FieldsError(InputError):
    """Problems of the fields of a nested specification; the path of the specification is put in front."""


class _LookUpError(CostModelError, KeyError):
    """A `KeyError` whose text is its message, without the quotes that `KeyError` adds."""

    def __init__(self, message: str) -> None:
        self.message = _shortened(message)
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message


class UnknownNameError(_LookUpError):
    """An unknown name; the message lists the nearest known names.

    Examples
    --------
    >>> import costmodel as cm
    >>> try:
    ...     cm.load_accelerator("H100SXM5")
    ... except cm.UnknownNameError as error:
    ...     print(error)
    unknown accelerator 'H100SXM5'; did you mean ...
    """

    @classmethod
    def of(cls, kind: str, name: object, known: Iterable[str], hint: str = "") -> UnknownNameError:
        """Return the error for a name that is not in `known`, the names of that kind.

        Parameters
        ----------
        kind : str
            Kind of the name, for the message.
        name : object
            Value given.
        known : iterable of str
            Accepted names.
        hint : str
            Sentence at the end of the message.
        """
        return cls(unknown(kind, name, known, hint))


class MissingFactError(_LookUpError):
    """A number that is needed and that neither the tables nor the inputs contain.

    Examples
    --------
    >>> import costmodel as cm
    >>> try:
    ...     cm.gpu_price("H100-SXM", provider="aws", on="2019-01-01")
    ... except cm.MissingFactError as error:
    ...     print(error)
    no on_demand price of H100-SXM at aws is known on 2019-01-01: the first is of ...
    """


_LONGEST = 2000
"""Longest message [character]; the middle of a longer one, which repeats a long value given, is left out."""
_LISTED = 300
"""Longest list of known names [character]; of a longer one, the first twelve names are shown."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return the known names that are most similar to `name`, the best first."""
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
    """Return the message for an unknown name, with the nearest known names.

    >>> unknown("accelerator", "H100SXM", ["H100-SXM", "A100-40GB-SXM"])
    "unknown accelerator 'H100SXM'; did you mean 'H100-SXM'?"
    """
    names = list(known)
    shown = repr(name if len(str(name)) <= 80 else str(name)[:77] + "...")
    message = f"unknown {kind} {shown}"
    if close := nearest(str(name)[:80], names):
        return f"{message}; did you mean {' or '.join(repr(candidate) for candidate in close)}?{_spaced(hint)}"
    listed = ", ".join(sorted(names))
    if len(listed) > _LISTED:
        listed = f"{', '.join(sorted(names)[:12])} and {len(names) - 12} more" if len(names) > 12 else listed
    return f"{message}; known: {listed or 'none'}.{_spaced(hint)}"


def _shortened(message: str) -> str:
    return message if len(message) <= _LONGEST else f"{message[: _LONGEST - 300]} ... {message[-290:]}"


def _key(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalnum())


def _spaced(hint: str) -> str:
    return f" {hint}" if hint else ""
