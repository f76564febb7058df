"""A sweep has the numbers of single estimates and keeps what is not possible."""

import itertools
from importlib import import_module

import numpy as np
import pytest

import costmodel as cm
from costmodel.estimation import speed
from costmodel.estimation.chain import OUTPUTS, Missing
from costmodel.training.layouts.planner import forget

sweep = import_module("costmodel.planning.sweep")
RUN = cm.Scenario(
    architecture="llama-3.1-70b",
    recipe=cm.Pretraining(tokens="1T", batch_size=512),
    cluster=cm.Cluster("H100-SXM", 64),
    prices=cm.Rental(price=2.5),
)
VALUES = {
    "cluster.count": [1, 64, 256],
    "recipe.batch_size": [256, 1024],
    "recipe.sequence_length": [2048, 8192],
}


@pytest.fixture(scope="module")
def swept():
    return cm.sweep(RUN, VALUES)


def test_rows_are_all_combinations_in_order(swept):
    found = [tuple(row[path] for path in VALUES) for row in swept.rows()]
    assert found == list(itertools.product(*VALUES.values())) and len(swept) == 12


@pytest.mark.parametrize("row", [4, 7, 10])
def test_values_are_those_of_single_estimates(swept, row):
    figures, single = swept.rows()[row], cm.estimate(RUN.replace(swept.changes[row]))
    known = {each["quantity"]: each for each in single.rows()}
    for name in OUTPUTS:
        if isinstance(single.value(name), Missing):
            assert figures[name] is figures[f"{name}_low"] is None
            continue
        assert figures[name] == known[name]["value"]
        drawn = np.quantile(single.draws(name, 2000), [0.1, 0.9]) / single.value(name) * figures[name]
        assert [figures[f"{name}_low"], figures[f"{name}_high"]] == pytest.approx(list(drawn), rel=1e-12)
    assert figures["layout"] == single.layout.brief() and swept.estimate(row).value("cost") == single.value("cost")


@pytest.mark.parametrize("model", ["llama-3.1-8b", "mixtral-8x7b"])
@pytest.mark.parametrize("given", [{"batch_size": 512}, {}, {"software": "hf-trainer"}])
def test_layouts_planned_together_are_those_planned_alone(model, given):
    run = cm.Scenario(
        architecture=model,
        recipe=cm.Pretraining(tokens="1T", sequence_length=4096, **given),
        cluster=cm.Cluster("H100-SXM", 64),
    )
    values = {
        "cluster.accelerator": ["H100-SXM", "A100-40GB-SXM"],
        "cluster.count": [1, 2, 3, 8, 100, 512],
        "recipe.sequence_length": [1024, 6144, 32_768],
    }
    forget()
    together = cm.sweep(run, values)
    layouts = set()
    for changes, row in zip(together.changes, together.rows(), strict=True):
        forget()
        try:
            single = cm.estimate(run.replace(changes))
        except cm.InputError as error:
            assert row["reason"] == str(error)
            continue
        assert row["layout"] == single.layout.brief() and not row["reason"]
        layouts.add(row["layout"])
        known = {each["quantity"]: each["value"] for each in single.rows()}
        assert {name: row[name] for name in OUTPUTS if row[name] is not None} == {name: known[name] for name in known}
    assert len(layouts) > 3


@pytest.mark.parametrize(
    "run",
    [
        RUN.replace(mfu="0.3 to 0.5", goodput=0.9),
        RUN.replace(gpu_hours="90000 to 110000"),
        RUN.replace(recipe=cm.GRPO(tokens="20M")),
        RUN.replace(recipe=[RUN.recipe, cm.LoRA(tokens="20M")]),
    ],
)
def test_all_draws_give_the_intervals_of_estimates(run):
    (row,) = cm.sweep(run, {"cluster.count": [64]}, draws=20_000, level=0.5).rows()
    for figure in cm.estimate(run).rows(0.5):
        name = figure["quantity"]
        found = [row[name], row[f"{name}_low"], row[f"{name}_high"]]
        assert found == pytest.approx([figure["value"], figure["low"], figure["high"]], rel=1e-12)


