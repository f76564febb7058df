"""Imports go down the floors only; names and files keep to the house rules."""

import ast
import inspect
import pkgutil
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import costmodel as cm

PACKAGE = Path(cm.__file__).parent
FLOORS = {
    "_version": 0, "foundation": 0, "architecture": 1, "hardware": 1, "market": 1, "training": 2, "scaling": 2,
    "serving": 2, "estimation": 3, "planning": 4, "projection": 4, "comparison": 4, "claims": 5, "budget": 4,
    "validation": 5, "report": 5, "cli": 6,
}  # fmt: skip
BESIDE = {("market", "hardware")}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(path):
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imports(path):
    """Yield the rooms that a file imports when it runs, not those under TYPE_CHECKING."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node not in guarded and (node.module or "").startswith("costmodel"):
            parts = (node.module or "").split(".")
            yield from ([parts[1]] if len(parts) > 1 else [alias.name for alias in node.names])


@pytest.mark.parametrize("path", [path for path in MODULES if room(path) != "__init__"], ids=str)
def test_imports_go_down(path):
    own = room(path)
    for other in imports(path):
        assert other == own or FLOORS[other] < FLOORS[own] or (own, other) in BESIDE, f"{own} imports {other}"


def test_the_test_sees_an_arrow_that_goes_up(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from costmodel.estimation.estimate import estimate\n", encoding="utf-8")
    assert list(imports(wrong)) == ["estimation"]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_file_is_one_topic(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 500
    assert ast.get_docstring(ast.parse(text)), "says the question that it answers"
    assert not re.search(r"/(utils?|helpers?|misc|common)\.py$", str(path))
    if path.name != "units.py":
        assert not re.search(r"^\s*(import|from) pint\b", text, re.MULTILINE)


def test_no_public_name_equals_a_subpackage():
    packages = {module.name for module in pkgutil.iter_modules([str(PACKAGE)])}
    assert not packages & set(cm.__all__)


def test_public_names_load_and_are_all_listed():
    assert set(cm.__all__) == {*cm._HOMES, "__version__"}
    for name in cm.__all__:
        assert getattr(cm, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = cm.nothing


def test_import_is_light():
    code = (
        "import sys, costmodel\n"
        "print([m for m in ('numpy', 'scipy', 'pint', 'matplotlib', 'pandas', 'pydantic') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"


def test_a_first_estimate_with_plain_numbers_needs_no_pint_scipy_or_pandas():
    code = (
        "import sys, costmodel as cm\n"
        "run = cm.Scenario(architecture='llama-3.1-8b', recipe=cm.Pretraining(tokens=1e12),\n"
        "                  cluster=cm.Cluster('H100-SXM', 8), prices=cm.Rental(price=2.0))\n"
        "assert cm.estimate(run).value('cost') > 0\n"
        "print([m for m in ('scipy', 'pint', 'matplotlib', 'pandas') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"


def public_functions():
    for path in MODULES:
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[-1].startswith("_"):
            continue
        module = import_module(".".join(("costmodel", *parts)))
        for name, thing in vars(module).items():
            if inspect.isfunction(thing) and thing.__module__ == module.__name__ and not name.startswith("_"):
                yield pytest.param(thing, id=f"{module.__name__}.{name}")


@pytest.mark.parametrize("function", list(public_functions()))
def test_docstrings_name_the_parameters_of_the_signature(function):
    documented = inspect.getdoc(function)
    assert documented
    section = re.search(r"Parameters\n-+\n(.*?)(?:\n\n\S|\Z)", documented, re.DOTALL)
    if section is None:
        return
    listed = re.findall(r"^(\w[\w, ]*?) :", section.group(1), re.MULTILINE)
    names = [name for entry in listed for name in entry.split(", ")]
    signature = [name for name in inspect.signature(function).parameters if name not in {"self", "cls"}]
    assert set(names) <= set(signature)
    assert len(names) >= len(signature), f"undocumented: {set(signature) - set(names)}"


def test_public_names_say_their_parameters_and_have_an_example():
    for name in ("count_flops", "flops_per_token", "gpu_price", "between", "load_architecture", "estimate", "Scenario"):
        assert ">>>" in inspect.getdoc(getattr(cm, name)), name
