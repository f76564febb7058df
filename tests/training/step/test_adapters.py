"""Number of adapter parameters: counted by hand, and properties for any rank and matrices."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.training.step.adapters import Adapters, adapter_parameters, virtual_parameters
from costmodel.training.step.workload import workload

LLAMA = cm.load_architecture("llama-3.1-8b")
MIXTRAL = cm.load_architecture("mixtral-8x7b")
OUTPUTS = {"query": 4096, "key": 1024, "value": 1024, "output": 4096, "gate": 14336, "up": 14336, "down": 4096}
INPUTS = {**dict.fromkeys(OUTPUTS, 4096), "down": 14336}
"""Widths of the seven matrices of a layer of llama-3.1-8b."""


@pytest.mark.parametrize(
    ("adapters", "expected"),
    [
        # rank × (inputs + outputs), 32 layers: 4096 + 4096, twice 4096 + 1024, 8192, three times 4096 + 14336
        (Adapters(16), 41_943_040),
        (Adapters(64), 4 * 41_943_040),
        (Adapters(8, ("query", "value")), 32 * 8 * (8192 + 5120)),
        (Adapters(8, ("q_proj", "v_proj")), 3_407_872),
        (Adapters(16, ("down_proj",)), 32 * 16 * (14336 + 4096)),
        # DoRA: one magnitude per output
        (Adapters(16, magnitude=True), 41_943_040 + 32 * (2 * 4096 + 2 * 1024 + 2 * 14336 + 4096)),
        (Adapters(8, ("value",), magnitude=True), 32 * (8 * 5120 + 1024)),
    ],
)
def test_adapter_parameters_by_hand(adapters, expected):
    assert adapter_parameters(LLAMA, adapters) == expected


def test_routed_experts_have_adapters_only_if_named():
    attention = 32 * 16 * (2 * 8192 + 2 * 5120)
    assert adapter_parameters(MIXTRAL, Adapters(16)) == attention
    experts = 32 * 8 * 16 * (4096 + 14336)
    assert adapter_parameters(MIXTRAL, Adapters(16, ("expert_down",))) == experts
    assert adapter_parameters(MIXTRAL, Adapters(16, ("all-linear", "expert_down"))) == attention + experts


def test_unknown_target_suggests_nearest_matrix():
    with pytest.raises(cm.InputError) as caught:
        adapter_parameters(LLAMA, Adapters(8, ("qury", "value", "up_prj")))
    assert len(caught.value.problems) == 2
    assert all(name in str(caught.value) for name in ("'qury'; did you mean 'query'", "'up_prj'; did you mean 'up_"))


def test_recipe_rejects_targets_missing_in_architecture():
    with pytest.raises(cm.InputError, match=r"targets: unknown matrix 'gate_proj'"):
        cm.LoRA(tokens=1e6, targets=("gate_proj",)).passes(cm.load_architecture("gpt2"))


def test_parameters_of_prompt_and_prefix_tuning():
    assert adapter_parameters(LLAMA, Adapters(0, (), virtual_tokens=20)) == 20 * 4096
    assert adapter_parameters(LLAMA, Adapters(0, (), virtual_tokens=20, prefix=True)) == 20 * 32 * 2 * 1024
    assert virtual_parameters(LLAMA, Adapters(16)) == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 512), st.sets(st.sampled_from(list(OUTPUTS)), min_size=1), st.booleans())
def test_adapter_parameters_are_linear_in_rank_and_add_over_targets(rank, targets, magnitude):
    parameters = adapter_parameters(LLAMA, Adapters(rank, tuple(targets), magnitude))
    alone = [adapter_parameters(LLAMA, Adapters(rank, (target,), magnitude)) for target in targets]
    assert parameters == sum(alone)
    by_hand = sum(rank * (INPUTS[target] + OUTPUTS[target]) + magnitude * OUTPUTS[target] for target in targets)
    assert parameters == 32 * by_hand


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([LLAMA, MIXTRAL]), st.integers(1, 64), st.sampled_from([512, 4096]))
def test_adapter_workload_has_2_flops_per_parameter_and_token(architecture, rank, length):
    adapters = Adapters(rank)
    adapter = workload(architecture, length, adapters).adapter
    assert adapter.weights == adapter_parameters(architecture, adapters)
    assert adapter.flops == pytest.approx(2 * length * adapter.weights)
    assert workload(architecture, length).adapter.weights == 0
    assert workload(architecture, length, adapters).dense == workload(architecture, length).dense
