"""Run the notebooks and write their outputs, or compare: `python .ci/notebooks.py [--write] [NOTEBOOK ...]`."""

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
DAY = "1795824000"
"""Day on which prices are taken, 2026-11-28, in seconds since 1970."""
TIMEOUT = 180
"""Longest time of a cell [s]."""
TOLERANCE = 0.02
"""Relative difference of two numbers of an output that counts as none [1]."""
SMALL = 1e-9
"""Absolute difference that counts as none [1]."""
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:[eE][+-]?\d+)?")
_VOLATILE = (
    (re.compile(r"0x[0-9a-fA-F]+"), "0x"),
    (re.compile(r"costmodel \S+, data [0-9a-f]{12}"), "costmodel, data"),
    (re.compile(re.escape(tempfile.gettempdir()) + r"[\w./-]+"), "FOLDER"),
    (re.compile(r"[-─]{3,}"), "---"),
    (re.compile(r"[ \t]+"), " "),
)
"""What differs between runs and versions, and what it is replaced by: addresses, hashes, folders, widths of columns."""


def executed(path: Path, folder: Path) -> nbformat.NotebookNode:
    """Return a notebook with the outputs of a new run in `folder`, where no file of the repository lies."""
    notebook = cleared(nbformat.read(path, as_version=4))
    resources = {"metadata": {"path": str(folder)}}
    environment = {**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline", "SOURCE_DATE_EPOCH": DAY}
    NotebookClient(notebook, timeout=TIMEOUT, kernel_name="python3", resources=resources).execute(env=environment)
    return stripped(notebook)


def cleared(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a notebook without outputs."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def stripped(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a notebook without timings, paths of this machine and versions of Python."""
    notebook.metadata.pop("language_info", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if "text" in output:
                output.text = _VOLATILE[2][0].sub("FOLDER", output.text)
            for kind, text in output.get("data", {}).items():
                if kind.startswith("text/"):
                    output.data[kind] = _VOLATILE[2][0].sub("FOLDER", text)
    return notebook


def texts(cell: nbformat.NotebookNode) -> str:
    """Return the text of the outputs of a cell, without what differs between runs."""
    outputs = cell.get("outputs", [])
    parts = [output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in outputs]
    text = "\n".join(part for part in parts if not part.startswith("<Figure"))
    for pattern, replacement in _VOLATILE:
        text = pattern.sub(replacement, text)
    return text


def difference(old: str, new: str) -> str:
    """Return how two texts differ beyond the tolerance of their numbers, or ""."""
    words, others = _NUMBER.sub("#", old), _NUMBER.sub("#", new)
    if words.split() != others.split():
        return f"text {old[:200]!r} is now {new[:200]!r}"
    for one, other in zip(_NUMBER.findall(old), _NUMBER.findall(new), strict=True):
        before, after = (float(number.replace(",", "")) for number in (one, other))
        if abs(after - before) > TOLERANCE * max(abs(before), abs(after)) + SMALL:
            return f"number {one} is now {other}"
    return ""


def differences(stored: nbformat.NotebookNode, run: nbformat.NotebookNode) -> list[str]:
    """Return the cells whose stored outputs differ from those of a run."""
    found = []
    for place, (old, new) in enumerate(zip(stored.cells, run.cells, strict=True)):
        kinds = [[output.output_type for output in cell.get("outputs", [])] for cell in (old, new)]
        if kinds[0] != kinds[1]:
            found.append(f"cell {place}: outputs {kinds[0]} are now {kinds[1]}")
        elif differs := difference(texts(old), texts(new)):
            found.append(f"cell {place}: {differs}")
    return found


def main() -> int:
    """Run the notebooks named on the command line; return how many differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="notebooks to run; default: all")
    parser.add_argument("--write", action="store_true", help="store the new outputs")
    asked = parser.parse_args()
    failed = 0
    for path in asked.notebooks or sorted(FOLDER.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as folder:
            run = executed(path, Path(folder))
        if asked.write:
            nbformat.write(run, path)
            print(f"{path.name}: written")
            continue
        found = differences(nbformat.read(path, as_version=4), run)
        failed += bool(found)
        print(f"{path.name}: {'; '.join(found) or 'as stored'}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
