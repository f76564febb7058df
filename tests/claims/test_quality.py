"""Claims about quality: parts, probabilities by hand, groups, and what is refused."""

import math
from statistics import NormalDist

import pytest

import costmodel as cm
from costmodel.claims.claim import load_claims, read_claim
from costmodel.claims.quality import _low_cost, quality_answers

GPQA = {"text": "t", "benchmark": "GPQA diamond", "evaluator": "Epoch AI"}


def probability(**fields):
    return cm.check_claim(cm.QualityClaim(**{**GPQA, **fields}), paths=20_000).probability


def test_gap_of_two_models_follows_from_their_errors():
    """0.763 and 0.717 with errors 0.02 and 0.03: P(0.717 >= (1 - gap) 0.763) for normal errors."""
    scores = {
        name: cm.scores("GPQA diamond", model=name, evaluator="Epoch AI")[0] for name in ("DeepSeek-R1", "gpt-5.1_high")
    }
    low, high = scores["DeepSeek-R1"], scores["gpt-5.1_high"]
    found = probability(model="DeepSeek-R1", against="gpt-5.1_high", gap_to=0.18)
    mean = low.value - 0.82 * high.value
    expected = NormalDist(mean, math.hypot(low.error, 0.82 * high.error)).cdf(0)
    assert found == pytest.approx(1 - expected, abs=0.03)


def test_wider_bounds_are_more_probable():
    gaps = [probability(group="low_cost", gap_to=gap) for gap in (0.01, 0.05, 0.1, 0.5)]
    shares = [probability(group="low_cost", top_share=share) for share in (0.01, 0.05, 0.1, 1.0)]
    assert gaps == sorted(gaps)
    assert shares == sorted(shares)
    assert gaps[-1] == shares[-1] == 1
    assert gaps[0] < 0.5


def test_best_model_is_among_the_best_and_the_worst_is_not():
    assert probability(model="gpt-5.1_high", top_share=0.1) > 0.9
    assert probability(model="Llama-2-70b-chat-hf", top_share=0.5) == 0


def test_all_parts_hold_together_at_most_as_often_as_each_alone():
    claim = cm.QualityClaim(**GPQA, group="low_cost", gap_to=0.05, top_share=0.1, closing_since="2025-02-01")
    stated, *parts = quality_answers(claim, 20_000, 0)[:4]
    assert [part.assumptions.split(" ")[0] for part in parts] == ["gap", "among", "closing"]
    assert stated.probability <= min(part.probability for part in parts)


def test_contamination_of_the_claimed_models_lowers_the_probability():
    answers = quality_answers(cm.QualityClaim(**GPQA, group="open_weights", gap_to=0.1), 20_000, 0)
    lower = next(answer for answer in answers if "contamination" in answer.assumptions)
    assert lower.probability < answers[0].probability


def test_models_released_later_do_not_count():
    early = cm.check_claim(cm.QualityClaim(**GPQA, group="open_weights", on="2024-12-31", gap_to=0.1))
    assert "DeepSeek-R1" not in str(early)
    assert "gpt-5" not in early.answers[0].note
    assert early.probability < probability(group="open_weights", on="2025-11-17", gap_to=0.1)


def test_closing_at_a_rate_is_less_probable_the_higher_the_rate():
    dates = {"group": "open_weights", "on": "2025-11-17", "closing_since": "2024-10-01"}
    any_rate, slow, fast = probability(**dates), *(probability(**dates, closing_rate=rate) for rate in (0.1, 0.5))
    assert any_rate >= slow > fast
    answer = cm.check_claim(cm.QualityClaim(**GPQA, **dates, gap_to=0.5, closing_rate=0.1)).answers[2]
    assert answer.assumptions == "closing since 2024-10-01 by 10% a year alone"


def test_low_cost_group_is_that_of_the_published_runs():
    assert {"deepseek-v3", "kimi-k2", "qwen3-235b-a22b"} <= _low_cost()
    assert "llama-3.1-405b" not in _low_cost()


def test_other_benchmarks_of_the_evaluator_are_answers():
    answers = cm.check_claim(cm.QualityClaim(**GPQA, group="open_weights", gap_to=0.1)).answers
    assert {"on MATH level 5", "on FrontierMath private"} <= {answer.assumptions for answer in answers}
    assert all(answer.scope == "quality" for answer in answers)


def test_examples_are_read_and_probable_but_not_certain(root):
    claims = [claim for claim in load_claims(root / "examples" / "claims.toml") if claim.kind == "quality"]
    assert len(claims) == 2
    for claim in claims:
        assert read_claim(claim.to_data()) == claim
        assert 0.5 < cm.check_claim(claim).probability < 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "give one of model and group"),
        ({"model": "o3", "group": "low_cost", "gap_to": 0.1}, "give one of model and group"),
        ({"model": "o3"}, "at least one statement"),
        ({"model": "o3", "closing_since": "2025-01-01", "on": "2024-01-01"}, "closing_since must be before on"),
        ({"model": "o3", "closing_since": "2024-01-01", "closing_rate": 0.1}, "closing_rate needs on"),
        ({"model": "o3", "gap_to": 2}, "gap_to: must be a number above 0 and at most 1; got 2"),
    ],
)
def test_contradictions_are_refused(fields, message):
    with pytest.raises(cm.InputError, match=message):
        cm.QualityClaim(**GPQA, **fields)


def test_unknown_names_and_missing_scores_are_named():
    with pytest.raises(cm.UnknownNameError, match="did you mean 'GPQA diamond'"):
        probability(**{"benchmark": "GPQA", "group": "low_cost", "gap_to": 0.1})
    with pytest.raises(cm.MissingFactError, match="claimed side"):
        probability(model="no such model", gap_to=0.1)
    with pytest.raises(cm.MissingFactError, match="released until 2020-01-01"):
        probability(group="low_cost", gap_to=0.1, on="2020-01-01")


def test_verdicts_print_within_80_columns_with_their_notes(root):
    for claim in load_claims(root / "examples" / "claims.toml"):
        verdict = cm.check_claim(claim, paths=1000)
        _, *lines = str(verdict).splitlines()  # the text of the claim stands as it was written
        assert claim.kind != "quality" or max(map(len, lines)) <= 80
        assert all(" ".join(answer.note.split()) in " ".join(str(verdict).split()) for answer in verdict.answers)
