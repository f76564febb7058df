"""Planned layout: close to the best of the whole space, monotonic, with warnings and clear errors."""

import random
import statistics
from types import SimpleNamespace

import numpy as np
import pytest

import costmodel as cm
from costmodel.training.layouts import planner
from costmodel.training.layouts.division import division_warning
from costmodel.training.layouts.fitting import SAFE_PROBABILITY, step_fit_probability
from costmodel.training.layouts.planner import _usual_degrees, plan
from costmodel.training.layouts.space import most_context, software_options
from costmodel.training.layouts.step_time import training_step_inputs
from costmodel.training.step.layout import layout_of, layouts

PROBLEMS = [  # model, accelerator, count, batch size, sequence length, precision
    ("gpt2", "A100-80GB-SXM", 1, 512, 1024, "bf16"),
    ("gpt2", "A100-80GB-SXM", 8, 512, 1024, "bf16"),
    ("gpt2", "H100-SXM", 64, 4096, 1024, "bf16"),
    ("bert-base", "V100-32GB-SXM2", 16, 4096, 512, "fp16"),
    ("modernbert-base", "H100-SXM", 8, 4608, 1024, "bf16"),
    ("pythia-70m", "A100-40GB-SXM", 32, 1024, 2048, "bf16"),
    ("pythia-1b", "A100-40GB-SXM", 64, 1024, 2048, "bf16"),
    ("smollm2-360m", "H100-SXM", 64, 2048, 2048, "bf16"),
    ("llama-3.2-1b", "H100-SXM", 4, 128, 8192, "bf16"),
    ("llama-3.2-1b", "H100-SXM", 256, 512, 8192, "bf16"),
    ("llama-3.1-8b", "H100-SXM", 8, 512, 8192, "bf16"),
    ("llama-3.1-8b", "A100-40GB-SXM", 64, 512, 4096, "bf16"),
    ("llama-3.1-8b", "H100-SXM", 96, 512, 8192, "bf16"),
    ("llama-3.1-8b", "H100-SXM", 136, 1024, 8192, "bf16"),
    ("llama-3.1-8b", "H100-SXM", 1024, 1024, 8192, "bf16"),
    ("llama-3.1-8b", "H100-SXM", 1000, 7, 8192, "bf16"),
    ("llama-3.1-8b", "H100-SXM", 64, 128, 32_768, "bf16"),
    ("llama-3.1-8b", "H100-SXM", 32, 32, 131_072, "bf16"),
    ("llama-3.1-8b", "H100-SXM", 512, 64, 131_072, "bf16"),
    ("llama-3.1-8b", "H100-SXM", 128, 512, 8192, "fp8"),
    ("llama-3.1-8b", "V100-32GB-SXM2", 128, 1024, 2048, "fp16"),
    ("mistral-7b", "H100-SXM", 100, 1000, 4096, "bf16"),
    ("llama-2-13b", "A100-80GB-SXM", 48, 1024, 4096, "bf16"),
    ("qwen2.5-32b", "H100-SXM", 128, 1024, 4096, "bf16"),
    ("qwen2.5-32b", "H200-SXM", 72, 256, 16_384, "bf16"),
    ("llama-3.1-70b", "H100-SXM", 64, 512, 8192, "bf16"),
    ("llama-3.1-70b", "H100-SXM", 256, 512, 8192, "bf16"),
    ("llama-3.1-70b", "H100-SXM", 1021, 1024, 8192, "bf16"),
    ("llama-3.1-70b", "H100-SXM", 512, 128, 65_536, "bf16"),
    ("llama-3.1-70b", "A100-80GB-SXM", 240, 1000, 4096, "bf16"),
    ("llama-3.1-405b", "H100-SXM", 1024, 1024, 8192, "bf16"),
    ("llama-3.1-405b", "H100-SXM", 16_384, 2048, 8192, "bf16"),
    ("llama-3.1-405b", "H100-SXM", 8192, 128, 131_072, "bf16"),
    ("gpt-3-175b", "A100-80GB-SXM", 1024, 1536, 2048, "bf16"),
    ("gpt-3-175b", "V100-32GB-SXM2", 512, 1536, 2048, "fp16"),
    ("mixtral-8x7b", "H100-SXM", 64, 1024, 4096, "bf16"),
    ("mixtral-8x7b", "H100-SXM", 256, 256, 32_768, "bf16"),
    ("mixtral-8x7b", "A100-80GB-SXM", 40, 512, 4096, "bf16"),
    ("qwen3-30b-a3b", "GB200", 8, 512, 4096, "bf16"),
    ("qwen3-30b-a3b", "H100-SXM", 128, 2048, 4096, "bf16"),
    ("qwen3-30b-a3b", "GB200", 72, 1024, 8192, "fp8"),
    ("deepseek-v2-lite", "H100-SXM", 512, 2304, 4096, "bf16"),
    ("deepseek-v3", "H800-SXM", 2048, 15_360, 4096, "fp8"),
    ("deepseek-v3", "H100-SXM", 256, 512, 4096, "bf16"),
    ("deepseek-v3", "H800-SXM", 4096, 2048, 32_768, "fp8"),
]
"""Problems from micro models to 671 billion parameters, on 1 to 16,384 accelerators, with 512 to 131,072 tokens."""
QUICK = PROBLEMS[::4]


