"""Every command fits the terminal: its output is rendered at 80 and at 60 columns, and its lines are counted."""

import runpy
import shlex
from pathlib import Path

import pytest

INVOCATIONS_FILE = runpy.run_path(str(Path(__file__).with_name("invocations.py")))
INVOCATIONS, FILE_FORMATS, write_files = (
    INVOCATIONS_FILE[name] for name in ("INVOCATIONS", "FILE_FORMATS", "write_files")
)


@pytest.fixture
def rendered(costmodel, tmp_path, monkeypatch):
    def render(line, columns):
        write_files(tmp_path)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", str(columns))
        return costmodel(*shlex.split(line))

    return render


@pytest.mark.parametrize("line", INVOCATIONS)
def test_a_command_fits_80_columns(rendered, line):
    outcome = rendered(line, 80)
    assert outcome.code in {0, 3} and outcome.out, outcome.err
    lines = (outcome.out + outcome.err).splitlines()
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize("line", INVOCATIONS[::5])
def test_a_command_fits_a_narrow_terminal(rendered, line):
    outcome = rendered(line, 60)
    assert [line for line in outcome.out.splitlines() if len(line) > 60] == []


@pytest.mark.parametrize("line", FILE_FORMATS)
def test_formats_of_files_are_not_wrapped(rendered, line):
    assert rendered(line, 60).out == rendered(line, 200).out


def test_every_command_is_rendered(app_commands):
    rendered_commands = {line.split()[0] for line in INVOCATIONS} | {line.split()[0] for line in FILE_FORMATS}
    assert rendered_commands >= set(app_commands)


def test_errors_fit_too(rendered):
    outcome = rendered("estimate llama-3.1-9b --tokens many --gpu H100SXM9 --gpus 8", 60)
    assert outcome.code == 2 and max(map(len, outcome.err.splitlines())) <= 60


def test_a_pipe_has_whole_rows(costmodel):
    header, _, *rows = costmodel("gpus").out.splitlines()
    assert len(header) > 80 and any(row.startswith("H100-SXM ") for row in rows)


def test_all_columns(rendered):
    assert "source" not in rendered("gpus", 60).out
    narrow, full = (
        rendered("layouts llama-3.1-8b --gpu H100-SXM --gpus 64 --batch-size 512", 60),
        rendered("layouts llama-3.1-8b --gpu H100-SXM --gpus 64 --batch-size 512 --all-columns", 60),
    )
    assert "--all-columns shows all" in narrow.out
    assert "recompute_modules" in full.out and "--all-columns" not in full.out
