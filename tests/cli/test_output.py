"""The forms of output: JSON with a schema of a version, CSV, figures only, sources; pipes, Ctrl-C and completion."""

import csv
import io
import json
import os
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from costmodel.cli import output
from costmodel.cli.kinds import KINDS
from costmodel.foundation.page import Page, on_page, printed_on

write_files = runpy.run_path(str(Path(__file__).with_name("invocations.py")))["write_files"]
EACH = {
    "estimate": "estimate run.toml",
    "bill": "estimate run.toml --bill",
    "ghg": "estimate run.toml --ghg",
    "explanation": "estimate run.toml --explain cost",
    "sources": "estimate run.toml --cite text",
    "what-would-fit": "estimate llama-3.1-8b --tokens 1B --gpu RTX-4090 --gpus 4 --what-would-fit",
    "forecast": "forecast run.toml --log trainer_log.jsonl",
    "budget-forecast": "forecast actuals.toml --on 2026-12-31",
    "finetune": "finetune llama-3.1-8b --method qlora --tokens 20M --gpu RTX-4090",
    "fits": "finetune pythia-160m --tokens 1M",
    "serve": "serve llama-3.1-8b --gpu H100-SXM --concurrency 64",
    "serve-size": "serve llama-3.1-8b --users 20 --rate 20 --size --gpu H100-SXM",
    "serve-compare": "serve compare workload.toml",
    "own": "own H100-SXM --purchase-price '$30k' --price '$2.50/h'",
    "budget": "budget actuals.toml",
    "choose": "choose portfolio.toml --set shocks.scenarios=20",
    "route": "route routes.toml",
    "cascade": "cascade cascade.toml",
    "compare": "compare run.toml other_run.toml",
    "sweep": "sweep run.toml --set cluster.count=64,128",
    "models": "models",
    "model": "models mixtral-8x7b",
    "gpus": "gpus",
    "gpu": "gpus H100-SXM",
    "regions": "regions --country DE",
    "providers": "providers",
    "provider": "providers lambda",
    "layouts": "layouts llama-3.1-8b --gpu H100-SXM --gpus 64 --batch-size 512 --set tensor=1",
    "fit": "fit --compute 1e24",
    "projection": "projection 'GPT-4 class' --years 2026-2027",
    "runs": "runs --organization DeepSeek",
    "runs-estimated": "runs estimated --organization DeepSeek",
    "runs-unit-costs": "runs unit-costs --organization DeepSeek",
    "runs-frontier": "runs frontier",
    "why": "why gpt-4 deepseek-v3 --price published",
    "claims": "claims claims.toml",
    "validate": "validate power",
    "refits": "refit",
    "prices-list": "prices list --provider lambda",
    "prices-everywhere": "prices everywhere run.toml --provider aws",
    "prices-check": "prices check",
    "data-list": "data list",
    "data-check": "data check prices/api",
}


@pytest.fixture
def run(costmodel, tmp_path, monkeypatch):
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    return lambda line: costmodel(*shlex.split(line))


def test_every_kind_is_run():
    assert EACH.keys() == KINDS.keys()


def test_the_kinds_are_documented(root):
    page = (root / "docs" / "how-to" / "command-line.md").read_text(encoding="utf-8")
    for kind, (command, keys) in KINDS.items():
        assert f"| `costmodel/{kind}/1` | `{command}` | {', '.join(f'`{key}`' for key in keys)} |" in page


@pytest.mark.parametrize("kind", KINDS)
def test_json_names_its_schema(run, kind):
    outcome = run(f"{EACH[kind]} --json")
    found = json.loads(outcome.out, parse_constant=pytest.fail)
    assert next(iter(found)) == "schema" and found["schema"] == f"costmodel/{kind}/1"
    assert set(KINDS[kind][1]) <= set(found)


@pytest.mark.parametrize("kind", KINDS)
def test_csv_is_a_table_of_plain_values(run, kind):
    outcome = run(f"{EACH[kind]} --csv")
    header, *rows = csv.reader(io.StringIO(outcome.out))
    assert len(set(header)) == len(header) and rows
    assert all(len(row) == len(header) for row in rows)


def test_csv_has_full_numbers(run):
    rows = csv.DictReader(io.StringIO(run("gpus --csv").out))
    assert next(row["bf16"] for row in rows if row["name"] == "H100-SXM") == "989.4"