def step_inputs(model, gpu, count, batch, length=4096, precision=None):
    precision = precision or cm.load_accelerator(gpu).usual_precision
    recipe = cm.Pretraining(tokens=1e12, sequence_length=length, batch_size=batch, precision=precision)
    return training_step_inputs(cm.load_architecture(model), cm.Cluster(gpu, count), recipe, None), recipe


def excess(problem):
    """Return the step time of the planned layout / that of the best of the whole space."""
    inputs, recipe = step_inputs(*problem)
    best = cm.search_layouts(problem[0], cm.Cluster(*problem[1:3]), recipe).best
    ratio = plan(inputs).seconds / best.seconds
    assert ratio >= 1 - 1e-9, "a planned layout is in the space of the search"
    return ratio


@pytest.mark.slow
def test_planned_layouts_are_close_to_the_best_of_the_whole_space():
    """Within 3 % in the median and 10 % at worst, according to the step-time model."""
    ratios = [excess(problem) for problem in PROBLEMS]
    assert len(PROBLEMS) >= 40 and statistics.median(ratios) < 1.03 and max(ratios) < 1.1


@pytest.mark.parametrize("problem", QUICK, ids=lambda problem: f"{problem[0]} on {problem[2]}")
def test_planned_layout_is_close_to_the_best_of_the_whole_space(problem):
    assert excess(problem) < 1.1


def test_plan_matches_step_time_and_memory_of_its_layout():
    for problem in PROBLEMS:
        inputs, recipe = step_inputs(*problem)
        planned = plan(inputs)
        step = cm.step_time(problem[0], cm.Cluster(*problem[1:3]), recipe, layout_of(list(planned.layout)))
        assert step.seconds == planned.seconds and step.si.memory.total == planned.memory and step.fits


def test_plan_with_a_default_batch_size_matches_its_layout_given_back():
    for count in (24, 100, 512, 1021):
        recipe = cm.Pretraining(tokens=1e12, sequence_length=8192)
        cluster = cm.Cluster("H100-SXM", count)
        planned = plan(training_step_inputs(cm.load_architecture("llama-3.1-8b"), cluster, recipe, None))
        assert cm.step_time("llama-3.1-8b", cluster, recipe, layout_of(list(planned.layout))).seconds == planned.seconds


def default_plan(count, model="llama-3.1-8b", length=8192):
    recipe = cm.Pretraining(tokens=1e12, sequence_length=length)
    return plan(training_step_inputs(cm.load_architecture(model), cm.Cluster("H100-SXM", count), recipe, None))


