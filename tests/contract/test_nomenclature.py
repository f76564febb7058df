"""docs/nomenclature.md holds every public parameter and field, and nothing else among its names."""

import inspect
import re
from importlib import import_module
from pkgutil import walk_packages

import pytest
from pydantic import BaseModel

import costmodel as cm
from costmodel.foundation.specs import Spec


def parameters(function):
    """Return the names of the parameters of a function."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    listed = inspect.signature(function).parameters.values()
    return {parameter.name for parameter in listed if parameter.kind not in kinds} - {"self", "cls"}


def public_names():
    """Return the parameters and fields behind each public name of the library."""
    names = {}
    for public in cm.__all__:
        thing = getattr(cm, public)
        if inspect.ismodule(thing):
            drawn = (getattr(thing, name) for name in thing.__all__)
            names[public] = set().union(*(parameters(plot) for plot in drawn if inspect.isfunction(plot)))
        elif inspect.isclass(thing):
            fields = set(thing.model_fields) if issubclass(thing, BaseModel) else parameters(thing.__init__)
            methods = [
                method
                for name, method in inspect.getmembers(thing, callable)
                if not name.startswith(("_", "model_"))
                and str(getattr(method, "__module__", "")).startswith("costmodel")
            ]
            names[public] = fields.union(*(parameters(method) for method in methods if inspect.isroutine(method)))
        elif callable(thing):
            names[public] = parameters(thing)
    return names


def specifications(base=Spec):
    """Yield the public specifications of the library, such as the items of a project and the blocks of a layer."""
    for specification in base.__subclasses__():
        if specification.__module__.startswith("costmodel.") and not specification.__name__.startswith("_"):
            yield specification
        yield from specifications(specification)


for module in walk_packages(cm.__path__, "costmodel."):
    if not module.name.endswith("__main__"):
        import_module(module.name)
PUBLIC = {spec.__name__: set(spec.model_fields) for spec in specifications()} | public_names()


@pytest.fixture(scope="module")
def documented(root):
    text = (root / "docs" / "nomenclature.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]*\|$", text, re.MULTILINE)


@pytest.mark.parametrize("public", PUBLIC)
def test_parameters_and_fields_are_in_the_nomenclature(documented, public):
    assert not PUBLIC[public] - set(documented), "describe these names in docs/nomenclature.md"


def test_names_of_the_nomenclature_are_unique_and_in_use(documented):
    assert len(documented) == len(set(documented))
    assert not set(documented) - set().union(*PUBLIC.values()), "no public name has these parameters"
