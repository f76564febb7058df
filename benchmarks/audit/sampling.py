"""Models of a type built from random configs: numbers of the config, and shapes of the tensors."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedConfig, PreTrainedModel

from audit.keys import own_keys
from audit.reference import build, tables_of

SHALLOW = 5
"""Layers of the stacks of sampled models, which build faster than deep ones."""
LONGEST_LIST = 8
"""Longest list of whole numbers whose elements are keys of their own."""
_DEPTH = re.compile(r"(?<!window_)(?:layers?|depth|blocks|n_layer)$")


@dataclass
class Sample:
    """A model that was built."""

    values: dict[str, float]
    """Numbers of its config by key."""
    given: frozenset[str]
    """Keys that were changed."""
    shapes: dict[str, tuple[int, ...]]
    """Shapes of the tensors by name; names of lookup tables end with "#"."""


def inner_configs(config: PreTrainedConfig) -> dict[str, PreTrainedConfig]:
    """Return the nested configs of a config by key."""
    names = getattr(type(config), "sub_configs", {})
    return {name: value for name in names if isinstance(value := getattr(config, name, None), PreTrainedConfig)}


def flat(config: PreTrainedConfig, prefix: str = "") -> dict[str, Any]:
    """Return the own keys of a config and of its nested configs, with dots, and their values."""
    values = {prefix + key: value for key, value in own_keys(config).items()}
    for name, inner in inner_configs(config).items():
        values |= {f"{prefix}{name}.model_type": inner.model_type} | flat(inner, f"{prefix}{name}.")
    return values


def arguments(config: PreTrainedConfig, changes: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that make a default config with some changes; nested configs keep their differences."""
    given: dict[str, Any] = {}
    for key, value in changes.items():
        if "." in key:
            continue
        name, _, index = key.partition("[")
        if index:
            given[name] = list(given.get(name, getattr(config, name)))
            given[name][int(index[:-1])] = value
        else:
            given[name] = value
    for name, inner in inner_configs(config).items():
        inside = {key[len(name) + 1 :]: value for key, value in changes.items() if key.startswith(f"{name}.")}
        if inside:
            default, nested = type(inner)().to_dict(), inner_configs(inner)
            own = {key: value for key, value in inner.to_dict().items() if value != default.get(key)}
            own = {key: value for key, value in own.items() if key not in nested}
            given[name] = own | arguments(inner, inside) | {"model_type": inner.model_type}
    return given


def is_number(value: Any) -> bool:
    """Tell whether a value is a number or a short list of whole numbers."""
    if isinstance(value, list):
        return 0 < len(value) <= LONGEST_LIST and all(type(item) is int for item in value)
    return isinstance(value, (bool, int, float)) and math.isfinite(value)


def features(values: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of a config: booleans as 0 and 1, elements of lists, and how often a list has a name."""
    numbers: dict[str, float] = {}
    for key, value in values.items():
        if isinstance(value, (list, tuple)):
            listed = list(value)
            if is_number(listed):
                numbers |= {f"{key}[{index}]": item for index, item in enumerate(listed)}
            elif listed and all(isinstance(item, str) for item in listed):
                numbers |= {f"{key}={name}": listed.count(name) for name in set(listed)}
        elif is_number(value):
            numbers[key] = value
    return numbers


def elements(values: dict[str, Any]) -> dict[str, Any]:
    """Return the numeric keys, the elements of lists as keys of their own."""
    single: dict[str, Any] = {}
    for key, value in values.items():
        if is_number(value):
            listed = isinstance(value, list)
            single |= {f"{key}[{index}]": item for index, item in enumerate(value)} if listed else {key: value}
    return single


def mutated(key: str, value: Any, rng: random.Random) -> Any:
    """Return another value of a numeric key, of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, float):
        return value * rng.choice([0.5, 2.0, 1.5]) if value else 0.1
    if _DEPTH.search(key) and value > 1:
        return rng.randint(2, 7)
    options = [2 * value, 3 * value, 4 * value, value + 1]
    options += [value // 2] * (value % 2 == 0) + [value // 4] * (value % 4 == 0) + [value + 2] * (value <= 16)
    return rng.choice([option for option in options if option > 0] or [1, 2, 3])


class Sampler:
    """Builder of the models of a type.

    Parameters
    ----------
    config : PreTrainedConfig
        Default config of the type.
    model_class : type
        Class to build.
    """

    def __init__(self, config: PreTrainedConfig, model_class: type[PreTrainedModel]) -> None:
        self.config, self.model_class = config, model_class
        self.defaults = flat(config)
        self.numeric = elements(self.defaults)
        self.rng = random.Random(config.model_type)
        self._less: dict[str, Any] = {}
        self.base = self.build({})

    def make_shallow(self, keys: set[str]) -> None:
        """Build all further models with few layers, where the type allows it."""
        for key in keys:
            value = self.numeric.get(key)
            deep = type(value) is int and value > SHALLOW + 1 and _DEPTH.search(key)
            if deep and self.tried({key: SHALLOW}) is not None:
                self._less[key] = SHALLOW
        self.base = self.build({})

    def build(self, changes: dict[str, Any]) -> Sample:
        """Build the default config with some keys changed."""
        config = type(self.config)(**arguments(self.config, self._less | changes))
        model = build(config, self.model_class)
        tables = tables_of(model)
        shapes = {
            f"{name}#" if id(parameter) in tables else name: tuple(parameter.shape)
            for name, parameter in model.named_parameters()
        }
        return Sample(features(flat(config)), frozenset(changes), shapes)

    def tried(self, changes: dict[str, Any]) -> Sample | None:
        """Build a changed config; None if it is not possible."""
        try:
            return self.build(changes)
        except Exception:  # any error of a class with a config that it does not expect
            return None

    def single(self, key: str) -> Sample | None:
        """Build models with one key changed until the tensors differ; return the last one."""
        value, found = self.numeric[key], None
        options = [2 * value] if type(value) is int and value > 8 else []
        options += [mutated(key, value, self.rng) for _ in range(6)]
        for option in options:
            made = self.tried({key: option}) if option != self._less.get(key, value) else None
            if made is not None and (found is None or made.shapes != self.base.shapes):
                found = made
            if found is not None and found.shapes != self.base.shapes:
                break
        return found

    def joint(self, keys: list[str], share: float, always: Sequence[str] = ()) -> Sample | None:
        """Build a model with about a share of the keys changed, and some always."""
        chosen = [*(key for key in keys if self.rng.random() < share), *always]
        return self.tried({key: mutated(key, self.numeric[key], self.rng) for key in chosen}) if chosen else None

    def changed(self, made: Sample) -> set[str]:
        """Return the numbers of a config that differ from those of the default one."""
        names = made.values.keys() | self.base.values.keys()
        return {name for name in names if made.values.get(name) != self.base.values.get(name)}