def test_fewer_draws_move_the_ends_by_some_percent(swept):
    row, single = swept.rows()[5], swept.estimate(5)
    for name in ("cost", "wall_time", "energy", "mfu"):
        ends = [each.magnitude for each in single.interval(name)]
        assert [row[f"{name}_low"], row[f"{name}_high"]] == pytest.approx(ends, rel=0.06)


def test_batches_in_tokens_are_noticed():
    line = "1 scenario with fewer than 100 steps: batch_size counts sequences, not tokens"
    assert line in str(cm.sweep(RUN, {"recipe.batch_size": [512, "4M"]}))
    assert "counts sequences" not in str(cm.sweep(RUN, {"recipe.batch_size": [512, 1024]}))


def test_failures_keep_their_row_and_reason(swept):
    failed = [row for row in swept.rows() if row["reason"]]
    assert [row["cluster.count"] for row in failed] == [1] * 4
    assert all("fits on no layout of 1 accelerator" in row["reason"] and row["cost"] is None for row in failed)
    mixed = cm.sweep(RUN, {"cluster.accelerator": ["H100-SXM", "H1000"], "recipe.precision": ["bf16", "fp4"]})
    reasons = [row["reason"] for row in mixed.rows()]
    assert not reasons[0] and "no dense fp4 peak" in reasons[1] and all("H1000" in each for each in reasons[2:])


def test_a_price_of_another_region_is_noted():
    prices = cm.Rental(provider="aws", on="2026-10-01")
    run = cm.Scenario(
        {"total": "7B"}, cm.Pretraining(tokens="1B"), cm.Cluster("H100-SXM", 8), prices=prices, gpu_hours=9
    )
    found = cm.sweep(run, {"cluster.site.region": ["us-virginia", "germany", "sweden"]})
    assert ["is that of us-east-1" in row["note"] for row in found.rows()] == [False, True, False]
    assert "note on the cost of 1 scenario: no price on demand of H100-SXM at aws in germany" in " ".join(
        str(found).split()
    )


def test_frame_has_columns_for_paths_figures_and_intervals(swept):
    frame = swept.to_frame()
    assert list(frame.columns[:3]) == list(VALUES) and list(frame.columns[-2:]) == ["layout", "reason"]
    assert {"cost", "cost_low", "cost_high"} < set(frame.columns)
    assert frame.attrs["units"]["cost"] == "USD" and frame.attrs["units"]["memory"] == "GiB"
    assert frame["cost"].isna().sum() == 4 and frame["cost"].dtype == float
    assert (frame["cost_low"].dropna() < frame["cost"].dropna()).all()


def test_printed_table_has_80_columns_at_most(swept):
    lines = str(swept).splitlines()
    assert max(map(len, lines)) <= 80 and lines[0] == "12 scenarios, 8 possible"
    titles = "count batch_size sequence_length cost 80 % interval wall time"
    assert lines[1].split() == titles.split()
    assert "2 scenarios not possible: layout: the model fits on no layout of 1 accelerator" in str(swept)
    many = str(cm.sweep(RUN, {"prices.price": [1 + each / 10 for each in range(50)]}))
    assert "... and 10 more rows" in many


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "`values` must be lists by path"),
        ({"cluster.count": 64}, "cluster.count: must be a list of values; got 64"),
        ({"cluster.count": "64,128"}, "cluster.count: must be a list of values"),
        ({"cluster.count": []}, "cluster.count: needs at least one value"),
        ({"cluster.cuont": [1, 2]}, "cuont"),
        ({"cluster.count": [-1, 0]}, "cluster.count"),
        ({"cluster.count": range(1, 400), "recipe.tokens": range(1, 400)}, "at most 100,000 combinations; got 159,201"),
    ],
)
def test_invalid_values_are_refused(values, message):
    with pytest.raises(cm.InputError, match=message):
        cm.sweep(RUN, values)


def test_all_problems_are_reported_together():
    with pytest.raises(cm.InputError) as error:
        cm.sweep(RUN, {"cluster.count": [], "recipe.batch": [1]})
    assert len(error.value.problems) == 2
    for wrong in ({"draws": 0}, {"level": 1.0}):
        with pytest.raises(cm.InputError, match=next(iter(wrong))):
            cm.sweep(RUN, VALUES, **wrong)


