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
        ({"accelerators": []}, "give at least one of each"),
        ({"users": None}, "give exactly one of"),
    ],
)
def test_messages(fields, message):
    with pytest.raises(InputError, match=message):
        cm.size_serving("llama-3.1-8b", **{**READERS, **LENGTHS, **fields})
