"""Docstrings of the public interface: each parameter is described, and each unit in brackets is one of a list."""

import ast
import inspect
import re
import typing

import pytest

import costmodel
from costmodel.foundation.units import SI_FACTOR

EXTRA_UNITS = {
    "pixel",
    "1/year",
    "1e9",
    "byte s",
    "byte/s",
    "character",
    "currency/USD",
    "GPU-week",
    "inch",
    "kg CO2e",
    "m³",
    "nat/token",
    "unit",
    "USD/1e18 FLOP",
    "USD/1e6 token",
    "year",
}
"""Units of docstrings beside those that the library converts: [unit] is that of the object."""
UNITS = {*SI_FACTOR, *EXTRA_UNITS}
BRACKETS = re.compile(r"(?<=[ (])\[([^\]\[]{1,24})\](?!\()")
ROW = re.compile(r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: : (.*))?\n((?:[ ]+.*(?:\n|$)|\n)*)", re.MULTILINE)
"""Row of a section of parameters: names, type, and the indented lines of the description."""
TYPE = re.compile(r"\{|[\w.]+(,| or | of |$)")
"""Start of a type: "str or Path", "sequence of float", "{"best", "same"}"."""
NUMERIC = re.compile(r"\b(float|array|ndarray|NDArray|number)\b")
"""Types of numbers with a unit; an int is a count, a calendar year or a seed."""
INHERITED = {"model_json_schema", "model_post_init"}
"""Methods of pydantic, which documents them."""


def reachable():
    """Yield the public functions and the methods of public classes and of the results that functions return."""
    classes, functions = [], []
    for name in costmodel.__all__:
        thing = getattr(costmodel, name)
        if inspect.ismodule(thing):
            functions += [getattr(thing, part) for part in thing.__all__]
        elif inspect.isclass(thing):
            classes.append(thing)
        elif inspect.isfunction(thing):
            functions.append(thing)
            try:
                returned = typing.get_type_hints(thing).get("return")
            except NameError:  # a type that only a type checker imports
                continue
            classes += [returned] if inspect.isclass(returned) else []
    for cls in dict.fromkeys(classes):
        for name, method in inspect.getmembers(cls, lambda value: inspect.isfunction(value) or inspect.ismethod(value)):
            if not name.startswith("_") and name not in INHERITED and method.__module__.startswith("costmodel."):
                functions.append(getattr(method, "__func__", method))
    return [function for function in dict.fromkeys(functions) if inspect.isfunction(function)]


FUNCTIONS = reachable()


def parameters(docstring):
    """Yield names, type and description of each row of the Parameters section of a docstring."""
    section = docstring.partition("Parameters\n----------\n")[2]
    heading = re.search(r"\n[A-Z][a-z]+\n-+\n", section)
    section = section[: heading.start()] if heading else section
    for names, kind, text in ROW.findall(f"{section}\n"):
        yield names.replace("*", "").split(", "), kind, " ".join(text.split())


def described(docstring):
    """Return the names of the Parameters section of a docstring."""
    return {name for names, _, _ in parameters(docstring) for name in names}


def test_the_public_interface_is_found():
    assert len(FUNCTIONS) > 100


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__qualname__)
def test_each_parameter_is_described(function):
    names = {name for name in inspect.signature(function).parameters if name not in {"self", "cls"}}
    docstring = inspect.getdoc(function) or ""
    assert docstring
    assert names <= described(docstring), f"not described: {sorted(names - described(docstring))}"


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__qualname__)
def test_each_parameter_has_a_type_and_each_number_a_unit(function):
    for names, kind, text in parameters(inspect.getdoc(function)):
        assert TYPE.match(kind), f"{names}: no type in {kind!r}"
        assert text, f"{names}: no description"
        assert not NUMERIC.search(kind) or BRACKETS.search(f" {text}"), f"{names}: no unit in {text!r}"


def test_described_parameters_exist():
    for function in FUNCTIONS:
        parameters = inspect.signature(function).parameters
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            assert described(inspect.getdoc(function)) <= set(parameters), function.__qualname__


def docstrings(tree):
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and (text := ast.get_docstring(node)):
            yield text.partition("Examples\n--------")[0].partition(">>>")[0]


def test_units_in_brackets_are_of_the_list(root):
    unknown = {}
    for path in sorted((root / "src").rglob("*.py")):
        for text in docstrings(ast.parse(path.read_text(encoding="utf-8"))):
            for unit in BRACKETS.findall(re.sub(r"`[^`]*`", "", text)):
                if unit not in UNITS:
                    unknown.setdefault(unit, set()).add(path.name)
    assert not unknown
