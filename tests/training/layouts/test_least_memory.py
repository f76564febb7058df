"""Least memory of jobs without a modeled step time, over the whole catalog."""

import pytest

import costmodel as cm
from costmodel.hardware.accelerator import load_accelerator
from costmodel.training.layouts import least_memory as least_memory_module
from costmodel.training.layouts.fitting import LEAST_PROBABILITY, TooLargeError
from costmodel.training.layouts.least_memory import check_states, compare_together, least_memory
from costmodel.training.layouts.planner import plan
from costmodel.training.layouts.step_time import training_step_inputs

CATALOG = [row["name"] for row in cm.accelerators()]


def scenario(name, architecture="llama-3.1-405b", count=1, host="1 TB", **changes):
    precision = load_accelerator(name).usual_precision
    recipe = cm.Pretraining(tokens="10B", sequence_length=2048, batch_size=64, precision=precision)
    cluster = cm.Cluster(name, count, host_memory=host)
    return cm.Scenario(architecture, recipe, cluster, prices={"price": 1.0}, **changes)


@pytest.mark.parametrize("name", CATALOG)
@pytest.mark.parametrize("mfu", [None, 0.4])
def test_no_accelerator_of_the_catalog_trains_405b_parameters_alone(name, mfu):
    """14 bytes for each of 405e9 parameters: 5,280 GiB; the largest accelerator has 288 GB, its host 1 TB."""
    if load_accelerator(name).usable_memory is None:
        changes = {} if mfu is None else {"mfu": mfu}
        assert "memory of" in str(cm.estimate(scenario(name, **changes))) or mfu is not None
        return
    with pytest.raises(TooLargeError):
        cm.estimate(scenario(name, **({} if mfu is None else {"mfu": mfu})))


@pytest.mark.parametrize("name", CATALOG)
def test_every_estimate_without_a_layout_shows_whether_it_fits(name):
    est = cm.estimate(scenario(name, "gpt-neo-1.3b", 8))
    if load_accelerator(name).usable_memory is None:
        assert "is not known: whether the job fits is not checked" in str(est)
    else:
        assert est.fit_probability > 0.5
        assert "fits in memory" in str(est)


def test_the_probability_falls_with_the_number_of_accelerators():
    fits = {}
    for count in (256, 64, 48, 32):
        try:
            fits[count] = cm.estimate(scenario("TPU-v6e", "llama-3.1-70b", count, host="8 GB")).fit_probability
        except TooLargeError:
            fits[count] = 0.0
    assert fits[256] > 0.99 >= fits[32]
    assert list(fits.values()) == sorted(fits.values(), reverse=True)


def test_a_caution_names_a_probability_below_the_safe_one():
    for count in range(24, 65, 8):
        try:
            est = cm.estimate(scenario("TPU-v6e", "llama-3.1-70b", count, host="8 GB"))
        except TooLargeError:
            continue
        if LEAST_PROBABILITY < est.fit_probability < 0.9:
            assert "the job fits in memory with a probability of" in str(est) and "at most" in str(est)
            return
    pytest.fail("no count between 24 and 64 is in doubt")


def test_the_least_memory_is_at_most_that_of_the_plan():
    """The memory model does not know the vendor: the plan of an NVIDIA accelerator needs as much or more."""
    run = scenario("H100-SXM", "llama-3.1-8b", 16)
    least = least_memory(run.architecture, run.recipe, run.cluster)
    planned = plan(training_step_inputs(run.architecture, run.cluster, run.recipe, None))
    assert 0.1 * planned.memory < least.needed <= planned.memory
    assert least.usable == pytest.approx(run.cluster.accelerator.usable_memory)


def test_counts_alone_give_the_bytes_of_the_states():
    run = scenario("MI300X", {"total": "70B"}, 8)
    least = least_memory(run.architecture, run.recipe, run.cluster)
    assert least.needed == pytest.approx(14 * 70e9 / 8, rel=0.1)
    assert "weights and optimizer states" in least.what
    assert check_states(run.architecture, run.recipe, run.cluster) == least


def test_auxiliary_models_count():
    """DPO keeps a frozen copy of the model in 16 bits."""
    run = scenario("MI300X", "llama-3.1-8b", 8)
    preferences = cm.DPO(tokens="10M", sequence_length=2048)
    auxiliary = preferences.auxiliary_bytes(run.architecture)
    assert auxiliary == pytest.approx(2 * 8.03e9, rel=0.01)
    least = least_memory(run.architecture, preferences, run.cluster)
    assert least.needed > auxiliary / 8 + 14 * 8e9 / 8 * 0.9


def test_jobs_compared_together_have_the_memory_of_each_alone():
    recipes = (cm.LoRA(tokens="1M"), cm.FullFineTuning(tokens="1M"), cm.QLoRA(tokens="1M", sequence_length=8192))
    cases = [
        (cm.load_architecture(name), recipe, cm.Cluster("MI300X", count))
        for name in ("llama-3.1-8b", "llama-3.1-70b", "mixtral-8x7b")
        for recipe in recipes
        for count in (1, 4)
    ]
    least_memory_module._newest.clear()
    alone = []
    for case in cases:
        alone.append(least_memory(*case))
        least_memory_module._newest.clear()
    compare_together(cases)
    kept = len(least_memory_module._newest)
    assert kept >= 12
    assert [least_memory(*case) for case in cases] == alone
    assert len(least_memory_module._newest) == kept
