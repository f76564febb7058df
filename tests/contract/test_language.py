"""Words of the field: expressions that it does not use stand nowhere, and modules state what they do."""

import ast
import re

REPLACED = (
    "in the eyes of",
    "stands still",
    "stand still",
    "bytes on the fullest",
    "fullest accelerator",
    "handing a micro-batch",
    "product without end",
    "rich in words",
    "taken with a spread",
    "nobody finds",
    "when a sum suffices",
    "who paid what",
    "nothing explains",
    "how far a sentence holds",
    "competitors",
    "surprise of",
    "as much of its speed",
    "who waits for what",
)
"""Expressions with a standard term in their place; see docs/nomenclature.md."""
PLACES = ("src", "tests", "docs", "notebooks", "examples", "benchmarks", "data/schemas")


def texts(root):
    """Yield the path and the text of each file that people read."""
    files = [root / "README.md", root / "CHANGELOG.md", root / "data" / "README.md"]
    files += [path for place in PLACES for path in (root / place).rglob("*")]
    for path in files:
        if path.suffix in {".py", ".md", ".toml", ".ipynb", ".json"} and path.name != "test_language.py":
            yield path, path.read_text(encoding="utf-8")


def test_replaced_expressions_occur_nowhere(root):
    wording = re.compile("|".join(REPLACED), re.IGNORECASE)
    found = [f"{path.relative_to(root)}: {match[0]}" for path, text in texts(root) for match in wording.finditer(text)]
    assert not found


def test_module_docstrings_are_statements(root):
    for path in sorted((root / "src").rglob("*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        assert docstring.split("\n")[0].endswith((".", ":")), path
        assert "?" not in docstring.split("\n")[0], path
