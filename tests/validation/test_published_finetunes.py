"""Published fine-tunes: the rows of the table, and the score of the estimate on them."""

import math
from dataclasses import replace

import pytest

from costmodel.comparison.published_finetunes import RECIPE_FIELDS, scenario_of
from costmodel.estimation.estimate import estimate
from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import read_csv, table
from costmodel.hardware.accelerator import load_accelerator
from costmodel.refit import reinforcement
from costmodel.refit.realized_efficiency import Job, finetuning_jobs, job_rows, pretraining_jobs
from costmodel.training.jobs.realized_efficiency import KINDS, ROLLOUT, TABLE, realized_efficiency
from costmodel.training.jobs.utilization import shipped_runs
from costmodel.training.recipes.table import RECIPES
from costmodel.validation.published_finetunes import validate_published_finetunes

ROWS = table("measurements/published_finetunes").rows


@pytest.fixture(scope="module")
def scored():
    return validate_published_finetunes(table("measurements/published_finetunes"))


def test_rows_are_unique_and_have_a_source():
    assert len({row["id"] for row in ROWS}) == len(ROWS) >= 40
    for row in ROWS:
        assert row["source"], row["id"]
        assert row["kind"] in RECIPES
        assert row["confidence"] in {"A", "B", "C"}
        assert row["gpu_hours"] or row["cost_usd"]
        assert row["skipped"] or load_accelerator(row["accelerator"]).name == row["accelerator"]


@pytest.mark.parametrize("row", [row for row in ROWS if not row["skipped"]], ids=lambda row: row["id"])
def test_a_row_sets_the_fields_of_its_recipe(row):
    asked = scenario_of(row)
    recipe = asked.recipes[0]
    assert recipe.kind == row["kind"]
    assert set(recipe.model_fields_set) >= {name for name in RECIPE_FIELDS if row[name]}
    assert asked.cluster.count == int(row["count"])
    assert not asked.architecture.is_aggregate


def test_alpaca_has_the_tokens_of_its_examples():
    row = next(row for row in ROWS if row["id"] == "alpaca-7b")
    recipe = scenario_of(row).recipes[0]
    assert recipe.examples == 52002
    assert not recipe.packing
    assert 3 * 52002 * 100 < recipe.trained_tokens() < 3 * 52002 * 200


def test_every_row_has_a_prediction_or_a_reason(scored):
    assert scored["cases"] == len(ROWS)
    assert scored["scored"] >= 40
    assert scored["cost"]["scored"] >= 12
    for row in scored["rows"]:
        assert (row["skipped"] is None) == (row["predicted"] is not None)
        if row["skipped"] is None:
            assert 0 < row["low"] < row["predicted"] < row["high"]


def test_scores_are_not_worse_than_they_were(scored):
    """Jobs take two to three times what the time model has for their steps; loose until that is modeled."""
    assert scored["median_abs_log10"] <= 0.45
    assert abs(scored["bias"]) <= 1.3
    assert scored["cost"]["median_abs_log10"] <= 0.45
    assert scored["coverage"]["0.5"] <= scored["coverage"]["0.8"] <= scored["coverage"]["0.95"]


def test_families_are_kinds_of_recipe(scored):
    assert {"full_fine_tuning", "lora", "qlora", "dpo", "distillation", "grpo"} == set(scored["families"])


def test_prediction_and_interval_are_those_of_the_estimate(scored):
    row = next(row for row in ROWS if row["id"] == "sky-t1-32b")
    others = realized_efficiency("fine_tuning", 8, row["organization"]).spread  # this one's own jobs do not count
    found = estimate(scenario_of(row).replace(realized_efficiency=others))
    case = next(case for case in scored["rows"] if case["id"] == row["id"])
    assert case["predicted"] == pytest.approx(found.gpu_hours.to("hour").magnitude)
    assert case["low"] == pytest.approx(found.interval("gpu_hours", 0.8)[0].to("hour").magnitude)
    paid = next(case for case in scored["cost"]["rows"] if case["id"] == row["id"])
    assert paid["predicted"] == pytest.approx(case["predicted"] * float(row["usd_per_gpu_hour"]))


def test_a_row_with_too_few_facts_is_not_scored(scored):
    case = next(case for case in scored["rows"] if case["id"] == "qwen3-8b-rl")
    assert case["skipped"] == "the accelerator, the prompts and the lengths are not published"


def test_dollars_without_hours_are_scored_alone(scored):
    hours = next(case for case in scored["rows"] if case["id"] == "vicuna-7b")
    paid = next(case for case in scored["cost"]["rows"] if case["id"] == "vicuna-7b")
    assert hours["skipped"] == "gpu_hours is not published"
    assert math.isfinite(paid["predicted"])


def test_an_impossible_recipe_is_skipped_with_the_reason():
    row = {**next(row for row in ROWS if row["id"] == "alpaca-7b"), "tokens": "20M"}
    result = validate_published_finetunes(replace(table("measurements/published_finetunes"), rows=(row,)))
    assert result["scored"] == 0
    assert "one of the two" in result["rows"][0]["skipped"]


def test_speculation_is_not_scored():
    row = {**ROWS[0], "confidence": "C"}
    with pytest.raises(InputError, match="speculative"):
        scenario_of(row)


def test_missing_columns_are_named(tmp_path):
    path = tmp_path / "short.csv"
    path.write_text("id,kind\na,lora\n", encoding="utf-8")
    with pytest.raises(
        InputError, match=r"need the columns id, organization.*; missing: organization, .*, source, note"
    ):
        validate_published_finetunes(read_csv(path))


def test_every_visible_fine_tune_of_the_published_runs_is_in_the_table(shared):
    rows = read_csv(shared / "measurements" / "published_runs.csv").rows
    visible = {row["id"] for row in rows if row["kind"] in {"finetune", "rl", "distill"} and row["split"] == "visible"}
    ours = {row["id"] for row in ROWS}
    assert {one for one in visible if not any(mine.startswith(one) for mine in ours)} == set()


def test_the_shipped_realized_efficiency_is_that_of_the_fit():
    listed = [*pretraining_jobs(shipped_runs()), *finetuning_jobs(table("measurements/published_finetunes"))]
    assert {job.kind for job in listed} == {"pretraining", "fine_tuning"}
    rows = [*job_rows(listed), *reinforcement.reinforcement_rows(reinforcement.shipped())]
    assert rows == list(table(TABLE).rows)
    assert {row["kind"] for row in rows} >= {*KINDS, ROLLOUT}


def test_intervals_cover_the_published_jobs(scored):
    assert scored["scored"] >= 40
    assert 0.72 <= scored["coverage"]["0.8"] <= 0.92
    assert abs(scored["bias"]) < 0.15


def test_an_organization_left_out_does_not_count():
    kind = "fine_tuning"
    pair = [Job(kind, "a", 0.0), Job(kind, "b", -1.0), Job(kind, "b", -3.0), Job(kind, "c", -1.0)]
    others = [job._replace(kind=other) for other in ("pretraining", "reinforcement") for job in pair]
    rows = {row["left_out"]: row for row in job_rows([*pair, *others]) if row["kind"] == kind}
    assert float(rows["b"]["realized_efficiency"]) == pytest.approx(math.exp(-0.5), rel=1e-3)
    assert float(rows[""]["realized_efficiency"]) == pytest.approx(math.exp(-1.0), rel=1e-3), (
        "each organization counts once"
    )
