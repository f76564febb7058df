"""Published runs: every visible one, with the scope of its cost, who says so, and filters that refuse what is wrong."""

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


def test_all_visible_runs_are_there_and_none_of_them_is_for_reference(shared, runs):
    with (shared / "measurements" / "published_runs.csv").open(encoding="utf-8", newline="") as file:
        visible = {row["id"] for row in csv.DictReader(file) if row["split"] == "visible"}
    assert {run.id for run in published_runs(reference=False)} == visible
    assert {run.id for run in runs} > visible


def test_ids_are_unique_and_dates_ascend(runs):
    assert len({run.id for run in runs}) == len(runs) > 80
    assert [run.place_in_time for run in runs] == sorted(run.place_in_time for run in runs)


def test_every_cost_has_a_scope_with_its_reason_and_says_who_says_so(runs):
    costs = [cost for run in runs for cost in run.costs]
    assert len(costs) > 25
    for cost in costs:
        assert cost.scope in SCOPES and cost.scope_reason and cost.by and cost.basis and cost.source
    assert {cost.scope for cost in costs} == set(SCOPES)


def test_a_group_has_a_reason(runs):
    grouped = [run for run in runs if run.row["group"]]
    assert {run.row["group"] for run in grouped} == {"frontier", "low_cost"}
    assert all(run.row["group_reason"] for run in grouped)


def test_the_letters_of_confidence_are_explained(runs):
    assert {run.row["confidence"] for run in runs} <= set(CONFIDENCE)


def test_further_costs_belong_to_runs(runs):
    assert {row["id"] for row in table("measurements/run_costs").rows} <= {run.id for run in runs}


def test_deepseek_as_published(runs):
    run = runs["deepseek-v3"]
    assert (run.cost.usd, run.cost.scope, run.cost.circular, run.cost.year) == (5.576e6, "final_run", True, 2024)
    assert run.claimed("gpu_hours") * 2 == run.cost.usd  # 2,788,000 h at the 2 USD that the authors assume
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
def test_arithmetic_of_the_authors_is_marked_by_figure(runs, id, figures):
    assert runs[id].arithmetic == figures


def test_every_circular_row_marks_a_figure(runs):
    assert all(run.arithmetic for run in runs if run.row["circular"])


def test_filters(runs):
    assert {run.organization for run in published_runs(organization="deepseek")} == {"DeepSeek"}
    assert {run.kind for run in published_runs(kind="rl")} == {"rl"}
    late = published_runs(since="2024-07")
    assert 0 < len(late) < len(published_runs(since=2024)) < len(runs)
    assert min(run.row["date"] for run in late) == "2024-07"
    assert {run.id for run in published_runs(scope="development")} == {"bloom-176b", "gpt-4", "alpaca-7b"}
    assert len(runs.where(organization="Meta", kind="pretrain", since=2024)) == 5
    assert isinstance(runs[:3], PublishedRuns) and len(runs[:3]) == 3


def test_all_problems_of_the_filters_at_once():
    with pytest.raises(InputError) as raised:
        published_runs(organization="DeepSeec", kind="pretraining", since="last year", scope="final")
    organization, kind, since, scope = raised.value.problems
    assert "did you mean 'DeepSeek'" in organization and "did you mean 'pretrain'" in kind
    assert "'last year'" in since and "final_run or development" in scope


@pytest.mark.parametrize("since", ["2024-13", "2024-7-1", "24", True])
def test_since_is_a_date(since):
    with pytest.raises(InputError, match=r"since"):
        published_runs(since=since)


def test_an_unknown_run_names_the_nearest(runs):
    with pytest.raises(UnknownNameError, match=r"deepseek-v3"):
        _ = runs["deepseek-v3x"]


def test_totals_are_of_one_scope(runs):
    whole = published_runs(organization="DeepSeek").total()
    assert whole.usd == 5.576e6 + 294e3 and whole.scope == "final_run" and whole.circular
    with pytest.raises(InputError, match=r"no published cost"):
        published_runs(organization="IBM").total()
    assert runs.total(scope="final_run").usd == sum(run.cost.usd for run in runs if run.cost)


def test_shows_itself(runs):
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
WHOLE = Cost(1e8, "development", by="b", year=2024)


def test_costs_of_two_scopes_neither_add_nor_compare():
    for mixed in (lambda: FINAL + WHOLE, lambda: FINAL < WHOLE, lambda: WHOLE.ratio(FINAL)):
        with pytest.raises(InputError, match=r"two scopes"):
            mixed()
    assert WHOLE.ratio(FINAL, across_scopes=True) == 20


def test_costs_of_one_scope_add_and_compare():
    other = Cost(1e6, "final_run", by="c", year=2023, circular=True)
    whole = FINAL + other
    assert (whole.usd, whole.scope, whole.by, whole.year, whole.circular) == (6e6, "final_run", "a and c", None, True)
    assert other < FINAL and FINAL.ratio(other) == 5


def test_a_scope_is_one_of_two():
    with pytest.raises(InputError, match=r"final_run or development"):
        Cost(1.0, "final")
    with pytest.raises(InputError, match=r"no ratio"):
        FINAL.ratio(Cost(0.0, "final_run"))


def test_costs_add_up_with_sum():
    assert sum([Cost(1e6, "final_run"), Cost(2e6, "final_run")]).usd == 3e6


@pytest.mark.parametrize("usd", [-1.0, math.nan, math.inf])
def test_dollars_that_are_none(usd):
    with pytest.raises(InputError, match=r"usd: is a number of dollars"):
        Cost(usd, "final_run")


def test_filters_and_scopes_that_are_none(runs):
    with pytest.raises(InputError) as raised:
        published_runs(organization=3, kind=["rl"])
    assert list(raised.value.problems) == ["organization: is a name; got 3", "kind: is a name; got ['rl']"]
    with pytest.raises(InputError, match=r"final_run or development; got 'final'"):
        runs.total("final")
