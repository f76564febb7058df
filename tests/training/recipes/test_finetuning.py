"""Fine-tuning: fields and errors, tokens, bytes, and FLOPs against published values."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.training.layouts.step_time import pass_workload
from costmodel.training.recipes.finetuning import FROZEN_WEIGHT_BYTES
from costmodel.training.recipes.passes import pass_flops, sequence_flops
from costmodel.training.recipes.table import RECIPES
from costmodel.training.step.adapters import Adapters, adapter_parameters
from costmodel.training.step.layout import layouts
from costmodel.training.step.memory import memory
from costmodel.training.step.workload import workload

LLAMA = cm.load_architecture("llama-3.1-8b")
EIGHT = cm.Cluster("H100-SXM", 8)
MODELS = ["llama-2-7b", "llama-2-13b", "llama-2-70b"]


def matrices(architecture):
    """Parameters of matmuls: all but norms and the embedding; a tied embedding counts as the head."""
    norms = (architecture.depth * 2 + 1) * architecture.width
    looked_up = 0 if architecture.tied else architecture.vocabulary * architecture.width
    return architecture.parameters.total - looked_up - norms


def per_token(architecture, numbers, adapters=None, length=4096):
    """FLOPs per trained token without core attention."""
    core = 3 * workload(architecture, length).attention_flops
    return (sequence_flops(architecture, length, numbers, adapters) - core) / length


# FLOPs


@pytest.mark.parametrize("name", ["llama-3.1-8b", "llama-2-7b", "gpt3-175b"])
def test_full_fine_tuning_takes_6_flops_per_parameter_and_token(name):
    architecture = cm.load_architecture(name)
    flops = per_token(architecture, cm.FullFineTuning(tokens=1).numerics())
    # biases and learned positions are parameters without matmul
    assert flops == pytest.approx(6 * matrices(architecture), rel=1e-3)


@pytest.mark.parametrize("rank", [1, 16, 256])
def test_lora_takes_4_flops_per_frozen_parameter_and_6_per_adapter_parameter(rank):
    recipe = cm.LoRA(tokens=1, rank=rank)
    adapters = adapter_parameters(LLAMA, recipe.adapters)
    flops = per_token(LLAMA, recipe.numerics(), recipe.adapters)
    assert flops == pytest.approx(4 * matrices(LLAMA) + 6 * adapters, rel=1e-12)
    trained_tables = recipe.replace(train_embeddings=True)
    more = per_token(LLAMA, trained_tables.numerics(), recipe.adapters) - flops
    assert more == pytest.approx(
        2 * LLAMA.vocabulary * LLAMA.width
    )  # weight gradient of the head; the embedding lookup has no FLOPs


@pytest.mark.parametrize(("name", "ratio"), list(zip(MODELS, [5.91, 5.95, 5.98], strict=True)))
def test_full_fine_tuning_flops_match_nvidia(name, ratio):
    """NVIDIA NeMo 24.12, performance summary: FLOPs per token and parameter, from its two columns."""
    architecture = cm.load_architecture(name)
    flops = per_token(architecture, cm.FullFineTuning(tokens=1).numerics())
    assert flops / architecture.parameters.total == pytest.approx(ratio, rel=0.01)


@pytest.mark.parametrize(("name", "ratio"), list(zip(MODELS, [3.96, 3.98, 3.99], strict=True)))
@pytest.mark.parametrize("adapters", [None, Adapters(32)], ids=["weights alone", "with adapters"])
def test_lora_flops_match_nvidia(name, ratio, adapters):
    architecture = cm.load_architecture(name)
    flops = per_token(architecture, cm.LoRA(tokens=1).numerics(), adapters)
    assert flops / architecture.parameters.total == pytest.approx(ratio, rel=0.01)


def test_scoring_takes_2_flops_per_parameter_and_token():
    model_pass = cm.DPO(tokens=1e6, sequence_length=4096).passes(LLAMA)[1]
    core = workload(LLAMA, 4096).attention_flops / 4096
    assert pass_flops(model_pass) / model_pass.tokens == pytest.approx(2 * matrices(LLAMA) + core)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["lora", "full_fine_tuning", "qlora", "orpo"]), st.floats(32, 2000))
def test_packed_examples_do_not_attend_to_each_other(kind, length):
    """Packed examples have the FLOPs of as many short sequences, in the step and in the total."""
    recipe = RECIPES[kind](tokens=1e6, lengths=length, sequence_length=2048)
    model_pass = recipe.passes(LLAMA)[0]
    alone = sequence_flops(LLAMA, length, model_pass.numerics, model_pass.adapters) / length
    assert pass_flops(model_pass) / model_pass.tokens == pytest.approx(alone)
    assert pass_workload(model_pass).model_flops / 2048 == pytest.approx(alone)
    assert model_pass.sequence_length == 2048 and model_pass.document_length == pytest.approx(length)


# Tokens


def test_trained_tokens_count_epochs_trials_and_examples():
    assert cm.LoRA(tokens="20M", epochs=3).trained_tokens() == 60e6
    swept = cm.LoRA(tokens="20M", epochs=2, trials=8, trial_share=0.25)
    assert swept.total_epochs == 4 and swept.trained_tokens() == 80e6
    assert cm.LoRA(examples=1000, lengths=300, epochs=2).trained_tokens() == 600e3
    assert cm.LoRA(examples=1000, lengths=3000, sequence_length=2048).trained_tokens() == 2048e3  # truncated
    uncertain = cm.LoRA(tokens="10M to 40M", epochs=2)
    assert uncertain.trained_tokens().median() == pytest.approx(40e6)
    assert uncertain.passes(LLAMA)[0].tokens == pytest.approx(40e6)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.1, 20), st.integers(1, 50), st.floats(0.01, 1))
def test_trained_tokens_are_linear_in_epochs_and_trials(epochs, trials, share):
    given_tokens = cm.LoRA(tokens=1e6, epochs=epochs, trials=trials, trial_share=share)
    assert given_tokens.trained_tokens() == pytest.approx(1e6 * epochs * trials * share)
    assert given_tokens.passes(LLAMA)[0].tokens == pytest.approx(given_tokens.trained_tokens())


def test_padding_is_processed_unless_examples_are_packed():
    padded = cm.LoRA(examples=1000, lengths="100 to 1500", packing=False)
    assert cm.LoRA(examples=1000, lengths="100 to 1500").padding == 1
    layout = {count: padded.replace(padding_group=count).padding for count in (1, 2, 8)}
    assert layout[1] == pytest.approx(1)
    assert (
        layout[1]
        < layout[2]
        < layout[8]
        == padded.padding
        < padded.length_distribution.longest / padded.length_distribution.mean
    )
    assert padded.passes(LLAMA)[0].tokens == pytest.approx(layout[8] * padded.trained_tokens())
    assert padded.passes(LLAMA)[0].document_length is None
    assert padded.trained_tokens() == cm.LoRA(examples=1000, lengths="100 to 1500").trained_tokens()


def test_default_sequences_per_step():
    assert cm.LoRA(tokens=1e6).sequences(1) == cm.LoRA(tokens=1e6).sequences(8) == 64
    assert cm.LoRA(tokens=1e6).sequences(128) == 128
    assert cm.LoRA(tokens=1e6).sequences(48) == 96  # equal for each accelerator
    assert cm.LoRA(tokens=1e6, batch_size=12).sequences(8) == 12


def test_quantization_aware_training_is_slower_with_equal_model_flops():
    full, rounded = cm.FullFineTuning(tokens=1e6), cm.QuantizationAwareTraining(tokens=1e6)
    assert rounded.passes(LLAMA)[0].slowdown == pytest.approx(1 / 0.7)
    assert pass_flops(rounded.passes(LLAMA)[0]) == pass_flops(full.passes(LLAMA)[0])
    layout = cm.Layout(data=8, zero=3, recompute="full")
    times = [cm.step_time(LLAMA, EIGHT, variant, layout).seconds for variant in (full, rounded)]
    assert times[1] / times[0] == pytest.approx(1 / 0.7)


# Bytes


def step_memory(recipe, layout=None):
    model_pass = recipe.passes(LLAMA)[0]
    return memory(pass_workload(model_pass), model_pass.numerics, 64.0, layouts(layout or cm.Layout(zero=0)))


EMBEDDINGS = 2 * LLAMA.vocabulary * LLAMA.width / LLAMA.parameters.total
BYTES_OF_8_BIT_MOMENTS = 2 * (1 + 4 / 256) * (1 - EMBEDDINGS) + 8 * EMBEDDINGS  # embeddings keep 32 bits


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, 16),  # 2 weight, 2 gradient, 4 master, 8 moments
        ({"master_weights": False}, 8),  # everything in 16 bits
        ({"optimizer": "sgd"}, 12),
        ({"optimizer": "adamw-8bit"}, 8 + BYTES_OF_8_BIT_MOMENTS),
        ({"optimizer": "adamw-8bit", "master_weights": False}, 4 + BYTES_OF_8_BIT_MOMENTS),
    ],
)
def test_bytes_per_parameter_of_full_fine_tuning(given, expected):
    parts = step_memory(cm.FullFineTuning(tokens=1e6, **given))
    states = parts.weights + parts.gradients + parts.optimizer_states
    assert states / LLAMA.parameters.total == pytest.approx(expected, rel=1e-4)
    assert parts.adapters == 0


@pytest.mark.parametrize(("master", "expected"), [(True, 16), (False, 8)])
@pytest.mark.parametrize("rank", [8, 64])
def test_bytes_per_parameter_with_frozen_weights(rank, master, expected):
    """2 bytes per frozen parameter and 16 per adapter parameter."""
    recipe = cm.LoRA(tokens=1e6, rank=rank, master_weights=master)
    parts = step_memory(recipe)
    assert parts.weights == pytest.approx(2 * LLAMA.parameters.total, rel=1e-6)
    assert (parts.gradients, parts.optimizer_states) == (0, 0)
    assert parts.adapters == pytest.approx(expected * adapter_parameters(LLAMA, recipe.adapters))


def test_bytes_per_quantized_weight():
    """Dettmers et al. 2023: 4 + 8 / 64 + 32 / (64 × 256) = 4.127 bits; embedding and head stay in 16."""
    assert FROZEN_WEIGHT_BYTES["nf4"] * 8 == pytest.approx(4.127, abs=5e-4)
    assert FROZEN_WEIGHT_BYTES["gptq-int4"] * 8 == pytest.approx(4 + 20 / 128)
    assert FROZEN_WEIGHT_BYTES["int8"] == 1
    tables = 2 * LLAMA.vocabulary * LLAMA.width
    parts = step_memory(cm.QLoRA(tokens=1e6))
    expected = 2 * tables + 4.127 / 8 * (LLAMA.parameters.total - tables)
    assert parts.weights == pytest.approx(expected, rel=1e-3)
    assert parts.adapters == step_memory(cm.LoRA(tokens=1e6)).adapters


@pytest.mark.parametrize(
    ("given", "moments"), [({}, 4), ({"master_weights": False}, 4), ({"optimizer": "adamw-8bit"}, 4)]
)
def test_trained_embeddings_beside_adapters_have_16_bit_moments(given, moments):
    recipe = cm.LoRA(tokens=1e6, train_embeddings=True, **given)
    assert step_memory(recipe).optimizer_states / (2 * LLAMA.vocabulary * LLAMA.width) == pytest.approx(moments)


def test_prompt_tuning_has_few_parameters():
    for prefix in (False, True):
        parts = step_memory(cm.PromptTuning(tokens=1e6, virtual_tokens=20, prefix=prefix))
        assert parts.weights == pytest.approx(2 * LLAMA.parameters.total, rel=1e-6)
        assert 0 < parts.adapters < 2e-3 * parts.weights
    assert (parts.gradients, parts.optimizer_states) == (0, 0)


def test_prompt_has_20_virtual_tokens_by_default():
    assert adapter_parameters(LLAMA, cm.PromptTuning(tokens=1).adapters) == 20 * LLAMA.width


def test_prompt_tuning_supports_quantized_weights():
    """The number formats are those of adapters."""
    prompt, adapters = cm.PromptTuning(tokens=1e6, quantization="nf4"), cm.QLoRA(tokens=1e6)
    assert step_memory(prompt).weights == step_memory(adapters).weights
    assert prompt.numerics() == adapters.numerics()
    assert cm.PromptTuning(tokens=1e6, master_weights=False).numerics().adapter == 2 * 2 + 4


# Time


@pytest.mark.parametrize("software", ["fused", "eager"])
def test_qlora_is_slower_and_needs_less_memory_than_lora(software):
    layout = cm.Layout(data=8, zero=3, micro_batch=2, recompute="full", eager=software == "eager")
    given = {"tokens": 1e6, "software": software}
    full, lora, qlora = (
        cm.step_time(LLAMA, EIGHT, recipe, layout)
        for recipe in (cm.FullFineTuning(**given), cm.LoRA(**given), cm.QLoRA(**given))
    )
    assert lora.seconds < qlora.seconds
    # in eager mode the memory traffic of adapters takes most of the gain
    assert software == "eager" or lora.seconds < full.seconds
    assert lora.si.breakdown.matmul < full.si.breakdown.matmul
    assert lora.si.breakdown.data_parallel < full.si.breakdown.data_parallel
    assert (full.si.breakdown.adapters, full.si.breakdown.dequantize, lora.si.breakdown.dequantize) == (0, 0, 0)
    assert 0 < lora.si.breakdown.adapters == qlora.si.breakdown.adapters and qlora.si.breakdown.dequantize > 0
    assert qlora.si.memory.total < lora.si.memory.total < full.si.memory.total


def test_eager_mode_is_never_faster():
    for recipe in (cm.FullFineTuning(tokens=1e6), cm.LoRA(tokens=1e6), cm.QLoRA(tokens=1e6)):
        fused, eager = (
            cm.step_time(LLAMA, EIGHT, recipe, cm.Layout(data=8, zero=3, recompute="full", eager=is_eager)).seconds
            for is_eager in (False, True)
        )
        assert fused < eager


# Fields, errors and files


def test_valid_field_combinations():
    assert cm.LoRA(tokens=1).adapters == Adapters(16, ("all-linear",))
    assert cm.LoRA(tokens=1, variant="dora", rank=8, targets=["q_proj"]).adapters == Adapters(8, ("q_proj",), True)
    assert cm.LoRA(tokens=1, variant="rslora").adapters == cm.LoRA(tokens=1).adapters
    assert cm.FullFineTuning(tokens=1).adapters is None
    assert cm.QLoRA(tokens=1).quantization == "nf4" and cm.LoRA(tokens=1).quantization == "none"
    assert cm.LoRA(tokens=1).auxiliary_bytes(LLAMA) == 0


def test_all_problems_are_reported_at_once():
    with pytest.raises(cm.InputError) as caught:
        cm.LoRA(tokens="x", epochs=0, rnk=8, optimizer="adam", trial_share=2, trials=0, rank=0, variant="dor")
    assert len(caught.value.problems) == 8
    for name in ("tokens", "epochs", "optimizer", "trial_share", "trials", "rank", "variant"):
        assert any(problem.startswith(f"{name}: ") for problem in caught.value.problems)
    assert "unknown field 'rnk'; did you mean 'rank'?" in str(caught.value)


@pytest.mark.parametrize("given", [{}, {"tokens": 1e6, "examples": 10, "lengths": 5}])
def test_tokens_or_examples_are_required(given):
    with pytest.raises(cm.InputError, match="one of the two"):
        cm.FullFineTuning(**given)


def test_all_invalid_combinations_are_reported_at_once():
    with pytest.raises(cm.InputError) as caught:
        cm.FullFineTuning(examples=5, quantization="nf4", train_embeddings=True)
    for part in ("`examples` need `lengths`", "quantization 'nf4' needs adapters", "train_embeddings is for adapters"):
        assert part in str(caught.value)


def test_adapters_need_at_least_one_target():
    with pytest.raises(cm.InputError, match="targets: adapters need at least one target"):
        cm.LoRA(tokens=1e6, targets=())
    with pytest.raises(cm.InputError, match="targets: should be a list; got 'q_proj'"):
        cm.LoRA(tokens=1e6, targets="q_proj")


@pytest.mark.parametrize("given", ["lora", None, 3, cm.Cluster("H100-SXM", 1)])
def test_invalid_recipe_error_names_valid_recipes(given):
    with pytest.raises(cm.InputError, match=r"recipe: expected a recipe such as LoRA"):
        cm.Scenario("llama-3.1-8b", given, cm.Cluster("H100-SXM", 1))


def test_recipe_errors_in_a_scenario_name_the_field():
    data = {"kind": "lora", "tokens": 1e6, "rnk": 8, "epochs": -1}
    with pytest.raises(cm.InputError) as caught:
        cm.Scenario(architecture="llama-3.1-8b", recipe=[data, {**data, "kind": "qlora"}], cluster=EIGHT)
    assert {problem.partition(":")[0] for problem in caught.value.problems} == {
        "recipe.0.epochs",
        "recipe.0.rnk",
        "recipe.1.epochs",
        "recipe.1.rnk",
    }
    with pytest.raises(cm.InputError, match=r"recipe: unknown kind of recipe 'loora'; did you mean 'lora'"):
        cm.Scenario(architecture="llama-3.1-8b", recipe={"kind": "loora", "tokens": 1e6}, cluster=EIGHT)


EVERY = {
    "pretraining": {"tokens": "1T"},
    "full_fine_tuning": {"examples": 52_000, "lengths": "lognormal 100 to 400", "epochs": 3, "packing": False},
    "lora": {"tokens": "20M to 40M", "variant": "dora", "targets": ["q_proj", "v_proj"], "software": "eager"},
    "qlora": {
        "examples": 9000,
        "lengths": [120, 450, 800],
        "quantization": "gptq-int4",
        "trials": 4,
        "trial_share": 0.5,
    },
    "prompt_tuning": {"tokens": 1e6, "virtual_tokens": 50, "prefix": True},
    "quantization_aware_training": {"tokens": 1e6, "gpu_hours": 3},
    "reward_model": {"examples": 100, "lengths": 300},
    "dpo": {"examples": 100, "lengths": 300, "rank": 8, "precomputed_reference": True},
    "kto": {"examples": 100, "lengths": 300},
    "orpo": {"examples": 100, "lengths": 300},
    "simpo": {"examples": 100, "lengths": 300},
    "grpo": {"examples": 100, "lengths": "500 to 9000", "reward_model": "llama-3.2-3b", "asynchronous": True},
    "ppo": {"examples": 100, "lengths": 300, "critic": "llama-3.2-3b"},
    "distillation": {"tokens": 1e6, "teacher": "llama-3.1-70b", "learn_from": "logits", "cached": True},
}


def test_round_trip_list_holds_every_recipe():
    assert set(EVERY) == set(RECIPES)


@pytest.mark.parametrize("ending", ["toml", "json"])
@pytest.mark.parametrize("kind", EVERY)
def test_recipe_round_trips_through_a_file(kind, ending, tmp_path):
    recipe = RECIPES[kind](**EVERY[kind])
    run = cm.Scenario(architecture="llama-3.1-8b", recipe=recipe, cluster=EIGHT)
    assert cm.Scenario.from_data(run.to_data()) == run
    run.save(tmp_path / f"run.{ending}")
    again = cm.Scenario.load(tmp_path / f"run.{ending}")
    assert again == run and again.recipe == recipe and again.recipe.kind == kind
    assert again.to_data() == run.to_data()
    changed = run.replace({"recipe.batch_size": 32})
    assert changed.recipe == recipe.replace(batch_size=32)


def test_default_batch_size_never_exceeds_the_data():
    tiny = cm.LoRA(tokens=20_000, sequence_length=2048)
    assert tiny.sequences(1) == 10 and tiny.sequences(8) == 16, "equal for each accelerator"
    assert cm.LoRA(examples=5, lengths=100, packing=False).sequences(1) == 5
    assert tiny.replace(batch_size=64).sequences(1) == 64, "a given batch size is kept"
    assert cm.GRPO(examples=3, lengths=100, group_size=8).sequences(1) == 3 * 8
