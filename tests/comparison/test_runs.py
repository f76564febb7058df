"""Published runs: rows, scopes of their costs, filters and errors."""

import csv
import math

import pytest

from costmodel.comparison.costs import SCOPES, Cost
from costmodel.comparison.runs import CONFIDENCE, PublishedRuns, published_runs
from costmodel.foundation.errors import InputError, UnknownNameError
from costmodel.foundation.tables import table


@pytest.fixture(scope="module")
def runs():
    return published_runs()


def test_runs_without_reference_are_the_visible_rows_of_the_table(shared, runs):
    with (shared / "measurements" / "published_runs.csv").open(encoding="utf-8", newline="") as file:
        visible = {row["id"] for row in csv.DictReader(file) if row["split"] == "visible"}
    with (shared / "measurements" / "moe_jobs.csv").open(encoding="utf-8", newline="") as file:
        visible |= {row["id"] for row in csv.DictReader(file) if row["id"] == "dots-llm1" and row["split"] == "visible"}
    assert {run.id for run in published_runs(reference=False)} == visible
    assert {run.id for run in runs} > visible


def test_ids_are_unique_and_dates_ascend(runs):
    assert len({run.id for run in runs}) == len(runs) > 80
    assert [run.place_in_time for run in runs] == sorted(run.place_in_time for run in runs)


def test_every_cost_has_a_scope_a_reason_an_author_and_a_source(runs):
    costs = [cost for run in runs for cost in run.costs]
    assert len(costs) > 25
    for cost in costs:
        assert cost.scope in SCOPES and cost.scope_reason and cost.by and cost.basis and cost.source
    assert {cost.scope for cost in costs} == set(SCOPES)


def test_every_group_has_a_reason(runs):
    grouped = [run for run in runs if run.row["group"]]
    assert {run.row["group"] for run in grouped} == {"frontier", "low_cost"}
    assert all(run.row["group_reason"] for run in grouped)


def test_every_confidence_value_is_explained(runs):
    assert {run.row["confidence"] for run in runs} <= set(CONFIDENCE)


def test_further_costs_have_the_id_of_a_run(runs):
    assert {row["id"] for row in table("measurements/run_costs").rows} <= {run.id for run in runs}


def test_deepseek_v3_row_matches_the_published_figures(runs):
    run = runs["deepseek-v3"]
    assert (run.cost.usd, run.cost.scope, run.cost.circular, run.cost.year) == (5.576e6, "final_run", True, 2024)
    # 2,788,000 h at the rental price of 2 USD/h that the authors assume
    assert run.published("gpu_hours") * 2 == run.cost.usd
    row = next(row for row in runs.rows() if row["id"] == "deepseek-v3")
    assert row["usd_per_gpu_hour"] == pytest.approx(2.0)
    assert row["usd_per_million_tokens"] == pytest.approx(5.576e6 / 14.8e6)
    assert row["usd_per_parameter"] == pytest.approx(5.576e6 / 671e9)
    assert row["usd_per_exaflop"] == pytest.approx(5.576e6 / (6 * 37e9 * 14.8e12) * 1e18)


def test_gpt4_has_costs_of_both_scopes(runs):
    by_scope = {}
    for cost in runs["gpt-4"].costs:
        by_scope.setdefault(cost.scope, []).append(cost.usd)
    assert by_scope == {"final_run": [40e6, 78.6e6], "development": [90e6, 100e6]}
    assert "above 100 M$" in str(published_runs(organization="OpenAI"))


@pytest.mark.parametrize(
    ("id", "figures"),
    [
        ("llama1-7b", {"energy", "carbon"}),  # energy=hours*400W*1.1; co2=energy*0.385
        ("gpt3-175b", {"gpu_hours", "energy", "carbon"}),  # time=flops/tflops/chips
        ("opt-175b", {"gpu_hours"}),  # chip_hours assumed
        ("falcon-40b", {"gpu_hours"}),  # hours = "two months" x 384
        ("t5-11b", {"flops"}),  # flops=tflops*chips*time
        ("lamda-137b", {"energy", "carbon"}),  # power borrowed
        ("phi-4", set()),
    ],
)
def test_figures_computed_by_the_authors_are_marked(runs, id, figures):
    assert runs[id].arithmetic == figures


def test_every_row_with_circular_figures_marks_a_figure(runs):
    assert all(run.arithmetic for run in runs if run.row["circular"])


