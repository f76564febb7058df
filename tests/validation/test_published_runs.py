"""Score of the default utilization on published runs, and the fit of its table."""

import pytest

from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import Table, default, read_csv, table
from costmodel.hardware.accelerator import load_accelerator
from costmodel.refit.utilization import class_rows
from costmodel.training.jobs.utilization import default_mfu, fit_utilization, shipped_runs
from costmodel.validation.published_runs import validate_published_runs
from costmodel.validation.scores import Case, report


@pytest.fixture(scope="module")
def scored():
    return validate_published_runs(table("measurements/published_runs"))


def test_shipped_runs_are_predicted_without_their_organization(scored):
    assert scored["scored"] >= 30
    assert scored["median_abs_log10"] <= 0.14
    assert 0.70 <= scored["coverage"]["0.8"] <= 0.90
    assert scored["coverage"]["0.5"] < scored["coverage"]["0.8"] < scored["coverage"]["0.95"]


def test_the_shipped_runs_score_like_the_published_table(shared, scored):
    again = validate_published_runs(read_csv(shared / "measurements" / "published_runs.csv"))
    assert again["scored"] == scored["scored"] - 1  # dots.llm1 is not in it
    rows = {row["id"]: row for row in scored["rows"]}
    assert all(row == rows[row["id"]] for row in again["rows"] if row["predicted"])


def test_a_run_is_predicted_without_its_organization(scored):
    """Dropping the runs of an organization from the fit changes the prediction of those runs."""
    runs, goodput = shipped_runs(), default("goodput").value
    whole = fit_utilization(runs, goodput)
    row = next(row for row in scored["rows"] if row["id"] == "llama3.1-405b")
    run = next(run for run in runs if run.id == "llama3.1-405b")
    inside = run.flops / (run.accelerator.peak() * whole.mfu(False, "hopper").median() * goodput * 3600)
    assert row["predicted"] != pytest.approx(inside, rel=1e-3)


def test_every_row_has_a_prediction_or_a_reason(scored):
    assert len(scored["rows"]) == scored["cases"]
    for row in scored["rows"]:
        assert (row["skipped"] is None) == (row["predicted"] is not None)
        if row["skipped"] is None:
            assert 0 < row["low"] < row["predicted"] < row["high"]


def test_small_classes_are_shrunk_and_unseen_classes_are_wider():
    rows = {(row["kind"], row["generation"]): row for row in class_rows(shipped_runs())}
    seen, other = rows["dense", "hopper"], rows["dense", "other"]
    assert float(other["high"]) / float(other["low"]) > float(seen["high"]) / float(seen["low"])
    assert float(rows["moe", "hopper"]["utilization"]) < float(seen["utilization"])
    blackwell = default_mfu(False, load_accelerator("B200"))
    assert "a generation without published runs" in blackwell.provenance.note


def test_scores_of_known_errors():
    cases = [
        Case("a", "x", 2.0, 1.0, {0.8: (0.5, 3.0)}),
        Case("b", "x", 1.0, 2.0, {0.8: (0.5, 1.5)}),
        Case("c", "y", skipped="no hours"),
    ]
    result = report("published_runs", cases)
    assert result["cases"] == 3
    assert result["scored"] == 2
    assert result["mape"] == pytest.approx(0.75)
    assert result["bias"] == pytest.approx(0)
    assert result["median_abs_log10"] == pytest.approx(0.30103, rel=1e-5)
    assert result["coverage"]["0.8"] == 0.5
    assert result["coverage"]["0.5"] is None
    assert result["rows"][2]["skipped"] == "no hours"
    assert set(result["families"]) == {"x"}


def test_unknown_columns_are_errors():
    runs = table("measurements/published_runs")
    rows = tuple({**row, "gpu_hour": ""} for row in runs.rows)
    wrong = Table("runs", rows, (*runs.columns, "gpu_hour"), "")
    with pytest.raises(InputError, match="unknown column 'gpu_hour' of published runs"):
        validate_published_runs(wrong)
