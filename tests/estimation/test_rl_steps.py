"""Whole steps of reinforcement learning: their parts, their memory, and what moves them."""

import itertools

import pytest

import costmodel as cm
from costmodel.foundation.errors import InputError
from costmodel.serving.generation import generation

CLUSTER = cm.Cluster("H100-SXM", 16)
RECIPE = cm.GRPO(examples=1024, lengths=1000, group_size=16, batch_size=512, sequence_length=4096)
PARTS = ("rollout_time", "scoring_time", "reference_time", "update_time", "weight_sync_time")


def estimate(recipe=RECIPE, **fields):
    fields = {"architecture": "llama-3.1-8b", "cluster": CLUSTER, **fields}
    return cm.estimate(cm.Scenario(recipe=recipe, **fields))


def parts(est):
    """Return the times of the parts that a step has [s]."""
    return {name: est.value(name) for name in PARTS if isinstance(est.value(name), float)}


@pytest.mark.parametrize(
    "recipe",
    [
        RECIPE,
        RECIPE.replace(reference=False),
        RECIPE.replace(rank=16),
        RECIPE.replace(asynchronous=True),
        RECIPE.replace(rollout_gpus=8),
        cm.PPO(examples=8192, lengths=1000, batch_size=512, sequence_length=4096),
    ],
    ids=["GRPO", "no reference", "adapters", "asynchronous", "apart", "PPO"],
)
def test_the_parts_add_up_to_the_step(recipe):
    est = estimate(recipe)
    assert sum(parts(est).values()) == pytest.approx(est.value("step_time"))
    steps = est.value("wall_time") * est.value("goodput") / est.value("steps")
    assert steps == pytest.approx(est.value("step_time"))


def test_only_a_critic_or_a_second_update_has_a_scoring_part():
    assert "scoring_time" not in parts(estimate())
    assert "reference_time" not in parts(estimate(RECIPE.replace(reference=False)))
    assert "scoring_time" in parts(estimate(RECIPE.replace(reward_model="llama-3.1-8b")))


def test_rollouts_on_gpus_of_their_own_run_beside_the_update():
    """In turns, the times add up; at once, the slower side decides, and the other waits."""
    turns = estimate(RECIPE.replace(rollout_gpus=8))
    once = estimate(RECIPE.replace(rollout_gpus=8, asynchronous=True))
    sides = parts(once)
    rollout = sides["rollout_time"]
    others = sides["reference_time"] + sides["update_time"]
    assert once.value("step_time") == pytest.approx(max(rollout, others) + sides["weight_sync_time"])
    assert once.value("step_time") < turns.value("step_time")
    assert once.value("gpu_hours") * once.value("goodput") == pytest.approx(
        16 * once.value("step_time") * once.value("steps")
    )


def test_fewer_gpus_for_rollouts_are_slower():
    times = [estimate(RECIPE.replace(rollout_gpus=count)).value("rollout_time") for count in (12, 8, 4)]
    assert times == sorted(times)
    assert times[0] < times[-1]


@pytest.mark.parametrize("length", [500, 1000, 2000, 3500])
def test_longer_answers_are_never_faster(length):
    shorter, longer = (parts(estimate(RECIPE.replace(lengths=each))) for each in (length, 1.1 * length))
    assert all(longer[name] >= shorter[name] for name in shorter)
    assert longer["rollout_time"] > shorter["rollout_time"]


def test_more_answers_per_prompt_are_never_faster():
    """With the same prompts per step."""
    runs = [estimate(RECIPE.replace(group_size=group, batch_size=32 * group)) for group in (4, 8, 16, 32)]
    for fewer, more in itertools.pairwise(runs):
        assert more.value("rollout_time") >= fewer.value("rollout_time")
        assert more.value("step_time") >= fewer.value("step_time")


