"""Notebooks open with a question, end with an answer, and a run gives the outputs that they store."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs nbformat: pip install 'costmodel[notebooks]'")
pytest.importorskip("nbclient", reason="needs nbclient: pip install 'costmodel[notebooks]'")
pytest.importorskip("ipykernel", reason="needs ipykernel: pip install 'costmodel[notebooks]'")
ROOT = Path(__file__).resolve().parent.parent
spec = spec_from_file_location("notebooks", ROOT / ".ci" / "notebooks.py")
runner = module_from_spec(spec)
spec.loader.exec_module(runner)
NOTEBOOKS = sorted(runner.FOLDER.glob("*.ipynb"))
LARGEST = 1_000_000
"""Largest notebook with its outputs [byte]."""


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_stored_with_outputs_and_without_traces_of_a_machine(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "language_info" not in notebook.metadata
    assert path.stat().st_size < LARGEST
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(?:home|work|Users|root)/", text)
    assert '"iopub' not in text
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.id for cell in notebook.cells)
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_opens_with_a_question_links_how_to_pages_and_ends_with_an_answer(path):
    cells = nbformat.read(path, as_version=4).cells
    assert "?" in cells[0].source
    pages = re.findall(r"\((\.\./docs/how-to/[\w-]+\.md)\)", "\n".join(cell.source for cell in cells))
    assert pages
    assert all((path.parent / page).is_file() for page in pages)
    assert "answer" in "".join(cell.source for cell in cells[-2:]).lower()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_dollar_signs_are_no_mathematics(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            assert len(re.findall(r"(?<!\\)\$", cell.source)) < 2, cell.source


@pytest.mark.filterwarnings("default")  # of the kernel's own libraries
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_run_gives_the_stored_outputs(path, tmp_path):
    run = runner.executed(path, tmp_path)  # a notebook that reads a file next to it would fail
    streams = [output for cell in run.cells for output in cell.get("outputs", [])]
    assert not [output.text for output in streams if output.get("name") == "stderr"]
    found = runner.differences(nbformat.read(path, as_version=4), run)
    assert not found, f"{found}; `python .ci/notebooks.py --write notebooks/{path.name}` stores the new outputs"


def test_the_comparison_sees_changes_of_numbers_and_words():
    assert not runner.difference("cost 1,000 USD", "cost 1,010 USD")
    assert "number 1,000 is now 1,100" in runner.difference("cost 1,000 USD", "cost 1,100 USD")
    assert "text" in runner.difference("cost 1 USD", "price 1 USD")
    assert "text" in runner.difference("1 2", "1")
