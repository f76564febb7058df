"""The fewest accelerators for a load: they serve it, fewer do not, and the rest has reasons."""

import json

import pytest

import costmodel as cm
from costmodel.foundation.errors import InputError

LENGTHS = {"input_tokens": 1000, "output_tokens": 500}
READERS = {"users": 200, "tokens_per_second_per_user": 20}


def test_the_best_option_serves_the_load_and_one_replica_less_does_not():
    best = cm.size_serving("llama-3.1-70b", accelerators=["H100-SXM"], precisions=["fp8"], **READERS, **LENGTHS).best
    scenario = best.scenario()
    estimate = cm.estimate(scenario)
    assert estimate.value("tokens_per_second_per_user") == pytest.approx(best.tokens_per_second_per_user)
    assert best.tokens_per_second_per_user >= 20 and estimate.gpus_needed == best.gpus
    assert estimate.value("cost_per_hour") == pytest.approx(best.usd_per_hour)
    assert estimate.value("blended_cost") == pytest.approx(best.usd_per_million_tokens)
    fewer = scenario.replace({"cluster.count": best.gpus - best.layout.accelerators})
    assert cm.estimate(fewer).value("tokens_per_second_per_user") < 20


def test_no_layout_needs_fewer_accelerators():
    best = cm.size_serving("llama-3.1-8b", accelerators=["H100-SXM"], precisions=["bf16"], **READERS, **LENGTHS).best
    for tensor in (1, 2, 4, 8):
        cluster = cm.Cluster("H100-SXM", 8)
        assert (
            cm.estimate(cm.Serving("llama-3.1-8b", cluster, tensor=tensor, **READERS, **LENGTHS)).gpus_needed
            >= best.gpus
        )


@pytest.mark.parametrize("objective", ["cost", "gpus"])
def test_options_are_ranked(objective):
    sizes = cm.size_serving("llama-3.1-70b", objective=objective, **READERS, **LENGTHS)
    name = "usd_per_hour" if objective == "cost" else "gpus"
    values = [getattr(size, name) for size in sizes.options]
    assert values == sorted(values) and len(values) >= 30
    assert f"the {'cheapest per hour' if objective == 'cost' else 'fewest GPUs'} first;" in str(sizes)


def test_more_users_and_tighter_targets_need_no_fewer_accelerators():
    def gpus(**load):
        return cm.size_serving(
            "llama-3.1-8b", accelerators=["H100-SXM"], precisions=["fp8"], **{**READERS, **load}, **LENGTHS
        ).best.gpus

    counts = [gpus(users=users) for users in (10, 300, 3000)]
    assert counts == sorted(counts) and counts[0] < counts[-1]
    speeds = [gpus(users=1000, tokens_per_second_per_user=rate) for rate in (10, 30, 60)]
    assert speeds == sorted(speeds) and speeds[0] < speeds[-1]


def test_a_rate_is_served_below_the_allowed_load():
    sizes = cm.size_serving(
        "deepseek-v3", accelerators=["B200"], precisions=["fp8"], requests_per_second=10, target_ttft="1 s", **LENGTHS
    )
    estimate = cm.estimate(sizes.best.scenario())
    assert estimate.value("load") <= 0.85 and estimate.value("ttft") <= 1.0
    assert sizes.best.tokens_per_second == pytest.approx(5000)


def test_what_cannot_serve_has_a_reason():
    sizes = cm.size_serving(
        "llama-3.1-70b", accelerators=["RTX-4090", "H100-SXM"], precisions=["bf16"], users=4,
        tokens_per_second_per_user=45, **LENGTHS,
    )  # fmt: skip
    reasons = {name: reason for name, _, reason in sizes.rejected}
    assert "does not fit" in reasons["RTX-4090"] or "lacks" in reasons["RTX-4090"]
    assert [size.accelerator for size in sizes.options] == ["H100-SXM"]
    none = cm.size_serving(
        "llama-3.1-70b", accelerators=["H100-SXM"], precisions=["bf16"], target_tpot="1 ms", concurrency=4, **LENGTHS
    )
    with pytest.raises(InputError, match=r"H100-SXM in bf16: tpot is .* above the target"):
        _ = none.best


@pytest.mark.parametrize("load", [READERS, {"requests_per_second": 12, "target_tpot": "40 ms"}])
def test_a_probability_adds_a_margin_for_the_error_of_the_predictions(load):
    options = {"accelerators": ["H100-SXM"], "precisions": ["fp8"], **LENGTHS}
    central, safe = (
        cm.size_serving("llama-3.1-70b", probability=share, **load, **options).best for share in (0.5, 0.9)
    )
    assert safe.gpus > central.gpus
    assert cm.estimate(safe.scenario()).target_probability >= 0.89
    assert cm.estimate(central.scenario()).target_probability >= 0.45


def test_a_margin_that_no_load_has_is_said():
    options = {"accelerators": ["H100-SXM"], "precisions": ["fp8"], **LENGTHS}
    sizes = cm.size_serving("llama-3.1-8b", concurrency=8, target_tpot="6.5 ms", probability=0.99, **options)
    assert "no load meets the targets with a probability of 99%" in sizes.rejected[0][2]


def test_a_checkpoint_that_engines_keep_is_one_option():
    config = {
        **{"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32},
        **{"num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256},
        "quantization_config": {"quant_method": "fp8"},
    }
    sizes = cm.size_serving(config, accelerators=["H100-SXM"], concurrency=8, **LENGTHS)
    assert {size.precision for size in sizes.options} == {"stored", "nvfp4", "int4"}
    assert all(cm.estimate(size.scenario()).gpus_needed == size.gpus for size in sizes.options)


def test_a_missing_price_stays_in_its_row():
    card = cm.Accelerator("New", bf16=900, memory=96, memory_bandwidth=4000)
    sizes = cm.size_serving("llama-3.1-8b", accelerators=[card], precisions=["bf16"], concurrency=4, **LENGTHS)
    assert sizes.best.usd_per_hour is None and "no rental price of New" in sizes.best.note
    assert "no rental price of New" in str(sizes) and "not known" in str(sizes)


def test_the_table_has_80_columns():
    sizes = cm.size_serving("deepseek-v3", requests_per_second=10, target_tpot="40 ms", **LENGTHS)
    assert max(map(len, str(sizes).splitlines())) <= 80 and "<table>" in sizes._repr_html_()
    json.dumps(sizes.to_dict()["rejected"], allow_nan=False)
    assert sizes.to_frame().index.names == ["accelerator", "precision"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"objective": "speed"}, "objective: must be 'cost' or 'gpus'"),
        ({"precisions": ["fp5"]}, "unknown precision 'fp5'"),
        ({"probability": 1.0}, "probability: must be a number at least 0.5 and below 1; got 1.0"),
        ({"accelerators": []}, "give at least one of each"),
        ({"users": None}, "give exactly one of"),
    ],
)
def test_messages(fields, message):
    with pytest.raises(InputError, match=message):
        cm.size_serving("llama-3.1-8b", **{**READERS, **LENGTHS, **fields})
