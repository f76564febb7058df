"""Field reports: the format, the scores of the reports of the library, and what is said of bad ones."""

import csv
import math
import statistics

import pytest

import costmodel as cm
from costmodel.foundation.errors import InputError
from costmodel.training.jobs.realized_efficiency import realized_efficiency
from costmodel.validation.reports import SHIPPED, UNITS, validate_reports

HEADER = "id,scenario,figure,value,unit,source,note"
RUN = cm.Scenario(
    architecture="llama-3.1-8b",
    recipe=cm.Pretraining(tokens="10B", sequence_length=8192, batch_size=128),
    cluster=cm.Cluster("H100-SXM", 16),
    layout=cm.Layout(data=16, zero=3, recompute="full"),
)


def folder(tmp_path, *rows, run=RUN):
    run.save(tmp_path / "run.toml")
    (tmp_path / "reports.csv").write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="module")
def scored():
    return validate_reports()


def test_a_report_that_is_the_estimate_has_no_error(tmp_path):
    est = cm.estimate(RUN)
    values = {name: est.quantity(name).to(unit if unit != "1" else "").magnitude for name, unit in UNITS.items()}
    rows = [f"r-{name},run.toml,{name},{value!r},{UNITS[name]},test," for name, value in values.items()]
    result = validate_reports(folder(tmp_path, *rows))
    assert result["scored"] == result["cases"] == len(UNITS)
    for name in UNITS:
        assert result["figures"][name]["mape"] < 1e-9 and result["figures"][name]["coverage"]["0.8"] == 1
    low, high = est.bounds("step_time")
    assert result["figures"]["step_time"]["half_width"] == pytest.approx(math.sqrt(high / low))


def test_units_are_converted(tmp_path):
    memory = cm.estimate(RUN).value("memory")
    rows = [f"a,run.toml,memory,{memory / 2**30!r},GiB,t,", f"b,run.toml,memory,{memory / 1e9!r},GB,t,"]
    assert validate_reports(folder(tmp_path, *rows))["figures"]["memory"]["mape"] < 1e-9


def test_fits_is_scored_by_its_probability(tmp_path):
    probability = cm.estimate(RUN).fit_probability
    rows = ["a,run.toml,fits,true,,t,", "b,run.toml,fits,false,,t,"]
    fits = validate_reports(folder(tmp_path, *rows))["figures"]["fits"]
    assert fits["brier"] == pytest.approx(((1 - probability) ** 2 + probability**2) / 2)
    assert fits["contradicted"] == 1  # the second row denies what is nearly certain


def test_a_refused_run_certainly_does_not_fit(tmp_path):
    large = RUN.replace({"layout.zero": 0, "architecture": "llama-3.1-70b"})
    with pytest.raises(InputError, match="does not fit"):
        cm.estimate(large)
    fits = validate_reports(folder(tmp_path, "a,run.toml,fits,false,,t,", run=large))["figures"]["fits"]
    assert fits == {"scored": 1, "brier": 0.0, "contradicted": 0}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a,run.toml,speed,1,s,t,", "unknown figure 'speed'"),
        ("a,run.toml,step_time,fast,s,t,", "fast"),
        ("a,run.toml,step_time,-1,s,t,", "above 0"),
        ("a,run.toml,step_time,1,GiB,t,", "wrong dimension"),
        ("a,run.toml,fits,perhaps,,t,", "true or false"),
        ("a,run.toml,tokens_per_second,6400,token/s/GPU,t,", "whole cluster"),
        ("a,run.toml,mfu,40,,t,", "at most 1"),
        ("a,missing.toml,memory,1,GiB,t,", "missing.toml"),
    ],
)
def test_a_report_that_cannot_be_scored_says_why(tmp_path, row, reason):
    result = validate_reports(folder(tmp_path, row))
    assert (result["cases"], result["scored"]) == (1, 0)
    assert reason in result["rows"][0]["skipped"]


