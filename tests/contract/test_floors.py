"""Packages import lower packages only, without circles; names and files follow the rules of the project."""

import ast
import inspect
import pkgutil
import re
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import costmodel as cm

PACKAGE = Path(cm.__file__).parent
FLOORS = {
    "_version": -1, "foundation": 0, "architecture": 1, "hardware": 1, "market": 1, "training": 2, "scaling": 2,
    "serving": 2, "estimation": 3, "planning": 4, "forecasting": 4, "projection": 4, "comparison": 4,
    "budget": 4, "choosing": 5, "claims": 5, "validation": 6, "refit": 6, "report": 6, "cli": 7, "__main__": 8,
}  # fmt: skip
BESIDE = {("market", "hardware"), ("forecasting", "budget"), ("claims", "choosing")}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(path):
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


@cache
def run_nodes(path):
    """Return the nodes of a file, without those under TYPE_CHECKING."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    return [node for node in ast.walk(tree) if node not in guarded]


def imports(path):
    """Yield the rooms that a file imports when it runs, not those under TYPE_CHECKING."""
    for node in run_nodes(path):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("costmodel"):
            parts = (node.module or "").split(".")
            yield from ([parts[1]] if len(parts) > 1 else [alias.name for alias in node.names])


@pytest.mark.parametrize("path", [path for path in MODULES if room(path) != "__init__"], ids=str)
def test_imports_go_down_the_floors(path):
    own = room(path)
    for other in imports(path):
        assert other == own or FLOORS[other] < FLOORS[own] or (own, other) in BESIDE, f"{own} imports {other}"


def test_the_test_sees_an_import_that_goes_up(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from costmodel.estimation.estimate import estimate\n", encoding="utf-8")
    assert list(imports(wrong)) == ["estimation"]


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {module_name(path) for path in MODULES}


def imported_modules(path):
    """Yield the modules that a file imports, also inside functions, but not those under TYPE_CHECKING."""
    for node in run_nodes(path):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("costmodel"):
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in NAMES else node.module for name in names)


def circles(package, imports_of):
    """Yield the groups of children of a package, modules or packages, that import each other in a circle."""
    graph = {}
    for module, targets in imports_of.items():
        if module.startswith(f"{package}."):
            own, *others = (
                name.removeprefix(f"{package}.").split(".")[0]
                for name in (module, *targets)
                if name.startswith(f"{package}.")
            )
            graph.setdefault(own, set()).update(other for other in others if other != own)

    def reached(child):
        seen, pending = set(), [child]
        while pending:
            new = graph.get(pending.pop(), set()) - seen
            seen |= new
            pending += new
        return seen

    below = {child: reached(child) for child in graph}
    yield from sorted(
        {
            tuple(sorted(other for other in below[child] if child in below.get(other, ())))
            for child in graph
            if child in below[child]
        }
    )


def test_no_package_has_an_import_circle():
    imports_of = {module_name(path): set(imported_modules(path)) for path in MODULES if room(path) != "__init__"}
    packages = {module_name(path) for path in MODULES if path.name == "__init__.py"}
    there = {f"{package}: {', '.join(group)}" for package in packages for group in circles(package, imports_of)}
    assert not there


def test_the_test_sees_a_circle():
    imports_of = {"p.a": {"p.b.x"}, "p.b.x": {"p.b.y", "q.z"}, "p.b.y": {"p.c"}, "p.c": {"p.a"}, "p.d": {"p.a"}}
    assert list(circles("p", imports_of)) == [("a", "b", "c")]
    assert list(circles("p.b", imports_of)) == []


WRITERS = (
    "cli/",
    "report/",
    "refit/",
    "budget/export",
    "estimation/files.py",
    "market/price_table.py",
    "foundation/tables.py",
    "foundation/user_files.py",
    "foundation/workbook.py",
)
"""Rooms and files that print or write files. All others model."""


def outputs(path):
    """Yield the calls of a file that print, or that write a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = getattr(node.func, "attr", "") or getattr(node.func, "id", "")
        words = [item.value for item in (*node.args, *(keyword.value for keyword in node.keywords))
                 if isinstance(item, ast.Constant) and isinstance(item.value, str)]  # fmt: skip
        opens = called == "open" and any(re.fullmatch(r"[rwaxbt+]*[wax+][rwaxbt+]*", word) for word in words)
        if called in {"print", "echo", "write_text", "write_bytes", "write_rows", "savefig"} or opens:
            yield f"line {node.lineno}: {called}"


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_that_models_neither_prints_nor_writes_files(path):
    if not path.relative_to(PACKAGE).as_posix().startswith(WRITERS):
        assert not list(outputs(path))


def test_the_test_sees_what_prints_and_writes(tmp_path):
    wrong = tmp_path / "wrong.py"
    lines = (
        "print(1)",
        "path.write_text('x')",
        "open('f.csv', 'w')",
        "path.open(mode='ab')",
        "open('f.csv')",
        "open('f.csv', 'r')",
    )
    wrong.write_text("\n".join(lines), encoding="utf-8")
    assert list(outputs(wrong)) == ["line 1: print", "line 2: write_text", "line 3: open", "line 4: open"]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_files_are_short_and_have_a_docstring(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 500
    assert ast.get_docstring(ast.parse(text)), "a module docstring says what the module does"
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


def test_a_command_imports_its_own_module_alone():
    code = (
        "import sys; from costmodel.cli.app import main; sys.argv = ['costmodel', 'gpus', 'H100-SXM', '--json']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "commands = [name for name in sys.modules if name.startswith('costmodel.cli.') and name.endswith('ing')]\n"
        "print(commands, file=sys.stderr)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "H100-SXM" in printed.stdout
    assert printed.stderr.strip() == "[]"


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


def test_public_names_have_an_example():
    for name in ("count_flops", "flops_per_token", "gpu_price", "between", "load_architecture", "estimate", "Scenario"):
        assert ">>>" in inspect.getdoc(getattr(cm, name)), name
