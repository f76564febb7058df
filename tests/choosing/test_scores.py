"""Scores: errors, draws, evaluators, sources, and the assumed contamination."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.choosing.scores import Scores
from costmodel.foundation.ranges import Range, middle
from costmodel.foundation.tables import read_csv, table

ROWS = table("facts/benchmark_scores").rows


def test_every_row_has_source_license_and_evaluator():
    assert len(ROWS) == 973
    assert all(row["source"] and row["license"] and row["evaluator"] for row in ROWS)
    assert all(row["as_of"] for row in ROWS)
    assert sum(bool(row["date"]) for row in ROWS) == 528
    assert len({row["id"] for row in ROWS}) == len(ROWS)


def test_table_holds_every_shared_score(shared):
    given = read_csv(shared / "facts" / "benchmark_scores.csv").rows
    held = [(row["model"], round(float(row["score"]), 4)) for row in ROWS]
    for row in given:
        scale = 0.01 if row["score_unit"] == "percent" else 1.0
        key = row["model"], round(float(row["score"].rstrip("%")) * scale, 4)
        held.remove(key)  # raises if the score is missing
    assert len(given) == 894


@given(value=st.floats(0.01, 0.99), n=st.integers(2, 10**6))
def test_binomial_error(value, n):
    score = cm.Score("m", "b", value, n=n)
    assert score.error == pytest.approx(math.sqrt(value * (1 - value) / n))


def test_given_error_precedes_the_binomial_one():
    assert cm.Score("m", "b", 0.5, n=100, standard_error=0.01).error == 0.01


@pytest.mark.parametrize("value, n", [(0.8, 50), (0.03, 225), (0.5, 400)])
def test_draws_have_mean_and_error_of_the_score(value, n):
    score = cm.Score("m", "b", value, n=n)
    drawn = score.draw(200_000)
    assert np.mean(drawn) == pytest.approx(value, abs=0.002)
    assert np.std(drawn) == pytest.approx(score.error, rel=0.02)
    assert np.all((drawn > 0) & (drawn < 1))


def test_score_of_nothing_solved_may_still_solve_some():
    drawn = cm.Score("m", "b", 0, n=100).draw(50_000)
    assert np.quantile(drawn, 0.95) == pytest.approx(0.019, abs=0.002)  # beta(0.5, 100.5)


def test_draws_are_reproducible_and_differ_between_models():
    first, again, other = (cm.Score(name, "b", 0.5, n=100).draw(100) for name in ("m", "m", "k"))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_contamination_lowers_score_and_widens_it():
    plain = cm.Score("m", "b", 0.8, n=400)
    assumed = plain.replace(contamination="2 to 20 %")
    assert isinstance(assumed.contamination, Range)
    assert assumed.expected == pytest.approx(0.8 * (1 - middle(assumed.contamination)))
    assert np.mean(assumed.draw(20_000)) < 0.78
    assert np.std(assumed.draw(20_000)) > 1.5 * np.std(plain.draw(20_000))


def test_discount_applies_to_a_named_model_or_to_all():
    listed = Scores([cm.Score("o3_high", "b", 0.8, n=9), cm.Score("o3_low", "b", 0.7, n=9)])
    assert [score.expected for score in listed.discounted(0.5)] == [0.4, 0.35]
    assert [score.expected for score in listed.discounted(0.5, model="o3 (high)")] == [0.4, 0.7]


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"value": 80}, "80 points are 0.8"),
        ({"value": 0.8, "standard_error": 2}, "2 points are 0.02"),
        ({"value": 0.8, "n": 0}, "n:"),
        ({"value": -0.1}, "value:"),
        ({"value": 0.5, "author": "me"}, "unknown field 'author'"),
    ],
)
def test_wrong_scores_are_refused(fields, message):
    with pytest.raises(cm.InputError, match=message):
        cm.Score("m", "b", **fields)


def test_unknown_error_is_named():
    with pytest.raises(cm.MissingFactError, match="give n or standard_error"):
        cm.Score("m", "b", 0.5).draw(10)
    with pytest.raises(cm.MissingFactError, match="needs n"):
        cm.Score("m", "b", 0.0, standard_error=0.0).draw(10)
    with pytest.raises(cm.InputError, match="in minutes"):
        cm.scores("METR 50 % time horizon")[0].draw(10)


def test_lookup_by_benchmark_model_and_evaluator():
    found = cm.scores("gpqa diamond", evaluator="epoch ai")
    assert found.benchmarks == ["GPQA diamond"] and found.evaluators == ["Epoch AI"]
    assert {score.model for score in cm.scores(model="o3", evaluator="Epoch AI")} == {
        f"o3-2025-04-16_{effort}" for effort in ("low", "medium", "high")
    }
    assert {score.model for score in cm.scores(model="o3_high", evaluator="Epoch AI")} == {"o3-2025-04-16_high"}


@pytest.mark.parametrize(
    "query, kind",
    [
        ({"benchmark": "GPQA"}, "benchmark"),
        ({"evaluator": "epoch"}, "evaluator"),
        ({"model": "gpt-99"}, "model with a score"),
    ],
)
def test_unknown_names_are_refused(query, kind):
    with pytest.raises(cm.UnknownNameError, match=f"unknown {kind}"):
        cm.scores(**query)


def test_own_scores_are_added_and_printed():
    own = cm.Score("mine", "Aider polyglot", 0.5, n=225)
    listed = Scores([*cm.scores("Aider polyglot", model="o3_high"), own])
    assert listed.evaluators == ["Aider", "own"]
    assert "mine" in str(listed) and "0.5 ± 0.033" in str(listed)
    assert max(map(len, str(listed).splitlines())) <= 80
    assert len(listed.to_frame()) == len(listed.to_dict()["scores"]) == 4
    with pytest.raises(cm.InputError, match="must be Score"):
        Scores(["o3"])


def test_published_run_has_tokens_and_dollars():
    score = next(each for each in cm.scores("Aider polyglot", model="gpt-5_high") if each.usd)
    assert score.value == 0.88
    assert score.usd * 225 == pytest.approx(29.0829)
    assert score.output_tokens * 225 == pytest.approx(2_623_429)
