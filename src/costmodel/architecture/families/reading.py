"""Parts that the readers of configs share: depth, runs of equal layers, and decoders of equal layers."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from costmodel.architecture.blocks.block import Block
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

Reader = Callable[[Config], Architecture]
Made = TypeVar("Made")


def read_depth(config: Config, *keys: str, default: int | None = None) -> int:
    """Return the number of layers, at most 10,000, from the first of `keys` that the config has, or the default."""
    depth = config.integer(*keys, default=default)
    config.require(depth <= 10_000, f"{keys[0]}: at most 10,000 layers are read; got {depth:,}")
    return min(depth, 10_000)


def grouped(mixers: Sequence[Any], blocks: Sequence[Any], **options: Any) -> tuple[Layer, ...]:
    """Return the layers, equal neighbors joined; `options` are further fields of each layer."""
    runs: list[list[Any]] = []
    for mixer, block in zip(mixers, blocks, strict=True):
        if runs and runs[-1][0] == mixer and runs[-1][1] == block:
            runs[-1][2] += 1
        else:
            runs.append([mixer, block, 1])
    layers: dict[tuple[int, int, int], Layer] = {}
    for mixer, block, count in runs:
        key = id(mixer), id(block), count
        if key not in layers:
            layers[key] = Layer(mixer=mixer, feed_forward=block, count=count, **options)
    return tuple(layers[id(mixer), id(block), count] for mixer, block, count in runs)


def by_layer(make: Callable[..., Made], *columns: Sequence[Any]) -> list[Made]:
    """Return `make` of the items of each layer, computed once for each combination of items."""
    made: dict[tuple[Any, ...], Made] = {}
    results = []
    for items in zip(*columns, strict=True):
        key = tuple(item if isinstance(item, (bool, int, str)) else id(item) for item in items)
        if key not in made:
            made[key] = make(*items)
        results.append(made[key])
    return results


def note_read(config: Config, read: Callable[[Config, int], object], depth: int) -> None:
    """Note the keys that `read` reads as read, without its problems: a list in the config replaces their result."""
    unused = config.changed({})
    unused.problems = []
    read(unused, depth)


def joined(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Return the layers, equal neighbors joined."""
    runs: list[list[Any]] = []
    for layer in layers:
        if runs and (runs[-1][0] is layer or runs[-1][0] == layer):
            runs[-1][1] += 1
        else:
            runs.append([layer, 1])
    return tuple(layer if count == 1 else layer.replace(count=count) for layer, count in runs)


def layer_configs(config: Config, depth: int, accepted: Sequence[str]) -> list[Config]:
    """Return the config of each layer, with the keys of `per_layer_config` that are `accepted` replaced."""
    given = config.value("per_layer_config")
    if not given:
        return [config] * depth
    changes = {str(key).lstrip("0") or "0": change for key, change in given.items()} if isinstance(given, dict) else {}
    valid = all(key in map(str, range(depth)) and isinstance(change, dict) for key, change in changes.items())
    if not changes or not valid:
        config.require(False, f"per_layer_config: must be an object of changes for layers 0 to {depth - 1}")
        return [config] * depth
    unknown = sorted({str(key) for change in changes.values() for key in change} - set(accepted))
    config.require(not unknown, f"per_layer_config: changes of {', '.join(unknown)[:200]} are not known here")
    return [config.changed(changes[str(index)]) if str(index) in changes else config for index in range(depth)]


def uniform_decoder(
    config: Config,
    width: int,
    depth: int,
    mixer: Block,
    feed_forward: Block,
    *,
    tied: bool,
    vocabulary: int | None = None,
    positions: int = 0,
    norms: int = 2,
    norm_bias: bool = True,
    head_bias: bool = False,
) -> Architecture:
    """Return a decoder of `depth` equal layers; `tied` and `vocabulary` are the defaults of the family."""
    return Architecture(
        width=width,
        layers=(Layer(mixer=mixer, feed_forward=feed_forward, norms=norms, norm_bias=norm_bias, count=depth),),
        vocabulary=config.integer("vocab_size", default=vocabulary),
        positions=positions,
        tied=config.flag("tie_word_embeddings", default=tied),
        head_bias=head_bias,
        norm_bias=norm_bias,
    )
