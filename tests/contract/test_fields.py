"""Fields of specifications: each has a description and a typed argument of the constructor; signatures are short."""

import ast
import importlib
import inspect
import pkgutil

import pytest

import costmodel
from costmodel.foundation.fields import Measure
from costmodel.foundation.signatures import arguments as settable
from costmodel.foundation.signatures import short_type
from costmodel.foundation.specs import Spec

for module in pkgutil.walk_packages(costmodel.__path__, "costmodel."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)


def subclasses(cls):
    for child in cls.__subclasses__():
        if child.__module__.startswith("costmodel."):
            yield child
            yield from subclasses(child)


SPECS = sorted(set(subclasses(Spec)), key=lambda cls: (cls.__module__, cls.__qualname__))
PUBLIC = [
    cls for name in costmodel.__all__ if inspect.isclass(cls := getattr(costmodel, name)) and issubclass(cls, Spec)
]
COUNTED = {"1", "token", "FLOP"}
"""Units of plain numbers, which a description may leave out."""


def identity(cls):
    return cls.__name__


@pytest.mark.parametrize("cls", SPECS, ids=identity)
def test_every_field_has_a_description(cls):
    for name, field in cls.model_fields.items():
        description = field.description
        assert description and description.endswith(".") and not description[0].islower(), f"{name}: {description}"


def measures(metadata, annotation):
    """Yield the measures of a field, also inside a union."""
    for item in (*metadata, *getattr(annotation, "__metadata__", ())):
        if isinstance(item, Measure):
            yield item
    for argument in getattr(annotation, "__args__", ()):
        yield from measures((), argument)


@pytest.mark.parametrize("cls", SPECS, ids=identity)
def test_descriptions_name_the_unit(cls):
    for name, field in cls.model_fields.items():
        for measure in measures(field.metadata, field.annotation):
            if measure.unit not in COUNTED:
                assert f"[{measure.unit}" in field.description, f"{name}: {field.description}"


@pytest.mark.parametrize("cls", PUBLIC, ids=identity)
def test_signatures_are_short(cls):
    signature = str(inspect.signature(cls))
    assert len(signature) < 1000
    assert "Annotated" not in signature and "costmodel." not in signature
    assert set(inspect.signature(cls).parameters) == set(settable(cls))


@pytest.mark.parametrize("cls", SPECS, ids=identity)
def test_positional_arguments_are_the_first_fields(cls):
    listed = inspect.signature(cls).parameters.values()
    positional = [parameter.name for parameter in listed if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    assert positional == list(settable(cls))[: len(positional)]


@pytest.mark.parametrize("cls", PUBLIC, ids=identity)
def test_help_describes_each_field(cls):
    for name, field in settable(cls).items():
        assert f"\n{name} : " in cls.__doc__
        assert field.description.split()[0] in cls.__doc__


def constructors():
    """Yield the classes with a typed constructor, its positional arguments, and whether each argument is required."""
    trees = {
        module: ast.parse(inspect.getsource(importlib.import_module(module)))
        for module in {cls.__module__ for cls in SPECS}
    }
    classes = {node.name: node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for cls in SPECS:
        guarded = [item for node in classes[cls.__name__].body if isinstance(node, ast.If) for item in node.body]
        stub = next((item for item in guarded if isinstance(item, ast.FunctionDef) and item.name == "__init__"), None)
        if stub is not None:
            positional = [argument.arg for argument in stub.args.args[1:]]
            yield cls, (positional, dict(arguments(stub.args, classes)))


def arguments(args, classes):
    """Yield the names of the arguments of a constructor, and whether they are required."""
    positional = args.args[1:]
    for place, argument in enumerate(positional):
        yield argument.arg, place < len(positional) - len(args.defaults)
    for argument, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        yield argument.arg, default is None
    if args.kwarg is not None:
        unpacked = args.kwarg.annotation
        assert isinstance(unpacked, ast.Subscript), f"{ast.unparse(unpacked)} hides the names of the fields"
        yield from ((name, False) for name in typed_dict(classes[unpacked.slice.id], classes))


def typed_dict(node, classes):
    for base in node.bases:
        if base.id in classes:
            yield from typed_dict(classes[base.id], classes)
    yield from (item.target.id for item in node.body if isinstance(item, ast.AnnAssign))


CONSTRUCTORS = dict(constructors())
"""Positional arguments, and whether each argument is required, by class with a typed constructor."""


def test_public_specifications_have_a_typed_constructor():
    assert [cls.__name__ for cls in PUBLIC if cls not in CONSTRUCTORS] == []


@pytest.mark.parametrize("cls", CONSTRUCTORS, ids=identity)
def test_constructors_list_the_fields(cls):
    positional, required = CONSTRUCTORS[cls]
    assert required == {name: field.is_required() for name, field in settable(cls).items()}
    assert positional == list(required)[: len(positional)] == list(settable(cls))[: len(positional)]


def test_short_types_name_quantities():
    assert short_type(costmodel.Scenario.__annotations__["mfu"]) == "Fraction | None"
