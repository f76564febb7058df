"""`costmodel budget`: the table, the files, changes, and all mistakes at once."""

import json

import pytest

import costmodel as cm

PROJECT = """
name = "tickets"
contingency = 0.1

[[data]]
name = "labels"
quantity = "20k"
unit = "example"
unit_price = 0.5
"""


@pytest.fixture
def project(tmp_path):
    file = tmp_path / "project.toml"
    file.write_text(PROJECT, encoding="utf-8")
    return file


def test_the_table(costmodel, project):
    outcome = costmodel("budget", project)
    assert outcome.code == 0 and outcome.err == ""
    assert outcome.out.startswith("tickets: 11,000.00 USD with contingency")
    assert outcome.out.strip() == str(cm.Project.load(project).budget())


def test_the_probability_of_staying_within_a_sum(costmodel, refused, project):
    project.write_text(PROJECT.replace("unit_price = 0.5", 'unit_price = "0.25 to 1"'), encoding="utf-8")
    outcome = costmodel("budget", project, "--within", "20k")
    assert "probability of staying within 20,000 USD: 90." in outcome.out
    rows = json.loads(costmodel("budget", project, "--within", "20k", "--json").out)["within"]
    assert [(row["name"], row["amount"]) for row in rows][1:] == [
        ("base and contingency", 11_000.0),
        ("given sum", 20_000.0),
    ]
    assert refused("budget", project, "--within", "-5") == [
        "--within: must be a number in USD at least 0 and at most 1e+18; got '-5'"
    ]


def test_json_and_changes(costmodel, project):
    outcome = costmodel("budget", project, "--set", "contingency=0.2", "--set", "data.0.quantity=10k", "--json")
    changed = cm.Project.load(project, {"contingency": 0.2, "data.0.quantity": "10k"})
    assert json.loads(outcome.out) == json.loads(
        json.dumps({"schema": "costmodel/budget/1", **changed.budget().to_dict()})
    )
    assert json.loads(outcome.out)["total"] == 6000.0


def test_files_by_their_endings(costmodel, project, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    files = [tmp_path / name for name in ("budget.xlsx", "budget.html", "budget.csv", "budget.MD")]
    outcome = costmodel("budget", project, *(part for file in files for part in ("-o", file)))
    assert outcome.code == 0
    assert all(f"written to {file}" in outcome.out for file in files)
    assert "Budget" in openpyxl.load_workbook(files[0]).sheetnames
    assert files[1].read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert "labels" in files[2].read_text(encoding="utf-8")
    assert files[3].read_text(encoding="utf-8") == cm.Project.load(project).budget().to_markdown()


def test_the_forecast_of_a_project(costmodel, refused, project, tmp_path):
    project.write_text(PROJECT + "\n[actuals.labels]\nspent = 6000\ndone = 0.5\n", encoding="utf-8")
    text = costmodel("forecast", project, "--on", "2026-12-01", "--within", "12k").out
    assert text.startswith("tickets on 2026-12-01: 11,477.23 USD at completion")  # 6000 + 5000 x 1.2 ** 0.5
    assert text.strip().endswith("probability of ending within 12,000 USD: 100.0 %")
    data = json.loads(costmodel("forecast", project, "--json", "--within", "9k").out)
    assert (data["spent"], data["variance"], data["within"][-1]["probability"]) == (6000.0, 1477.23, 0.0)
    assert refused("forecast", project, "--log", "x.csv", "--done", "3") == [
        "--log: belongs to a run; the file is a project",
        "--done: belongs to a run; the file is a project",
    ]
    scenario = tmp_path / "run.toml"
    scenario.write_text('architecture = "llama-3.1-8b"', encoding="utf-8")
    assert "--on: belongs to a project; the file is a run" in refused("forecast", scenario, "--on", "2026-12-01")


def test_the_shipped_projects(costmodel, root):
    for file in sorted((root / "examples").glob("*-model.toml")):
        assert costmodel("budget", file).out.startswith(f"{cm.Project.load(file).name}: ")


def test_all_mistakes_at_once(refused, project, tmp_path):
    project.write_text(PROJECT + 'unti = "x"\n[[people]]\nrole = "engineer"\nweeks = -1\n', encoding="utf-8")
    problems = refused(
        "budget", project, "-o", tmp_path / "budget.pdf", "-o", tmp_path / "none" / "budget.csv", "--set", "name",
        "--set", "contingency=x",
    )  # fmt: skip
    for part in ("extension of", "does not exist", "got 'name'", "contingency: ",
                 "data.0.unti: unknown field 'unti'; did you mean 'unit'", "people.0.weeks: "):  # fmt: skip
        assert any(part in problem for problem in problems), part
    assert not list(tmp_path.glob("budget.*"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("name = ", "is not a TOML file"),
        ('name = "x"', "1 to 1000 runs, items and people"),
    ],
)
def test_files_that_hold_no_project(refused, tmp_path, content, message):
    file = tmp_path / "other.toml"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    assert any(message in problem for problem in refused("budget", file))
