"""Properties of all estimates: linearity, totals, intervals, draws, units and errors."""

import itertools
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.estimation.chain import OUTPUTS, Missing, run
from costmodel.estimation.inputs import resolve

tokens = st.floats(1e8, 1e15)  # more than a step of 4.2 M tokens, also times 0.1
prices = st.floats(0.01, 100)


def scenario(**changes):
    base = cm.Scenario(
        architecture="llama-3.1-8b",
        recipe=cm.Pretraining(tokens="15T", sequence_length=8192, batch_size=512),
        cluster=cm.Cluster("H100-SXM", 1024, site=cm.Site(region="us-virginia")),
        prices=cm.Rental(provider="lambda", on="2026-09-01"),
    )
    return base.replace(changes)


@settings(max_examples=30, deadline=None)
@given(tokens, st.floats(0.1, 10))
def test_linear_in_tokens(amount, factor):
    one, other = (cm.estimate(scenario(**{"recipe.tokens": each})) for each in (amount, factor * amount))
    for name in ("flops", "gpu_hours", "wall_time", "energy", "carbon", "water", "cost"):
        assert other.value(name) == pytest.approx(factor * one.value(name), rel=1e-9)
    assert other.value("utilization") == pytest.approx(one.value("utilization"), rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(prices, st.floats(0.1, 10))
def test_linear_in_price_and_in_nothing_else(price, factor):
    one, other = (cm.estimate(scenario(prices={"price": each})) for each in (price, factor * price))
    assert other.value("cost") == pytest.approx(factor * one.value("cost"), rel=1e-9)
    for name in set(OUTPUTS) - {"cost"}:
        assert other.value(name) == one.value(name)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 20))
def test_the_unit_of_a_price_does_not_matter(price):
    spelled = (f"{price} USD/hour", f"${price}/h", f"{price * 24} USD/day", f"{price / 1000} kUSD/gpu/hour")
    costs = [cm.estimate(scenario(prices={"price": each})).value("cost") for each in (price, *spelled)]
    assert costs == pytest.approx([costs[0]] * len(costs), rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=4), st.lists(st.floats(1e9, 1e15), min_size=1, max_size=4))
def test_scalar_equals_element_of_an_array(mfus, amounts):
    one = scenario(mfu=0.4)
    resolved = resolve(one)
    chain, known = resolved.steps, resolved.missing | {path: each.value for path, each in resolved.inputs.items()}
    grid = {"mfu": np.array(mfus)[:, None], "recipe.tokens": np.array(amounts)}
    together = run(chain, known | grid)
    for row, mfu in enumerate(mfus):
        for column, amount in enumerate(amounts):
            alone = run(chain, known | {"mfu": mfu, "recipe.tokens": amount})
            for name in ("cost", "carbon", "wall_time"):
                assert together[name][row, column] == pytest.approx(alone[name], rel=1e-15)


def test_stages_add_up():
    parts = [cm.Pretraining(tokens="14T", sequence_length=4096), cm.Pretraining(tokens="1T", sequence_length=32768)]
    whole = cm.estimate(scenario(recipe=parts))
    alone = [cm.estimate(scenario(recipe=part)) for part in parts]
    together = sum(alone)
    for name in ("flops", "gpu_hours", "wall_time", "energy", "carbon", "water", "cost"):
        assert whole.value(name) == pytest.approx(sum(one.value(name) for one in alone), rel=1e-12)
        assert together.value(name) == pytest.approx(whole.value(name), rel=1e-12)
        # the stages share what is uncertain, so the interval of the sum is that of the whole
        assert together.bounds(name) == pytest.approx(whole.bounds(name), rel=1e-9)


def test_estimates_of_two_scopes_are_neither_added_nor_compared():
    run_cost = cm.estimate(scenario())
    development = cm.estimate(scenario(scope="development"))
    with pytest.raises(cm.InputError, match="different scope cannot be added"):
        _ = run_cost + development
    with pytest.raises(cm.InputError, match=r"different scope cannot be compared .*; give all the same scope"):
        cm.compare({"run": run_cost, "all": development})


def test_intervals_nest_and_hold_the_value():
    est = cm.estimate(scenario())
    for name in (row["quantity"] for row in est.rows()):
        levels = [est.bounds(name, level) for level in (0.5, 0.8, 0.95)]
        for (low, high), (wider_low, wider_high) in itertools.pairwise(levels):
            assert wider_low <= low <= est.value(name) <= high <= wider_high


