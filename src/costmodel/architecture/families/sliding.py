"""Which layers of a decoder have a sliding window, where the config does not list them."""

from collections.abc import Callable

from costmodel.architecture.sources.config import Config

Pattern = Callable[[Config, int], list[bool]]


def every(period: int, *keys: str, last: bool = False, first: int = 0) -> Pattern:
    """Return the pattern in which every `period`-th layer has full attention, and all others slide.

    `keys` are those of the period. With `last`, the last layer has full attention too, and so have the `first` layers.
    """

    def pattern(config: Config, depth: int) -> list[bool]:
        number = config.integer(*keys, default=period) if keys else period
        slides = [index >= first and (index + 1) % number != 0 for index in range(depth)]
        return [*slides[:-1], False] if last else slides

    return pattern


def nowhere(_: Config, depth: int) -> list[bool]:
    """Return the pattern without sliding windows."""
    return [False] * depth


def everywhere(_: Config, depth: int) -> list[bool]:
    """Return the pattern in which all layers have a sliding window."""
    return [True] * depth


def shifted(period: int, full: int) -> Pattern:
    """Return the pattern in which layers with index mod `period` = `full` have full attention."""
    return lambda config, depth: [index % period != full for index in range(depth)]


def above(key: str, default: int) -> Pattern:
    """Return the pattern in which layers from the one at `key` on have a sliding window."""

    def pattern(config: Config, depth: int) -> list[bool]:
        first = config.integer(key, default=default, least=0)
        return [index >= first for index in range(depth)]

    return pattern
