"""Named constants of the library, the import hook that moves one of them, and the functions that mention it.

`benchmarks/mutate.py` runs the tests of each.
"""

from __future__ import annotations

import ast
import builtins
import csv
import datetime as dt
import importlib
import importlib.abc
import importlib.machinery
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
ASSUMPTIONS = "data/assumptions"
NUMBERS_OF_ROWS = ("low", "high", "value", "spread")
"""Columns of a table of assumptions that hold the number of a row; the first one that is not blank names it."""
CONSTRUCTORS = {"Prior", "Numerics", "Figure"}
"""Calls whose arguments are numbers of the model."""
WHOLE = {"constant", "int", "timedelta", "date", "datetime"}
"""Calls whose result moves as a whole."""
YEARS = range(1970, 2061)
Place = tuple[int, int, int, int]
"""First line and column, last line and column of an expression."""


class Constant(NamedTuple):
    """A number in the source of a module, or a row of a table (then `place` is None and `module` is the table)."""

    module: str
    name: str
    label: str
    place: Place | None
    text: str

    def __str__(self) -> str:
        return f"{self.module.removeprefix('costmodel.')}:{self.name}{self.label}"


def is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool)


def is_call(node: ast.AST, function: str) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == function


def numbers(node: ast.expr, label: str = "") -> Iterator[tuple[str, ast.expr]]:
    """Yield the expressions of numbers in the value of a name, with their position as text; zeros do not move."""
    match node:
        case ast.Constant() if is_number(node) and node.value:
            yield label, node
        case ast.UnaryOp() | ast.BinOp() if any(is_number(x) or is_call(x, "constant") for x in ast.walk(node)):
            yield label, node
        case ast.Tuple() | ast.List() | ast.Set():
            for index, element in enumerate(node.elts):
                yield from numbers(element, f"{label}[{index}]")
        case ast.Dict():
            for key, element in zip(node.keys, node.values, strict=True):
                yield from numbers(element, f"{label}[{ast.unparse(key) if key else '**'}]")
        case ast.Call():
            function = ast.unparse(node.func).rpartition(".")[2]
            if function in WHOLE:
                yield label, node
            read = len(node.args) if function in CONSTRUCTORS else int(function == "Field")
            for index, element in enumerate(node.args[:read]):
                yield from numbers(element, f"{label}.{index}")
            for word in node.keywords:
                if function in CONSTRUCTORS:
                    yield from numbers(word.value, f"{label}.{word.arg}")
                elif function == "Field" and word.arg == "default":
                    yield from numbers(word.value, label)


def place_of(node: ast.expr) -> Place:
    return node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0


def assignments(body: Sequence[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.expr]]:
    """Yield the named values of a module and of its classes."""
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            yield from assignments(statement.body, f"{prefix}{statement.name}.")
        if isinstance(statement, ast.AnnAssign) and statement.value and isinstance(statement.target, ast.Name):
            yield f"{prefix}{statement.target.id}", statement.value
        if isinstance(statement, ast.Assign):
            target, value = statement.targets[0], statement.value
            if isinstance(target, ast.Name):
                yield f"{prefix}{target.id}", value
            elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                for name, part in zip(target.elts, value.elts, strict=True):
                    yield f"{prefix}{ast.unparse(name)}", part


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def constants_of(package: str) -> Iterator[Constant]:
    for path in sorted((SOURCE / "costmodel" / package).rglob("*.py")):
        for name, value in assignments(ast.parse(path.read_text(encoding="utf-8")).body):
            if name.isupper() or "." in name:
                for label, node in numbers(value):
                    yield Constant(module_name(path), name, label, place_of(node), ast.unparse(node))


def rows_of_tables() -> Iterator[Constant]:
    """Yield the rows of the tables of assumptions; those that a module names are constants of the module."""
    for path in sorted(set((ROOT / ASSUMPTIONS).glob("*.csv")) - {ROOT / ASSUMPTIONS / "model_constants.csv"}):
        with path.open(encoding="utf-8", newline="") as file:
            for index, row in enumerate(csv.DictReader(file)):
                value = next((row[column] for column in NUMBERS_OF_ROWS if row.get(column)), "")
                if value:
                    name = " ".join(filter(None, (row.get("fit"), row["name"])))
                    yield Constant(f"assumptions/{path.stem}", name, f"[{index}]", None, value)


def moved(value: Any, down: bool) -> Any:
    """Return a value moved by 30 %: up, or down."""
    sign = -1 if down else 1
    if isinstance(value, dt.timedelta):
        return value * (1 + 0.3 * sign)
    if isinstance(value, dt.date):
        return value.replace(year=value.year + sign)
    if int(value) in YEARS and int(value).bit_count() > 1:
        return value + sign
    if isinstance(value, int):
        return value + sign * max(1, round(0.3 * value))
    return value * (0.7 if down or 0.77 <= value < 1 else 1.3)


# ---------------------------------------------------------------- the import hook


class Loader(importlib.machinery.SourceFileLoader):
    """Loads a module from an altered tree; compiled files are neither read nor written."""

    alter: Callable[[str, ast.Module], ast.Module]

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        tree = self.alter(fullname, ast.parse(self.get_data(path)))
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)


class Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of the library that a function alters."""

    def __init__(self, alter: Callable[[str, ast.Module], ast.Module], prefix: str) -> None:
        self.alter, self.prefix = alter, prefix

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not f"{fullname}.".startswith(f"{self.prefix}."):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = Loader(fullname, spec.origin)
            spec.loader.alter = self.alter
        return spec


class Move(ast.NodeTransformer):
    """Wraps the expression at a place in a call of `moved`."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.expr) and place_of(node) == self.place:
            return ast.copy_location(ast.Call(ast.Name("__moved__", ast.Load()), [node], []), node)
        return super().generic_visit(node)


class Record(ast.NodeTransformer):
    """Adds a call to each function that records its name."""

    def __init__(self, module: str) -> None:
        self.module, self.scope = module, ""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._within(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        name = f"{self.module}:{self.scope}{node.name}"
        self._within(node)
        argument: ast.expr = ast.Constant(f"{name}.")
        if name == "costmodel.foundation.tables:table":
            argument = ast.BinOp(ast.Constant("table "), ast.Add(), ast.Name("name", ast.Load()))
        call = ast.Call(ast.Name("__entered__", ast.Load()), [argument], [])
        node.body.insert(1 if ast.get_docstring(node, clean=False) is not None else 0, ast.Expr(call))
        return node

    def _within(self, node: ast.ClassDef | ast.FunctionDef) -> ast.AST:
        outer, self.scope = self.scope, f"{self.scope}{node.name}."
        self.generic_visit(node)
        self.scope = outer
        return node


def install(constant: Constant, down: bool) -> None:
    """Move a constant in this process, before the library is imported."""
    builtins.__moved__ = partial(moved, down=down)  # type: ignore[attr-defined]
    if constant.place is not None:
        move = Move(constant.place)
        sys.meta_path.insert(
            0, Finder(lambda name, tree: move.visit(tree) if name == constant.module else tree, constant.module)
        )
        return
    tables: Any = importlib.import_module("costmodel.foundation.tables")
    read, index = tables.read_csv, int(constant.label[1:-1])

    def read_moved(path: Path) -> Any:
        table = read(path)
        if path != tables.folder() / f"{constant.module}.csv":
            return table
        row = dict(table.rows[index])
        values = {column: float(row[column]) for column in NUMBERS_OF_ROWS if row.get(column)}
        all_down = down or any(0.77 <= value < 1 for value in values.values())
        row |= {column: repr(moved(value, all_down)) for column, value in values.items()}
        rows = (*table.rows[:index], row, *table.rows[index + 1 :])
        return type(table)(table.name, rows, table.columns, table.sha256)

    tables.read_csv = read_moved


# ---------------------------------------------------------------- which functions mention a name


class Mentions(ast.NodeVisitor):
    """Collects the functions that mention each name, and the names that are computed from it."""

    def __init__(self) -> None:
        self.module = self.scope = ""
        self.functions: dict[str, set[str]] = defaultdict(set)
        self.derived: dict[str, set[str]] = defaultdict(set)

    def visit_Name(self, node: ast.Name) -> None:
        self.functions[node.id].add(f"{self.module}:{self.scope}")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.functions[node.attr].add(f"{self.module}:{self.scope}")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and node.value.startswith("assumptions/"):
            self.derived[node.value].add(self.scope.removesuffix(".").rpartition(".")[2])
            self.functions[node.value].add(f"{self.module}:{self.scope}")

    def visit_alias(self, node: ast.alias) -> None:
        if node.asname:
            self.derived[node.name].add(node.asname)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._within(node, f"{self.scope}{node.name}.")

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in (part for statement in node.body for part in ast.walk(statement)):
            if isinstance(part, ast.Name):
                self.derived[part.id].add(node.name)
        self._within(node, f"{self.scope}{node.name}.")

    def visit_Module(self, node: ast.Module) -> None:
        self.generic_visit(node)
        for name, value in assignments(node.body):
            for part in ast.walk(value):
                if isinstance(part, ast.Name) and "." not in name:
                    self.derived[part.id].add(name)

    def _within(self, node: ast.AST, scope: str) -> None:
        outer, self.scope = self.scope, scope
        self.generic_visit(node)
        self.scope = outer


def mentions_in_library() -> Mentions:
    mentions = Mentions()
    for path in sorted((SOURCE / "costmodel").rglob("*.py")):
        mentions.module = module_name(path)
        mentions.visit(ast.parse(path.read_text(encoding="utf-8")))
    return mentions


def functions_that_touch(constant: Constant, mentions: Mentions) -> set[str]:
    """Return the functions that mention a constant, a name computed from it, or its class; or "table NAME"."""
    names: set[str] = set()
    new = {constant.module} if constant.place is None else set(constant.name.split("."))
    while new:
        names |= new
        new = {later for name in new for later in mentions.derived.get(name, ())} - names
    scopes = {f"table {constant.module}"} if constant.place is None else set()
    if constant.place is not None and "." in constant.name:
        scopes = {f"{constant.module}:{constant.name.rpartition('.')[0]}."}
    return scopes.union(*(mentions.functions.get(name, set()) for name in names))
