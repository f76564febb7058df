"""Tokens of an image in models that read images, by the rule of the image processor of the family."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from typing import Any

from costmodel.architecture.loading import ArchitectureLike, config_of, load_architecture
from costmodel.architecture.specification import Architecture
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.tables import Row, table

MOST_EDGE = 10**6
"""Longest edge of an image that is accepted [pixel]."""


def image_tokens(architecture: ArchitectureLike, width: int, height: int) -> int:
    """Return the tokens of an image in the sequence of the text model, or of an image encoder [token].

    Row breaks, separators of tiles, and the tokens before and after an image are not counted.

    Parameters
    ----------
    architecture : str, Mapping or Architecture
        Name, path or config of a model that reads images, as in `load_architecture`.
    width, height : int
        Size of the image [pixel].

    Raises
    ------
    InputError
        If the model reads no images, or a size is not a whole number above 0.
    MissingFactError
        If the image processor of the family is not known.

    References
    ----------
    Wang et al. 2024, "Qwen2-VL", section 2.1 (arXiv 2409.12191); rules by family: `data/facts/image_processors.csv`.

    Examples
    --------
    >>> image_tokens("llava-1.5-7b", 1920, 1080)
    576
    >>> image_tokens("qwen3-vl-30b-a3b", 1920, 1080), image_tokens("qwen3-vl-30b-a3b", 640, 480)
    (2040, 300)
    """
    problems = [
        f"{name}: must be a whole number of pixels from 1 to {MOST_EDGE:,}; got {value!r}"
        for name, value in (("width", width), ("height", height))
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MOST_EDGE
    ]
    if problems:
        raise InputError(problems)
    model = load_architecture(architecture)
    tower = next((stack for stack in model.stacks if stack.name == "vision"), None)
    if tower is None:
        if model.tokens is None or model.vocabulary is not None:
            raise InputError(f"architecture: {model.name} reads no images")
        return model.tokens
    if model.tokens is not None:  # an encoder of text and images of one size
        return int(tower.tokens or 0)
    config = config_of(architecture)
    rule = {row["family"]: row for row in table("facts/image_processors").rows}.get(str(config.get("model_type")))
    if rule is None:
        raise MissingFactError(
            f"the image processor of {model.name} is not known; the largest image of its config has "
            f"{_projected(model)} tokens"
        )
    if rule["rule"] == "fixed":
        return _projected(model)
    if rule["rule"] == "tiles":
        edge = int(_vision(config).get("image_size", 448))
        tiles = _tiles(width, height, edge, int(rule["most_tiles"]))
        return _projected(model) * (tiles + (tiles > 1))
    return _whole_image(config, rule, width, height)


def _vision(config: Mapping[str, Any]) -> Mapping[str, Any]:
    vision = config.get("vision_config")
    return vision if isinstance(vision, Mapping) else {}


def _projected(model: Architecture) -> int:
    """Return the tokens that the projector hands to the text model for the image of the config."""
    rows = [
        getattr(block, "rows", None) for stack in model.stacks for block in stack.extras if block.part == "projector"
    ]
    return int(min(row for row in rows if row))


def _whole_image(config: Mapping[str, Any], rule: Row, width: int, height: int) -> int:
    """Return the tokens of an image that keeps its ratio, with edges that are multiples of those of a token."""
    vision = _vision(config)
    patch = int(vision.get("patch_size") or rule["patch_size"])
    merged = int(vision.get("spatial_merge_size") or config.get("spatial_merge_size") or rule["merge_size"])
    edge = patch * merged
    if rule["rule"] == "edge":
        most = int(vision.get("image_size") or rule["longest_edge"])
        scale = min(most / max(width, height), 1.0)
        return math.prod(-(-max(math.floor(side * scale), 1) // edge) for side in (width, height))
    least, most = int(rule["least_pixels"]), int(rule["most_pixels"])
    sides = [max(round(side / edge), 1) for side in (width, height)]
    if math.prod(sides) * edge**2 > most:
        scale = math.sqrt(most / (width * height))
        sides = [max(math.floor(side * scale / edge), 1) for side in (width, height)]
    elif math.prod(sides) * edge**2 < least:
        scale = math.sqrt(least / (width * height))
        sides = [math.ceil(side * scale / edge) for side in (width, height)]
    return math.prod(sides)


def _tiles(width: int, height: int, edge: int, most: int) -> int:
    """Return the number of square tiles of an image: the least enlargement, else the least reduction."""
    grids = [(across, down) for across, down in product(range(1, most + 1), repeat=2) if across * down <= most]
    scales = {grid: min(grid[0] * edge / width, grid[1] * edge / height) for grid in grids}
    enlarging = [scale for scale in scales.values() if scale >= 1]
    chosen = min(enlarging) if enlarging else max(scales.values())
    return min(across * down for (across, down), scale in scales.items() if scale == chosen)