def test_figures_only(run):
    full, quiet = run("estimate run.toml").out, run("estimate run.toml --quiet").out
    assert quiet.splitlines() == [line for line in full.splitlines() if line in quiet.splitlines()]
    assert "cost (final run)" in quiet and "assumed" not in quiet and "llama-3.1-8b" not in quiet


def test_sources_on_request(run):
    assert "https://" not in run("estimate run.toml --explain cost").out
    shown = run("estimate run.toml --explain cost -v").out
    assert "[1]" in shown and "https://" in shown
    assert "source" not in run("gpus").out.splitlines()[0] and "source" in run("gpus --sources").out.splitlines()[0]


@pytest.mark.parametrize("options", ["--json --csv", "-q -v"])
def test_options_that_exclude_each_other(run, options):
    outcome = run(f"gpus {options}")
    assert outcome.code == 2 and "leave one out" in outcome.err


def test_the_page_keeps_the_first_columns():
    rows = [{"name": "a" * 30, "cost": "1", "empty": "-", "owner": "b" * 30}]
    with printed_on(Page(width=40)):
        printed = on_page(rows, "", "")
    assert "cost" in printed and "empty" not in printed and "left out" in printed and "owner (" in printed


def test_notes_stand_below_a_narrow_table():
    rows = [{"name": "a" * 30, "note": "one " * 20}, {"name": "b", "note": "one " * 20}, {"name": "c", "note": ""}]
    with printed_on(Page(width=50)):
        lines = on_page(rows, "", "").splitlines()
    assert lines[2].split() == ["a" * 30, "(1)"] and lines[4] == "c" and lines[5].startswith("(1) one one")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("command", ["schema", "prices list", "prices list --json", "--help"])
def test_a_reader_that_ends_is_no_error(command):
    line = f"set -o pipefail; {shlex.quote(sys.executable)} -m costmodel {command} | head -1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, env=dict(os.environ))
    assert (done.returncode, done.stderr) == (0, "") and len(done.stdout.splitlines()) == 1


def test_ctrl_c(costmodel, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("costmodel.hardware.accelerator.accelerators", interrupted)
    outcome = costmodel("gpus")
    assert (outcome.code, outcome.out) == (output.INTERRUPTED, "") and outcome.problems == ["interrupted"]


def test_no_escape_codes_even_in_color_terminals(costmodel, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b" not in costmodel("gpus", "H100-SXM").out


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["esti"], ["estimate"]),
        (["estimate", "llama-3.1-8b", "--tok"], ["--tokens", "--tokens-per-second"]),
        (["estimate", "--gpu", "H100-S"], ["H100-SXM"]),
        (["serve", "llama-3.1-8"], ["llama-3.1-8b"]),
        (["prices", "ev"], ["everywhere"]),
    ],
)
def test_bash_completes(costmodel, words, found):
    script = costmodel("completion", "bash").out
    line = " ".join(map(shlex.quote, ["costmodel", *words]))
    asked = f'COMP_WORDS=({line}); COMP_CWORD={len(words)}; _costmodel; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", f"{script}\n{asked}"], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == found


def test_scripts_of_other_shells(costmodel):
    assert "bashcompinit" in costmodel("completion", "zsh").out
    lines = costmodel("completion", "fish").out.splitlines()
    assert all(line.startswith("complete -c costmodel ") for line in lines)
    assert any("from estimate" in line and "-l tokens " in line for line in lines)
    assert costmodel("completion", "tcsh").code == 2


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_on_a_terminal_is_cleared_before_the_result(run, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("costmodel.cli.progress.FIRST", 0.001)
    assert run("estimate run.toml --json").out.startswith("{")
    shown = terminal.getvalue()
    assert shown.startswith("\rworking: 0 s") and shown.endswith("\r")
    assert shown.rpartition("working")[2].count("\r") == 2


def test_no_progress_in_a_pipe(run, monkeypatch):
    monkeypatch.setattr("costmodel.cli.progress.FIRST", 0.001)
    assert run("estimate run.toml").err == ""


def test_every_path_that_is_printed_can_be_set(run):
    printed = run("estimate run.toml --explain cost --csv").out
    rows = [row for row in csv.DictReader(io.StringIO(printed)) if row["settable"] == "True"]
    assert len(rows) > 8
    for row in rows:
        outcome = run(f"estimate run.toml --json --set {row['path']}={float(row['value']):.12g}")
        assert outcome.code == 0, (row["path"], outcome.err)
