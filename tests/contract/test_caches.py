"""Every cache of the library is listed and bounded, so that a service that runs for months does not grow."""

import ast
import functools
import gc
import inspect
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

import costmodel as cm
from costmodel.foundation.newest import Newest

SOURCE = Path(cm.__file__).parent
MOST = 4096
"""Largest bound of a cache [1]."""
MUTATING = {"add", "append", "extend", "insert", "setdefault", "update"}
WRAPPER = type(functools.lru_cache(lambda: None))


def caches():
    """Return the caches of all modules and their classes, by name."""
    listed = {}
    for module in walk_packages(cm.__path__, "costmodel."):
        if module.name.endswith("__main__"):
            continue
        content = vars(import_module(module.name))
        classes = [each for each in content.values() if inspect.isclass(each) and each.__module__ == module.name]
        for owner in (content, *map(vars, classes)):
            for value in owner.values():
                if isinstance(value, WRAPPER):
                    listed[f"{value.__module__}.{value.__qualname__}"] = value
    return listed


CACHES = caches()


def is_unbounded(cache):
    """Return whether a cache keeps a value for every argument that it ever gets."""
    return cache.cache_parameters()["maxsize"] is None and bool(inspect.signature(cache).parameters)


def test_all_caches_are_listed():
    decorated = 0
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                names = {ast.unparse(each).partition("(")[0] for each in node.decorator_list}
                decorated += bool(names & {"lru_cache", "functools.lru_cache", "cache", "functools.cache"})
    assert len(CACHES) >= decorated > 50


@pytest.mark.parametrize("name", CACHES)
def test_caches_are_bounded(name):
    parameters = CACHES[name].cache_parameters()
    assert not is_unbounded(CACHES[name]), f"{name} keeps a value for every argument; give it a maxsize"
    assert (parameters["maxsize"] or 1) <= MOST


def test_an_unbounded_cache_fails():
    @functools.cache
    def of_a_name(name):
        return name

    @functools.cache
    def of_nothing():
        return 1

    assert is_unbounded(of_a_name) and not is_unbounded(of_nothing)


def changed_globals(tree):
    """Yield the names of values of a module that its functions change."""
    assigned = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        nodes = list(ast.walk(function))
        local = {each.arg for each in function.args.args}
        local |= {each.id for each in nodes if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
        for node in nodes:
            if isinstance(node, ast.Global):
                yield from node.names
            stored = isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)
            called = isinstance(node, ast.Attribute) and node.attr in MUTATING
            if (stored or called) and isinstance(node.value, ast.Name) and node.value.id in assigned - local:
                yield node.value.id


def test_values_of_modules_that_functions_change_are_bounded_caches():
    changed = {}
    for path in SOURCE.rglob("*.py"):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        for name in changed_globals(ast.parse(path.read_text(encoding="utf-8"))):
            changed[".".join(parts), name] = getattr(import_module(".".join(parts)), name)
    assert changed
    assert not [place for place, value in changed.items() if not isinstance(value, Newest)]


def test_a_dict_that_functions_fill_is_found():
    source = "_seen = {}\nLIMIT = 1\ndef f(name):\n    _seen[name] = LIMIT\n"
    assert list(changed_globals(ast.parse(source))) == ["_seen"]


def test_the_newest_are_kept():
    kept = Newest(3)
    kept.update({number: number for number in range(5)})
    kept.update({9: 9})
    assert [number for number in range(10) if number in kept] == [3, 4, 9]
    kept.clear()
    assert len(kept) == 0 and kept.get(9) is None


def test_caches_stay_within_their_bounds_over_many_scenarios():
    base = cm.Scenario("llama-3.2-1b", cm.Pretraining(tokens="1B"), cm.Cluster("H100-SXM", 8), mfu=0.4)
    for number in range(300):
        changes = {"recipe.tokens": 1e9 + number, "mfu": 0.2 + number / 1e3, "prices": {"price": 1 + number / 100}}
        changes |= {"recipe.sequence_length": 512 + number, "cluster.count": 8 + number}
        assert cm.estimate(base.replace(changes)).value("cost") > 0
    for name, cache in CACHES.items():
        info = cache.cache_info()
        assert info.maxsize is None or info.currsize <= info.maxsize, name


def test_estimates_are_freed():
    base = cm.Scenario("llama-3.2-1b", cm.Pretraining(tokens="1B"), cm.Cluster("H100-SXM", 8), mfu=0.4)
    alive = []
    for number in range(40):
        estimate = cm.estimate(base.replace({"recipe.tokens": 1e9 + number}))
        estimate.bounds("cost")
        del estimate
        if number % 20 == 19:
            gc.collect()
            alive.append(sum(type(each) is cm.Estimate for each in gc.get_objects()))
    assert alive[1] <= alive[0]
