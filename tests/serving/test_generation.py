"""Throughput of a cluster that generates tokens: replicas, batches, concurrency and errors."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.tables import table
from costmodel.foundation.units import GIB
from costmodel.serving.calibration.constants import default_constants, priors
from costmodel.serving.generation import generation
from costmodel.serving.load.served import MOST_SEQUENCES

NODE = cm.Cluster("H100-SXM", 8)
LENGTHS = {"prompt_length": 500, "output_length": 1000}


def test_replicas_use_the_fewest_accelerators_that_hold_the_model():
    sizes = {
        name: generation(name, NODE, **LENGTHS).accelerators_per_replica
        for name in ("llama-3.1-8b", "llama-3.1-70b", "qwen3-235b-a22b")
    }
    assert sizes == {"llama-3.1-8b": 1, "llama-3.1-70b": 4, "qwen3-235b-a22b": 8}
    assert generation("llama-3.1-405b", NODE, **LENGTHS, precision="fp8").accelerators_per_replica == 8


@pytest.mark.parametrize(("tokens", "accelerators"), [(6800, 1), (7600, 2)])
def test_a_replica_holds_64_sequences(tokens, accelerators):
    """(0.9 × 80 GiB - 16.06 GB) / (131072 bytes × tokens): 68 and 61 sequences on one accelerator."""
    result = generation("llama-3.1-8b", NODE, prompt_length=tokens - 50, output_length=100)
    assert result.accelerators_per_replica == accelerators


def test_results_are_consistent():
    result = generation("llama-3.1-70b", NODE, **LENGTHS, concurrency=64)
    assert result.replicas == 2 and result.batch == 32
    assert result.si.tokens_per_second == pytest.approx(64 / result.si.time_per_output_token)
    assert result.si.gpu_time_per_token == pytest.approx(8 / result.si.tokens_per_second)
    cache = 32 * 80 * 2 * 8 * 128 * 2 * 1000
    assert result.si.memory == pytest.approx((2 * 70553706496 + cache) / 4)
    assert result.spread == default_constants().spreads["dense"]


def test_throughput_of_llama_8b_matches_a_measurement():
    """Llama 3.1 8B on one H100, 128 sequences: measured at 7,037 tokens per second."""
    result = generation(
        "llama-3.1-8b", cm.Cluster("H100-SXM", 1), prompt_length=200, output_length=400, concurrency=128
    )
    assert result.si.tokens_per_second == pytest.approx(7037, rel=0.2)


def test_default_batch_is_the_largest_that_fits_up_to_a_maximum():
    long = generation("llama-3.1-8b", cm.Cluster("H100-SXM", 1), prompt_length=8000, output_length=2000)
    assert long.batch == (0.9 * 80 * GIB - 16060522496) // (9000 * 131072)
    short = generation("llama-3.1-8b", cm.Cluster("H100-SXM", 1), prompt_length=10, output_length=100)
    assert short.batch == MOST_SEQUENCES == 1024


def test_sequences_beyond_the_memory_wait():
    single = cm.Cluster("H100-SXM", 1)
    full = generation("llama-3.1-8b", single, prompt_length=8000, output_length=2000)
    assert generation("llama-3.1-8b", single, prompt_length=8000, output_length=2000, concurrency=10**6) == full


def test_fewer_sequences_than_replicas_leave_replicas_idle():
    alone = generation("llama-3.1-8b", cm.Cluster("H100-SXM", 1), **LENGTHS, concurrency=1)
    node = generation("llama-3.1-8b", NODE, **LENGTHS, concurrency=1)
    assert node.si.tokens_per_second == pytest.approx(alone.si.tokens_per_second)
    assert node.si.gpu_time_per_token == pytest.approx(8 * alone.si.gpu_time_per_token)


def test_an_unmeasured_accelerator_generation_has_a_wider_spread():
    spreads = {
        name: generation("llama-3.1-8b", cm.Cluster(name, 1), **LENGTHS).spread
        for name in ("H100-SXM", "H200-SXM", "B200", "A100-80GB-SXM", "MI300X")
    }
    assert spreads["H100-SXM"] == spreads["B200"] == spreads["H200-SXM"] < spreads["A100-80GB-SXM"] < spreads["MI300X"]
    tpu = cm.Cluster(cm.Accelerator("New", bf16=900, memory=96, memory_bandwidth=4000, generation="new"), 1)
    assert generation("llama-3.1-8b", tpu, **LENGTHS).spread == default_constants().spreads["generation"] > 0.42
    unknown = generation("llama-3.1-8b", cm.Cluster("H100-SXM", 1), **LENGTHS, engine=None, recipe="unknown")
    assert spreads["H100-SXM"] < unknown.spread <= 0.42


@settings(max_examples=30, deadline=None)
@given(st.floats(1, 500), st.floats(1, 500))
def test_more_concurrency_does_not_lower_the_throughput(concurrency, more):
    few, many = (
        generation("qwen3-30b-a3b", NODE, **LENGTHS, concurrency=sequences)
        for sequences in (concurrency, concurrency + more)
    )
    assert few.si.tokens_per_second <= many.si.tokens_per_second * (1 + 1e-12)


def test_fewer_bits_per_weight_are_faster():
    rates = [
        generation("llama-3.1-8b", NODE, **LENGTHS, concurrency=64, precision=precision).si.tokens_per_second
        for precision in ("bf16", "fp8", "int4")
    ]
    assert rates == sorted(rates) and rates[0] < rates[-1]


def test_an_error_lists_all_problems():
    with pytest.raises(InputError) as caught:
        generation("bert-base", NODE, prompt_length=0, output_length=float("nan"), concurrency=True, replicas=3)
    text = str(caught.value)
    for name in ("prompt_length: ", "output_length: ", "concurrency: ", "replicas: ", "architecture: "):
        assert name in text
    assert len(caught.value.problems) == 5


def test_a_model_that_does_not_fit_in_memory_raises_an_error():
    with pytest.raises(InputError, match=r"cluster: .* 1 H100-SXM: 90% of 85 GB is usable.*llama-3.1-70b take 141 GB"):
        generation("llama-3.1-70b", cm.Cluster("H100-SXM", 1), **LENGTHS)
    with pytest.raises(InputError, match=r"cluster: .* 1 H100-SXM"):
        generation("llama-3.1-70b", NODE, **LENGTHS, replicas=8)


def test_missing_shapes_and_facts_raise_an_error():
    with pytest.raises(MissingFactError, match="only counts are known"):
        generation({"total": "7B"}, NODE, **LENGTHS)
    with pytest.raises(MissingFactError, match="memory"):
        generation("llama-3.1-8b", cm.Cluster(cm.Accelerator("My-chip", bf16=500), 8), **LENGTHS)


def test_constants_have_a_source_and_are_few():
    rows = table("fitted/serving").rows
    assert all(row["source"] for row in rows) and len({(row["kind"], row["name"]) for row in rows}) == len(rows)
    fitted = {row["name"]: float(row["value"]) for row in rows if row["kind"] == "fitted"}
    assert len(fitted) <= 25
    assert all(value <= priors()[name].upper for name, value in fitted.items())
