"""Planned layout: close to the best of the whole space, fast, with clear errors."""

from types import SimpleNamespace

import pytest

import costmodel as cm
from costmodel.training.layouts.planner import _degrees, _layouts, plan
from costmodel.training.layouts.step_time import training_step_inputs
from costmodel.training.step.layout import layout_of


def step_inputs(model, gpu, count, batch, length=4096, **recipe):
    recipe.setdefault("precision", cm.load_accelerator(gpu).usual_precision)
    recipe = cm.Pretraining(tokens=1e12, sequence_length=length, batch_size=batch, **recipe)
    return training_step_inputs(cm.load_architecture(model), cm.Cluster(gpu, count), recipe, None), recipe


@pytest.mark.parametrize(
    ("model", "gpu", "count", "batch", "length"),
    [
        ("llama-3.1-8b", "H100-SXM", 8, 512, 8192),
        ("llama-3.1-8b", "A100-40GB-SXM", 64, 512, 4096),
        ("llama-3.1-70b", "H100-SXM", 256, 512, 8192),
        ("gpt-3-175b", "A100-80GB-SXM", 1024, 1536, 2048),
        ("gpt-3-175b", "V100-32GB-SXM2", 512, 1536, 2048),
        ("mixtral-8x7b", "H100-SXM", 64, 1024, 4096),
        ("qwen3-30b-a3b", "GB200", 8, 512, 4096),
    ],
)
def test_planned_layout_is_close_to_best_of_search(model, gpu, count, batch, length):
    """Within 10 % according to the step-time model, without overlapped tensor parallelism."""
    inputs, recipe = step_inputs(model, gpu, count, batch, length)
    planned = plan(inputs)
    best = cm.search_layouts(model, cm.Cluster(gpu, count), recipe, overlap_tensor=False, offload_optimizer=False).best
    assert best.seconds <= planned.seconds * (1 + 1e-9) <= 1.1 * best.seconds
    assert planned.compared < 2000


def test_plan_matches_step_time_of_its_layout():
    inputs, recipe = step_inputs("llama-3.1-70b", "H100-SXM", 256, 512)
    planned = plan(inputs)
    step = cm.step_time("llama-3.1-70b", cm.Cluster("H100-SXM", 256), recipe, layout_of(list(planned.layout)))
    assert step.seconds == planned.seconds and step.fits


def test_default_batch_size_is_rounded_to_fit_layout():
    inputs, _ = step_inputs("llama-3.1-8b", "H100-SXM", 24, None)
    planned = plan(inputs, free_batch=True)
    assert planned.batch_size % planned.layout.data == 0
    assert planned.batch_size == pytest.approx(1024, rel=0.1)  # 4 M tokens


@pytest.mark.parametrize(
    ("model", "gpu", "count", "batch", "reason"),
    [
        ("llama-3.1-405b", "H100-SXM", 8, 64, r"fits on no layout of 8 accelerators of 79 GiB; the smallest needs \d"),
        ("llama-3.1-70b", "V100-32GB-SXM2", 8, 64, "fits on no layout"),
        ("llama-3.1-8b", "H100-SXM", 1000, 7, "none is possible on 1,000 .* with 7 sequences per step"),
    ],
)
def test_infeasible_plan_raises_with_reason(model, gpu, count, batch, reason):
    with pytest.raises(cm.InputError, match=reason):
        plan(step_inputs(model, gpu, count, batch)[0])


def test_infeasible_plan_names_auxiliary_models():
    cluster = cm.Cluster("H100-SXM", 8)
    inputs = training_step_inputs(cm.load_architecture("mixtral-8x7b"), cluster, cm.DPO(tokens="1M"), None)
    message = r"8 accelerators of 79 GiB, 10.9 GiB of each used by auxiliary models"
    with pytest.raises(cm.InputError, match=message):
        plan(inputs)
    with pytest.raises(cm.InputError, match="1 accelerator of 79 GiB; the smallest needs"):
        plan(step_inputs("llama-3.1-70b", "H100-SXM", 1, 64)[0])


def test_step_time_never_increases_with_more_accelerators():
    times = [plan(step_inputs("llama-3.1-70b", "H100-SXM", count, 1024)[0]).seconds for count in (64, 128, 256, 512)]
    assert times == sorted(times, reverse=True)


# The space of planned layouts


def degrees_of(count, *, length=4096, layers=64, heads=64, experts=1, gpus_per_node=8):
    """Return the values of data, tensor, pipeline, context and expert parallelism that a plan compares."""
    work = SimpleNamespace(sequence_length=length, layers=layers, heads=heads, experts=experts)
    hardware = SimpleNamespace(gpus_per_node=gpus_per_node)
    inputs = SimpleNamespace(work=work, accelerators=float(count), eager=False, hardware=hardware)
    return [set(values) for values in zip(*_degrees(inputs), strict=True)]


@pytest.mark.parametrize("gpus_per_node", [8, 72])
def test_tensor_parallelism_is_planned_up_to_8_in_a_node_of_any_size(gpus_per_node):
    _, tensor, *_ = degrees_of(720, heads=720, gpus_per_node=gpus_per_node)
    assert tensor == {1, 2, 3, 4, 5, 6, 8}


@pytest.mark.parametrize(("length", "expected"), [(16_383, {1}), (16_384, {1, 2, 4, 8, 16})])
def test_context_parallelism_is_planned_from_16k_tokens_on(length, expected):
    _, _, _, context, _ = degrees_of(64, length=length)
    assert context == expected


def test_experts_are_planned_on_whole_nodes():
    *_, expert = degrees_of(64, experts=64)
    assert expert == {1, 8, 16, 32, 64}


@pytest.mark.parametrize(("layers", "balanced"), [(36, False), (37, True)])
def test_the_largest_pipeline_stage_has_at_most_a_tenth_more_layers_than_the_mean(layers, balanced):
    """8 stages: 5 layers on the largest, 4.5 or 4.625 in the mean."""
    _, _, pipeline, *_ = degrees_of(8, layers=layers)
    assert (8 in pipeline) is balanced


def test_micro_batches_are_planned_up_to_8_sequences():
    inputs, _ = step_inputs("llama-3.1-8b", "H100-SXM", 8, 512)
    planned = _layouts(inputs, (8.0, 1.0, 1.0, 1.0, 1.0), 1.0, False, 3.0)
    assert [layout.micro_batch for layout, _ in planned] == [1, 2, 4, 8]
