"""Paths and commands in the documents exist."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

BUILT = re.compile(r".*/docs/(tutorials|reference/files|reference/commands\.md)")
"""Pages that the site makes of notebooks, files and commands; its strict build checks the links to them."""
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/development.md",
    "docs/releasing.md",
    "docs/architecture.md",
    "docs/accuracy.md",
    "docs/measured_rows.md",
    "docs/nomenclature.md",
    "docs/serving.md",
    "docs/index.md",
    "docs/quickstart.md",
    "docs/tour.md",
    "docs/faq.md",
    "docs/gallery.md",
    *(
        f"docs/{folder}/{path.name}"
        for folder in ("how-to", "concepts", "methodology")
        for path in sorted((ROOT / "docs" / folder).glob("*.md"))
    ),
)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_named_paths_exist(root, document):
    text = (root / document).read_text(encoding="utf-8")
    named = re.findall(r"`((?:src|data|tests|docs|examples|benchmarks)/[\w./-]+)`", text)
    linked = re.findall(r"\]\(((?!https?:)[^)#]+)\)", text)
    folder = (root / document).parent
    missing = {path for path in named if not (root / path).exists()}
    missing |= {path for path in linked if not (folder / path).exists() and not BUILT.match(f"{folder / path}")}
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS)
def test_named_commands_exist(root, document):
    from costmodel.cli.app import app

    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    commands |= {group.name for group in app.registered_groups}
    text = (root / document).read_text(encoding="utf-8")
    assert set(re.findall(r"(?:`|bin/)costmodel ([a-z]+)\b", text)) <= commands


NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_opens_with_its_question_and_ends_with_the_answer(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    first, last = ("".join(cells[place]["source"]) for place in (0, -1))
    assert re.match(r"# .+\n\n(.+\n\n)?\*\*The question\.\*\* [^\n]+\?\n", first)
    assert re.fullmatch(r"\*\*The answer\.\*\* [^\n]+\.\n?", last)
    linked = re.findall(r"\]\(\.\./docs/how-to/([\w-]+)\.md\)", first)
    assert linked and all((ROOT / "docs" / "how-to" / f"{name}.md").exists() for name in linked)
