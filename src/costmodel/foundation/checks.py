"""Checks of arguments that many functions have: the level of an interval, and the seed of random draws."""

from __future__ import annotations

from costmodel.foundation.errors import InputError


def check_level(level: float) -> None:
    """Raise `InputError` unless `level` is a fraction between 0 and 1."""
    if isinstance(level, bool) or not isinstance(level, (int, float)) or not 0 < level < 1:
        raise InputError(f"level must be a fraction between 0 and 1; got {level!r:.80}")


def seed_problems(seed: object) -> list[str]:
    """Return what is wrong with the seed of random draws: nothing, or one message.

    >>> seed_problems(0), seed_problems(-1)
    ([], ['seed: must be a whole number of at least 0; got -1'])
    """
    if type(seed) is int and seed >= 0:
        return []
    return [f"seed: must be a whole number of at least 0; got {seed!r:.80}"]