def test_an_estimate_of_plain_numbers_has_an_interval_that_narrows():
    wide = cm.estimate(scenario()).bounds("cost")
    narrow = cm.estimate(scenario(mfu="0.38 to 0.40", goodput=0.9)).bounds("cost")
    exact = cm.estimate(scenario(mfu=0.39, goodput=0.9)).bounds("cost")
    assert wide[1] - wide[0] > 5 * (narrow[1] - narrow[0]) > 0
    assert exact[0] == exact[1]


def test_same_seed_same_digits():
    first, again = cm.estimate(scenario()), cm.estimate(scenario())
    assert first.to_dict() == again.to_dict()
    assert cm.estimate(scenario(seed=1)).bounds("cost") != first.bounds("cost")


def test_a_range_on_one_input_leaves_the_draws_of_the_others_alone():
    plain, ranged = cm.estimate(scenario()), cm.estimate(scenario(prices={"price": "2 to 3 USD/hour"}))
    for name in ("mfu", "gpu_hours", "energy", "carbon", "water"):
        assert np.array_equal(plain.draws(name), ranged.draws(name))
    assert np.ptp(ranged.draws("cost") / ranged.draws("gpu_hours")) > 0


def test_scenarios_share_their_random_numbers():
    one, other = (cm.estimate(scenario(**{"recipe.tokens": each})) for each in ("1T", "2T"))
    assert np.allclose(other.draws("cost") / one.draws("cost"), 2)
    middle, low, high = cm.compare({"a": one, "b": other}).ratio("cost", "b", "a")
    assert (middle, low, high) == pytest.approx((2, 2, 2))


def test_the_number_of_draws_does_not_change_the_interval():
    est = cm.estimate(scenario())
    few, many = est.draws("cost", 5_000), est.sample(100_000)["cost"]
    assert np.median(few) == pytest.approx(np.median(many), rel=0.03)
    assert many.shape == (100_000,)


def test_a_missing_fact_stops_only_what_needs_it():
    est = cm.estimate(scenario(prices={"provider": "lambda", "on": "2019-01-01"}))
    with pytest.raises(cm.MissingFactError, match="the first is of 2024-01-29"):
        _ = est.cost
    assert est.energy.magnitude > 0
    assert "cost" not in est.to_dict()["figures"]
    assert "2024-01-29" in str(est)


def test_an_accelerator_without_peak_still_has_a_price_of_hours():
    chip = cm.Accelerator("chip-x", tdp=500)
    fields = {"cluster": cm.Cluster(chip, 8), "prices": {"price": 1.5}}
    with pytest.raises(cm.MissingFactError, match="no dense bf16 peak is known for chip-x"):
        _ = cm.estimate(scenario(**fields)).cost
    assert cm.estimate(scenario(**fields, gpu_hours=100)).value("cost") == pytest.approx(150)


def test_mfu_is_missing_where_gpu_hours_are_given():
    est = cm.estimate(scenario(gpu_hours="600k"))
    with pytest.raises(cm.MissingFactError, match="gpu_hours are given"):
        _ = est.mfu
    assert 0.2 < est.utilization.magnitude < 0.5


def test_an_unknown_figure_is_no_missing_one():
    with pytest.raises(cm.InputError, match="unknown figure 'compute'; known: carbon"):
        cm.estimate(scenario()).value("compute")


def test_step_time_follows_from_the_batch():
    est = cm.estimate(scenario(mfu=0.4))
    flops = cm.count_flops(cm.load_architecture("llama-3.1-8b"), 8192, 512).training
    assert est.step_time.to("s").magnitude == pytest.approx(flops / (1024 * 989.4e12 * 0.4), rel=1e-12)


def test_every_input_has_a_provenance():
    est = cm.estimate(scenario())
    for row in (row for name in ("cost", "carbon", "water", "electricity_cost") for row in est.explain(name).rows()):
        assert row["kind"] in {"given", "looked up", "fitted", "assumed"}
        if row["kind"] != "given":
            assert row["source"], row["path"]
    sources = est.cite()
    assert "lambda.ai/pricing" in sources
    assert "eGRID" in sources
    kinds = {row["path"]: row["kind"] for row in est.explain("cost").rows()}
    assert kinds["recipe.tokens"] == "given"
    assert kinds["recipe.mfu"] == kinds["recipe.realized_efficiency"] == "fitted"
    assert kinds["prices.price"] == "looked up"


def test_sensitivity_ranks_the_largest_contribution_first():
    est = cm.estimate(scenario(prices={"price": "1 to 6 USD/hour"}, mfu="0.38 to 0.42", goodput=0.9))
    rows = est.sensitivity("cost")
    assert [row["input"] for row in rows] == ["prices.price", "mfu"]
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert rows[0]["low"] < est.value("cost") < rows[0]["high"]


