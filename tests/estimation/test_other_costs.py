"""Costs around a run: each part is a line of its own, the lines add up, and none is there unless it is on."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import trapezoid

import costmodel as cm
from costmodel.estimation.other_lines import checkpoint_storage
from costmodel.foundation.tables import default

RUN = cm.Scenario(
    architecture="llama-3.1-8b",
    recipe=cm.Pretraining(tokens="1T", sequence_length=8192),
    cluster=cm.Cluster("H100-SXM", 512),
    prices=cm.Rental(price=cm.between(2, 3)),
    mfu=cm.between(0.35, 0.45),
)
EXACT = RUN.replace({"prices.price": 2.0, "mfu": 0.4, "goodput": 0.9})
ALL = {
    "checkpoints": {},
    "data": {},
    "egress": {"data_share": 1},
    "evaluation": {},
    "experiments": "0.2 to 0.5",
    "failed_runs": "5 to 20 %",
    "staff_share": "20 to 40 %",
}
GB, DAY, MONTH = 1e9, 86400.0, 30.4375
HOURS = cm.estimate(EXACT).value("gpu_hours") / 3600
DAYS = cm.estimate(EXACT).value("wall_time") / DAY
COST = cm.estimate(EXACT).value("cost")


def line(name, other_costs, run=EXACT):
    """Return a line of the bill at the medians [USD]."""
    return cm.estimate(run.replace(other_costs=other_costs)).value(f"cost.{name}")


@pytest.mark.parametrize("prices", [RUN.prices, cm.Ownership()], ids=["rented", "owned"])
@pytest.mark.parametrize("scope", ["final_run", "development"])
@pytest.mark.parametrize("other_costs", [None, {}, ALL], ids=["none", "empty", "all"])
def test_lines_add_up_to_the_cost_in_every_draw(prices, scope, other_costs):
    estimate = cm.estimate(RUN.replace(prices=prices, scope=scope, other_costs=other_costs))
    names = [f"cost.{each.name}" for each in estimate.lines]
    assert len(set(names)) == len(names)
    total = np.sum([estimate.draws(name) for name in names], axis=0)
    np.testing.assert_allclose(total, estimate.draws("cost"), rtol=1e-12)
    *rows, last = estimate.bill().rows()
    assert sum(row["usd"] for row in rows) == pytest.approx(last["usd"], rel=1e-12)


def test_each_part_is_a_line_of_its_own():
    estimate = cm.estimate(RUN.replace(other_costs=ALL))
    assert [row["line"] for row in estimate.bill().rows()] == [
        *("rent", "checkpoint_storage", "data_storage", "egress", "evaluation"),
        *("experiments", "failed_runs", "rd_staff", "total"),
    ]
    for part, names in {"checkpoints": ["checkpoint_storage"], "evaluation": ["evaluation"]}.items():
        assert [each.name for each in cm.estimate(RUN.replace(other_costs={part: {}})).lines] == ["rent", *names]


@pytest.mark.parametrize("other_costs", [None, {}])
def test_a_final_run_costs_what_it_did_without_other_costs(other_costs):
    estimate = cm.estimate(RUN.replace(other_costs=other_costs))
    assert [each.name for each in estimate.lines] == ["rent"]
    rent = estimate.draws("gpu_hours") * estimate.draws("cost") / estimate.draws("gpu_hours")
    np.testing.assert_array_equal(estimate.draws("cost"), cm.estimate(RUN).draws("cost"))
    np.testing.assert_allclose(rent, estimate.draws("cost.rent"))
    assert not any(path.startswith("other_costs") for path in estimate.inputs)


def test_figures_other_than_the_cost_are_those_of_the_run():
    plain = cm.estimate(RUN)
    for scope, other_costs in itertools.product(("final_run", "development"), (None, ALL)):
        estimate = cm.estimate(RUN.replace(scope=scope, other_costs=other_costs))
        for name in ("flops", "gpu_hours", "wall_time", "energy", "carbon", "water", "electricity_cost"):
            np.testing.assert_array_equal(estimate.draws(name), plain.draws(name))
    assert "GPU time, energy, carbon and water are those of the run" in str(cm.estimate(RUN.replace(other_costs=ALL)))


def test_checkpoint_storage_by_hand():
    stored = {"size": "112 GB", "kept": 5, "days": 90}
    expected = 112 * 5 * (DAYS + 90) / MONTH * 0.02
    price = {"storage_price": "0.02 USD/GB/month"}
    assert line("checkpoint_storage", {"checkpoints": stored, **price}) == pytest.approx(expected)
    gibibytes = {"checkpoints": stored, "storage_price": "0.02 USD/GiB/month"}
    assert line("checkpoint_storage", gibibytes) == pytest.approx(expected * 1e9 / 2**30)
    months = {"checkpoints": {**stored, "days": "3 months"}, **price}
    assert line("checkpoint_storage", months) == pytest.approx(112 * 5 * (DAYS / MONTH + 3) * 0.02)


def test_size_of_a_checkpoint_follows_from_the_trained_parameters():
    parameters = EXACT.architecture.parameters.total
    costs = {"checkpoints": {"kept": 1, "days": 30}, "storage_price": 0.02}
    expected = 14 * parameters / GB * (DAYS + 30) / MONTH * 0.02
    assert line("checkpoint_storage", costs) == pytest.approx(expected)
    longer = EXACT.replace({"reliability.checkpoint_bytes_per_parameter": 16})
    assert line("checkpoint_storage", costs, longer) == pytest.approx(16 / 14 * expected)
    lora = cm.Scenario(
        architecture="llama-3.1-8b",
        recipe=cm.LoRA(tokens="20M", rank=16, gpu_hours=24),
        cluster=cm.Cluster("H100-SXM", 1),
        prices=cm.Rental(price=2),
    )
    assert line("checkpoint_storage", costs, lora) == pytest.approx(14 * 41943040 / GB * 31 / MONTH * 0.02)


@given(
    kept=st.floats(1, 50), wall=st.floats(1, 1e7), days=st.floats(0, 1e7), interval=st.floats(1, 1e6),
)  # fmt: skip
@settings(deadline=None)
def test_checkpoints_over_time_are_the_sum_of_their_lives(kept, wall, days, interval):
    """The number on storage grows by one per interval, up to those kept; integrated step by step."""
    moments = np.linspace(0, wall, 20_001)
    number = np.minimum(kept, moments / interval)
    expected = trapezoid(number, moments) + max(number[-1], 1.0) * days
    assert checkpoint_storage(1.0, kept, wall, days, interval) == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_without_a_number_kept_all_checkpoints_of_an_interval_stay():
    assert checkpoint_storage(2.0, np.inf, 10.0, 5.0, 1.0) == pytest.approx(2 * (10 * 10 / 2 + 10 * 5))
    costs = {"checkpoints": {"size": 100, "interval": "12 hours", "days": 0}, "storage_price": 0.02}
    expected = 100 * 2 * DAYS * DAYS / 2 / MONTH * 0.02
    assert line("checkpoint_storage", costs) == pytest.approx(expected)
    few = {**costs, "checkpoints": {**costs["checkpoints"], "kept": 2}}
    assert line("checkpoint_storage", few) == pytest.approx(100 * 2 * (DAYS - 0.5) / MONTH * 0.02)


def test_data_storage_by_hand():
    given = {"data": {"size": "44 TB", "days": "6 months"}, "storage_price": "20 USD/TB/month"}
    assert line("data_storage", given) == pytest.approx(44 * (DAYS / MONTH + 6) * 20)
    tokens = {"data": {"bytes_per_token": 4, "days": 0}, "storage_price": "20 USD/TB/month"}
    assert line("data_storage", tokens) == pytest.approx(4 * DAYS / MONTH * 20)  # 1T tokens


def test_data_of_several_epochs_are_stored_once():
    run = cm.Scenario(
        architecture="llama-3.1-8b",
        recipe=cm.FullFineTuning(tokens="1B", epochs=3, gpu_hours=240),
        cluster=cm.Cluster("H100-SXM", 8),
        prices=cm.Rental(price=2),
    )
    costs = {"data": {"bytes_per_token": 4, "days": 0}, "storage_price": "20 USD/TB/month"}
    assert line("data_storage", costs, run) == pytest.approx(4e-3 * 30 / 24 / MONTH * 20)


def test_assumed_defaults_by_hand():
    """8 checkpoints, 105 days beside the run, 3 bytes per token, 1 % of the GPU-hours."""
    costs = {"checkpoints": {"size": 100}, "data": {}, "evaluation": {}, "storage_price": "0.02 USD/GB/month"}
    stored = (DAYS + 104.64) / MONTH * 0.02
    assert line("checkpoint_storage", costs) == pytest.approx(100 * 8 * stored, rel=1e-4)
    assert line("data_storage", costs) == pytest.approx(3000 * stored, rel=1e-4)
    assert line("evaluation", costs) == pytest.approx(0.01 * COST)


def test_lines_are_explained():
    estimate = cm.estimate(RUN.replace(other_costs=ALL))
    explained = estimate.explain("cost.data_storage")
    assert "other_costs.data.bytes_per_token" in str(explained) and "cost.rent" not in str(explained)
    (row,) = [row for row in estimate.sensitivity("cost.egress") if row["input"] == "other_costs.egress_price"]
    assert row["unit"] == "USD" and row["low"] < estimate.value("cost.egress") < row["high"]
    with pytest.raises(cm.InputError, match=r"unknown figure 'cost\.rentt'"):
        estimate.explain("cost.rentt")
    unknown = RUN.replace(prices=cm.Rental(provider="lambda", on="2018-01-01"), other_costs={"evaluation": {}})
    with pytest.raises(cm.MissingFactError, match=r"cost\.evaluation is not known: prices\.price"):
        cm.estimate(unknown).sensitivity("cost.evaluation")


def test_egress_by_hand():
    assert line("egress", {"egress": {"size": "2 TB"}, "egress_price": "0.09 USD/GB"}) == pytest.approx(180)
    parts = {
        "checkpoints": {"size": "112 GB"},
        "data": {"size": "3 TB"},
        "egress": {"checkpoints": 2, "data_share": 0.5},
        "egress_price": "90 USD/TB",
    }
    assert line("egress", parts) == pytest.approx((0.224 + 1.5) * 90)
    assert line("egress", {"egress": {}, "checkpoints": {"size": 100}, "egress_price": 0.1}) == pytest.approx(10)
    assert line("egress", {"egress": {"checkpoints": 0}, "egress_price": 0.1}) == 0
    no_storage = {"egress": {}, "egress_price": 0.1}
    assert line("egress", no_storage) == pytest.approx(14 * EXACT.architecture.parameters.total / GB * 0.1)


def test_evaluation_by_share_hours_and_tokens():
    assert line("evaluation", {"evaluation": {"share": "2 %"}}) == pytest.approx(0.02 * COST)
    assert line("evaluation", {"evaluation": {"gpu_hours": 500}}) == pytest.approx(500 * 2)
    assert line("evaluation", {"evaluation": {}}) == pytest.approx(default("evaluation_gpu_hours").value * COST)


def test_evaluated_tokens_cost_what_serving_them_costs():
    served = cm.Serving(
        RUN.architecture,
        cm.Cluster("H100-SXM", 512),
        input_tokens=1000,
        output_tokens=500,
        concurrency=16 * 512,
        prices=cm.Rental(price=2),
    )
    cost = cm.estimate(served).cost_per_million_tokens
    for name, per_million in (("scored_tokens", cost.input), ("generated_tokens", cost.output)):
        expected = 1000 * per_million.to("USD").magnitude
        assert line("evaluation", {"evaluation": {name: "1B"}}) == pytest.approx(expected, rel=0.02)
        assert line("evaluation", {"evaluation": {name: "2B"}}) == pytest.approx(2 * expected, rel=0.02)


def test_a_model_that_cannot_be_served_leaves_the_line_open_with_the_reason():
    run = EXACT.replace(architecture={"total": "7B"}, other_costs={"evaluation": {"scored_tokens": "1B"}})
    *_, evaluation, total = cm.estimate(run).bill().rows()
    assert evaluation["usd"] is None and total["usd"] is None
    assert "cannot be served" in evaluation["note"]


def test_shares_are_of_the_cost_of_the_final_run():
    costs = {"failed_runs": 0.1, "experiments": 0.5, "checkpoints": {}, "staff": "1 M$"}
    assert line("failed_runs", costs) == pytest.approx(0.1 * COST)
    assert line("experiments", costs) == pytest.approx(0.5 * COST)
    assert line("rd_staff", costs) == 1e6
    assert line("experiments", {"rd_multiplier": 3}) == pytest.approx(2 * COST)
    distilled = cm.Scenario(
        architecture="llama-3.1-8b",
        recipe=cm.Distillation(tokens=5e6, api="claude-haiku-4-5", api_provider="anthropic"),
        cluster=cm.Cluster("H100-SXM", 8),
        prices=cm.Rental(price=2),
        other_costs={"failed_runs": 0.1, "evaluation": {"share": 0.1}},
    )
    bought = cm.estimate(distilled)
    rent, purchases = (bought.value(f"cost.{name}") for name in ("rent", "purchases"))
    assert bought.value("cost.failed_runs") == pytest.approx(0.1 * (rent + purchases))  # made again for each run
    assert bought.value("cost.evaluation") == pytest.approx(0.1 * rent)


def test_the_share_of_staff_is_that_of_the_whole_bill():
    estimate = cm.estimate(RUN.replace(other_costs=ALL))
    share = estimate.draws("cost.rd_staff") / estimate.draws("cost")
    assert np.quantile(share, [0.1, 0.9]) == pytest.approx([0.2, 0.4], rel=0.03)


def test_a_development_never_costs_less_than_its_final_run():
    estimate = cm.estimate(EXACT.replace(scope="development"))
    multiplier, experiments = (estimate.draws(name) for name in ("other_costs.rd_multiplier", "cost.experiments"))
    assert multiplier.min() < 1 and experiments.min() == 0
    np.testing.assert_allclose(experiments[multiplier > 1] / COST, multiplier[multiplier > 1] - 1)


def test_development_switches_experiments_and_staff_on():
    estimate = cm.estimate(EXACT.replace(scope="development"))
    lines = {row["line"]: row for row in estimate.bill().rows()}
    assert list(lines) == ["rent", "experiments", "rd_staff", "total"]
    assert lines["rent"]["usd"] == pytest.approx(COST)
    multiplier, share = (estimate.inputs[f"other_costs.{name}"] for name in ("rd_multiplier", "staff_share"))
    assert lines["total"]["usd"] == pytest.approx(COST * multiplier.value / (1 - share.value))
    assert "arXiv 2405.21015" in multiplier.provenance.source and "arXiv 2405.21015" in share.provenance.source
    assert "development.csv" not in estimate.cite() and "2405.21015" in estimate.cite()


def test_given_experiments_replace_those_of_the_multiplier():
    development = EXACT.replace(scope="development")
    run = development.replace(other_costs={"experiments": 0.4, "staff": 0})
    assert cm.estimate(run).value("cost") == pytest.approx(1.4 * COST)
    assert "other_costs.failed_runs is not given and counts as 0" in cm.estimate(run).notes()
    both = development.replace(other_costs={"experiments": 0.4, "failed_runs": 0.1, "staff": 0})
    assert cm.estimate(both).value("cost") == pytest.approx(1.5 * COST)
    assert not any("counts as 0" in note for note in cm.estimate(both).notes())
    evaluated = development.replace(other_costs={"evaluation": {}})
    assert any("rd_multiplier may contain evaluation" in note for note in cm.estimate(evaluated).notes())


def test_experiments_beside_the_trials_of_a_recipe_are_pointed_out():
    recipe = cm.LoRA(tokens="20M", trials=4, gpu_hours=24)
    run = cm.Scenario("llama-3.1-8b", recipe, cm.Cluster("H100-SXM", 1), prices=cm.Rental(price=2))
    expected = "recipe.trials are part of the run; experiments are added to them"
    assert expected in cm.estimate(run.replace(scope="development")).notes()
    assert expected in cm.estimate(run.replace(other_costs={"experiments": 0.1})).notes()
    assert expected not in cm.estimate(run).notes()


@pytest.mark.parametrize("path", ["other_costs.storage_price", "other_costs.egress_price"])
@given(factor=st.floats(0.01, 100))
@settings(deadline=None, max_examples=10)
def test_lines_are_linear_in_their_price(path, factor):
    run = EXACT.replace(other_costs={"checkpoints": {}, "data": {}, "egress": {}})
    base, scaled = cm.estimate(run.replace({path: 0.02})), cm.estimate(run.replace({path: 0.02 * factor}))
    priced = ("checkpoint_storage", "data_storage") if "storage" in path else ("egress",)
    for name in ("checkpoint_storage", "data_storage", "egress"):
        times = factor if name in priced else 1.0
        np.testing.assert_allclose(scaled.draws(f"cost.{name}"), times * base.draws(f"cost.{name}"), rtol=1e-12)


@given(factor=st.floats(0.01, 100))
@settings(deadline=None, max_examples=10)
def test_shares_of_the_run_are_linear_in_its_price(factor):
    run = EXACT.replace(other_costs={"evaluation": {"gpu_hours": 10}, "rd_multiplier": 2, "staff_share": 0.3})
    base, scaled = cm.estimate(run), cm.estimate(run.replace({"prices.price": 2 * factor}))
    for row, times in zip(base.bill().rows(), scaled.bill().rows(), strict=True):
        assert times["usd"] == pytest.approx(factor * row["usd"])


def test_shares_of_owned_hardware_are_of_all_its_lines():
    owned = RUN.replace(prices=cm.Ownership())
    estimate = cm.estimate(owned.replace(other_costs={"failed_runs": 0.1, "evaluation": {"share": 0.02}, "data": {}}))
    run = cm.estimate(owned)
    assert estimate.value("cost.failed_runs") == pytest.approx(0.1 * run.value("cost"))
    assert estimate.value("cost.evaluation") == pytest.approx(0.02 * run.value("cost"))
    assert any("owned hardware has storage of its own" in note for note in estimate.notes())
    assert not any("owned hardware has storage" in note for note in run.notes())


def test_prices_are_those_of_the_provider_of_the_rent():
    run = RUN.replace(prices=cm.Rental(provider="aws"), other_costs={"checkpoints": {}, "egress": {}})
    inputs = cm.estimate(run).inputs
    assert inputs["other_costs.storage_price"].shown()[0] == pytest.approx(0.023)
    assert inputs["other_costs.egress_price"].shown()[0] == pytest.approx(0.09)
    named = cm.estimate(run.replace({"other_costs.provider": "coreweave", "other_costs.storage": "file"}))
    assert named.inputs["other_costs.storage_price"].shown()[0] == pytest.approx(0.07 * 1e9 / 2**30)
    assert named.value("cost.egress") == 0


def test_without_a_known_provider_the_median_is_taken_and_the_notes_say_so():
    for prices, missing in ((cm.Rental(price=2), ""), (cm.Rental(provider="lambda"), "at lambda is known")):
        estimate = cm.estimate(RUN.replace(prices=prices, other_costs={"checkpoints": {}}))
        price = estimate.inputs["other_costs.storage_price"]
        assert price.shown()[0] == pytest.approx(0.023) and price.spread is not None
        (note,) = (note for note in estimate.notes() if note.startswith("other_costs.storage_price: "))
        assert "median of 7 providers" in note and missing in note


def test_a_price_that_is_newer_than_the_run_is_pointed_out():
    run = RUN.replace(prices=cm.Rental(provider="aws", on="2024-06-01"), other_costs={"checkpoints": {}})
    notes = cm.estimate(run).notes()
    assert "other_costs.storage_price: a price of 2026 for 2024-06-01; no older one is known" in notes
    newest = cm.estimate(run.replace({"prices.on": "2026-11-01"})).notes()
    assert not any(note.startswith("other_costs.storage_price") for note in newest)


def test_a_given_provider_without_the_price_leaves_the_line_open():
    run = RUN.replace(other_costs={"checkpoints": {}, "provider": "oci", "storage": "file"})
    rows = {row["line"]: row for row in cm.estimate(run).bill().rows()}
    assert rows["rent"]["usd"] is not None and rows["total"]["usd"] is None
    assert "no price of file storage at oci is known" in rows["checkpoint_storage"]["note"]
    with pytest.raises(cm.InputError, match=r"other_costs\.provider: .*'ocii'; did you mean 'oci'"):
        run.replace({"other_costs.provider": "ocii"})


def test_every_printed_path_can_be_set():
    run = RUN.replace(other_costs={**ALL, "evaluation": {"scored_tokens": "1B"}})
    estimate = cm.estimate(run)
    settable = [row["path"] for row in estimate.explain().inputs if row["settable"]]
    own = [path for path in settable if path.startswith("other_costs.")]
    assert {"other_costs.checkpoints.kept", "other_costs.egress_price", "other_costs.staff_share"} <= set(own)
    for path in own:
        value, _ = estimate.inputs[path].shown()
        changed = cm.estimate(run.replace({path: 0.5 * value + 0.1 if path.endswith("share") else 2 * value}))
        assert changed.inputs[path].provenance.kind == "given"
        assert changed.value("cost") != estimate.value("cost"), path


def test_recipes_in_sequence_store_the_data_of_all_and_the_largest_checkpoint():
    stages = [cm.Pretraining(tokens="1T", gpu_hours=50_000), cm.LoRA(tokens="20B", epochs=2, gpu_hours=1000)]
    costs = {"egress": {"data_share": 1}, "data": {"bytes_per_token": 4}, "egress_price": 0.1}
    run = EXACT.replace(recipe=stages, mfu=None, goodput=None, other_costs=costs)
    expected = (14 * EXACT.architecture.parameters.total + 4 * (1e12 + 20e9)) / GB * 0.1
    assert cm.estimate(run).value("cost.egress") == pytest.approx(expected)


def test_other_costs_are_swept():
    run = EXACT.replace(other_costs={"failed_runs": 0.1})
    swept = cm.sweep(run, {"other_costs.failed_runs": [0.0, 0.25, 0.5]})
    assert list(swept.to_frame()["cost"]) == pytest.approx([COST, 1.25 * COST, 1.5 * COST])


def test_a_file_holds_other_costs(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text(
        'architecture = "llama-3.1-8b"\n[recipe]\ntokens = "1T"\n[cluster]\naccelerator = "H100-SXM"\ncount = 512\n'
        '[other_costs]\nfailed_runs = "10 %"\negress_price = "0.05 to 0.1 USD/GB"\n'
        '[other_costs.checkpoints]\nkept = 3\n[other_costs.egress]\nsize = "1000 GB"\n',
        encoding="utf-8",
    )
    run = cm.Scenario.load(file)
    assert run.other_costs == cm.OtherCosts(
        failed_runs=0.1, egress_price="0.05 to 0.1 USD/GB", checkpoints={"kept": 3}, egress={"size": 1000}
    )
    run.save(tmp_path / "again.toml")
    assert cm.Scenario.load(tmp_path / "again.toml") == run
    assert cm.Scenario.load(file, {"other_costs.checkpoints.kept": 4}).other_costs.checkpoints.kept == 4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rd_multiplier": 2, "experiments": 0.1}, r"rd_multiplier covers experiments and failed runs"),
        ({"rd_multiplier": 2, "failed_runs": 0.1}, r"leave out it or failed_runs"),
        ({"rd_multiplier": 0.9}, r"rd_multiplier: must be a number at least 1"),
        ({"staff": 1, "staff_share": 0.1}, r"staff and staff_share are both given"),
        ({"staff_share": 1}, r"staff_share: must be a number at least 0 and below 1"),
        ({"failed_runs": -0.1}, r"failed_runs: must be a number at least 0"),
        ({"storage_price": 0.02}, r"storage_price has no effect: no storage is given"),
        ({"egress_price": 0.02}, r"egress_price has no effect: no egress is given"),
        ({"provider": "aws"}, r"provider has no effect"),
        ({"checkpoints": {}, "storage": "file", "storage_price": 0.1}, r"storage_price is given, so storage has no"),
        ({"checkpoints": {}, "storage": "tape"}, r"storage: "),
        ({"checkpoints": {"kept": 0}}, r"checkpoints\.kept: must be a number at least 1"),
        ({"checkpoints": {"size": "3 hours"}}, r"checkpoints\.size: .*wrong dimension"),
        ({"data": {"size": 1, "bytes_per_token": 1}}, r"data: size and bytes_per_token are both given"),
        ({"egress": {"size": 1, "checkpoints": 1}}, r"egress: size is given"),
        ({"evaluation": {"share": 0.1, "gpu_hours": 1}}, r"evaluation: share and gpu_hours are given"),
        ({"evaluation": {"share": 0.1, "scored_tokens": 1}}, r"share and scored_tokens or generated_tokens are given"),
        ({"evaluations": {}}, r"evaluations: unknown field .*did you mean 'evaluation'"),
    ],
)
def test_contradictions_and_bad_values_are_refused(fields, message):
    with pytest.raises(cm.InputError, match=message):
        cm.OtherCosts(**fields)


def test_all_problems_are_reported_at_once():
    with pytest.raises(cm.InputError) as caught:
        EXACT.replace(other_costs={"failed_runs": -1, "checkpoints": {"kept": 0}, "egres": {}})
    assert len(caught.value.problems) == 3 and all(each.startswith("other_costs.") for each in caught.value.problems)
