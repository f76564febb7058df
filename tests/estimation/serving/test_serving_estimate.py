"""Estimates of serving: consistent figures, costs that add up, intervals, missing facts and errors."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.hardware.site import grid_intensity

NODE = cm.Cluster("H100-SXM", 8)
LENGTHS = {"input_tokens": 1000, "output_tokens": 500}


def serving(name="llama-3.1-70b", cluster=NODE, **fields):
    load = {} if {"concurrency", "requests_per_second", "users"} & set(fields) else {"concurrency": 64}
    quantized = {"precision": "fp8"} if name == "llama-3.1-70b" else {}
    return cm.Serving(name, cluster, **{**LENGTHS, **quantized, **load, "prices": {"price": 2.0}, **fields})


def test_figures_are_consistent():
    estimate = cm.estimate(serving())
    rate = estimate.value("requests_per_second")
    assert estimate.value("output_tokens_per_second") == pytest.approx(500 * rate)
    assert estimate.value("input_tokens_per_second") == pytest.approx(1000 * rate)
    assert estimate.value("tokens_per_second_per_gpu") == pytest.approx(500 * rate / 8)
    assert rate * estimate.value("request_time") == pytest.approx(64, rel=0.01)  # Little's law
    assert estimate.tokens_per_second.per_user.magnitude == pytest.approx(1 / estimate.tpot.magnitude)
    assert estimate.value("batch") == 16 and estimate.deployment.replicas == 4
    assert estimate.max_batch > 64 and estimate.gpus_needed == 2


def test_throughput_is_that_of_the_decode_model():
    """One decode model: `generation` and the estimate of serving agree."""
    estimate = cm.estimate(serving("llama-3.1-8b", concurrency=256))
    result = cm.generation("llama-3.1-8b", NODE, prompt_length=1000, output_length=500, concurrency=256)
    assert estimate.value("output_tokens_per_second") == pytest.approx(result.si.tokens_per_second)
    assert estimate.value("memory") == pytest.approx(result.si.memory)


@pytest.mark.parametrize("load", [{"concurrency": 64}, {"requests_per_second": 3}, {"concurrency": 2}])
@pytest.mark.parametrize("cached_share", [0, 0.6])
def test_prices_of_tokens_add_up_to_the_bill(load, cached_share):
    estimate = cm.estimate(serving(cached_share=cached_share, utilization=0.4, **load))
    cost = estimate.cost_per_million_tokens
    parts = cost.input.magnitude * 1000 * (1 - cached_share) + cost.output.magnitude * 500
    parts += 0 if cost.cached_input is None else cost.cached_input.magnitude * 1000 * cached_share
    request = estimate.value("cost_per_request")
    assert parts / 1e6 == pytest.approx(request)
    assert cost.blended.magnitude * 1500 / 1e6 == pytest.approx(request)
    assert request == pytest.approx(8 * 2.0 / 3600 / estimate.value("requests_per_second") / 0.4)
    assert (cost.cached_input is None) == (cached_share == 0)


@settings(max_examples=10, deadline=None)
@given(st.floats(0.1, 20))
def test_cost_is_linear_in_the_price(price):
    one, other = (cm.estimate(serving(prices={"price": value})) for value in (1.0, price))
    for name in ("cost_per_hour", "input_cost", "output_cost", "blended_cost", "full_load_cost"):
        assert other.value(name) == pytest.approx(price * one.value(name)), name


def test_more_load_makes_tokens_cheaper_and_slower():
    estimates = [cm.estimate(serving(concurrency=count)) for count in (8, 64, 512)]
    costs, speeds = ([each.value(name) for each in estimates] for name in ("output_cost", "tpot"))
    assert costs == sorted(costs, reverse=True) and speeds == sorted(speeds)
    assert all(each.value("full_load_cost") < each.value("blended_cost") for each in estimates[:2])


def test_intervals_hold_the_error_of_the_model():
    estimate = cm.estimate(serving())
    low, high = estimate.bounds("tpot")
    assert high / low == pytest.approx(np.exp(2 * 1.2816 * 0.1524), rel=0.02)
    unknown = cm.estimate(serving(engine="unknown"))
    assert unknown.bounds("tpot")[1] / unknown.bounds("tpot")[0] > 1.5 * high / low
    assert estimate.bounds("cost_per_hour") == (16.0, 16.0)
    rate = cm.estimate(serving(requests_per_second=3))
    assert rate.bounds("requests_per_second") == pytest.approx((3, 3))
    assert rate.bounds("batch")[0] < rate.value("batch") < rate.bounds("batch")[1]


def test_draws_at_a_rate_agree_with_the_central_values():
    estimate = cm.estimate(serving(requests_per_second=12))
    for name in ("tpot", "batch", "energy_per_token", "gpus_needed", "load"):
        assert np.median(estimate.draws(name)) == pytest.approx(estimate.value(name), rel=0.03), name


@pytest.mark.parametrize("rate", [1e-6, 0.01, 5, 19, 300])
@pytest.mark.parametrize("output_tokens", [1, "10 to 2000"])
def test_central_values_lie_in_their_intervals(rate, output_tokens):
    estimate = cm.estimate(serving(requests_per_second=rate, output_tokens=output_tokens))
    for row in estimate.rows():
        if row["value"] is not None:
            assert row["low"] <= row["value"] * (1 + 1e-6), row
            assert row["high"] is None or row["high"] >= row["value"] * (1 - 1e-6), row


def test_waiting_scales_with_the_time_per_token():
    """The error of the first token does not act on the wait for a place, which follows the time per token."""
    waiting = {"concurrency": 4000, "ttft_factor": 1.0}
    plain, slow = (cm.estimate(serving(**waiting, time_factor=factor)) for factor in (1.0, 2.0))
    assert plain.value("ttft") > 100
    assert slow.value("ttft") == pytest.approx(2 * plain.value("ttft"), rel=0.01)
    other = cm.estimate(serving(concurrency=4000, ttft_factor=2.0, time_factor=1.0))
    assert other.value("ttft") == pytest.approx(plain.value("ttft"), rel=0.01)


def test_gpus_needed_meet_the_targets():
    load = {"requests_per_second": 40, "target_tpot": "40 ms"}
    needed = cm.estimate(serving(**load)).gpus_needed
    assert needed > 8
    enough = cm.estimate(serving(cluster=cm.Cluster("H100-SXM", needed), tensor=2, **load))
    assert enough.value("tpot") <= 0.04 and enough.value("load") <= 0.85
    fewer = cm.estimate(serving(cluster=cm.Cluster("H100-SXM", needed - 2), tensor=2, **load))
    assert fewer.value("tpot") > 0.04 or fewer.value("load") > 0.85


def test_users_set_the_target_of_the_time_per_token():
    estimate = cm.estimate(serving(users=200, tokens_per_second_per_user=30))
    assert estimate.deployment.tpot == pytest.approx(1 / 30)
    cluster = cm.Cluster("H100-SXM", estimate.gpus_needed)
    assert cm.estimate(serving(cluster=cluster, concurrency=200, tensor=2)).value("tokens_per_second_per_user") >= 30


def test_a_target_out_of_reach_is_missing_with_the_reason():
    estimate = cm.estimate(serving(target_tpot="2 ms"))
    with pytest.raises(MissingFactError, match=r"gpus_needed is not known: tpot is .* above the target of 2 ms"):
        _ = estimate.gpus_needed
    assert "target missed: tpot" in str(estimate)


def test_speculative_decoding_is_faster_for_few_requests():
    plain, drafted = (
        cm.estimate(serving(concurrency=4, **more)) for more in ({}, {"draft_tokens": 2, "acceptance": 0.8})
    )
    assert 1.3 < plain.value("tpot") / drafted.value("tpot") < 2.44


def test_a_rate_beyond_the_capacity_is_said_in_its_place():
    estimate = cm.estimate(serving(requests_per_second=500))
    with pytest.raises(MissingFactError, match="exceed the capacity"):
        _ = estimate.ttft
    assert estimate.gpus_needed > 100
    rows = {row["quantity"]: row for row in estimate.rows()}
    assert rows["ttft"]["value"] is None and "exceed the capacity" in rows["ttft"]["note"]
    json.dumps(estimate.to_dict(), allow_nan=False)


def test_a_missing_price_or_power_is_missing_in_its_place():
    card = cm.Accelerator("New", bf16=900, memory=96, memory_bandwidth=4000)
    estimate = cm.estimate(serving("llama-3.1-8b", cm.Cluster(card, 1), prices={}))
    with pytest.raises(MissingFactError, match=r"input_cost is not known: no rental price of New"):
        _ = estimate.cost_per_million_tokens
    with pytest.raises(MissingFactError, match="no power of New"):
        _ = estimate.energy_per_token
    assert "no rental price of New" in str(estimate).replace("\n", " ") or "no rental price" in str(estimate)
    assert estimate.value("output_tokens_per_second") > 0


def test_energy_is_power_over_throughput():
    site = {"power_per_gpu": 900, "pue": 1.2}
    estimate = cm.estimate(serving(cluster=cm.Cluster("H100-SXM", 8, site=site)))
    rate = estimate.value("output_tokens_per_second")
    assert estimate.value("energy_per_token") == pytest.approx(8 * 900 * 1.2 / rate)
    modeled = cm.estimate(serving())
    watts = modeled.value("energy_per_token") * modeled.value("output_tokens_per_second") / 8
    assert 400 < watts < 1400


def test_carbon_per_million_tokens_is_the_energy_times_the_grid_of_the_site():
    site = cm.Site(region="FRA")
    estimate = cm.estimate(serving(cluster=cm.Cluster("H100-SXM", 8, site=site)))
    grid = grid_intensity("FRA").value
    expected = estimate.value("energy_per_token") * 1e6 / 3.6e6 * grid
    assert estimate.carbon_per_million_tokens.to("kg").magnitude == pytest.approx(expected)
    assert estimate.draws("carbon_per_million_tokens") == pytest.approx(estimate.draws("energy_per_token") / 3.6 * grid)
    given_grid = cm.estimate(serving(cluster=cm.Cluster("H100-SXM", 8, site=cm.Site(grid_intensity=2 * grid))))
    assert given_grid.value("carbon_per_million_tokens") == pytest.approx(2 * expected)
    assert "kg/Mtok" in str(estimate)


def test_the_table_has_80_columns():
    for estimate in (cm.estimate(serving(prices={})), cm.estimate(serving(requests_per_second=500, prices={}))):
        assert max(map(len, str(estimate).splitlines())) <= 80
        assert "<table>" in estimate._repr_html_() and "output throughput" in estimate.to_markdown()
        assert estimate.to_frame().loc["tpot", "value"] == pytest.approx(estimate.tpot.magnitude)


def test_scenarios_can_be_saved_and_loaded(tmp_path):
    scenario = serving(input_tokens="800 to 1200", requests_per_second=3, target_ttft="500 ms")
    scenario.save(tmp_path / "serving.toml")
    assert cm.Serving.load(tmp_path / "serving.toml") == scenario
    assert cm.Serving.load(tmp_path / "serving.toml", {"cluster.count": 16}).cluster.count == 16


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"users": 3}, "users and tokens_per_second_per_user belong together"),
        ({"concurrency": 3, "requests_per_second": 2}, "got concurrency, requests_per_second"),
        ({"users": 3, "tokens_per_second_per_user": 10, "target_tpot": 0.1}, "target_tpot: tokens_per_second_per_user"),
        ({"engine": "vlm"}, "did you mean 'vllm'"),
        ({"engine": "unknown", "recipe": "tuned"}, "recipe: has no effect"),
        ({"engine_date": "November"}, "engine_date: must be a month"),
        ({"acceptance": 0.5}, "acceptance: has no effect without draft_tokens"),
        ({"draft_tokens": 2}, "acceptance: is needed"),
        ({"precision": "fp5"}, "precision: unknown precision 'fp5'"),
        ({"cache_precision": "fp4"}, "cache_precision: unknown"),
        ({"data_parallel_attention": True}, "has no experts"),
        ({"tensor": 16}, "a replica has 16 accelerators, but the cluster 8"),
        ({"pipeline": 200, "cluster": cm.Cluster("H100-SXM", 200)}, "at most the number of layers, 80"),
        ({"architecture": {"total": "7B"}, "precision": None}, "only counts are known"),
        ({"architecture": "bert-base-uncased", "precision": None}, "must be a decoder"),
        ({"output_tokens": 0}, "output_tokens: must be a number in token at least 1"),
    ],
)
def test_messages(fields, message):
    with pytest.raises(InputError, match=message):
        serving(**{"name": fields.pop("architecture", "llama-3.1-70b"), **fields})


def test_all_problems_come_together():
    with pytest.raises(InputError) as error:
        serving(users=3, acceptance=0.5, engine="vlm", precision="fp5")
    assert len(error.value.problems) == 4


def test_a_precision_that_a_checkpoint_overrules_is_refused():
    config = {
        **{"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32},
        **{"num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256},
        "quantization_config": {"quant_method": "fp8"},
    }
    with pytest.raises(InputError, match=r"precision: has no effect: the checkpoint of .* has 8.* bits per weight"):
        serving(config, precision="bf16")
    stored, small = (cm.estimate(serving(config, **more)) for more in ({}, {"precision": "nvfp4"}))
    assert stored.deployment.served.weights > 1.5 * small.deployment.served.weights


def test_a_latency_without_end_is_said_in_words():
    run = cm.Serving(
        "llama-3.1-70b",
        cm.Cluster("H100-SXM", 8),
        input_tokens=1000,
        output_tokens=300,
        requests_per_second=500,
        target_ttft=0.5,
    )
    notes = cm.estimate(run).notes()
    assert "target missed: ttft grows as long as this load lasts, above 500 ms" in notes
    assert not any("inf" in note.split() for note in notes)
