"""Distillation: passes, auxiliary models and the price of an API."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.market.api_prices import api_models, api_price
from costmodel.training.recipes.passes import pass_flops

STUDENT, TEACHER = cm.load_architecture("llama-3.2-1b"), cm.load_architecture("llama-3.1-8b")
DATA = {"examples": 1000, "lengths": 500, "sequence_length": 2048, "prompt_length": 100}
API, PROVIDER = "claude-haiku-4-5", "anthropic"


def listed(recipe):
    return [(model_pass.name, model_pass.kind, model_pass.tokens) for model_pass in recipe.passes(STUDENT)]


def test_teacher_generates_once_and_student_trains_every_epoch():
    recipe = cm.Distillation(**DATA, teacher=TEACHER, epochs=3)
    assert listed(recipe) == [("teacher", "generate", 500e3), ("train", "train", 1500e3)]
    writes, train = recipe.passes(STUDENT)
    assert (writes.architecture, train.architecture) == (TEACHER, STUDENT)
    assert (writes.prompt_length, writes.sequence_length) == (100, 500)
    assert writes.lengths == ()  # no step waits for stragglers
    assert recipe.auxiliary_bytes(STUDENT) == 0
    assert recipe.purchases() is None


def test_prompts_have_256_tokens_by_default():
    recipe = cm.Distillation(examples=1000, lengths=500, teacher=TEACHER)
    assert recipe.passes(STUDENT)[0].prompt_length == 256


def test_teacher_scores_every_epoch_unless_cached():
    recipe = cm.Distillation(**DATA, teacher=TEACHER, epochs=3, trials=2, learn_from="logits")
    assert listed(recipe) == [("teacher", "forward", 3000e3), ("train", "train", 3000e3)]
    assert recipe.auxiliary_bytes(STUDENT) == 2 * TEACHER.parameters.total
    kept = recipe.replace(cached=True)
    assert listed(kept) == [("teacher", "forward", 500e3), ("train", "train", 3000e3)]
    assert kept.auxiliary_bytes(STUDENT) == 0


def test_scoring_teacher_has_forward_pass_flops():
    reads, _ = cm.Distillation(tokens=1e6, teacher=TEACHER, learn_from="logits").passes(STUDENT)
    assert pass_flops(reads) == pytest.approx(cm.count_flops(TEACHER, 2048).forward * 1e6 / 2048)
    assert (reads.numerics.backward, reads.adapters) == (0, None)


def test_teacher_api_is_billed_once_for_input_and_output_tokens():
    price = api_price(API, PROVIDER)
    expected = (1000 * 100 * price.usd_per_million_input + 1000 * 500 * price.usd_per_million_output) / 1e6
    recipe = cm.Distillation(**DATA, api=API, api_provider=PROVIDER, epochs=3, trials=2, trial_share=0.5)
    paid = recipe.purchases()
    assert paid.value == pytest.approx(expected)
    assert paid.provenance.kind == "looked up"
    assert (paid.provenance.source, paid.provenance.as_of) == (price.source, str(price.as_of))
    assert listed(recipe) == [("train", "train", 1500e3)]
    assert recipe.auxiliary_bytes(STUDENT) == 0
    batch = recipe.replace(api_batch=True).purchases()
    assert batch.value == pytest.approx(price.batch_factor * expected) and "batch" in batch.provenance.note


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 10**6), st.floats(1, 2000), st.floats(0, 5000), st.integers(1, 5))
def test_api_cost_is_linear_in_examples(examples, length, prompt, epochs):
    def paid(count):
        recipe = cm.Distillation(
            examples=count, lengths=length, prompt_length=prompt, epochs=epochs, api=API, api_provider=PROVIDER
        )
        return recipe.purchases().value

    assert paid(3 * examples) == pytest.approx(3 * paid(examples))


@pytest.mark.parametrize("given", [{}, {"teacher": TEACHER, "api": API}])
def test_teacher_or_api_is_required(given):
    with pytest.raises(cm.InputError, match="give exactly one of the two"):
        cm.Distillation(**DATA, **given)


def test_unsupported_api_options_are_rejected():
    with pytest.raises(cm.InputError, match="no API returns the logits"):
        cm.Distillation(**DATA, api=API, api_provider=PROVIDER, learn_from="logits")
    with pytest.raises(cm.CostModelError, match=r"claude-haiku-4-5"):
        cm.Distillation(**DATA, api="claude-haiku-4-55", api_provider=PROVIDER)
    without = next(model for model in api_models("deepseek") if api_price(model, "deepseek").batch_factor is None)
    with pytest.raises(cm.CostModelError, match="no batch price"):
        cm.Distillation(**DATA, api=without, api_provider="deepseek", api_batch=True)
