"""Time of decode steps and prompts: values by hand, the roofline, and monotonicity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation.errors import MissingFactError
from costmodel.serving.calibration.constants import default_constants, priors
from costmodel.serving.engine.recipes import recipe_of
from costmodel.serving.step.formats import FORMATS, format_of
from costmodel.serving.step.replica import Hardware, Replica, hardware_of
from costmodel.serving.step.timing import Constants, prompt_time, roofline, step_time, time_per_token
from costmodel.serving.step.work import Workload, work_of

H100 = Hardware(peak=989.4e12, attention_peak=989.4e12, bandwidth=3.35e12, link=450e9, memory=80 * 2.0**30)
NOTHING = Constants(*[0.0] * len(Constants._fields))._replace(
    **dict.fromkeys(
        ("bandwidth", "cache_bandwidth", "state_bandwidth", "mfu", "expert_mfu", "prompt_expert_mfu", "expert_balance",
         "attention_mfu", "prompt_attention_mfu", "link"), 1.0,
    )
)  # fmt: skip
"""Constants of a machine at its peaks without overheads."""
FITTED = default_constants().constants(recipe_of(cm.load_accelerator("H100-SXM"), "vllm", "default"), "bf16")
ALONE = Replica()
MODELS = [cm.load_architecture(name) for name in ("llama-3.1-8b", "qwen3-30b-a3b", "gpt-oss-20b", "deepseek-v3")]


def work(model, lengths=(1000, 1000), replica=ALONE, precision="bf16"):
    architecture = cm.load_architecture(model)
    return work_of(architecture, format_of(architecture, precision), "bf16", replica, Workload(*lengths))


def test_roofline_of_one_sequence_by_hand():
    """15.01 GB at 3.35 TB/s: 4.4806 ms, 223.2 tokens per second, at an empty context."""
    empty = work("llama-3.1-8b")._replace(cache_bytes=0.0, score_flops=0.0)
    seconds = step_time(empty, H100, NOTHING, 1.0).weights
    assert seconds == pytest.approx(4.4806e-3, rel=1e-4)
    assert 1 / seconds == pytest.approx(223.2, abs=0.05)


def test_roofline_of_64_sequences_by_hand():
    """64 × 1500 × 131072 bytes of cache: a step of 8.2366 ms; a prompt of 15.435 ms; 6,938 tokens per second."""
    load = work("llama-3.1-8b")
    assert prompt_time(load, H100, NOTHING) == pytest.approx(15.435e-3, rel=1e-4)
    assert roofline(load, H100, 64.0) == pytest.approx(9.2244e-3, rel=1e-4)
    assert 64 / roofline(load, H100, 64.0) == pytest.approx(6938, abs=1)


def test_step_of_one_sequence_by_hand():
    load = work("llama-3.1-8b", (1000, 1e-9))
    step = step_time(load, H100, FITTED, 1.0)
    weights, products = 15_009_849_344 / (FITTED.bandwidth * 3.35e12), load.dense_flops / (FITTED.mfu * 989.4e12)
    assert step.gemm == pytest.approx((weights**3 + products**3) ** (1 / 3))
    assert step.attention == pytest.approx(1000 * 131072 / (FITTED.cache_bandwidth * 3.35e12))
    assert step.exchange == 0
    assert step.launches == pytest.approx(32 * FITTED.layer)
    assert step.host == pytest.approx(FITTED.step + FITTED.sequence)
    assert step.total == pytest.approx(step.gemm + step.attention + step.launches + step.host)
    assert step.software_share == pytest.approx((step.launches + step.host) / step.total)


def test_tensor_parallelism_divides_the_bytes_and_adds_exchange():
    step = step_time(work("llama-3.1-8b", replica=Replica(4)), H100, FITTED, 64.0)
    alone = step_time(work("llama-3.1-8b"), H100, FITTED, 64.0)
    assert step.weights == pytest.approx(alone.weights / 4)
    sent = 64 * 32 * 2 * 2 * 4096 * 2 * (3 / 4) / (0.8 * 450e9)
    assert step.exchange == pytest.approx(sent + 32 * 11e-6 * (1 + 2))


def test_pipeline_stages_read_their_weights_in_turn():
    """A token passes all stages, each with its share of the weights: the time to read them is that of one device."""
    step = step_time(work("llama-3.1-8b", replica=Replica(1, 4)), H100, FITTED, 64.0)
    alone = step_time(work("llama-3.1-8b"), H100, FITTED, 64.0)
    assert step.weights == alone.weights
    assert step.products == pytest.approx(alone.products / 4)
    assert step.attention == pytest.approx(alone.attention / 4)


def test_time_per_token_includes_prompts():
    load = work("llama-3.1-8b", (2000, 100))
    prompts = time_per_token(load, H100, FITTED, 64.0) - step_time(load, H100, FITTED, 64.0).total
    assert prompts == pytest.approx(64 * prompt_time(load, H100, FITTED) / 100)


def test_a_cached_prompt_takes_no_time():
    architecture = cm.load_architecture("llama-3.1-8b")
    cached = work_of(architecture, FORMATS["bf16"], "bf16", Replica(), Workload(1000, 100, cached_share=1.0))
    assert prompt_time(cached, H100, FITTED) == 0


at_bounds = {name: prior.upper for name, prior in priors().items() if prior.upper < 10}
FASTEST = FITTED._replace(
    **{name: min(value, 1.0) for name, value in at_bounds.items() if name in Constants._fields},
    **dict.fromkeys(("layer", "moe_layer", "quantized_layer", "step", "sequence", "prompt_layer", "exchange"), 0.0),
)


@given(
    st.sampled_from(MODELS), st.floats(1, 4000), st.floats(1, 60_000), st.floats(1, 8000), st.sampled_from([1, 2, 8]),
    st.sampled_from([1, 4]), st.sampled_from(sorted(FORMATS)),
)  # fmt: skip
def test_no_time_is_below_the_roofline(model, batch, prompt, output, tensor, stages, precision):
    """Not even with every constant at its bound and no overhead."""
    load = work(model, (prompt, output), Replica(tensor, stages), precision)
    assert time_per_token(load, H100, FASTEST, batch) >= roofline(load, H100, batch) * (1 - 1e-9)


@given(st.sampled_from(MODELS), st.floats(1, 2000), st.floats(1, 2000), st.floats(16, 60_000), st.sampled_from([1, 8]))
def test_a_larger_batch_takes_longer_and_has_higher_throughput(model, batch, more, prompt, tensor):
    load = work(model, (prompt, 500), Replica(tensor))
    few, many = (time_per_token(load, H100, FITTED, size) for size in (batch, batch + more))
    assert few <= many * (1 + 1e-12)
    assert batch / few <= (batch + more) / many * (1 + 1e-12)


@given(st.sampled_from(MODELS), st.floats(1, 500), st.floats(16, 60_000), st.floats(1, 60_000))
def test_a_longer_context_is_not_faster(model, batch, prompt, more):
    short, long = (work(model, (length, 500)) for length in (prompt, prompt + more))
    assert time_per_token(short, H100, FITTED, batch) <= time_per_token(long, H100, FITTED, batch) * (1 + 1e-12)


@given(st.sampled_from(MODELS), st.floats(1, 500), st.sampled_from(["bandwidth", "peak", "attention_peak", "link"]))
def test_a_faster_accelerator_is_not_slower(model, batch, rate):
    load = work(model, replica=Replica(2))
    faster = H100._replace(**{rate: getattr(H100, rate) * 1.5})
    assert time_per_token(load, faster, FITTED, batch) <= time_per_token(load, H100, FITTED, batch)


@given(st.sampled_from(MODELS), st.floats(1, 500))
def test_fewer_bits_per_weight_are_not_slower_without_overheads(model, batch):
    times = [
        time_per_token(work(model, precision=precision), H100, FITTED, batch) for precision in ("bf16", "nvfp4", "int4")
    ]
    overhead = work(model).layers * FITTED.quantized_layer * FITTED.software
    assert times[1] <= times[0] + overhead and times[2] <= times[1] * (1 + 1e-12)


def test_batches_broadcast_over_arrays():
    batches, load = np.array([1.0, 8.0, 64.0]), work("qwen3-30b-a3b", (500, 500))
    vectorized = time_per_token(load, H100, FITTED, batches)
    assert vectorized == pytest.approx([time_per_token(load, H100, FITTED, float(b)) for b in batches], rel=1e-12)


def test_rates_of_a_replica():
    node = cm.Cluster("H100-SXM", 8)
    rates, product = hardware_of(node, 8, "fp8")
    assert (product, rates.link, rates.bandwidth) == ("fp8", 450e9, 3.35e12)
    ampere, product = hardware_of(cm.Cluster("A100-80GB-SXM", 8), 1, "fp8")
    assert product == "bf16" and ampere.peak == cm.load_accelerator("A100-80GB-SXM").peak("bf16")
    bare = cm.Cluster(cm.Accelerator("My-chip", bf16=500), 8)
    with pytest.raises(MissingFactError, match="My-chip lacks memory, memory_bandwidth"):
        hardware_of(bare, 1, "bf16")
    with pytest.raises(MissingFactError, match="link_bandwidth"):
        hardware_of(bare, 2, "bf16")
