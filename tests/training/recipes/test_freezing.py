"""Frozen parts: parameters, memory and FLOPs."""

import pytest

import costmodel as cm
from costmodel.training.layouts.step_time import pass_workload
from costmodel.training.recipes.freezing import parts_of
from costmodel.training.recipes.passes import pass_flops
from costmodel.training.step.layout import layouts
from costmodel.training.step.memory import memory

LLAVA = cm.load_architecture("llava-1.5-7b")
PARTS = parts_of(LLAVA)
PROJECTOR_ALONE = [part for part in PARTS if part != "projector"]


def training(freeze=(), model=LLAVA, **fields):
    recipe = cm.FullFineTuning(tokens="1M", sequence_length=2048, freeze=freeze, **fields)
    return recipe.passes(model)[0]


def step_memory(freeze=(), **fields):
    step = training(freeze)
    return memory(pass_workload(step), step.numerics, 8.0, layouts(cm.Layout(zero=0, **fields)))


def test_parts_add_up_to_the_model():
    assert sum(PARTS.values()) == LLAVA.parameters.total
    assert set(PARTS) == {"embedding", "attention", "feed_forward", "norms", "vision", "projector", "head"}
    assert PARTS["projector"] == 1024 * 4096 + 4096 + 4096 * 4096 + 4096


@pytest.mark.parametrize("freeze", [["vision"], ["embedding"], ["vision", "attention", "norms"], PROJECTOR_ALONE])
def test_frozen_parts_have_no_gradients_and_no_states(freeze):
    trained = LLAVA.parameters.total - sum(PARTS[part] for part in freeze)
    assert cm.trainable_parameters(LLAVA, cm.FullFineTuning(tokens="1M", freeze=freeze)) == trained
    parts = step_memory(freeze)
    assert parts.weights == pytest.approx(2 * LLAVA.parameters.total)
    assert parts.optimizer_states == pytest.approx(12 * trained, rel=1e-3)
    assert parts.gradients == pytest.approx(2 * trained, rel=1e-3)


def test_frozen_tower_has_no_backward_pass_and_saves_no_activations():
    whole, frozen = training(), training(["vision"])
    forward = pass_flops(cm.FullFineTuning(tokens="1M", sequence_length=2048).scoring_pass(LLAVA, 1e6, "forward"))
    tower = (pass_flops(whole) - pass_flops(frozen)) / 2
    assert 0.01 * forward < tower < 0.02 * forward, "0.3 B parameters on 577 of 2,048 tokens"
    assert pass_flops(whole) == pytest.approx(3 * forward, rel=0.01)
    assert step_memory(["vision"]).activations < step_memory().activations


def test_frozen_text_model_below_no_trained_part_but_above_one_passes_gradients_on():
    """Only the projector is trained: the layers take the gradient of their inputs, not of their weights."""
    numerics = training(PROJECTOR_ALONE).numerics
    assert 0.85 < numerics.backward < 1.0
    head_alone = training([part for part in PARTS if part != "head"]).numerics
    assert (
        head_alone.backward == 0
        and head_alone.saved == 0
        and head_alone.embedding_trained == pytest.approx(0.5, abs=0.01)
    )


def test_frozen_embedding_keeps_the_work_of_the_layers():
    numerics = training(["embedding"]).numerics
    assert numerics.backward == pytest.approx(2) and numerics.saved == 1


def test_nothing_frozen_changes_nothing():
    assert training().numerics == cm.FullFineTuning(tokens="1M").numerics()


def test_frozen_parts_make_a_step_faster_and_smaller():
    cluster, layout = cm.Cluster("H100-SXM", 8), cm.Layout(data=8, zero=3, recompute="full")
    steps = [
        cm.step_time(LLAVA, cluster, cm.FullFineTuning(tokens="1M", batch_size=8, freeze=freeze), layout)
        for freeze in ([], ["vision"], PROJECTOR_ALONE)
    ]
    assert steps[0].seconds > steps[1].seconds > steps[2].seconds
    assert steps[0].si.memory.total > steps[1].si.memory.total > steps[2].si.memory.total


def test_unknown_parts_are_refused_with_all_that_are_known():
    with pytest.raises(cm.InputError, match=r"freeze: .*'tower'.*vision"):
        training(["tower"])
    with pytest.raises(cm.InputError, match=r"all parts of llava-1\.5-7b are frozen"):
        training(list(PARTS))
    with pytest.raises(cm.InputError, match="freeze: needs the layers"):
        training(["vision"], model=cm.load_architecture({"total": "7B"}))
    with pytest.raises(cm.InputError, match="freeze is for training without adapters"):
        cm.LoRA(tokens="1M", freeze=["vision"])


def test_trainable_parameters_of_adapters():
    recipe = cm.LoRA(tokens="1M", rank=8, targets=["q_proj", "v_proj"])
    assert cm.trainable_parameters("llama-2-7b", recipe) == 32 * 2 * 8 * (4096 + 4096)
    embeddings = 2 * 32000 * 4096
    assert cm.trainable_parameters("llama-2-7b", recipe.replace(train_embeddings=True)) == 4194304 + embeddings
    assert cm.trainable_parameters("llama-2-7b", cm.Pretraining(tokens="1T")) == 6738415616
    with pytest.raises(cm.InputError, match="expected one recipe"):
        cm.trainable_parameters("llama-2-7b", "lora")