def test_recipes_with_a_given_speed_are_not_planned(monkeypatch):
    planned = []
    monkeypatch.setattr(speed, "plans", lambda steps, kernel: planned.extend(steps))
    tuned = cm.LoRA(tokens="20M")
    for recipe, changes, count in (
        ([RUN.recipe, tuned], {}, 2),
        ([RUN.recipe, tuned.replace(gpu_hours=100)], {}, 1),
        (RUN.recipe, {"mfu": 0.4}, 0),
        (RUN.recipe, {"step_time": 9.0}, 0),
        (RUN.recipe, {"gpu_hours": 1e6}, 0),
    ):
        planned.clear()
        speed.plan_together([RUN.replace({"recipe": recipe, **changes})])
        assert len(planned) == count


def test_a_measured_speed_of_several_passes_is_the_reason_of_its_row():
    run = RUN.replace(recipe=cm.DPO(tokens="20M"))  # of reinforcement learning the measured step has all passes
    first, second = cm.sweep(run, {"step_time": [None, 9.0]}).rows()
    assert not first["reason"] and "step_time: is for recipes with one training pass" in second["reason"]


def test_progress_is_reported_up_to_the_last_row():
    calls = []
    swept = cm.sweep(RUN.replace(mfu=0.4), {"prices.price": range(1, 101)}, progress=lambda *call: calls.append(call))
    assert calls == [(64, 100), (100, 100)] and swept.possible == 100


@pytest.mark.parametrize("fixed", [{}, {"scope": "development"}, {"prices.per": "instance"}, {"gpu_hours": 1e6}])
def test_rows_that_differ_in_price_have_the_figures_of_rows_alone(fixed):
    run = RUN.replace(fixed)
    values = {"cluster.count": [64, 100], "prices.price": [2, "3 to 4", 5.5, "-1", 7], "recipe.tokens": [1e10, 1e12]}
    swept = cm.sweep(run, values)
    assert swept.changes == [dict(zip(values, each, strict=True)) for each in itertools.product(*values.values())]
    for row in swept.rows():
        if row["prices.price"] == "-1":
            assert row["reason"].startswith("prices.price: ") and row["cost"] is None
            continue
        (alone,) = cm.sweep(run, {path: [row[path]] for path in values}).rows()
        assert row == alone and row["cost"] > 0


@pytest.mark.parametrize("count", [1, 2, 3, 100, 2000])
def test_quantiles_are_those_of_numpy(count):
    values = np.random.default_rng(count).lognormal(size=(5, count))
    ends = (0.0, 0.1, 0.5, 0.9, 0.999, 1.0)
    assert np.array(sweep._quantiles(values.copy(), ends)) == pytest.approx(
        np.quantile(values, ends, axis=1), rel=1e-12
    )


def test_few_kept_arrays_give_the_same_rows(monkeypatch):
    values = {"cluster.count": [64, 256], "cluster.site.pue": ["1.1 to 1.3", "1.2 to 1.5"]}
    rows = cm.sweep(RUN, values).rows()
    monkeypatch.setattr(sweep, "MOST_ARRAYS", 1)
    assert cm.sweep(RUN, values).rows() == rows


def test_the_probability_of_fitting_is_a_column_where_it_is_below_90_percent():
    run = cm.Scenario(
        architecture="llama-3.1-8b",
        recipe=cm.LoRA(tokens="20M", sequence_length=8192, batch_size=8),
        cluster=cm.Cluster("H100-SXM", 1),
        layout={"zero": 3, "micro_batch": 1, "recompute": "none"},
        prices=cm.Rental(price=2),
    )
    short, long = 8192, 10240
    found = cm.sweep(run, {"recipe.sequence_length": [short, long]})
    fits = [row["fit_probability"] for row in found.rows()]
    assert fits[0] > 0.9 > fits[1]
    header, _, *rows = str(found).splitlines()[1:]
    assert " fits " in header and f" {100 * fits[1]:.0f} % " in rows[1]
    assert " fits " not in str(cm.sweep(run, {"recipe.sequence_length": [short, short + 1]}))
