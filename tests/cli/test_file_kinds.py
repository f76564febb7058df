"""A command that is given a file of another kind names the command for it."""

import runpy
import shlex
from pathlib import Path

import pytest

from costmodel.cli.file_kinds import file_kind

write_files = runpy.run_path(str(Path(__file__).with_name("invocations.py")))["write_files"]


@pytest.fixture
def files(tmp_path, monkeypatch):
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("estimate project.toml", "costmodel budget project.toml"),
        ("estimate serving.toml", "costmodel serve serving.toml"),
        ("estimate claims.toml", "costmodel claims claims.toml"),
        ("estimate workload.toml", "costmodel serve compare workload.toml"),
        ("estimate portfolio.toml", "costmodel choose portfolio.toml"),
        ("estimate runs.csv", "costmodel fit runs.csv"),
        ("estimate trainer_log.jsonl", "costmodel forecast RUN.toml --log trainer_log.jsonl"),
        ("serve run.toml", "costmodel estimate run.toml"),
        ("serve compare run.toml", "costmodel estimate run.toml"),
        ("claims run.toml", "costmodel estimate run.toml"),
        ("choose workload.toml", "costmodel serve compare workload.toml"),
        ("fit run.toml", "costmodel estimate run.toml"),
        ("forecast workload.toml --log trainer_log.jsonl", "costmodel serve compare workload.toml"),
        ("sweep project.toml --set cluster.count=2,4", "costmodel budget project.toml"),
        ("compare run.toml project.toml", "costmodel budget project.toml"),
        ("projection project.toml", "costmodel budget project.toml"),
        ("prices everywhere project.toml", "costmodel budget project.toml"),
        ("own project.toml", "costmodel budget project.toml"),
        ("budget claims.toml", "costmodel claims claims.toml"),
    ],
)
def test_the_right_command_is_named(refused, files, line, right):
    (problem,) = refused(*shlex.split(line))
    assert problem.endswith(f": use {right}")


def test_a_mistake_in_the_right_kind_is_reported_as_it_is(refused, files):
    (problem,) = refused("estimate", "run.toml", "--set", "mfu=2")
    assert problem.startswith("mfu: ")


@pytest.mark.parametrize("text", ["", "a = 1", "architecture = ", "\\x00"])
def test_other_files_are_of_no_kind(tmp_path, text):
    for name in ("a.toml", "a.json", "a.csv", "a.jsonl"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert file_kind(tmp_path / name) is None
