"""The probability that a step fits in memory."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation.rendering import percent
from costmodel.training.layouts.fitting import (
    LEAST_PROBABILITY,
    MEMORY_ERROR,
    SAFE_PROBABILITY,
    TooLargeError,
    below,
    fit_probability,
    most_memory,
)

GB = st.floats(0.1, 1e4)


def test_a_step_that_needs_the_usable_memory_fits_with_one_half():
    assert fit_probability(80e9, 80e9) == 0.5


def test_a_margin_of_the_memory_error_fits_in_nine_of_ten_cases():
    assert math.isclose(fit_probability(80e9, MEMORY_ERROR * 80e9), 0.9, rel_tol=1e-6)


def test_certain_failure_is_more_than_a_third_too_much():
    assert fit_probability(4 / 3 * 80e9, 80e9) > LEAST_PROBABILITY > fit_probability(1.5 * 80e9, 80e9) > 0


@given(GB, st.floats(0.01, 0.99))
def test_most_memory_fits_with_its_probability(usable, probability):
    assert fit_probability(most_memory(usable, probability), usable) == pytest.approx(probability)


def test_probability_below_a_limit_is_not_printed_as_the_limit():
    assert below(0.8996, 0.9) == "89.9 %" and below(0.89, 0.9) == "89 %" and below(0.0001, 0.9) == "< 1 %"


@given(GB, GB, GB)
def test_more_memory_is_never_less_probable_to_fit(needed, usable, more):
    assert fit_probability(needed, usable + more) >= fit_probability(needed, usable)
    assert fit_probability(needed + more, usable) <= fit_probability(needed, usable)


def test_probability_of_several_layouts_is_that_of_each():
    needed = np.array([60e9, 80e9, 0.0])
    assert fit_probability(needed, 80e9) == pytest.approx([fit_probability(value, 80e9) for value in (60e9, 80e9, 0.0)])
    assert fit_probability(0.0, 80e9) == 1 and fit_probability(80e9, 0.0) == 0


def given_layout(length, micro_batch=1, count=1):
    recipe = cm.FullFineTuning(tokens="1B", sequence_length=length, batch_size=micro_batch * count)
    layout = cm.Layout(data=count, micro_batch=micro_batch, zero=3, recompute="full", eager=True)
    return cm.Scenario(architecture="llama-3.2-3b", recipe=recipe, cluster=cm.Cluster("H100-SXM", count), layout=layout)


def test_layout_that_may_fail_is_estimated_with_its_probability():
    est = cm.estimate(given_layout(36_864, count=8))
    assert 0.3 < est.fit_probability < SAFE_PROBABILITY
    assert any(f"probability of {percent(est.fit_probability)}" in note for note in est.notes())
    assert percent(est.fit_probability) in str(est) and "fit_probability" in est.to_frame().index
    assert est.to_dict()["figures"]["fit_probability"]["value"] == est.fit_probability


def test_layout_that_fits_has_no_note():
    est = cm.estimate(given_layout(1024, count=8))
    assert est.fit_probability > 0.99 and not any("with a probability" in note for note in est.notes())


def test_layout_is_refused_only_if_failure_is_certain():
    with pytest.raises(TooLargeError, match=r"needs \d+\.\d GiB per GPU; 79\.1 GiB are usable"):
        cm.estimate(given_layout(65_536))


LENGTHS = st.sampled_from([1024, 4096, 16_384, 65_536])
MODELS = ("llama-3.2-1b", "llama-3.2-3b", "llama-3.1-8b", "llama-3.1-70b")


def probability(model=1, length=4096, micro_batch=1, accelerator="H100-SXM", **fields):
    recipe = cm.FullFineTuning(tokens="1B", sequence_length=length, batch_size=8 * micro_batch)
    layout = cm.Layout(data=8, micro_batch=micro_batch, zero=3, **fields)
    return cm.step_time(MODELS[model], cm.Cluster(accelerator, 8), recipe, layout).fit_probability


@given(
    model=st.integers(0, 2),
    length=LENGTHS,
    micro_batch=st.integers(1, 8),
    recompute=st.sampled_from(["none", "selective", "full"]),
    loss=st.sampled_from(["whole", "half", "fused", "chunked"]),
    offload=st.booleans(),
)
def test_more_work_is_never_more_probable_to_fit(model, length, micro_batch, recompute, loss, offload):
    fields = {"recompute": recompute, "loss": loss, "offload_optimizer": offload}
    base = probability(model, length, micro_batch, **fields)
    assert 0 <= base <= 1
    assert probability(model, 2 * length, micro_batch, **fields) <= base
    assert probability(model, length, 2 * micro_batch, **fields) <= base
    assert probability(model + 1, length, micro_batch, **fields) <= base


@given(length=LENGTHS, more=st.floats(1, 100), host=st.floats(10, 1e4))
def test_more_memory_of_accelerator_or_host_is_never_less_probable(length, more, host):
    def with_memory(memory, on_host):
        cluster = cm.Cluster(cm.load_accelerator("H100-SXM").replace(memory=memory), 8, host_memory=on_host)
        recipe = cm.FullFineTuning(tokens="1B", sequence_length=length, batch_size=8)
        layout = cm.Layout(data=8, zero=3, recompute="full", offload_optimizer=True)
        return cm.step_time("llama-3.1-8b", cluster, recipe, layout).fit_probability

    assert with_memory(80 + more, host) >= with_memory(80, host)
    assert with_memory(80, host + more) >= with_memory(80, host)


def test_layout_that_needs_more_host_memory_than_there_is_is_refused_with_the_figure():
    recipe = cm.FullFineTuning(tokens="1B", sequence_length=1024, batch_size=1)
    layout = cm.Layout(recompute="full", offload_optimizer=True, offload_weights=True)
    run = cm.Scenario(
        architecture="llama-3.1-8b",
        recipe=recipe,
        cluster=cm.Cluster("H100-SXM", 1, host_memory="64 GB"),
        layout=layout,
    )
    with pytest.raises(TooLargeError, match=r"119\.7 GiB of host memory per GPU; there are 59\.6 GiB"):
        cm.estimate(run)
    assert cm.estimate(run.replace({"cluster.host_memory": "512 GB"})).fit_probability > 0.99


def test_host_memory_of_a_part_of_a_node_is_between_its_share_and_all_of_it():
    whole, part = cm.Cluster("H100-SXM", 8), cm.Cluster("H100-SXM", 1)
    (share, known), (middle, unknown) = whole.host_memory_per_accelerator, part.host_memory_per_accelerator
    assert share < middle < 8 * share and unknown > known
    assert cm.Cluster("H100-SXM", 2, host_memory="1 TB").host_memory_per_accelerator == pytest.approx((500e9, 0.0))


def test_given_mfu_has_no_fit_probability():
    est = cm.estimate(given_layout(1024, count=8).replace(layout=None, mfu=0.4))
    with pytest.raises(cm.MissingFactError, match="no layout"):
        est.fit_probability  # noqa: B018


@pytest.mark.parametrize(
    ("architecture", "gpu", "count", "mfu"),
    [("llama-3.1-405b", "RTX-4090", 16, None), ("gpt3-175b", "H100-SXM", 1, 0.4), ({"total": "175B"}, "T4", 8, None)],
)
def test_impossible_runs_are_refused_where_no_layout_is_computed(architecture, gpu, count, mfu):
    """16 bytes for each parameter, of which two are gradients: 14 × 405e9 / 16 = 330 GiB."""
    recipe = cm.Pretraining(tokens="1B", sequence_length=2048, precision="fp16")
    run = {"architecture": architecture, "recipe": recipe, "cluster": cm.Cluster(gpu, count)}
    with pytest.raises(TooLargeError, match=r"need at least [\d,.]+ GiB per GPU|fits on no layout"):
        cm.estimate(cm.Scenario(**run, mfu=mfu))
    assert cm.estimate(cm.Scenario(**run, gpu_hours="1e6 hours")).value("gpu_hours") > 0, (
        "a job that ran is not checked"
    )


def test_least_memory_is_that_of_weights_and_states_shared_out():
    cluster, recipe = cm.Cluster("H100-SXM", 1, host_memory="1 GB"), cm.Pretraining(tokens="1B")
    with pytest.raises(TooLargeError, match=rf"at least {14 * 9e9 / 2**30:.1f} GiB"):
        cm.estimate(cm.Scenario(architecture={"total": "9B"}, recipe=recipe, cluster=cluster, mfu=0.4))
    assert cm.estimate(cm.Scenario(architecture={"total": "7B"}, recipe=recipe, cluster=cluster, mfu=0.4)).mfu == 0.4
    frozen = cm.LoRA(tokens="1B")
    assert cm.estimate(cm.Scenario(architecture={"total": "30B"}, recipe=frozen, cluster=cluster, mfu=0.4)).mfu == 0.4
