"""Preference optimization: passes by name, kind and tokens, and auxiliary models."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.training.recipes.passes import pass_flops
from costmodel.training.step.workload import workload

LLAMA = cm.load_architecture("llama-3.1-8b")
PAIRS = (cm.DPO, cm.ORPO, cm.SimPO, cm.RewardModel)
WITH_REFERENCE = (cm.DPO, cm.KTO)
MATRICES = LLAMA.parameters.total - LLAMA.vocabulary * LLAMA.width - 65 * LLAMA.width
"""Parameters of matmuls: without the embedding and the 65 norms."""


def listed(recipe):
    return [(model_pass.name, model_pass.kind, model_pass.tokens) for model_pass in recipe.passes(LLAMA)]


@pytest.mark.parametrize("method", PAIRS)
def test_pair_methods_count_two_sequences_per_example(method):
    recipe = method(examples=1000, lengths=400, epochs=2)
    assert recipe.trained_tokens() == 2 * 1000 * 400 * 2
    assert recipe.replace(tokens=1e6, examples=None).trained_tokens() == 2e6  # tokens of both answers


def test_kto_counts_one_sequence_per_example():
    assert cm.KTO(examples=1000, lengths=400, epochs=2).trained_tokens() == 1000 * 400 * 2


@pytest.mark.parametrize("method", WITH_REFERENCE)
def test_reference_model_scores_training_tokens(method):
    assert listed(method(tokens=1e6, epochs=3)) == [("train", "train", 3e6), ("reference", "forward", 3e6)]
    once = method(tokens=1e6, epochs=3, precomputed_reference=True)
    assert listed(once) == [("train", "train", 3e6), ("reference", "forward", 1e6)]


@pytest.mark.parametrize("method", WITH_REFERENCE)
def test_precomputed_reference_scores_once_for_all_epochs_and_trials(method):
    once = method(tokens=1e6, epochs=3, trials=4, precomputed_reference=True)
    assert listed(once) == [("train", "train", 12e6), ("reference", "forward", 1e6)]


@pytest.mark.parametrize("method", [cm.ORPO, cm.SimPO, cm.RewardModel])
def test_methods_without_reference_have_only_a_training_pass(method):
    assert listed(method(tokens=1e6, epochs=3)) == [("train", "train", 3e6)]
    assert method(tokens=1e6).auxiliary_bytes(LLAMA) == 0


@pytest.mark.parametrize(
    ("method", "flops"), [(cm.DPO, 16), (cm.KTO, 8), (cm.ORPO, 12), (cm.SimPO, 12), (cm.RewardModel, 12)]
)
def test_flops_per_token_of_each_method(method, flops):
    """6 FLOPs per parameter and trained token, 2 for the reference; twice that for pairs; no core attention."""
    recipe = method(examples=1000, lengths=1024, sequence_length=1024)
    whole = sum(pass_flops(model_pass) for model_pass in recipe.passes(LLAMA))
    core = workload(LLAMA, 1024).attention_flops / 1024
    forward = sum(
        (3 if model_pass.kind == "train" else 1) * model_pass.tokens * core for model_pass in recipe.passes(LLAMA)
    )
    assert (whole - forward) / (1000 * 1024) == pytest.approx(flops * MATRICES, rel=1e-9)


@pytest.mark.parametrize("method", WITH_REFERENCE)
def test_reference_model_needs_memory_unless_adapters_or_precomputed(method):
    assert method(tokens=1e6).auxiliary_bytes(LLAMA) == 2 * LLAMA.parameters.total
    assert method(tokens=1e6, rank=8).auxiliary_bytes(LLAMA) == 0
    assert method(tokens=1e6, precomputed_reference=True).auxiliary_bytes(LLAMA) == 0


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([*PAIRS, cm.KTO]), st.floats(0.5, 10), st.integers(1, 64) | st.none())
def test_scoring_pass_has_fewer_flops_than_training_pass(method, epochs, rank):
    passes = method(tokens=1e6, epochs=epochs, rank=rank).passes(LLAMA)
    trained = next(model_pass for model_pass in passes if model_pass.kind == "train")
    assert (trained.adapters is None) == (rank is None)
    for model_pass in passes[1:]:
        assert (model_pass.numerics.backward, model_pass.numerics.trained, model_pass.adapters) == (0, 0, None)
        assert 2 * pass_flops(model_pass) < pass_flops(trained)
