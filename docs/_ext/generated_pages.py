"""Pages made from the library when the site is built: tutorials, command line, and fields of files."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import typer
from pydantic import BaseModel
from sphinx.application import Sphinx

from costmodel.architecture.blocks.block import Block
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer, Stack
from costmodel.budget.project import Project
from costmodel.cli.app import app as command_line
from costmodel.comparison.serving.request import ComparisonRequest
from costmodel.estimation.scenario import Scenario
from costmodel.estimation.serving.scenario import Serving
from costmodel.foundation.specs import Spec
from costmodel.training.recipes.table import RECIPES

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "scenario": (Scenario, "A training job, which `costmodel estimate` reads."),
    "project": (Project, "A fine-tuning project, which `costmodel budget` reads."),
    "serving": (Serving, "A served model, which `costmodel serve` reads."),
    "serving_options": (ComparisonRequest, "A workload and ways to serve it, which `costmodel serve compare` reads."),
}
"""Kinds of files, as `costmodel schema` names them: the specification and what the file is."""
_UNWRITTEN = {"origin"}
_ARCHITECTURE = {Architecture, Layer, Stack, Block}
"""Parts of a model, which files give by name, config or counts."""


def copy_tutorials(folder: Path) -> None:
    """Copy the notebooks, which hold their outputs."""
    folder.mkdir(exist_ok=True)
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    for notebook in notebooks:
        shutil.copy(notebook, folder)
    listed = "\n".join(notebook.stem for notebook in notebooks)
    about = "Notebooks of the repository, with their outputs. Each opens with a question and ends with its answer."
    (folder / "index.md").write_text(f"# Tutorials\n\n{about}\n\n```{{toctree}}\n{listed}\n```\n", encoding="utf-8")


def write_commands(page: Path) -> None:
    """Write the page of the command line: the help of each command."""
    parts = ["# Commands\n\n`-h` after a command prints the same text.\n"]
    parts += list(_commands(typer.main.get_command(command_line), "costmodel"))
    page.write_text("\n".join(parts), encoding="utf-8")


def _commands(command: object, name: str, depth: int = 1) -> Iterator[str]:
    """Yield the section of a command, then those of its subcommands."""
    with command.make_context(name, [], resilient_parsing=True, max_content_width=80, terminal_width=80) as context:
        text = command.get_help(context)
    if depth > 1:
        yield f"{'#' * depth} {name}\n\n```text\n{text}\n```\n"
    for child, subcommand in getattr(command, "commands", {}).items():
        yield from _commands(subcommand, f"{name} {child}", depth + 1)


def write_files(folder: Path) -> None:
    """Write a page for each kind of file, with the fields of its tables."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, (specification, what) in FILES.items():
        name = kind.replace("_", " ").capitalize()
        title = f"# {name} files\n\n{what} `costmodel schema {kind}` prints its JSON schema.\n"
        recipes = RECIPES.working().values() if specification in {Scenario, Project} else ()
        seen: dict[type[BaseModel], None] = {}
        for each in (specification, *recipes):
            _specifications(each, seen)
        sections = [_section(each) for each in seen if each not in _ARCHITECTURE]
        (folder / f"{kind}.md").write_text("\n".join([title, *sections]), encoding="utf-8")


def _specifications(specification: type[BaseModel], seen: dict[type[BaseModel], None]) -> None:
    """Add a specification and those of its fields, each once."""
    if specification in seen:
        return
    seen[specification] = None
    for field in specification.model_fields.values():
        for each in _classes(field.annotation):
            _specifications(each, seen)


def _classes(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the specifications in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        yield annotation
    for part in get_args(annotation):
        yield from _classes(part)


def _section(specification: type[BaseModel]) -> str:
    """Return the fields of a specification as a section."""
    rows = "\n".join(
        f"| `{name}` | {_default(field)} | {_cell(field.description or '')} |"
        for name, field in specification.model_fields.items()
        if name not in _UNWRITTEN
    )
    about = (specification.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " ")
    return f"## {specification.__name__}\n\n{about}\n\n| field | default | meaning |\n|---|---|---|\n{rows}\n"


def _default(field: object) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "" if value is None or isinstance(value, BaseModel) else f"`{_cell(repr(value))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def write(app: Sphinx) -> None:
    """Write all pages."""
    source = Path(app.srcdir)
    copy_tutorials(source / "tutorials")
    write_commands(source / "reference" / "commands.md")
    write_files(source / "reference" / "files")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before the sources are read."""
    app.connect("builder-inited", write, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