def test_exports_agree():
    est = cm.estimate(scenario())
    figures = est.to_dict()["figures"]
    frame = est.to_frame()
    for row in est.rows():
        assert figures[row["quantity"]]["value"] == row["value"] == frame.loc[row["quantity"], "value"]
    assert est.to_dict()["data_hash"] in str(est)
    assert est.to_markdown().count("|") > 20


def test_names_are_inert_in_html():
    est = cm.estimate(scenario(name="<script>alert(1)</script>"))
    assert "<script>" not in est._repr_html_()


def test_estimates_and_scenarios_pickle():
    est = cm.estimate(scenario())
    copy = pickle.loads(pickle.dumps(est))
    assert copy.to_dict() == est.to_dict()
    assert pickle.loads(pickle.dumps(scenario())) == scenario()


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_scenarios_survive_a_file(tmp_path, suffix):
    path = tmp_path / f"run.{suffix}"
    own = cm.Accelerator("mine", bf16="500 TFLOP/s", tdp=600)
    for original in (
        scenario(mfu="0.35 to 0.45"),
        scenario(mfu=cm.beta(20, 30), prices={"price": cm.samples([2, 2.5], "USD/hour")}),
        scenario(recipe=[cm.Pretraining(tokens="1T"), cm.Pretraining(tokens="2B", gpu_hours="1k")]),
        scenario(architecture={"total": "7B", "layers": 32, "width": 4096}, cluster=cm.Cluster(own, 8)),
        scenario(architecture=cm.load_architecture("llama-3.1-8b").replace(tied=True)),
    ):
        original.save(path)
        loaded = cm.Scenario.load(path)
        assert cm.estimate(loaded).to_dict()["figures"] == cm.estimate(original).to_dict()["figures"]


def test_a_scenario_extends_another(tmp_path):
    scenario().save(tmp_path / "base.toml")
    (tmp_path / "big.toml").write_text('extends = "base.toml"\n[cluster]\ncount = 4096\n', encoding="utf-8")
    loaded = cm.Scenario.load(tmp_path / "big.toml", {"mfu": 0.3})
    assert loaded.cluster.count == 4096
    assert loaded.mfu == 0.3
    assert loaded.replace({"cluster.count": 1024, "mfu": None}) == scenario()
    (tmp_path / "base.toml").write_text('extends = "big.toml"\n', encoding="utf-8")
    with pytest.raises(cm.InputError, match="extends itself"):
        cm.Scenario.load(tmp_path / "big.toml")


@pytest.mark.parametrize("path", ["run.yaml", "missing/run.toml"])
def test_a_file_that_cannot_be_written(tmp_path, path):
    with pytest.raises(cm.InputError, match=r"cannot be written|must end in .toml or .json"):
        scenario().save(tmp_path / path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cluster.accelerator": "H100SXM"}, "did you mean 'H100-SXM'"),
        ({"cluster.count": 0}, "cluster.count: .*greater than or equal to 1"),
        ({"cluster.count": 2.5}, "cluster.count"),
        ({"cluster.count": "10 to 20"}, "cluster.count"),
        ({"recipe.tokens": -1}, "recipe.tokens: must be a number in token above 0"),
        ({"recipe.tokens": 0}, "recipe.tokens"),
        ({"recipe.tokens": float("nan")}, "recipe.tokens: .*finite"),
        ({"recipe.tokens": float("inf")}, "recipe.tokens: .*finite"),
        ({"recipe.tokens": 1e60}, "recipe.tokens: .*at most 1e"),
        ({"recipe.tokens": "15 GB"}, "recipe.tokens: .*wrong dimension"),
        ({"recipe.tokens": None}, "recipe.tokens"),
        ({"recipe.token": 1}, "unknown field 'token'; did you mean 'tokens'"),
        ({"recipe": []}, "recipe: give 1 to 100 recipes"),
        ({"mfu": 1.5}, "mfu: must be a number above 0 and at most 1"),
        ({"mfu": "42"}, "mfu: must be a number above 0 and at most 1"),
        ({"mfu": "0.5 to 1.5"}, "mfu: .*must lie between 0 and 1"),
        ({"gpu_hours": 1000, "mfu": 0.4}, "gpu_hours is given"),
        ({"prices": {"price": "2 EUR/hour"}}, "add the exchange rate and its date"),
        ({"prices": {"price": -2}}, "prices.price: must be a number in USD/hour at least 0"),
        ({"prices": {"price": 2, "provider": "lambda"}}, "leave one out"),
        ({"prices": {"purchase_model": "lease"}}, "prices.purchase_model"),
        ({"prices": {"on": "tomorrow"}}, "prices.on: must be a date"),
        ({"cluster.site.pue": 0.9}, "pue: must be a number at least 1"),
        ({"architecture": "lama-3.1-8b"}, "did you mean 'llama-3.1-8b'"),
        ({"scope": "all"}, "scope"),
        ({"seed": -1}, "seed"),
    ],
)
def test_a_wrong_input_names_the_field_and_what_is_allowed(changes, message):
    with pytest.raises(cm.InputError, match=message):
        scenario(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prices": {"provider": "lamda"}}, r"prices\.price: unknown provider 'lamda'; did you mean 'lambda'"),
        ({"cluster.site.region": "us-virgina"}, r"site\.grid_intensity: unknown region 'us-virgina'"),
    ],
)
def test_an_unknown_place_or_provider_is_an_error(changes, message):
    with pytest.raises(KeyError, match=message):
        cm.estimate(scenario(**changes))


