"""Cascades: prices and quality by hand, break-even detectors, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm

TASKS = cm.TaskWorkload(input_tokens=1000, output_tokens=1000)
OWN = [cm.Score("small", "tickets", 0.7, n=400), cm.Score("large", "tickets", 0.9, n=400)]


def api(name, usd):
    """An API that bills `usd` dollars for a task of 2,000 tokens."""
    return cm.HostedAPI(name=name, usd_per_million_input=500 * usd, usd_per_million_output=500 * usd)


def built(detector, *, small=1.0, large=10.0, scores=OWN, workload=TASKS, correlation=0, **options):
    models = [api("small", small), api("large", large)]
    return cm.cascade(workload, models, scores, detector, correlation=correlation, **options)


def test_price_quality_and_time_by_hand():
    """Of 100 tasks 31 are escalated: 7 right and 24 wrong ones; 63 + 0.9 x 31 are solved."""
    detector = cm.Detector(recall=0.8, false_positive_rate=0.1, usd_per_answer=0.5, seconds=2)
    result = built(detector, workload=TASKS.replace(wrong_answer_usd=3), latency={"small": 1, "large": 5})
    own = result["cascade"]
    assert own.solved == pytest.approx(0.909)
    assert own.usd_per_task == pytest.approx(1 + 0.5 + 0.31 * 10 + 0.091 * 3)
    assert own.usd_per_solved_task == pytest.approx((4.6 + 0.273) / 0.909)
    assert (own.seconds, own.longest) == (pytest.approx(3 + 0.31 * 5), pytest.approx(8))
    assert result.reached == (1, pytest.approx(0.31))
    assert result["always small"].usd_per_task == pytest.approx(1 + 0.3 * 3)
    assert result["always large"].usd_per_task == pytest.approx(10 + 0.1 * 3)
    assert result["always large"].solved == pytest.approx(0.9)


def test_precision_is_of_the_answers_that_reach_the_level():
    """At the second level 0.15 x 0.8 of 0.15 answers are right if failures are independent."""
    scores = [cm.Score(name, "t", value, n=400) for name, value in (("a", 0.85), ("b", 0.8), ("c", 0.9))]
    detectors = [cm.Detector(recall=1, precision=1), cm.Detector(recall=0.5, precision=0.5)]
    result = cm.cascade(TASKS, [api("a", 1), api("b", 2), api("c", 4)], scores, detectors, correlation=0)
    assert result.rates[1].false_positive == pytest.approx(0.5 * 0.2 * 0.5 / (0.5 * 0.8))
    nested = cm.cascade(TASKS, [api("a", 1), api("b", 2), api("c", 4)], scores, detectors, correlation=1)
    assert nested.rates[1].false_positive == 0  # all that reach the second level are wrong there too


def test_rates_and_precision_describe_the_same_detector():
    by_precision = built(cm.Detector(recall=0.8, precision=24 / 31))
    by_rate = built(cm.Detector(false_negative_rate=0.2, false_positive_rate=0.1))
    assert by_precision["cascade"].usd_per_task == pytest.approx(by_rate["cascade"].usd_per_task)
    assert by_rate.detector_at() == pytest.approx((24 / 31, 0.8))


@settings(max_examples=30)
@given(
    small=st.floats(0.1, 9),
    values=st.tuples(st.floats(0.05, 0.95), st.floats(0.05, 0.95)),
    weight=st.floats(0.01, 0.99),
)
def test_perfect_detector_is_never_worse_than_always_large(small, values, weight):
    scores = [cm.Score("small", "t", values[0], n=200), cm.Score("large", "t", values[1], n=200)]
    result = built(cm.Detector(recall=1, precision=1), small=small, scores=scores, correlation=weight)
    own, last = result["cascade"], result["always large"]
    assert own.solved >= last.solved - 1e-9
    assert np.all(own.draws("solved") >= last.draws("solved") - 1e-9)
    assert result.probability_no_worse("solved") == 1
    assert small <= own.usd_per_task <= small + last.usd_per_task + 1e-9


@settings(max_examples=30)
@given(
    precision=st.floats(0.35, 1.0),
    recall=st.floats(0.0, 1.0),
    figure=st.sampled_from(["usd_per_solved_task", "usd_per_task", "solved"]),
    small=st.floats(1, 9.9),
)
def test_break_even_recall_makes_the_cascade_equal_to_always_large(precision, recall, figure, small):
    result = built(cm.Detector(recall=recall, precision=precision), small=small, correlation=0.4)
    found = result.break_even(figure)
    if found.recall is not None:
        assert 0 <= found.recall <= found.most
        equal = built(cm.Detector(recall=found.recall, precision=precision), small=small, correlation=0.4)
        assert getattr(equal["cascade"], figure) == pytest.approx(getattr(equal["always large"], figure), rel=1e-6)
    own, last = getattr(result["cascade"], figure), getattr(result["always large"], figure)
    no_worse = own >= last if figure == "solved" else own <= last
    by_recall = {"always": True, "never": False}.get(found.better)
    if by_recall is None and abs(recall - found.recall) > 1e-6:
        by_recall = (recall > found.recall) == (found.better == "above")
    if by_recall is not None and abs(own - last) > 1e-9 * last:
        assert no_worse == by_recall


def test_break_even_in_quality_by_hand():
    """0.7 + r (0.3 x 0.9 - 0.7 k x 0.1) = 0.9, with k r of the right answers escalated."""
    found = built(cm.Detector(recall=0.5, precision=0.75)).break_even("solved")
    per_recall = 0.3 * 0.25 / (0.75 * 0.7)
    assert found.recall == pytest.approx(0.2 / (0.3 * 0.9 - 0.7 * per_recall * 0.1))
    assert found.better == "above"
    assert found.interval[0] < found.recall < found.interval[1]


def test_quality_loss_lowers_the_recall_that_is_needed():
    strict, lenient = (
        built(cm.Detector(recall=0.5, precision=0.9), quality_loss=loss).break_even("solved").recall
        for loss in (0, 0.02)
    )
    assert lenient < strict


def test_default_correlation_is_assumed_with_a_spread():
    result = built(cm.Detector(recall=0.8, precision=0.8), correlation=None)
    assert "assumed: independent" in " ".join(str(result).split())
    low, high = (built(cm.Detector(recall=0.8, precision=0.8), correlation=weight) for weight in (1, 0))
    assert low["cascade"].solved < result["cascade"].solved < high["cascade"].solved


def test_replicas_are_sized_for_the_tasks_that_reach_them():
    """300,000 of a million tasks reach the large model; a replica serves 100,000 of them in a month."""
    monthly = TASKS.replace(tasks_per_month=1e6)
    rate = 1e5 / (365.25 * 86400 / 12) / 0.85
    own = cm.SelfHosted(name="large", gpus_per_replica=1, requests_per_second=rate, usd_per_gpu_hour=2)
    result = cm.cascade(monthly, [api("small", 1), own], OWN, cm.Detector(recall=1, precision=1), correlation=0)
    hours = 365.25 * 24 / 12
    assert result["cascade"].usd_per_task == pytest.approx(1 + 3 * 2 * hours / 1e6)
    assert result["always large"].usd_per_task == pytest.approx(10 * 2 * hours / 1e6)


def test_draws_depend_on_the_seed_only():
    first, again, other = (built(cm.Detector(recall=0.8, precision=0.8), seed=seed) for seed in (1, 1, 2))
    assert first.rows() == again.rows()
    assert first.rows() != other.rows()


def test_result_prints_within_80_columns_and_as_data():
    result = built(cm.Detector(recall=0.8, precision=0.8), latency={"small": 1, "large": "4 to 8"})
    assert max(map(len, str(result).splitlines())) <= 80
    assert [row["name"] for row in result.rows()] == ["cascade", "always small", "always large"]
    assert set(result.to_frame().index) == set(result)
    assert {each["figure"] for each in result.to_dict()["break_even"]} == {
        "usd_per_solved_task",
        "usd_per_task",
        "solved",
    }


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "give one of recall and false_negative_rate; got none"),
        ({"recall": 0.5, "false_negative_rate": 0.5, "precision": 1}, "recall and false_negative_rate; got both"),
        ({"recall": 0.5}, "give one of precision and false_positive_rate; got none"),
        ({"recall": 1.5, "precision": 1}, "recall: must be a number at least 0 and at most 1"),
    ],
)
def test_detector_refuses_contradictions(fields, message):
    with pytest.raises(cm.InputError, match=message):
        cm.Detector(**fields)


def test_impossible_precision_is_refused_with_the_lowest_possible_one():
    with pytest.raises(cm.InputError, match=r"at least 0\.278 with a recall of 0\.9 if 0\.7 of the answers are right"):
        built(cm.Detector(recall=0.9, precision=0.1))


def test_all_problems_are_reported_at_once():
    with pytest.raises(cm.InputError) as error:
        cm.cascade(TASKS, [api("small", 1), api("large", 2)], OWN, [], correlation=2, latency={"x": 1}, quality_loss=-1)
    text = str(error.value)
    assert all(word in text for word in ("detectors: must be one for each", "'x'", "correlation:", "quality_loss:"))


def test_model_without_a_score_is_named():
    with pytest.raises(cm.MissingFactError, match="large: no score"):
        built(cm.Detector(recall=1, precision=1), scores=OWN[:1])


def test_scores_of_several_evaluators_need_a_spread():
    mixed = [OWN[0], cm.Score("large", "tickets", 0.9, n=400, evaluator="someone")]
    with pytest.raises(cm.InputError, match="several evaluators"):
        built(cm.Detector(recall=1, precision=1), scores=mixed)
    assert built(cm.Detector(recall=1, precision=1), scores=mixed, evaluator_spread=0.2)["cascade"].solved > 0.9


def test_plot_draws_both_break_evens_and_the_detector():
    axes = cm.plot.cascade(built(cm.Detector(recall=0.8, precision=0.8), small=5))
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert any(label.startswith("tasks solved: no worse above") for label in labels)
    assert any(label.startswith("price per solved task: no worse below") for label in labels)
    assert "detector" in labels


def test_a_single_model_is_one_problem():
    with pytest.raises(cm.InputError) as error:
        cm.cascade(TASKS, ["gpt-4.1"], OWN, cm.Detector(recall=0.5, precision=0.5))
    assert list(error.value.problems) == ["models: must be a list of 2 to 6; got 1"]