def test_default_batch_size_is_rounded_to_a_multiple_of_the_replicas():
    """4 million tokens are 512 sequences; 24 replicas with 2 each take 528."""
    planned = default_plan(24)
    assert planned.batch_size % (planned.layout.data * planned.layout.micro_batch) == 0
    assert planned.batch_size == pytest.approx(512, rel=1 / 8) and planned.warning == ""


def test_default_batch_size_grows_to_a_sequence_per_accelerator_at_most_fourfold():
    """Default batches have 4 million tokens at least: 512 sequences of 8,192 tokens."""
    assert default_plan(1000).batch_size == 1000
    assert default_plan(2000).batch_size == pytest.approx(2000, rel=1 / 8)
    assert default_plan(2080).batch_size == pytest.approx(512, rel=1 / 8)


# Monotonic


def random_problem(seed):
    draw = random.Random(seed)
    model, most = draw.choice([("gpt2", 6), ("llama-3.2-1b", 8), ("llama-3.1-8b", 10), ("llama-3.1-70b", 11),
                               ("mixtral-8x7b", 9), ("qwen3-30b-a3b", 8)])  # fmt: skip
    count = draw.choice([2**exponent for exponent in range(most + 1)] + [3, 12, 40, 96, 136])
    length = draw.choice([512, 1024] if model == "gpt2" else [512, 2048, 4096, 8192, 32_768])
    return step_inputs(
        model, draw.choice(["H100-SXM", "A100-80GB-SXM"]), count, draw.choice([8, 100, 512, 1000]), length
    )[0]


def with_rates(inputs, **factors):
    rates = {name: getattr(inputs.hardware, name) * factor for name, factor in factors.items()}
    return inputs._replace(hardware=inputs.hardware._replace(**rates))


def seconds_or_none(inputs):
    try:
        return plan(inputs).seconds
    except cm.InputError:
        return None


@pytest.mark.parametrize("seed", range(40))
def test_more_memory_never_makes_a_plan_slower(seed):
    inputs = random_problem(seed)
    times = [seconds_or_none(with_rates(inputs, memory=factor)) for factor in (0.3, 0.5, 0.8, 1.0, 1.2, 2.0, 4.0)]
    feasible = [seconds for seconds in times if seconds is not None]
    assert feasible == sorted(feasible, reverse=True)
    assert times[: len(times) - len(feasible)] == [None] * (len(times) - len(feasible)), "more memory stays feasible"


@pytest.mark.parametrize("seed", range(40))
def test_faster_hardware_never_makes_a_plan_slower(seed):
    inputs = random_problem(seed)
    before = seconds_or_none(inputs)
    for rates in (
        {"peak": 1.3, "matmul_peak": 1.3},
        {"memory_bandwidth": 1.5},
        {"link_bandwidth": 2.0},
        {"network_bandwidth": 2.0},
    ):
        after = seconds_or_none(with_rates(inputs, **rates))
        assert (after is None) == (before is None), "rates do not decide what fits"
        assert after is None or before is None or after <= before * (1 + 1e-12), rates


@pytest.mark.parametrize("batch", [512, 1024])
@pytest.mark.parametrize("model", ["llama-3.1-8b", "llama-3.1-70b"])
def test_step_time_falls_smoothly_with_the_number_of_accelerators(model, batch):
    """At a fixed batch size more accelerators take at most 3 % longer; a count that divides badly has a warning."""
    fastest, waste = float("inf"), []
    for count in range(90, 151):
        planned = plan(step_inputs(model, "H100-SXM", count, batch, 8192)[0])
        assert planned.seconds < 1.03 * fastest
        fastest = min(fastest, planned.seconds)
        waste.append((planned.seconds * count, planned.warning))
    least = min(gpu_seconds for gpu_seconds, _ in waste)
    assert all(warning for gpu_seconds, warning in waste if gpu_seconds > 1.2 * least)


