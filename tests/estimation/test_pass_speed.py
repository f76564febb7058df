"""Recipes with several passes: each pass has its own MFU, and their times add up."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation.ranges import between
from costmodel.training.recipes.passes import pass_flops

MODEL, EIGHT = "llama-3.1-8b", cm.Cluster("H100-SXM", 8)
GRPO = cm.GRPO(examples=1000, lengths="lognormal 200 to 1500", sequence_length=8192, batch_size=512)
PPO = cm.PPO(examples=1000, lengths=500, sequence_length=2048, critic="llama-3.2-1b", reward_model="llama-3.2-1b")


def estimate(recipe, architecture=MODEL, cluster=EIGHT, **given):
    return cm.estimate(
        cm.Scenario(architecture=architecture, recipe=recipe, cluster=cluster, prices=cm.Rental(price=2), **given)
    )


def times(est):
    """GPU-seconds by pass."""
    parts = {step.name.split(".")[-2]: est.value(step.name) for step in est.steps if step.name.endswith(".gpu_time")}
    return {name: seconds for name, seconds in parts.items() if name != "weight_sync"}


def rollout(recipe):
    return times(estimate(recipe))["rollout"]


def with_mean(mean, ratio):
    """A lognormal of a mean, whose 90 % quantile is `ratio` times that of 10 %."""
    spread = math.log(ratio) / 2 / 1.2815516
    median = mean / math.exp(spread**2 / 2)
    return between(median / math.sqrt(ratio), median * math.sqrt(ratio))


# Passes


@pytest.mark.parametrize(
    ("recipe", "names"),
    [
        (GRPO, ["rollout", "reference", "train"]),
        (GRPO.replace(iterations=2), ["rollout", "old", "reference", "train"]),
        (PPO, ["rollout", "reward", "old", "value", "reference", "train", "critic"]),
        (cm.DPO(examples=1000, lengths=400), ["train", "reference"]),
        (cm.Distillation(tokens=1e6, teacher="llama-3.1-70b", learn_from="logits", cached=True), ["teacher", "train"]),
    ],
    ids=lambda one: getattr(one, "kind", ""),
)
def test_every_pass_has_its_flops_its_speed_and_its_time(recipe, names):
    est = estimate(recipe)
    assert list(times(est)) == names
    for one in recipe.passes(est.scenario.architecture):
        prefix = f"recipe.{one.name}."
        mfu = f"{prefix}{'decode_mfu' if one.kind == 'generate' else 'mfu'}"
        assert est.inputs[mfu].provenance.kind == "fitted"
        assert est.inputs[mfu].spread is None  # part of the realized efficiency
        assert est.value(f"{prefix}flops") == pytest.approx(pass_flops(one), rel=1e-9)
        efficiency = f"recipe.{'rollout' if one.kind == 'generate' else 'realized'}_efficiency"
        of_peak = est.value("cluster.peak") * est.value(mfu) * est.value("goodput") * est.value(efficiency)
        assert est.value(f"{prefix}gpu_time") == pytest.approx(pass_flops(one) / of_peak, rel=1e-9)


@pytest.mark.parametrize("recipe", [GRPO, PPO], ids=["grpo", "ppo"])
def test_times_of_passes_add_up(recipe):
    est = estimate(recipe)
    whole = math.fsum(times(est).values()) + est.value("recipe.weight_sync.gpu_time")
    assert whole == pytest.approx(est.value("gpu_hours"), rel=1e-12)
    flops = [est.value(step.name) for step in est.steps if step.name.startswith("recipe.") and "flops" in step.name]
    assert math.fsum(flops) == pytest.approx(est.value("flops"), rel=1e-12)
    assert est.value("cost") == pytest.approx(2 * est.value("gpu_hours") / 3600)
    steady = est.value("gpu_hours") * est.value("goodput")
    ends = sorted(est.value(f"recipe.{name}_efficiency") for name in ("rollout", "realized"))
    assert ends[0] < est.value("realized_efficiency") < ends[1]
    assert est.value("utilization") == pytest.approx(est.value("mfu") * est.value("goodput"), rel=1e-12)
    assert est.value("mfu") == pytest.approx(est.value("flops") / (steady * est.value("cluster.peak")), rel=1e-9)
    low, high = est.bounds("gpu_hours")
    assert low < est.value("gpu_hours") < high


def test_generation_has_a_low_mfu():
    est = estimate(GRPO)
    writes, reads, trains = (
        est.value(f"recipe.{name}") for name in ("rollout.decode_mfu", "reference.mfu", "train.mfu")
    )
    assert writes < 0.1 and 0.3 < trains < 0.8 and 0.3 < reads < 0.8


def test_passes_of_recipes_in_sequence_have_their_own_names():
    est = estimate([cm.FullFineTuning(tokens=1e7), GRPO])
    names = [step.name for step in est.steps if step.name.endswith("gpu_time")]
    passes = ("0", "1.rollout", "1.reference", "1.train", "1.weight_sync")
    assert names == [f"recipe.{one}.gpu_time" for one in passes]
    alone = [estimate(one).value("gpu_hours") for one in (cm.FullFineTuning(tokens=1e7), GRPO)]
    goodput = est.value("goodput") / estimate(GRPO).value("goodput")
    assert est.value("gpu_hours") * goodput == pytest.approx(sum(alone), rel=1e-3)


def test_an_explanation_holds_every_pass():
    paths = {row["path"] for row in estimate(GRPO).explain("cost").rows()}
    inputs = {"rollout.decode_mfu", "reference.mfu", "train.mfu", "tokens", "realized_efficiency", "rollout_efficiency"}
    assert {f"recipe.{name}" for name in inputs} <= paths
    drivers = {row["input"] for row in estimate(GRPO).sensitivity("cost")}
    assert {"recipe.rollout_efficiency", "recipe.realized_efficiency"} <= drivers


def test_realized_efficiency_divides_the_time_of_every_pass():
    """Those of published runs hold with and without a layout: trainers of this kind do more than the passes."""
    whole, half = (times(estimate(GRPO, realized_efficiency=each)) for each in (1, 0.5))
    assert half == pytest.approx({name: 2 * each for name, each in whole.items()})
    planned = estimate(GRPO)
    assert planned.inputs["recipe.realized_efficiency"].provenance.kind == "fitted"
    factors = {"rollout": planned.value("recipe.rollout_efficiency")}
    training = planned.value("recipe.realized_efficiency")
    assert times(planned) == pytest.approx({name: each / factors.get(name, training) for name, each in whole.items()})
    laid_out = estimate(GRPO, layout=planned.layout)
    assert laid_out.value("recipe.realized_efficiency") == training
    own = estimate(GRPO, rollout_efficiency=0.5, realized_efficiency=1)
    assert times(own)["rollout"] == pytest.approx(2 * times(estimate(GRPO, realized_efficiency=1))["rollout"])


# What is written


def test_synchronous_rollouts_are_slower_with_a_longer_tail():
    """A step ends with its longest answer, and fewer sequences run beside it the longer it is."""
    recipes = [GRPO.replace(lengths=with_mean(1000, ratio), sequence_length=32_768) for ratio in (1.3, 2, 4, 8)]
    for one in recipes:
        assert one.length_distribution.mean == pytest.approx(1000, rel=0.01)
    per_token = [rollout(one) / one.trained_tokens() for one in recipes]
    assert per_token == sorted(per_token) and per_token[-1] > 1.2 * per_token[0]


@settings(max_examples=12, deadline=None)
@given(st.sampled_from([cm.GRPO, cm.PPO]), st.floats(200, 3000), st.floats(1.2, 12), st.sampled_from([64, 512, 4096]))
def test_asynchronous_rollouts_are_never_slower(method, mean, ratio, batch):
    recipe = method(examples=1000, lengths=with_mean(mean, ratio), sequence_length=16_384, batch_size=batch)
    waiting, beside = rollout(recipe), rollout(recipe.replace(asynchronous=True))
    assert beside <= waiting
    others = [{name: time for name, time in times(estimate(one)).items() if name != "rollout"}
              for one in (recipe, recipe.replace(asynchronous=True))]  # fmt: skip
    assert others[0] == pytest.approx(others[1])


def test_larger_rollout_batches_are_generated_faster():
    found = [rollout(GRPO.replace(batch_size=each)) for each in (16, 64, 512, 4096)]
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("prompt", [1, 256, 2000])
def test_a_small_spread_of_lengths_costs_little(prompt):
    """Answers of 980 to 1020 tokens take about as long as answers of 1000: prefill runs once."""
    equal = GRPO.replace(lengths=1000, prompt_length=prompt)
    assert rollout(equal.replace(lengths=between(980, 1020))) == pytest.approx(rollout(equal), rel=0.15)


@pytest.mark.parametrize("lengths", [between(999, 1001), "3 to 6", [500, 500.2, 501]])
def test_nearly_equal_lengths_are_estimated(lengths):
    assert rollout(GRPO.replace(lengths=lengths)) > 0


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_prompt_may_be_empty(asynchronous):
    empty, short = (GRPO.replace(prompt_length=each, asynchronous=asynchronous) for each in (0, 1))
    assert rollout(empty) == pytest.approx(rollout(short), rel=0.02)


def test_an_auxiliary_model_without_layers_is_named_in_the_error():
    counted = cm.Distillation(tokens="1M", learn_from="logits", teacher={"total": "7B"})
    with pytest.raises(cm.InputError, match=r"the model of 'teacher': a step time needs the layers"):
        estimate(counted)


def test_each_pass_names_the_model_that_it_was_counted_from():
    rows = {row["path"]: row["note"] for row in estimate(PPO).explain("cost").rows()}
    for name, model in (("train", MODEL), ("critic", "llama-3.2-1b"), ("reward", "llama-3.2-1b")):
        assert f"counted from {model}" in rows[f"recipe.{name}.flops_per_token"]


# What is known


@pytest.mark.parametrize("mfu", [0.2, 0.4])
def test_a_given_mfu_applies_to_all_passes(mfu):
    est = estimate(GRPO, mfu=mfu, goodput=0.9)
    assert est.value("mfu") == pytest.approx(mfu, rel=1e-12)
    flops = sum(pass_flops(one) for one in GRPO.passes(est.scenario.architecture))
    expected = flops / (est.value("cluster.peak") * mfu * 0.9)
    assert est.value("gpu_hours") == pytest.approx(expected, rel=1e-9)
    assert math.fsum(times(est).values()) == pytest.approx(expected, rel=1e-9)
    assert est.layout is None


def test_given_gpu_hours_cover_all_passes():
    whole, own = estimate(GRPO, gpu_hours=10), estimate(GRPO.replace(gpu_hours=10))
    modeled = estimate(GRPO)
    for est in (whole, own):
        assert est.value("gpu_hours") == pytest.approx(36_000) and est.value("cost") == pytest.approx(20)
        assert est.value("flops") == pytest.approx(modeled.value("flops"), rel=1e-9)
        assert est.layout is None


def test_gpu_hours_of_one_recipe_leave_the_other_to_the_model():
    est = estimate([cm.FullFineTuning(tokens=1e7, gpu_hours=3), GRPO], goodput=0.9)
    rest = estimate(GRPO, goodput=0.9).value("gpu_hours")
    assert est.value("gpu_hours") == pytest.approx(3 * 3600 + rest, rel=1e-6)


def test_a_given_layout_applies_to_all_passes():
    layout = cm.Layout(data=8, zero=3, recompute="full", loss="fused")
    est = estimate(GRPO, layout=layout)
    assert est.layout == layout
    step = cm.step_time(MODEL, EIGHT, GRPO, layout)
    assert est.value("recipe.train.mfu") == pytest.approx(step.mfu, rel=1e-9)
    reference = 2 * cm.load_architecture(MODEL).parameters.total / 8
    trained = step.si.memory.total + reference
    assert est.value("memory") == pytest.approx(max(trained, est.value("rollout_memory")), rel=1e-9)


# Memory


def held(recipe, cluster=EIGHT):
    return estimate(recipe, cluster=cluster, layout=cm.Layout(data=8, zero=3, recompute="full")).value("memory")


def test_dpo_with_adapters_has_no_reference_model_in_memory():
    size = 2 * cm.load_architecture(MODEL).parameters.total / 8
    tuned, pairs = cm.FullFineTuning(tokens=1e6), cm.DPO(tokens=1e6)
    assert held(pairs) - held(tuned) == pytest.approx(size, rel=1e-6)
    assert held(pairs.replace(rank=16)) == pytest.approx(held(cm.LoRA(tokens=1e6)), rel=1e-9)
    assert held(pairs.replace(precomputed_reference=True)) == pytest.approx(held(tuned), rel=1e-9)
    assert estimate(pairs.replace(rank=16)).value("recipe.reference.flops") > 0  # it still reads


def test_auxiliary_models_must_fit_into_memory():
    """A reference model of 70 B parameters in 16 bits does not fit on an accelerator with 80 GB."""
    heavy = cm.Distillation(tokens=1e6, teacher="llama-3.1-70b", learn_from="logits")
    with pytest.raises(cm.InputError, match=r"fit"):
        estimate(heavy, architecture="llama-3.2-1b", cluster=cm.Cluster("H100-SXM", 1))
    light = heavy.replace(teacher="llama-3.2-3b")
    assert estimate(light, architecture="llama-3.2-1b", cluster=cm.Cluster("H100-SXM", 1)).value("cost") > 0


# What is bought


def test_api_calls_add_to_the_cost():
    recipe = cm.Distillation(examples=10_000, lengths=500, sequence_length=1024, epochs=3, api="claude-haiku-4-5",
                             api_provider="anthropic")  # fmt: skip
    est, tuned = (
        estimate(recipe),
        estimate(cm.FullFineTuning(examples=10_000, lengths=500, sequence_length=1024, epochs=3)),
    )
    paid = recipe.purchases().value
    assert est.value("recipe.purchases") == pytest.approx(paid) and paid > 0
    assert est.value("gpu_hours") == pytest.approx(tuned.value("gpu_hours"), rel=1e-9)
    assert est.value("cost") == pytest.approx(tuned.value("cost") + paid, rel=1e-9)
    rows = {row["path"]: row for row in est.explain("cost").rows()}
    assert rows["recipe.purchases"]["kind"] == "looked up" and rows["recipe.purchases"]["as_of"]
    assert recipe.purchases().provenance.source in est.cite()
    half = estimate(recipe.replace(api_batch=True))
    assert half.value("recipe.purchases") == pytest.approx(paid / 2)


def test_an_api_beside_another_recipe_and_with_gpu_hours_given():
    bought = cm.Distillation(tokens=5e6, api="claude-haiku-4-5", api_provider="anthropic")
    est = estimate([cm.FullFineTuning(tokens=1e7), bought])
    paid = est.value("recipe.1.purchases")
    assert est.value("cost") == pytest.approx(2 * est.value("gpu_hours") / 3600 + paid)
    assert estimate(bought, gpu_hours=10).value("cost") == pytest.approx(20 + paid)


# What it takes


@pytest.mark.parametrize("recipe", [
    'cm.GRPO(examples=1000, lengths="lognormal 200 to 1500")', "cm.PPO(examples=1000, lengths=500)",
    "cm.LoRA(tokens=1e7)", 'cm.DPO(examples=1000, lengths="200 to 400")',
])  # fmt: skip
def test_central_values_need_no_slow_libraries(recipe):
    code = (
        "import sys, costmodel as cm\n"
        f"run = cm.Scenario(architecture='llama-3.1-8b', recipe={recipe},\n"
        "                  cluster=cm.Cluster('H100-SXM', 8), prices=cm.Rental(price=2.0))\n"
        "assert cm.estimate(run).value('cost') > 0\n"
        "print([m for m in ('scipy', 'pint', 'matplotlib', 'pandas') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"


def test_recipes_share_the_draws_of_realized_efficiency():
    both = estimate([cm.FullFineTuning(tokens=1e7), cm.GRPO(examples=50, lengths=100, sequence_length=512)])
    first, second = (both.draws(f"recipe.{place}.realized_efficiency", 4000) for place in (0, 1))
    ranks = [np.argsort(np.argsort(each)) for each in (first, second)]
    assert np.corrcoef(ranks)[0, 1] == pytest.approx(1.0), "the slower in the one is the slower in the other"


def test_a_caution_of_several_passes_is_printed_once():
    chip = cm.Accelerator("Own", generation="own", bf16="500 TFLOP/s", memory=96, memory_bandwidth="3 TB/s", tdp=600)
    run = cm.Scenario("llama-3.1-8b", cm.PPO(examples=1000, lengths=500), cm.Cluster(chip, 8))
    notes = cm.estimate(run).notes()
    assert len(notes) == len(set(notes))
    assert sum("no step was measured on Own" in note for note in notes) == 1
