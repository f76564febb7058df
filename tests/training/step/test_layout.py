"""Layouts: validation, arrays of layouts, and infeasibility reasons."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer
from costmodel.training.step.layout import (
    ATTENTION_KERNELS,
    BOOLEAN_FIELDS,
    LOSS_IMPLEMENTATIONS,
    RECOMPUTE_MODES,
    Layout,
    accumulation,
    infeasibility_reasons,
    layout_of,
    layouts,
    usual_kernel,
)
from costmodel.training.step.workload import workload

MIXTURE = Architecture(
    width=128,
    vocabulary=1000,
    layers=(
        Layer(
            mixer=Attention(heads=8, kv_heads=8, head_width=16),
            feed_forward=Experts(experts=16, top_k=2, inner_width=64),
            count=8,
        ),
    ),
)
WORK = workload(MIXTURE, 64)


def against(count, batch, layout, work=WORK):
    return [
        reason for reason, holds in infeasibility_reasons(work, float(count), float(batch), layout).items() if holds
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"data": 4, "expert": 3}, r"\(3 × 1\) must divide tensor × context × data \(1 × 1 × 4\)"),
        ({"data": 2, "tensor": 2, "expert": 4, "expert_tensor": 2}, r"\(4 × 2\) must divide"),
        ({"data": 8, "shard": 3}, r"shard \(3\) must divide data × context \(8 × 1\)"),
        ({"data": 8, "shard": 16}, r"shard \(16\) must divide"),
        ({"interleave": 2}, r"interleave \(2\) needs more than one pipeline stage"),
        ({"zero": 4}, "zero"),
        ({"zero": -1}, "zero"),
        ({"data": 0}, "data"),
        ({"tensor": 1.5}, "tensor"),
        ({"micro_batch": -1}, "micro_batch"),
        ({"recompute": "everything"}, "recompute"),
        ({"attention": "flash-9"}, "attention"),
        ({"tensors": 2}, "tensors"),
    ],
)
def test_invalid_layout_is_rejected(fields, message):
    with pytest.raises(ValueError, match=message):
        Layout(**fields)


def test_all_invalid_fields_are_reported_at_once():
    with pytest.raises(cm.InputError) as caught:
        Layout(data=0, zero=9, recompute="some")
    assert all(name in str(caught.value) for name in ("data", "zero", "recompute"))


def test_layout_is_immutable_and_replace_validates():
    layout = Layout(data=8, shard=4)
    with pytest.raises(ValueError, match="frozen"):
        layout.data = 4
    assert layout.replace(data=16).accelerators == 16
    with pytest.raises(ValueError, match="shard"):
        layout.replace(data=6)


@st.composite
def any_layout(draw):
    powers = st.sampled_from([1, 2, 4, 8])
    data, tensor, context, pipeline = (draw(powers) for _ in range(4))
    shards = [None, *(value for value in (1, 2, 4, 8) if value < data * context)]
    return Layout(
        data=data,
        tensor=tensor,
        context=context,
        pipeline=pipeline,
        shard=draw(st.sampled_from(shards)),
        expert=draw(st.sampled_from([value for value in (1, 2, 4, 8) if value <= data * tensor * context])),
        micro_batch=draw(powers),
        interleave=draw(powers) if pipeline > 1 else 1,
        zero=draw(st.integers(0, 3)),
        recompute=draw(st.sampled_from(RECOMPUTE_MODES)),
        attention=draw(st.sampled_from(ATTENTION_KERNELS)),
        loss=draw(st.sampled_from(LOSS_IMPLEMENTATIONS)),
        **{name: draw(st.booleans()) for name in BOOLEAN_FIELDS},
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(any_layout(), min_size=1, max_size=5))
def test_layout_round_trips_through_numbers(several):
    together = layouts(several)
    assert [layout_of(values) for values in zip(*together, strict=True)] == several
    assert [layout_of(layouts(layout)) for layout in several] == several
    assert together.accelerators.tolist() == [layout.accelerators for layout in several]


def test_default_sharding_covers_all_data_parallel_ranks():
    """The default shard degree has the same number, so the round trip leaves it out."""
    assert layouts(Layout(data=4, context=2, shard=8)) == layouts(Layout(data=4, context=2))
    assert layout_of(layouts(Layout(data=4, context=2, shard=8))) == Layout(data=4, context=2)


@settings(max_examples=500, deadline=None)
@given(any_layout())
def test_short_text_names_every_field_that_differs_from_its_default(layout):
    assert Layout.parse(layout.brief()) == layout
    assert Layout.parse(layout.brief().replace(" ", "=", 1)) == layout


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("data 8, tensr 2", "unknown field of a layout 'tensr'; did you mean 'tensor'"),
        ("data 8, data 4", "data is given twice"),
        ("data 8 4", "expected data and one value; got 'data 8 4'"),
        ("no zero", "expected zero and one value; got 'no zero'"),
        ("eager or not", "expected eager or no eager; got 'eager or not'"),
        ("", "expected a text such as \"data 16, micro_batch 2, zero 1\"; got ''"),
        ("data x", "data"),
        ("recompute some", "recompute"),
    ],
)
def test_wrong_short_texts_are_rejected(text, problem):
    with pytest.raises(cm.InputError, match=problem):
        Layout.parse(text)
    with pytest.raises(cm.InputError, match=problem):
        cm.Scenario("llama-3.1-8b", cm.Pretraining(tokens="1T"), cm.Cluster("H100-SXM", 8), layout=text)


def test_step_time_takes_a_short_text():
    recipe = cm.Pretraining(tokens="1B", sequence_length=64, batch_size=16)
    given, text = Layout(data=8, tensor=2, micro_batch=2), "data 8, tensor 2, micro_batch 2"
    cluster = cm.Cluster("H100-SXM", 16)
    assert cm.step_time(MIXTURE, cluster, recipe, text) == cm.step_time(MIXTURE, cluster, recipe, given)


def test_gradient_accumulation_steps():
    assert accumulation(64, layouts(Layout(data=4, micro_batch=2))) == 8


def test_feasible_layout_has_no_infeasibility_reasons():
    layout = Layout(data=4, tensor=2, pipeline=2, context=2, expert=16, expert_tensor=1, micro_batch=2, interleave=4)
    assert against(32, 32, layouts(layout)) == []


DIFFERENT = "data × tensor × pipeline × context differs from the number of accelerators"
TOO_DEEP = "pipeline × interleave exceeds the number of layers, with embedding and LM head"
INTERLEAVE = "interleave needs pipeline stages"


@pytest.mark.parametrize(
    ("reason", "count", "batch", "changes"),
    [
        (DIFFERENT, 16, 16, {"data": 8}),
        (DIFFERENT, 8, 16, {"data": 9}),
        ("micro_batch exceeds the sequences of a data-parallel replica", 8, 12, {"data": 8, "micro_batch": 3}),
        ("micro_batch exceeds the sequences of a data-parallel replica", 1, 6, {"micro_batch": 7}),
        ("the number of attention heads is not a multiple of tensor", 16, 16, {"tensor": 16}),
        ("the number of attention heads is not a multiple of tensor", 3, 16, {"tensor": 3}),
        (TOO_DEEP, 16, 16, {"pipeline": 16}),
        (
            TOO_DEEP,
            4,
            16,
            {"pipeline": 4, "interleave": 4},
        ),
        (INTERLEAVE, 1, 6, {"interleave": 2}),
        ("the sequence length is not a multiple of 2 × context", 64, 16, {"context": 64}),
        ("the number of experts is not a multiple of expert", 3, 3, {"data": 3, "expert": 3}),
        ("the number of experts is not a multiple of expert", 32, 32, {"data": 32, "expert": 32}),
        ("tensor × context × data is not a multiple of expert × expert_tensor", 4, 4, {"data": 4, "expert": 8}),
        ("tensor × context × data is not a multiple of expert × expert_tensor", 1, 4, {"expert_tensor": 2}),
        ("data × context is not a multiple of shard", 4, 4, {"data": 4, "shard": 8}),
    ],
)
def test_each_infeasibility_reason_alone(reason, count, batch, changes):
    """Arrays may hold layouts that `Layout` rejects, because the search creates arrays."""
    given = {"shard": float(changes.get("data", 1) * changes.get("context", 1)), **changes}
    layout = layouts(Layout())._replace(**{name: float(value) for name, value in given.items()})
    assert against(count, batch, layout) == [reason]


def test_odd_sequence_length_is_allowed_without_context_parallelism():
    odd = workload(MIXTURE, 63)
    assert against(1, 1, layouts(Layout()), odd) == []
    assert against(2, 1, layouts(Layout(context=2)), odd) == ["the sequence length is not a multiple of 2 × context"]


def test_accelerators_too_few_for_another_replica_may_be_idle():
    assert against(7, 16, layouts(Layout(tensor=2, data=3))) == []
    assert against(8, 16, layouts(Layout(tensor=2, data=3))) == [DIFFERENT]
    assert against(31, 32, layouts(Layout(data=16, expert=16))) == [], "the experts need multiples of 16"


def test_batch_size_need_not_be_a_multiple_of_replicas():
    assert against(8, 12, layouts(Layout(data=8))) == []
    assert accumulation(12, layouts(Layout(data=8))) == 2
    assert accumulation(6, layouts(Layout(micro_batch=4))) == 2
    assert accumulation(6, layouts(Layout(pipeline=4))) == 6
    assert accumulation(6, layouts(Layout(pipeline=4, interleave=2))) == 8, "multiples of the stages"


def test_pipeline_stages_need_not_divide_layers():
    assert against(3, 8, layouts(Layout(pipeline=3))) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(any_layout(), min_size=1, max_size=5), st.sampled_from([1, 8, 64]), st.sampled_from([16, 24, 64]))
def test_infeasibility_reasons_of_arrays_match_each_layout(several, count, batch):
    together = infeasibility_reasons(WORK, float(count), float(batch), layouts(several))
    for place, layout in enumerate(several):
        expected = against(count, batch, layouts(layout))
        applicable = [reason for reason, holds in together.items() if np.broadcast_to(holds, len(several))[place]]
        assert applicable == expected


def test_step_time_of_infeasible_layout_lists_every_reason():
    recipe = cm.Pretraining(tokens="1B", sequence_length=64, batch_size=12)
    with pytest.raises(cm.InputError) as caught:
        cm.step_time(MIXTURE, cm.Cluster("H100-SXM", 16), recipe, Layout(data=8, tensor=16))
    for reason in (
        "differs from the number",
        "the number of attention heads is not a multiple of tensor",
    ):
        assert reason in str(caught.value)
    assert "16 accelerators, 12 sequences" in str(caught.value)


@pytest.mark.parametrize("value", [[], 7, [Layout(), "layout"], [None]])
def test_non_layout_values_are_rejected(value):
    recipe = cm.Pretraining(tokens="1B", sequence_length=64, batch_size=12)
    with pytest.raises(cm.InputError, match="`layout` must be a Layout or a sequence of them"):
        cm.step_time(MIXTURE, cm.Cluster("H100-SXM", 1), recipe, value)


@pytest.mark.parametrize(
    ("year", "kernel"),
    [
        (2022.9, "unfused"),
        (2023.0, "flash-1"),
        (2023.5, "flash-1"),
        (2023.6, "flash-2"),
        (2024.4, "flash-2"),
        (2024.6, "latest"),
    ],
)
def test_usual_kernel_follows_the_releases_of_flash_attention(year, kernel):
    assert usual_kernel(year) == kernel


def test_a_problem_of_a_layout_text_names_the_field_once():
    run = {"architecture": "llama-3.1-8b", "recipe": {"tokens": 1e9}, "cluster": cm.Cluster("H100-SXM", 8)}
    for refuse in (cm.Layout.parse, lambda text: cm.Scenario(**run, layout=text)):
        for text, expected in (("", "expected a text such as"), ("data 3, data 4", "data is given twice")):
            with pytest.raises(cm.InputError) as caught:
                refuse(text)
            assert str(caught.value).startswith(f"layout: {expected}")