def test_step_time_never_increases_when_accelerators_double():
    times = [plan(step_inputs("llama-3.1-70b", "H100-SXM", count, 1024)[0]).seconds for count in (64, 128, 256, 512)]
    assert times == sorted(times, reverse=True)


# Uneven division


def test_uneven_batch_has_a_warning_with_a_better_batch_size_and_count():
    planned = plan(step_inputs("llama-3.1-8b", "H100-SXM", 136, 1024, 8192)[0])
    assert planned.layout.data == 136
    assert "1,024 does not divide evenly over 136 data-parallel replicas" in planned.warning
    assert "better: a batch size of 1,088, or 128 GPUs" in planned.warning
    even = plan(step_inputs("llama-3.1-8b", "H100-SXM", 136, 1088, 8192)[0])
    assert even.seconds == planned.seconds and not even.warning
    fewer = plan(step_inputs("llama-3.1-8b", "H100-SXM", 128, 1024, 8192)[0])
    assert fewer.seconds == pytest.approx(planned.seconds, rel=0.02) and not fewer.warning


def test_smaller_batch_size_is_proposed_if_it_is_nearer():
    inputs, _ = step_inputs("llama-3.1-8b", "H100-SXM", 100, 405, 8192)
    warning = division_warning(inputs, layouts(cm.Layout(data=100)))
    assert "they wait for 19% of the step; better: a batch size of 400, or 81 GPUs" in warning
    assert division_warning(inputs._replace(batch_size=400.0), layouts(cm.Layout(data=100))) == ""


def test_proposed_count_suits_the_experts():
    """101 sequences need 101 of 104 replicas; 8 expert-parallel ranks of replicas with 2 ranks need multiples of 4."""
    inputs, _ = step_inputs("mixtral-8x7b", "H100-SXM", 256, 101, 4096)
    warning = division_warning(inputs, layouts(cm.Layout(data=128, tensor=2, expert=8)))
    assert "or 208 GPUs" in warning


def test_idle_accelerators_have_a_warning():
    planned = plan(step_inputs("llama-3.1-405b", "H100-SXM", 1000, 2048, 8192)[0])
    used = planned.layout.accelerators
    assert used < 980 and f"uses {used:,.0f} of 1,000 GPUs" in planned.warning
    fewer = plan(step_inputs("llama-3.1-405b", "H100-SXM", int(used), 2048, 8192)[0])
    assert fewer.seconds <= planned.seconds and "of 1,000 GPUs" not in fewer.warning


# Kinds of layouts


@pytest.mark.parametrize(
    ("model", "gpu", "count", "batch", "published"),
    [("modernbert-base", "H100-SXM", 8, 4608, 96), ("gpt2", "A100-80GB-SXM", 8, 512, 64)],
)
def test_small_models_are_planned_with_the_large_micro_batches_of_their_runs(model, gpu, count, batch, published):
    """Micro-batches of ModernBERT (arXiv 2412.13663, appendix) and of llm.c (discussion 481)."""
    assert plan(step_inputs(model, gpu, count, batch, 1024)[0]).layout.micro_batch == published


def test_large_mixture_of_experts_is_planned_with_pipeline_and_expert_parallelism():
    recipe = cm.Pretraining(tokens="14.8T", sequence_length=4096, precision="fp8")
    cluster = cm.Cluster("H800-SXM", 2048)
    layout = plan(training_step_inputs(cm.load_architecture("deepseek-v3"), cluster, recipe, None)).layout
    assert layout.pipeline > 1 and layout.expert >= 8


def test_long_sequences_are_planned_with_context_parallelism():
    assert plan(step_inputs("llama-3.1-8b", "H100-SXM", 64, 64, 131_072)[0]).layout.context > 1