def test_a_folder_without_reports_and_unknown_columns_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"reports\.csv"):
        validate_reports(tmp_path)
    (tmp_path / "reports.csv").write_text("id,scenario,figur\na,b,c\n", encoding="utf-8")
    with pytest.raises(InputError, match="figur"):
        validate_reports(tmp_path)


def test_every_report_of_the_library_is_scored_or_says_why(scored):
    assert scored["cases"] >= 80
    assert scored["scored"] >= 79
    for row in scored["rows"]:
        assert (row["skipped"] is None) == (row["predicted"] is not None)


def test_every_visible_report_is_in_the_library(shared, root):
    def identities(path):
        with path.open(encoding="utf-8", newline="") as file:
            return {row["id"]: (row["figure"], float(row["value"]) if row["value"][0].isdigit() else row["value"])
                    for row in csv.DictReader(file)}  # fmt: skip

    ours = identities(root / "data" / SHIPPED / "reports.csv")
    assert identities(shared / "measurements" / "field_reports" / "reports.csv").items() <= ours.items()


def test_reports_in_older_files_are_read(shared):
    result = validate_reports(shared / "measurements" / "field_reports")
    assert result["scored"] == validate_reports()["scored"]


def achieved(scored, kind):
    """Return ln(achieved speed / modeled speed) of the reports of a kind of run on NVIDIA in a given layout."""
    signs = {"step_time": -1, "wall_time": -1, "tokens_per_second": 1}
    return [
        signs[row["figure"]] * math.log(row["measured"] / row["predicted"])
        for row in scored["rows"]
        if row["basis"] == "layout" and row["figure"] in signs and row["family"].endswith(f"{kind} on NVIDIA")
    ]


def test_reports_in_a_given_layout_reach_its_modeled_speed_without_the_realized_efficiency_of_jobs(scored):
    tuned, trained = achieved(scored, "fine-tuning"), achieved(scored, "pretraining")
    assert (len(tuned), len(trained)) == (16, 7)
    assert abs(statistics.mean(tuned)) < 0.05 and 0 < statistics.mean(trained) < 0.25, "they are not slower"
    factor = math.log(realized_efficiency("fine_tuning", 8).value)
    with_factor = [value - factor for value in tuned]
    assert math.hypot(*tuned) < 0.5 * math.hypot(*with_factor)


ROWS = {
    "speed, dense models on NVIDIA, layout given": "speed, dense on NVIDIA without reinforcement learning, layout",
    "speed, dense models on NVIDIA, layout planned": "speed, dense on NVIDIA without reinforcement learning, planned",
    "speed, mixtures of experts on NVIDIA": "speed, MoE pretraining on NVIDIA",
    "speed, dense models on Google TPUs": "speed, dense pretraining on Google",
    "step time of reinforcement learning, dense models on NVIDIA": "speed, dense reinforcement on NVIDIA",
}
"""Rows of the accuracy page, by the group of the command."""


def test_the_published_scores_are_what_the_command_prints(scored, root):
    page = (root / "docs" / "accuracy.md").read_text(encoding="utf-8")
    parts = {"peak memory": scored["figures"]["memory"], **{row: scored["groups"][name] for row, name in ROWS.items()}}
    for name, part in parts.items():
        errors = f"{part['median_ape']:.0%} | {part['mape']:.0%} | {part['coverage']['0.8']:.0%}"
        assert f"| {name} | {part['scored']} | {errors} | {part['half_width']:.2f} |" in page
    fits = scored["figures"]["fits"]
    said = (
        f"({fits['scored']} reports): the Brier score of the probability is {fits['brier']:.2f}; {fits['contradicted']}"
    )
    assert said in page
    short = scored["groups"]["speed, dense on NVIDIA without reinforcement learning"]
    row = f"{short['scored']} | {short['median_ape']:.0%} | {short['coverage']['0.8']:.0%}"
    assert f"speed of field reports | {row} |" in (root / "README.md").read_text(encoding="utf-8")