def test_filters_select_runs(runs):
    assert {run.organization for run in published_runs(organization="deepseek")} == {"DeepSeek"}
    assert {run.kind for run in published_runs(kind="rl")} == {"rl"}
    recent = published_runs(since="2024-07")
    assert 0 < len(recent) < len(published_runs(since=2024)) < len(runs)
    assert min(run.row["date"] for run in recent) == "2024-07"
    assert {run.id for run in published_runs(scope="development")} == {"bloom-176b", "gpt-4", "alpaca-7b"}
    assert len(runs.where(organization="Meta", kind="pretrain", since=2024)) == 5
    assert isinstance(runs[:3], PublishedRuns) and len(runs[:3]) == 3


def test_an_error_lists_all_wrong_filters():
    with pytest.raises(InputError) as raised:
        published_runs(organization="DeepSeec", kind="pretraining", since="last year", scope="final")
    organization, kind, since, scope = raised.value.problems
    assert "did you mean 'DeepSeek'" in organization and "did you mean 'pretrain'" in kind
    assert "'last year'" in since and "final_run or development" in scope


@pytest.mark.parametrize("since", ["2024-13", "2024-7-1", "24", True])
def test_since_must_be_a_year_or_a_date(since):
    with pytest.raises(InputError, match=r"since"):
        published_runs(since=since)


def test_an_unknown_run_suggests_the_nearest_name(runs):
    with pytest.raises(UnknownNameError, match=r"deepseek-v3"):
        _ = runs["deepseek-v3x"]


def test_totals_add_costs_of_one_scope(runs):
    total = published_runs(organization="DeepSeek").total()
    assert total.usd == 5.576e6 + 294e3 and total.scope == "final_run" and total.circular
    with pytest.raises(InputError, match=r"none of these runs has a published cost"):
        published_runs(organization="IBM").total()
    assert runs.total(scope="final_run").usd == sum(run.cost.usd for run in runs if run.cost)


def test_runs_print_as_text_html_and_data_frame(runs):
    text, html = str(runs), runs._repr_html_()
    assert "deepseek-v3" in text and "5.58 M$*" in text and "grok-3 (ref)" in text
    assert "<table>" in html and "&lt;$500k" not in html and "(updated" in html and "MosaicML &lt;" in html
    pandas = pytest.importorskip("pandas")
    frame = runs.to_frame()
    assert isinstance(frame, pandas.DataFrame) and frame.loc["bloom-176b", "scope"].tolist() == [
        "final_run",
        "development",
    ]


FINAL = Cost(5e6, "final_run", by="a", year=2024)
DEVELOPMENT = Cost(1e8, "development", by="b", year=2024)


def test_costs_of_different_scopes_cannot_be_added_or_compared():
    for operation in (lambda: FINAL + DEVELOPMENT, lambda: FINAL < DEVELOPMENT, lambda: DEVELOPMENT.ratio(FINAL)):
        with pytest.raises(InputError, match=r"different scopes"):
            operation()
    assert DEVELOPMENT.ratio(FINAL, across_scopes=True) == 20


def test_costs_of_one_scope_can_be_added_and_compared():
    other = Cost(1e6, "final_run", by="c", year=2023, circular=True)
    total = FINAL + other
    assert (total.usd, total.scope, total.by, total.year, total.circular) == (6e6, "final_run", "a and c", None, True)
    assert other < FINAL and FINAL.ratio(other) == 5


def test_unknown_scope_and_zero_divisor_raise_an_error():
    with pytest.raises(InputError, match=r"final_run or development"):
        Cost(1.0, "final")
    with pytest.raises(InputError, match=r"other: must be above 0 USD"):
        FINAL.ratio(Cost(0.0, "final_run"))


def test_sum_adds_costs():
    assert sum([Cost(1e6, "final_run"), Cost(2e6, "final_run")]).usd == 3e6


@pytest.mark.parametrize("usd", [-1.0, math.nan, math.inf])
def test_negative_or_infinite_dollars_raise_an_error(usd):
    with pytest.raises(InputError, match=r"usd: must be a finite number of dollars"):
        Cost(usd, "final_run")


def test_filters_and_scopes_of_a_wrong_type_raise_an_error(runs):
    with pytest.raises(InputError) as raised:
        published_runs(organization=3, kind=["rl"])
    assert list(raised.value.problems) == ["organization: must be a name; got 3", "kind: must be a name; got ['rl']"]
    with pytest.raises(InputError, match=r"final_run or development; got 'final'"):
        runs.total("final")