def degrees_of(count, *, length=4096, layers=64, heads=64, experts=1, gpus_per_node=8):
    """Return the values of data, tensor, pipeline, context and expert parallelism that a plan compares."""
    work = SimpleNamespace(sequence_length=length, layers=layers, heads=heads, experts=experts)
    hardware = SimpleNamespace(gpus_per_node=gpus_per_node)
    inputs = SimpleNamespace(work=work, accelerators=float(count), eager=False, hardware=hardware)
    return [set(values) for values in zip(*_usual_degrees(inputs, most_context(work)), strict=True)]


@pytest.mark.parametrize("gpus_per_node", [8, 72])
def test_tensor_parallelism_is_planned_up_to_8_in_a_node_of_any_size(gpus_per_node):
    _, tensor, *_ = degrees_of(720, heads=840, gpus_per_node=gpus_per_node)
    assert tensor == {1, 2, 3, 4, 5, 6, 7, 8}


def test_degrees_that_do_not_divide_the_count_leave_few_accelerators_idle():
    data, tensor, pipeline, context, _, _ = degrees_of(37)
    assert data >= {37, 18, 9, 4} and tensor == {1, 2, 4, 8} and context == {1}
    assert pipeline == {1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 16, 22, 32}, "the fewest stages for each largest stage"


@pytest.mark.parametrize(("length", "expected"), [(8188, {1}), (8192, {1, 2}), (131_072, {1, 2, 4, 8, 16})])
def test_sequences_are_divided_into_parts_of_at_least_4096_tokens(length, expected):
    assert degrees_of(64, length=length)[3] == expected


def test_experts_are_planned_on_at_most_256_ranks():
    assert max(degrees_of(960, experts=960)[4]) == 240, "the next divisor is 320"


# Memory


@pytest.mark.parametrize(
    ("length", "offloaded"),
    [
        (4096, ["offload_optimizer"]),
        (400_000, ["offload_optimizer", "offload_weights", "offload_activations"]),
    ],
)
def test_parts_are_offloaded_one_after_the_other_where_nothing_else_fits(length, offloaded):
    recipe = cm.FullFineTuning(tokens="100M", sequence_length=length, batch_size=1)
    inputs = training_step_inputs(cm.load_architecture("llama-3.1-8b"), cm.Cluster("H100-SXM", 1), recipe, None)
    planned = plan(inputs)
    layout = layout_of(list(planned.layout))
    assert [
        name for name in type(layout).model_fields if name.startswith("offload_") and getattr(layout, name)
    ] == offloaded
    assert planned.memory <= inputs.available_memory
    with pytest.raises(cm.InputError, match="fits on no layout"):
        plan(with_rates(inputs, host_memory=0.1))


@pytest.mark.parametrize(
    ("model", "gpu", "count", "batch"),
    [("llama-3.1-405b", "H100-SXM", 8, 64), ("llama-3.1-70b", "V100-32GB-SXM2", 8, 64)],
)
def test_model_that_certainly_does_not_fit_is_refused(model, gpu, count, batch):
    with pytest.raises(cm.InputError, match=rf"fits on no layout of {count} accelerators of \d+ GiB; .*needs \d"):
        plan(step_inputs(model, gpu, count, batch)[0])


def test_layout_that_needs_least_memory_is_planned_if_none_fits_safely():
    inputs, recipe = step_inputs("llama-3.1-8b", "H100-SXM", 8, 512)
    inputs = with_rates(inputs, host_memory=1e-6)
    least = min(step.si.memory.total for step in cm.search_layouts(
        "llama-3.1-8b", cm.Cluster("H100-SXM", 8), recipe, zero=(1, 2, 3), context=(1, 2, 4, 8), loss="chunked"
    ).pareto)  # fmt: skip
    for room in (0.99, 1.05):
        tight = with_rates(inputs, memory=room * least / inputs.hardware.memory)
        planned = plan(tight)
        assert tight.planned_memory < planned.memory <= least
    with pytest.raises(cm.InputError, match="fits on no layout"):
        plan(with_rates(inputs, memory=0.5 * least / inputs.hardware.memory))