def test_a_layout_of_the_training_has_no_part_in_rollouts():
    planned = estimate()
    laid_out = estimate(layout=planned.layout)
    slower = estimate(layout=planned.layout.replace(recompute="full"))
    for other in (laid_out, slower):
        assert other.value("rollout_time") == pytest.approx(planned.value("rollout_time"))
        assert other.bounds("rollout_time", 0.8) == pytest.approx(planned.bounds("rollout_time", 0.8))
        assert other.value("rollout_memory") == planned.value("rollout_memory")
    assert slower.value("update_time") > laid_out.value("update_time")


def test_a_measured_step_is_the_whole_step():
    est = estimate(step_time="98 s", goodput=0.9)
    assert est.value("step_time") == 98
    assert est.value("wall_time") * 0.9 == pytest.approx(98 * est.value("steps"))
    assert est.value("gpu_hours") == pytest.approx(16 * est.value("wall_time"))
    speed = estimate(tokens_per_second=est.value("tokens_per_second"), goodput=0.9)
    assert speed.value("step_time") == pytest.approx(98)


def test_a_measured_step_beyond_the_peak_is_refused():
    with pytest.raises(InputError, match="step_time"):
        estimate(step_time="0.01 s")


def test_the_rollout_engine_stays_within_its_share_of_the_memory():
    usable = CLUSTER.accelerator.usable_memory
    for share in (0.4, 0.6, 0.9):
        est = estimate(RECIPE.replace(gpu_memory_utilization=share))
        assert 0 < est.value("rollout_memory") <= share * usable * (1 + 1e-9)
        assert est.value("memory") >= est.value("rollout_memory")
    small, large = (estimate(RECIPE.replace(gpu_memory_utilization=share)) for share in (0.3, 0.9))
    assert small.value("rollout_time") >= large.value("rollout_time")


def test_an_engine_apart_from_the_training_does_not_count_in_its_peak_memory():
    """Adapters need little memory for the training; the engine beside them fills its share with the KV cache."""
    adapters = RECIPE.replace(rank=8, lengths=3000, batch_size=4096, examples=4096, gpu_memory_utilization=0.9)
    beside = estimate(adapters, layout="data 16, micro_batch 1, zero 3, recompute full")
    apart = estimate(adapters.replace(rollout_gpus=8), layout="data 8, micro_batch 1, zero 3, recompute full")
    assert beside.value("memory") == pytest.approx(beside.value("rollout_memory"))
    assert apart.value("memory") < apart.value("rollout_memory")


def test_default_shares_of_the_memory():
    assert RECIPE.memory_share == 0.6
    assert RECIPE.replace(rollout_gpus=8).memory_share == RECIPE.replace(asynchronous=True).memory_share == 0.9
    assert RECIPE.replace(gpu_memory_utilization=0.75).memory_share == 0.75


def test_adapters_send_less_to_the_engine():
    full, adapters = (estimate(recipe).value("weight_sync_time") for recipe in (RECIPE, RECIPE.replace(rank=16)))
    assert adapters < full / 50


def test_some_gpus_must_train():
    with pytest.raises(InputError, match="rollout_gpus: must leave accelerators"):
        estimate(RECIPE.replace(rollout_gpus=16))


def test_rollout_efficiency_is_for_reinforcement_learning():
    with pytest.raises(InputError, match="rollout_efficiency: is for reinforcement learning"):
        estimate(cm.FullFineTuning(examples=1000, lengths=500), rollout_efficiency=0.5)
    whole, half = (estimate(rollout_efficiency=each) for each in (1, 0.5))
    assert half.value("rollout_time") == pytest.approx(2 * whole.value("rollout_time"))
    assert half.value("update_time") == whole.value("update_time")


def test_a_smaller_share_holds_fewer_sequences():
    architecture = estimate().scenario.architecture
    lengths = {"prompt_length": 2000.0, "output_length": 8000.0}
    small, large = (generation(architecture, CLUSTER, **lengths, gpu_memory_utilization=share) for share in (0.4, 0.9))
    assert small.memory < large.memory
    assert small.si.memory <= 0.4 * CLUSTER.accelerator.usable_memory
