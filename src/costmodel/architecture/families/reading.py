"""Pieces that all readers of configs share: the depth, and runs of equal layers."""

from collections.abc import Callable, Sequence
from typing import Any

from costmodel.architecture.blocks.block import Block
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

Reader = Callable[[Config], Architecture]


def read_depth(config: Config, *keys: str) -> int:
    """Return the number of layers at the first of `keys` that is there, at most 10,000."""
    depth = config.integer(*keys)
    config.require(depth <= 10_000, f"{keys[0]}: at most 10,000 layers are read; got {depth:,}")
    return min(depth, 10_000)


def grouped(mixers: Sequence[Any], blocks: Sequence[Any], **options: Any) -> tuple[Layer, ...]:
    """Return the layers with equal neighbors joined; `options` are further fields of each layer."""
    runs: list[list[Any]] = []
    for mixer, block in zip(mixers, blocks, strict=True):
        if runs and runs[-1][0] == mixer and runs[-1][1] == block:
            runs[-1][2] += 1
        else:
            runs.append([mixer, block, 1])
    made: dict[tuple[int, int, int], Layer] = {}
    for mixer, block, count in runs:
        key = id(mixer), id(block), count
        if key not in made:
            made[key] = Layer(mixer=mixer, feed_forward=block, count=count, **options)
    return tuple(made[id(mixer), id(block), count] for mixer, block, count in runs)


def equal_layers(mixer: Block, feed_forward: Block, depth: int, norms: int) -> tuple[Layer, ...]:
    """Return `depth` equal layers with LayerNorms (scale and shift)."""
    return (Layer(mixer=mixer, feed_forward=feed_forward, norms=norms, norm_bias=True, count=depth),)