def fit_probability_of(inputs, planned):
    return step_fit_probability(inputs, planned.memory, planned.parts.host_bytes)


def test_planned_layouts_fit_with_nine_of_ten():
    """Layouts that fit for all but certain are hardly slower than those that fit in every second case."""
    slower, risks = [], 0
    for problem in PROBLEMS:
        inputs, _ = step_inputs(*problem)
        planned, risky = plan(inputs), plan(inputs._replace(planned_fit_probability=0.5))
        assert fit_probability_of(inputs, planned) >= SAFE_PROBABILITY and fit_probability_of(inputs, risky) >= 0.5
        risks += fit_probability_of(inputs, risky) < SAFE_PROBABILITY
        slower.append(planned.seconds / risky.seconds)
    assert risks > 10 and min(slower) >= 1 and statistics.mean(slower) < 1.015 and max(slower) < 1.07


@pytest.mark.parametrize("seed", range(40))
def test_higher_probability_to_fit_never_makes_a_plan_faster(seed):
    inputs = random_problem(seed)
    times = [seconds_or_none(inputs._replace(planned_fit_probability=value)) for value in (0.5, 0.9, 0.99)]
    assert times == [None] * 3 or times == sorted(times), "the least memory decides what is refused"


def test_auxiliary_models_count_in_the_probability_to_fit():
    cluster = cm.Cluster("H100-SXM", 8)
    inputs = training_step_inputs(cm.load_architecture("llama-3.1-8b"), cluster, cm.DPO(tokens="1M"), None)
    assert inputs.auxiliary_bytes > 0
    assert fit_probability_of(inputs, plan(inputs)) >= SAFE_PROBABILITY


def test_infeasible_plan_names_auxiliary_models():
    cluster = cm.Cluster("H100-SXM", 4)
    inputs = training_step_inputs(cm.load_architecture("mixtral-8x7b"), cluster, cm.DPO(tokens="1M"), None)
    inputs = with_rates(inputs, host_memory=1e-6)
    with pytest.raises(cm.InputError, match=r"4 accelerators of \d+ GiB, 21.7 GiB of each used by auxiliary models"):
        plan(inputs)
    with pytest.raises(cm.InputError, match=r"1 accelerator of \d+ GiB; the smallest needs"):
        plan(step_inputs("llama-3.1-70b", "H100-SXM", 1, 64)[0])


BOUNDED = [  # model, recipe, cluster
    ("llama-3.1-8b", cm.Pretraining(tokens="1T", sequence_length=8192, batch_size=500), cm.Cluster("H100-SXM", 96)),
    ("llama-3.1-70b", cm.Pretraining(tokens="1T"), cm.Cluster("A100-80GB-SXM", 512)),
    ("mixtral-8x7b", cm.Pretraining(tokens="1T"), cm.Cluster("H100-SXM", 100)),
    ("llama-3.1-70b", cm.LoRA(tokens="20M", batch_size=64), cm.Cluster("H100-SXM", 32)),
    ("qwen3-30b-a3b", cm.FullFineTuning(tokens="20M"), cm.Cluster("H100-SXM", 64)),
]


@pytest.mark.parametrize(("model", "recipe", "cluster"), BOUNDED)
def test_lower_bounds_hold_for_all_layouts_of_a_row(model, recipe, cluster):
    inputs = training_step_inputs(cm.load_architecture(model), cluster, recipe, None)
    options = {**software_options(inputs), "attention": 3.0}
    flat, staged = planner._blocks([inputs], {0: 16.0}, options)
    for block, closeness in ((flat, 1.0), (staged, 0.5)):
        seconds = np.where(planner._possible(block), planner._seconds(block), np.inf).min(axis=(1, 2, 3))
        bounds = planner._lower_bounds(block)
        possible = np.isfinite(seconds)
        assert possible.sum() > 10 and (bounds[possible] <= seconds[possible]).all()
        assert np.median(bounds[possible] / seconds[possible]) >= closeness * 0.999
