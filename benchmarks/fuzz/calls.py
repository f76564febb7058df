"""Cases that call public functions, specifications and methods of results with random right and wrong arguments."""

from __future__ import annotations

import datetime as dt
import inspect
import math
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import costmodel as cm
from costmodel.foundation.specs import Spec

if TYPE_CHECKING:
    import random

TESTS = Path(__file__).parents[2] / "tests" / "contract" / "public_calls.py"
spec = spec_from_file_location("public_calls", TESTS)
assert spec is not None and spec.loader is not None
good = module_from_spec(spec)
spec.loader.exec_module(good)

ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2, 7, 64, 0.5, -1.5, 1e-300, 1e300, math.nan, math.inf, -math.inf, 10**400, "", "x",
    "nan", "inf", "-1", "1e999", "1 to 2", "2 to 1", "0", "1%", "5 USD", "1 MUSD", "1e9 token", "2026-13-45",
    "2026-09-01", "H100-SXM", "llama-2-7b", "x" * 10_000, "=1+1", "[a](b)", "|", "\x00", "\ud800", b"x", [], [None],
    ["x"], [1, 2], [[]], {}, {"x": 1}, {"low": 1, "high": 2}, {1: 2}, object(), 1j, dt.date(2026, 1, 1), range(3),
    {1, 2}, (1, 2), np.array([1.0, 2.0]), np.float64(3), np.float64("nan"), np.int64(2), cm.between(1, 2),
    cm.samples([1, 2]), cm.Cluster("H100-SXM", 8), cm.LoRA(tokens="1M"), Path("/no/such/file"),
]  # fmt: skip
"""Values that a few parameters accept."""
LONG = {"largest_model": {"architectures"}, "what_fits": {"architecture", "count", "accelerator"}}
"""Arguments that stay, because others of them are the whole catalog."""


def arguments(choices: random.Random, given: dict[str, Any], names: list[str], kept: set[str]) -> dict[str, Any]:
    """Return arguments with one to three of them replaced by odd ones, or by changed good ones."""
    changed = dict(given)
    names = [name for name in names if name not in kept]
    for name in choices.sample(names, min(len(names), choices.randint(1, 3))):
        changed[name] = odd(choices, changed.get(name))
    return changed


def odd(choices: random.Random, value: Any) -> Any:
    """Return a value that may be wrong: another one, or the given one with a change inside."""
    if choices.random() < 0.5:
        return choices.choice(ODD)
    if isinstance(value, bool) or value is None:
        return choices.choice(ODD)
    if isinstance(value, (int, float)):
        return value * choices.choice([0, -1, 0.1, 1.5, 10, 1e6, 1e30])
    if isinstance(value, Spec):
        return value.replace({choices.choice(list(type(value).model_fields)): choices.choice(ODD)})
    if isinstance(value, dict) and value:
        return {**value, choices.choice(list(value)): odd(choices, choices.choice(list(value.values())))}
    if isinstance(value, (list, tuple)) and value:
        place = choices.randrange(len(value))
        return [*value[:place], odd(choices, value[place]), *value[place + 1 :]]
    if isinstance(value, str) and value:
        place = choices.randrange(len(value))
        return value[:place] + choices.choice(["", "\x00", "9", "-", " to ", "e9", "é"]) + value[place + 1 :]
    return choices.choice(ODD)


def functions(choices: random.Random, folder: Path) -> Any:
    """Call a public function."""
    name = choices.choice(list(good.FUNCTIONS))
    function, given = getattr(cm, name), good.FUNCTIONS[name]
    names = list(dict.fromkeys([*good.parameters(function), *given]))
    return function(**arguments(choices, given, names, LONG.get(name, set()))) if names else function()


def specifications(choices: random.Random, folder: Path) -> Any:
    """Make a specification, by its fields or as a changed copy; estimate it if it is a whole scenario."""
    name = choices.choice(list(good.SPECIFICATIONS))
    kind, given = getattr(cm, name), good.SPECIFICATIONS[name]
    made = kind(**arguments(choices, given, list(kind.model_fields), set()))
    return cm.estimate(made) if isinstance(made, (cm.Scenario, cm.Serving)) else repr(made)


def methods(choices: random.Random, folder: Path) -> Any:
    """Call a method of a result or of a specification."""
    if choices.random() < 0.2:
        name = choices.choice([name for name in good.SPEC_METHODS if not name.endswith(".save")])
        owner, given = good.SPEC_METHODS[name]
        function = getattr(owner(), name.split(".")[1])
    else:
        name, attribute, given = choices.choice(list(good.methods().values()))
        function = getattr(good.results.result(name), attribute)
    names = [name for name in good.parameters(function) if name not in {"path", "keep", "measure"}]
    return function(**arguments(choices, given, list(dict.fromkeys([*names, *given])), {"path", "keep", "measure"}))


def sweeps(choices: random.Random, folder: Path) -> Any:
    """Estimate a scenario of which up to four fields at any depth are changed."""
    paths = list(_paths(cm.Scenario))
    changes = {choices.choice(paths): choices.choice(ODD) for _ in range(choices.randint(1, 4))}
    estimate = cm.estimate(choices.choice([good.RUN, good.results.run().scenario]).replace(changes))
    estimate.interval("gpu_hours")
    return estimate


def _paths(kind: type[Spec], depth: int = 2) -> list[str]:
    paths = []
    for name, field in kind.model_fields.items():
        paths.append(name)
        inner = field.annotation
        if depth and inspect.isclass(inner) and issubclass(inner, Spec):
            paths += [f"{name}.{path}" for path in _paths(inner, depth - 1)]
    return [*paths, *(["recipe.tokens", "recipe.sequence_length", "recipe.batch_size"] if depth == 2 else [])]


CAMPAIGNS = {"functions": functions, "specifications": specifications, "methods": methods, "scenarios": sweeps}