def test_a_year_before_the_table_stops_only_what_needs_it():
    est = cm.estimate(scenario(**{"cluster.site.year": 1900}))
    assert isinstance(est.value("carbon"), Missing)
    with pytest.raises(cm.MissingFactError, match="no grid intensity of US-VA is known for 1900"):
        _ = est.carbon
    assert est.cost.magnitude > 0


def test_gpu_hours_below_the_peak_rate_are_refused():
    with pytest.raises(cm.InputError, match="600 GPU-hours are too few"):
        cm.estimate(scenario(gpu_hours=600))  # meant as 600k


def test_a_precision_that_the_accelerator_lacks_is_refused():
    with pytest.raises(cm.InputError, match=r"recipe\.precision: no dense fp8 peak is known for A100-80GB-SXM"):
        cm.estimate(scenario(**{"recipe.precision": "fp8", "cluster.accelerator": "A100-80GB-SXM"}))


def test_mfu_refers_to_the_bf16_peak_whatever_the_precision():
    fp32, bf16, fp8 = (
        cm.estimate(scenario(**{"recipe.precision": each})).value("mfu") for each in ("fp32", "bf16", "fp8")
    )
    assert fp32 < 66.9 / 989.4 < bf16 < fp8 < 2 * bf16  # attention stays in 16 bits


def test_a_slow_precision_lowers_the_class_default_and_a_fast_one_does_not_raise_it():
    by_class = {"architecture": {"total": "8B"}}
    fp32, bf16, fp8 = (
        cm.estimate(scenario(**by_class, **{"recipe.precision": each})) for each in ("fp32", "bf16", "fp8")
    )
    assert fp32.value("mfu") < bf16.value("mfu") * 66.9 / 989.4 * 1.1
    assert fp8.value("mfu") == bf16.value("mfu")


def test_instances_are_billed_whole():
    eight = {"price": 24, "per": "instance"}
    costs = [cm.estimate(scenario(**{"cluster.count": count}, prices=eight, mfu=0.4, goodput=1)) for count in (8, 9)]
    hours = costs[0].value("gpu_hours") / 3600
    assert costs[0].value("cost") == pytest.approx(hours * 3)
    assert costs[1].value("cost") == pytest.approx(hours * 3 * 16 / 9)


def test_an_edited_accelerator_is_written_in_full(tmp_path):
    edited = scenario(**{"cluster.accelerator.bf16": 500})
    edited.save(tmp_path / "run.toml")
    assert cm.Scenario.load(tmp_path / "run.toml").cluster.accelerator.bf16 == 500
    assert scenario().to_data()["cluster"]["accelerator"] == "H100-SXM"


def test_a_config_with_nulls_and_an_asserted_family_survive_a_file(tmp_path):
    config = {
        "model_type": "deepseek_v3", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4,
        "num_attention_heads": 4, "vocab_size": 100, "n_routed_experts": 8, "num_experts_per_tok": 2,
        "q_lora_rank": None, "pad_token_id": None, "rope_scaling": {"factor": None},
    }  # fmt: skip
    llama = {"model_type": "weird", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
             "num_attention_heads": 4, "vocab_size": 100}  # fmt: skip
    for architecture in (cm.load_architecture(config), cm.load_architecture(llama, family="llama")):
        for path in (tmp_path / "run.toml", tmp_path / "run.json"):
            scenario(architecture=architecture).save(path)
            assert cm.Scenario.load(path).architecture.parameters == architecture.parameters


