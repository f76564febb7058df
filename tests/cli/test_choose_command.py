"""The command `choose`: text of 80 columns, JSON, files, and the conflict of an infeasible file."""

import json
import sys

import pytest

from costmodel import cli

FILE = "examples/support-desk.toml"
FEW = ("--set", "shocks.scenarios=20")


@pytest.fixture
def run(capsys, monkeypatch, root):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["costmodel", "choose", str(root / FILE), *words])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        captured = capsys.readouterr()
        return stopped.value.code, captured.out, captured.err

    return call


def test_a_mix_is_printed_in_80_columns(run):
    code, out, _ = run(*FEW, "--curve")
    assert code == 0
    assert "Cheapest mix for 4,960,000 requests per month in 3 workloads: 2.93 k$ per month" in out
    assert "The price of independence" in out
    assert max(map(len, out.splitlines())) <= 80


def test_json_has_all_figures(run):
    code, out, _ = run(*FEW, "--json", "--curve")
    data = json.loads(out)
    assert code == 0
    assert data["usd_per_month"] == pytest.approx(2928, rel=0.01)
    assert sum(row["usd_per_month"] for row in data["mix"]) == pytest.approx(data["usd_per_month"])
    assert data["independence"]["points"][0]["price_usd_per_month"] == 0


def test_files_are_written_without_formulas_and_scripts(run, tmp_path):
    page, sheet, listed = (tmp_path / f"mix{suffix}" for suffix in (".html", ".xlsx", ".csv"))
    code, out, _ = run(*FEW, *(word for path in (page, sheet, listed) for word in ("--output", str(path))))
    assert code == 0
    assert f"written to {sheet}" in out
    text = page.read_text(encoding="utf-8")
    assert "<svg" in text and "The price of independence" in text and "<script" not in text
    assert listed.read_text(encoding="utf-8").startswith("workload,option,provider")
    openpyxl = pytest.importorskip("openpyxl", reason="needs openpyxl to read the workbook")
    workbook = openpyxl.load_workbook(sheet)
    assert workbook.sheetnames == ["Mix", "Cost", "Independence", "Excluded"]
    mix = {row[1]: row[6] for row in workbook["Mix"].iter_rows(min_row=5, values_only=True)}
    assert mix["GPT-5 mini"] == pytest.approx(396)  # the last of its rows: escalations
    assert mix[None].startswith("=SUM(G5:")
    assert 'class="number">396.00<' in text and "<dt>Per month, at the prices of today</dt>" in text


def test_an_infeasible_file_names_the_conflict(run):
    code, _, err = run(*FEW, "--set", 'constraints.seats=["DE"]')
    assert code == 2
    assert "no mix meets all of them; these 2 conflict: escalations.quality_floor, seats" in err
    assert "nearest change: add FR to seats" in err


def test_all_problems_are_named_at_once(run, tmp_path):
    code, _, err = run(
        "--set", "constraints.provider_cap=2", "--output", "mix.pdf", "--output", str(tmp_path / "no" / "x.csv")
    )
    assert code == 2
    assert "extension of mix.pdf is not supported" in err
    assert "does not exist" in err
    assert "constraints.provider_cap" in err
