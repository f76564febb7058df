"""Effect of each key of a config on the parameter counts of its model: one-key mutants of the default config.

A key is inert if no build reads it and it changes no other key, or if no mutant of it changes a tensor. It shapes if a
mutant changes a tensor. A key that only some builds read, and whose mutants change nothing, stays unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import PreTrainedConfig

from audit.reference import build, default_config, main_class, tensors_of

_BASE = frozenset(PreTrainedConfig().to_dict()) - {"tie_word_embeddings"}
"""Keys of every config, which shape no body of a model."""


@contextmanager
def recorded(reads: set[tuple[str, str]]) -> Iterator[None]:
    """Record which attributes of which config classes are read."""
    original = PreTrainedConfig.__getattribute__

    def reading(self: PreTrainedConfig, name: str) -> Any:
        reads.add((type(self).__name__, name))
        return original(self, name)

    PreTrainedConfig.__getattribute__ = reading
    try:
        yield
    finally:
        PreTrainedConfig.__getattribute__ = original


def own_keys(config: PreTrainedConfig) -> dict[str, Any]:
    """Return the keys of a config class with their default values, without those of every config."""
    inner = set(getattr(type(config), "sub_configs", {}))
    return {
        key: value
        for key, value in config.to_dict().items()
        if key not in _BASE and key not in inner and not key.startswith("_") and key != "model_type"
    }


def mutants(key: str, value: Any, source: str) -> list[Any]:
    """Return further values of a key to try."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [2 * value, value + 1, value // 2, 1, 3 * value] if value > 0 else [1, 2, 8]
    if isinstance(value, float):
        return [value * 2, value / 2, 1.0] if value else [0.5, 1.0]
    if value is None:
        return [64, 8, 1, 2, True]
    if isinstance(value, str):
        pattern = rf"{key}\W[^\n]{{0,30}}(?:==|!=|in)\s*[\(\[{{]?((?:\s*[\"'][\w-]+[\"'],?)+)"
        literals = [word for text in re.findall(pattern, source) for word in re.findall(r"[\w-]+", text)]
        options = ["relu", "gelu", "silu"] if "act" in key else []
        return [option for option in dict.fromkeys([*literals, *options]) if option != value][:6]
    if isinstance(value, list) and value:
        if all(isinstance(item, int) and not isinstance(item, bool) for item in value):
            return [[2 * item for item in value], [value[0] * 2 or 1, *value[1:]], [*value[:-1], value[-1] * 2 or 1]]
        if all(isinstance(item, str) for item in value):
            kinds = sorted(
                set(value) | set(re.findall(r"[\"'](\w+_attention|mamba2?|conv|moe|dense|sparse|hybrid)[\"']", source))
            )
            return [[kind] * len(value) for kind in kinds if [kind] * len(value) != value][:5]
    return []


def source_of(config: PreTrainedConfig) -> str:
    """Return the source text of the module of a config and of its model."""
    import importlib
    import inspect

    module = type(config).__module__
    texts = []
    for name in (module, module.replace("configuration_", "modeling_")):
        try:
            texts.append(inspect.getsource(importlib.import_module(name)))
        except (ImportError, OSError):
            continue
    return "\n".join(texts)


def _own_reads(config: PreTrainedConfig, reads: set[tuple[str, str]]) -> set[str]:
    names = type(config).attribute_map or {}
    return {names.get(key, key) for name, key in reads if name == type(config).__name__}


def effects(model_type: str) -> dict[str, Any] | None:
    """Return defaults, inert keys, shaping keys and keys of unknown effect of a type; None if no model can be built."""
    config = default_config(model_type)
    model_class = main_class(config)
    if model_class is None:
        return None
    reads: set[tuple[str, str]] = set()
    with recorded(reads):
        base = tensors_of(build(config, model_class))
    default_reads = _own_reads(config, reads)
    keys, plain, source = own_keys(config), config.to_dict(), source_of(config)
    changes: dict[str, str] = {}
    derived: set[str] = set()
    for key, value in keys.items():
        for mutant in mutants(key, value, source):
            try:
                changed = default_config(model_type, **{key: mutant})
                dictionary = changed.to_dict()
            except Exception:
                continue
            others = any(dictionary.get(other) != plain.get(other) for other in plain if other != key)
            if others:
                derived.add(key)
            if not others and key not in default_reads:
                changes.setdefault(key, "same")
                continue
            try:
                with recorded(reads):
                    tensors = tensors_of(build(changed, model_class))
            except Exception:
                continue
            changes[key] = "shapes" if tensors != base else changes.get(key, "same")
            if changes[key] == "shapes":
                break
    all_reads = _own_reads(config, reads)
    shapes = sorted(key for key, change in changes.items() if change == "shapes")
    inert = sorted(
        key
        for key in keys
        if key not in shapes
        and (
            (key not in all_reads and key not in derived and changes.get(key) == "same")
            or (key in default_reads and changes.get(key) == "same")
            or (key not in all_reads and key not in derived and key not in changes and not isinstance(keys[key], dict))
        )
    )
    return {
        "class": model_class.__name__,
        "defaults": keys,
        "inert": inert,
        "shapes": shapes,
        "unknown": sorted(set(keys) - set(inert) - set(shapes)),
        "read": sorted(all_reads & set(keys)),
        "aliases": dict(type(config).attribute_map or {}),
    }