def test_a_path_in_a_file_is_relative_to_the_file(tmp_path, monkeypatch):
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "small.json").write_text(
        '{"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 2, "vocab_size": 99}', encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    scenario(architecture="configs/small.json").save("run.toml")
    assert 'architecture = "configs/small.json"' in (tmp_path / "run.toml").read_text(encoding="utf-8")
    monkeypatch.chdir(folder)
    assert cm.Scenario.load("../run.toml").architecture.vocabulary == 99


def test_six_problems_are_reported_at_once(tmp_path):
    (tmp_path / "wrong.toml").write_text(
        'architecture = "lama"\nmfu = 3\ncolor = "blue"\n[recipe]\ntokens = "-1T"\n'
        '[cluster]\naccelerator = "H101"\ncount = 0\n',
        encoding="utf-8",
    )
    with pytest.raises(cm.InputError) as caught:
        cm.Scenario.load(tmp_path / "wrong.toml")
    assert len(caught.value.problems) == 6
    for place in ("architecture", "mfu", "color", "recipe.tokens", "cluster.accelerator", "cluster.count"):
        assert any(problem.startswith(place) for problem in caught.value.problems), place


def test_an_unknown_figure_is_refused_with_a_suggestion():
    est = cm.estimate(scenario())
    for ask in (est.interval, est.explain, est.sensitivity, est.draws):
        with pytest.raises(cm.InputError, match="did you mean 'cost'"):
            ask("costs")
    for level in (0, 1, -1, 2):
        with pytest.raises(cm.InputError, match="fraction between 0 and 1"):
            est.interval("cost", level)


def test_no_figure_is_ever_nan_or_infinite():
    extremes = {"recipe.tokens": 1e40, "cluster.count": 10**9, "prices": {"price": 1e9}, "mfu": "0.0001 to 0.9999"}
    est = cm.estimate(scenario(**extremes))
    assert all(np.isfinite(draws).all() for draws in est.sample().values())


def test_a_ratio_of_unrelated_runs_is_wider_than_that_of_two_plans():
    comparison = cm.compare({"a": scenario(), "b": scenario(**{"recipe.tokens": "30T"})})
    paired = comparison.ratio("gpu_hours", "b", "a")
    unpaired = comparison.ratio("gpu_hours", "b", "a", paired=False)
    assert paired == pytest.approx((2, 2, 2))
    assert unpaired[0] == pytest.approx(2, rel=0.1)
    assert unpaired[2] / unpaired[1] > 2
    with pytest.raises(cm.InputError, match="unknown scenario 'c'"):
        comparison.ratio("cost", "c", "a")
    with pytest.raises(cm.InputError, match="different seed"):
        cm.compare({"a": scenario(), "b": scenario(seed=1)})


def test_the_mfu_of_several_stages_is_the_mean_and_their_efficiency_that_of_the_assisted_ones():
    long, short = (
        cm.estimate(cm.Scenario({"total": 5e10}, [cm.Pretraining(tokens="10B"), tune], cm.Cluster("A100-80GB-SXM", 64)))
        for tune in (cm.KTO(tokens="1B"), cm.KTO(tokens="100k"))
    )
    assert long.value("mfu") * long.value("goodput") == pytest.approx(long.value("utilization"))
    assert long.value("mfu") < long.inputs["mfu"].value  # that of the pretraining
    low, high = long.bounds("realized_efficiency")
    assert low < 0.8 < long.value("realized_efficiency") < 1.0 < high
    assert short.value("realized_efficiency") == pytest.approx(1.0, abs=1e-3)


def test_a_comparison_says_a_unit_once_where_value_and_interval_share_it():
    short = cm.Scenario(
        "llama-3.1-8b",
        cm.Pretraining(tokens="10B"),
        cm.Cluster("H100-SXM", 64),
        prices=cm.Rental(price=2.5),
    )
    table = cm.compare({"8B": cm.estimate(short), "longer": cm.estimate(short.replace({"recipe.tokens": "1T"}))})
    cells = {row[""]: row for row in table._cells()}
    assert re.fullmatch(r"\d+ GPU-hours \(\d+ to \d+\)", cells["GPU time"]["8B"])
    assert re.fullmatch(r"[\d.]+ s \([\d.]+ to [\d.]+\)", cells["step time"]["8B"])
    low, high = (table.estimates["8B"].interval("cost")[end].magnitude for end in (0, 1))
    assert low < 1000 < high  # the ends have different units
    assert re.fullmatch(r"\S+ \S+ \(\d+ USD to [\d.]+ k\$\)", cells["cost (final run)"]["8B"])
