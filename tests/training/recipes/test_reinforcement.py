"""Reinforcement learning: passes by name, kind and tokens, and auxiliary models."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.training.recipes.passes import generation_flops, pass_flops

LLAMA = cm.load_architecture("llama-3.1-8b")
SMALL = cm.load_architecture("llama-3.2-1b")
DATA = {"examples": 1000, "lengths": 500, "prompt_length": 100, "sequence_length": 2048}


def listed(recipe):
    return [(model_pass.name, model_pass.kind, model_pass.tokens) for model_pass in recipe.passes(LLAMA)]


def architectures(recipe):
    return {model_pass.name: model_pass.architecture for model_pass in recipe.passes(LLAMA)}


def test_grpo_passes_are_generation_scoring_and_training():
    """1000 prompts of 100 tokens with 8 answers of 500 tokens; scoring and training include the prompt."""
    written, read = 1000 * 8 * 500, 1000 * 8 * 600
    recipe = cm.GRPO(**DATA)
    assert recipe.trained_tokens() == written
    assert recipe.sequence_tokens() == pytest.approx(read)
    assert listed(recipe) == [
        ("rollout", "generate", written),
        ("reference", "forward", read),
        ("train", "train", read),
    ]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"reference": False}, ["rollout", "train"]),
        ({"reward_model": SMALL}, ["rollout", "reward", "reference", "train"]),
        ({"iterations": 2}, ["rollout", "old", "reference", "train"]),
        ({"iterations": 2, "reward_model": SMALL, "reference": False}, ["rollout", "reward", "old", "train"]),
    ],
)
def test_scoring_passes_of_auxiliary_models(given, names):
    recipe = cm.GRPO(**DATA, **given)
    assert [model_pass.name for model_pass in recipe.passes(LLAMA)] == names
    assert architectures(recipe).get("reward", SMALL) == SMALL
    trained = recipe.passes(LLAMA)[-1].tokens
    assert trained == pytest.approx(recipe.sequence_tokens() * recipe.iterations)


def test_ppo_trains_critic_and_policy():
    recipe = cm.PPO(**DATA)
    read = 1000 * 600
    assert recipe.trained_tokens() == 1000 * 500
    assert listed(recipe) == [
        ("rollout", "generate", 1000 * 500),
        ("reward", "forward", read),
        ("old", "forward", read),
        ("value", "forward", read),
        ("reference", "forward", read),
        ("train", "train", 4 * read),
        ("critic", "train", 4 * read),
    ]
    assert set(architectures(recipe).values()) == {LLAMA}
    smaller = architectures(recipe.replace(critic="llama-3.2-1b", reward_model="llama-3.2-1b"))
    assert {name for name, model_pass in smaller.items() if model_pass == SMALL} == {"reward", "value", "critic"}
    assert "reference" not in architectures(recipe.replace(reference=False))


@pytest.mark.parametrize("method", [cm.GRPO, cm.PPO])
def test_auxiliary_model_memory(method):
    """2 bytes per parameter of scoring models; the critic has optimizer states."""
    full, judge = 2 * LLAMA.parameters.total, 2 * SMALL.parameters.total
    critic = 16 * LLAMA.parameters.total if method is cm.PPO else 0
    recipe = method(**DATA, reward_model=SMALL)
    assert recipe.auxiliary_bytes(LLAMA) == pytest.approx(full + judge + critic, rel=1e-12)
    assert recipe.replace(reference=False).auxiliary_bytes(LLAMA) == pytest.approx(judge + critic, rel=1e-12)


def test_reference_needs_no_memory_with_adapters():
    assert cm.GRPO(**DATA, rank=16).auxiliary_bytes(LLAMA) == 0
    assert cm.GRPO(**DATA).auxiliary_bytes(LLAMA) == 2 * LLAMA.parameters.total


def test_default_ppo_reward_model_has_size_of_policy():
    size = LLAMA.parameters.total
    assert cm.PPO(**DATA).auxiliary_bytes(LLAMA) == pytest.approx((2 + 2 + 16) * size, rel=1e-12)
    small = cm.PPO(**DATA, critic="llama-3.2-1b", master_weights=False).auxiliary_bytes(LLAMA)
    assert small == pytest.approx(4 * size + 8 * SMALL.parameters.total, rel=1e-12)


def test_adapters_apply_to_policy_for_any_reward_model():
    for recipe in (
        cm.GRPO(**DATA, rank=8, targets=("gate_proj",), reward_model="gpt2"),
        cm.PPO(**DATA, rank=8, targets=("gate_proj",), reward_model="gpt2"),
        cm.Distillation(tokens=1e6, rank=8, targets=("gate_proj",), teacher="gpt2", learn_from="logits"),
    ):
        trained = {model_pass.name: model_pass.adapters is not None for model_pass in recipe.passes(LLAMA)}
        assert trained.pop("train") and not any(
            has_adapters for name, has_adapters in trained.items() if name != "critic"
        )


def test_sequences_per_step_count_answers():
    assert cm.GRPO(**DATA).sequences(8) == 64 * 8
    assert cm.GRPO(**DATA, group_size=16).sequences(8) == 64 * 16
    assert cm.GRPO(**DATA, batch_size=256).sequences(8) == 256
    assert cm.PPO(**DATA).sequences(8) == 64


def test_steps_wait_for_stragglers_unless_rollouts_are_asynchronous():
    spread = {**DATA, "lengths": "lognormal 100 to 1500"}
    waiting = cm.GRPO(**spread).passes(LLAMA)[0]
    assert len(waiting.lengths) == 16 and list(waiting.lengths) == sorted(waiting.lengths)
    assert sum(waiting.lengths) / 16 == pytest.approx(cm.GRPO(**spread).length_distribution.mean, rel=0.05)
    assert cm.GRPO(**DATA).passes(LLAMA)[0].lengths == (500,)
    assert cm.GRPO(**spread, asynchronous=True).passes(LLAMA)[0].lengths == ()


def test_generation_flops_include_prefill_and_decode_once():
    model_pass = cm.GRPO(**DATA).passes(LLAMA)[0]
    flops = cm.count_flops(LLAMA, 600).forward / 500
    assert generation_flops(LLAMA, 100, 500) == pytest.approx(flops)
    assert pass_flops(model_pass) == pytest.approx(flops * model_pass.tokens)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([cm.GRPO, cm.PPO]),
    st.integers(1, 64),
    st.integers(1, 4),
    st.floats(0, 1000),
    st.sampled_from([300, "lognormal 100 to 1500", [50, 700, 900]]),
)
def test_tokens_are_linear_in_group_size_and_prompts_add_scored_tokens(method, group, iterations, prompt, lengths):
    recipe = method(examples=100, lengths=lengths, group_size=group, iterations=iterations, prompt_length=prompt)
    alone = method(examples=100, lengths=lengths, group_size=1, prompt_length=prompt)
    assert recipe.trained_tokens() == pytest.approx(group * alone.trained_tokens())
    assert recipe.sequence_tokens() == pytest.approx(recipe.trained_tokens() + 100 * group * prompt)
    by_name = {model_pass.name: model_pass for model_pass in recipe.passes(LLAMA)}
    assert by_name["rollout"].tokens == recipe.trained_tokens()
    assert by_name["train"].tokens == pytest.approx(iterations * by_name["reference"].tokens)


def test_given_tokens_are_those_of_all_answers():
    recipe = cm.GRPO(tokens=1e6, lengths=500, prompt_length=100, epochs=2)
    assert recipe.trained_tokens() == 2e6 and recipe.sequence_tokens() == pytest.approx(2.4e6)


def test_prompts_have_256_tokens_by_default():
    assert cm.GRPO(examples=1, lengths=500, sequence_length=2048).passes(LLAMA)[0].prompt_length == 256


def test_prompt_must_be_shorter_than_sequence():
    with pytest.raises(cm.InputError, match=r"prompt_length: 3,000 tokens leave no room .* sequences of 2,048"):
        cm.GRPO(examples=5, lengths=5, prompt_length=3000)
    assert cm.GRPO(examples=5, lengths=5, prompt_length=3000, sequence_length=4096).prompt_length == 3000


def test_all_problems_are_reported_at_once():
    with pytest.raises(cm.InputError) as caught:
        cm.GRPO(examples=5, lengths=5, group_size=0, prompt_length=-1, iterations=0, reward_model="lama-3.1-8b")
    assert {problem.partition(":")[0] for problem in caught.value.problems} == {
        "group_size",
        "prompt_length",
        "iterations",
        "reward_model",
    }
    assert "did you mean 'llama-3.1-8b'" in str(caught.value)
