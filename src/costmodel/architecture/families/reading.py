"""What all readers of configs share: the depth, and equal layers joined."""

from collections.abc import Callable, Sequence
from typing import Any

from costmodel.architecture.config_reader import Config
from costmodel.architecture.specification import Architecture, Layer

Reader = Callable[[Config], Architecture]


def read_depth(config: Config, *keys: str) -> int:
    """Return the number of layers at the first of `keys` that is there, at most 10,000."""
    depth = config.integer(*keys)
    config.require(depth <= 10_000, f"{keys[0]}: at most 10,000 layers are read; got {depth:,}")
    return min(depth, 10_000)


def grouped(mixers: Sequence[Any], blocks: Sequence[Any], **norms: Any) -> tuple[Layer, ...]:
    """Return the layers with equal neighbours joined."""
    layers: list[Layer] = []
    previous: tuple[Any, Any] | None = None
    for mixer, block in zip(mixers, blocks, strict=True):
        if previous is not None and previous == (mixer, block):
            layers[-1] = layers[-1].model_copy(update={"count": layers[-1].count + 1})
        else:
            layers.append(Layer(mixer=mixer, feed_forward=block, **norms))
        previous = mixer, block
    return tuple(layers)
