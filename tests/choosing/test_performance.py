"""Performance per dollar: prices per solved task, probabilities, the Pareto front, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm

TASKS = cm.TaskWorkload(input_tokens=3000, output_tokens=500)
names = ("a", "b", "c", "d")


def priced(name, output, **fields):
    return cm.HostedAPI(name=name, usd_per_million_input=1.0, usd_per_million_output=output, **fields)


def compared(outputs, values, workload=TASKS, n=200, **options):
    """Options that differ in price and score."""
    models = [priced(name, output) for name, output in zip(names, outputs, strict=False)]
    scores = [cm.Score(name, "tickets", value, n=n) for name, value in zip(names, values, strict=False)]
    return cm.performance_per_dollar(workload, models, scores, **options)


def test_price_per_solved_task_is_the_price_of_a_request_over_the_score():
    result = compared([10.0], [0.5])
    assert result["a"].usd_per_task == pytest.approx(3000e-6 + 500 * 10e-6)
    assert result["a"].usd_per_solved_task == pytest.approx(0.008 / 0.5)
    assert result["a"].usd_per_point == pytest.approx(0.008 / 50)
    assert result["a"].usd_per_million_tokens == pytest.approx(0.008 / 3500 * 1e6)
    assert (result["a"].wrong, result["a"].attempts) == (0.5, 1.0)


def test_request_is_priced_as_in_compare_serving():
    workload = cm.TaskWorkload(
        input_tokens=3000, output_tokens=500, cached_share=0.4, tasks_per_month=2e6, peak_to_mean=3
    )
    api = cm.HostedAPI(model="gpt-4.1", name="api", batch=True, discount=0.1)
    own = cm.SelfHosted(name="own", gpus_per_replica=2, requests_per_second=3, spread=0.2, usd_per_gpu_hour="2 to 3")
    scores = {"api": cm.Score("x", "t", 0.8, n=100), "own": cm.Score("y", "t", 0.8, n=100)}
    served = cm.ServingWorkload(
        requests_per_month=2e6, input_tokens=3000, output_tokens=500, cached_share=0.4, peak_to_mean=3
    )
    expected = cm.compare_serving(served, [api, own])
    result = cm.performance_per_dollar(workload, [api, own], scores)
    for name in ("api", "own"):
        assert result[name].usd_per_task == pytest.approx(expected[name].usd_per_request)
        assert result[name].usd_per_million_tokens == pytest.approx(expected[name].usd_per_million_tokens)
    low, high = (end / 2e6 for end in expected["own"].usd_per_month_interval)
    assert result["own"].usd_per_task_interval == pytest.approx((low, high))


@settings(max_examples=25)
@given(outputs=st.tuples(st.floats(0.1, 50), st.floats(0.1, 50)), value=st.floats(0.05, 0.95))
def test_price_per_solved_task_rises_with_the_price(outputs, value):
    low, high = sorted(outputs)
    result = compared([low, high], [value, value])
    assert result["a"].usd_per_solved_task <= result["b"].usd_per_solved_task
    assert np.all(compared([low], [value]).draws("a") <= compared([high], [value]).draws("a") + 1e-12)


@settings(max_examples=25)
@given(values=st.tuples(st.floats(0.05, 0.95), st.floats(0.05, 0.95)), attempts=st.integers(1, 4))
def test_price_per_solved_task_falls_with_the_score(values, attempts):
    workload = TASKS.replace(attempts=attempts, verifier={"recall": 0.9, "false_acceptance": 0.1}, correlation=0.3)
    low, high = sorted(values)
    result = compared([5.0, 5.0], [low, high], workload)
    assert result["b"].usd_per_solved_task <= result["a"].usd_per_solved_task * (1 + 1e-9)


@settings(max_examples=20)
@given(
    outputs=st.lists(st.floats(0.1, 50), min_size=4, max_size=4),
    values=st.lists(st.floats(0.05, 0.95), min_size=4, max_size=4),
)
def test_probabilities_and_front_are_consistent(outputs, values):
    result = compared(outputs, values)
    matrix = result.probabilities()
    for name in names:
        for other in names:
            if name != other:
                assert matrix[name][other] + matrix[other][name] == pytest.approx(1.0)
    cheapest = result.probability_cheapest()
    assert sum(cheapest.values()) == pytest.approx(1.0)
    assert all(cheapest[name] <= min(matrix[name].values()) + 0.5 / 10_000 + 1e-9 for name in names)
    lowest = min(names, key=lambda name: (result[name].usd_per_task, -result[name].solved))
    best = max(names, key=lambda name: (result[name].solved, -result[name].usd_per_task))
    assert {lowest, best} <= set(result.front)
    assert result.probability_on_front()[lowest] > 0
    assert sum(result.probability_on_front().values()) >= 1 - 1e-9


def test_model_that_is_dearer_and_worse_is_not_on_the_front():
    result = compared([5.0, 20.0, 20.0], [0.8, 0.2, 0.95], n=10_000)
    assert result.front == ["a", "c"]
    assert result.probability_on_front() == {"a": 1.0, "b": 0.0, "c": 1.0}
    assert result.probability_cheaper("a", "b") == 1.0


def test_same_option_twice_costs_the_same_with_even_chance():
    models = [priced("a", 5.0), priced("b", 5.0)]
    score = cm.Score("m", "t", 0.6, n=100)
    result = cm.performance_per_dollar(TASKS, models, {"a": score, "b": score})
    assert result.probability_cheaper("a", "b") == 0.5
    assert result.probability_cheapest() == {"a": 0.5, "b": 0.5}


def test_more_outcomes_narrow_the_interval():
    few, many = (compared([5.0], [0.5], n=n)["a"].usd_per_solved_task_interval for n in (50, 5000))
    assert few[1] - few[0] > 5 * (many[1] - many[0])


def test_retries_and_escalation_add_up():
    verifier = cm.Verifier(recall=0.8, false_acceptance=0.1, usd_per_answer=0.001)
    workload = TASKS.replace(attempts=2, verifier=verifier, escalation_usd=3.0, wrong_answer_usd=10.0)
    each = compared([10.0], [0.5], workload)["a"]
    rejected = 1 - (0.5 * 0.8 + 0.5 * 0.1)
    assert each.attempts == pytest.approx(1 + rejected)
    assert each.not_accepted == pytest.approx(rejected**2)
    assert each.wrong == pytest.approx(0.05 * (1 + rejected))
    expected = each.attempts * (0.008 + 0.001) + each.wrong * 10 + each.not_accepted * 3
    assert each.usd_per_task == pytest.approx(expected)
    assert each.solved == pytest.approx(1 - each.wrong)


def test_precision_of_the_verifier_holds_at_the_first_attempt():
    workload = TASKS.replace(verifier=cm.Verifier(recall=0.9, precision=0.95))
    each = compared([10.0], [0.6], workload)["a"]
    solved = each.solved
    assert solved / (solved + each.wrong) == pytest.approx(0.95)


def test_precision_below_accepting_everything_keeps_its_row_and_reason():
    result = compared([10.0, 10.0], [0.5, 0.99], TASKS.replace(verifier=cm.Verifier(precision=0.7)))
    assert result["a"].missing == ""
    assert "below that of accepting every answer" in result["b"].missing


def test_reasoning_tokens_are_billed_as_output():
    workload = TASKS.replace(reasoning_tokens={"a": 1000, "b": "500 to 2000"})
    result = compared([10.0, 10.0], [0.5, 0.5], workload)
    assert result["a"].usd_per_attempt == pytest.approx(0.003 + 1500 * 10e-6)
    assert result["b"].usd_per_attempt == pytest.approx(0.018)  # the median of the range is 1000
    low, high = result["b"].usd_per_task_interval
    assert (low, high) == pytest.approx((0.003 + 1000 * 10e-6, 0.003 + 2500 * 10e-6), rel=0.02)


def test_spread_of_tokens_widens_the_price():
    low, high = compared([10.0], [0.5], TASKS.replace(token_spread=0.2))["a"].usd_per_task_interval
    assert high / low == pytest.approx(math.exp(2 * 1.2816 * 0.2), rel=0.03)


def test_agent_with_many_requests_pays_for_each():
    once, often = (compared([10.0], [0.5], TASKS.replace(requests_per_task=count)) for count in (1, 20))
    assert often["a"].usd_per_task == pytest.approx(20 * once["a"].usd_per_task)
    assert often["a"].usd_per_million_tokens == pytest.approx(once["a"].usd_per_million_tokens)


def test_model_that_solves_nothing_has_no_price_per_solved_task():
    result = compared([10.0, 10.0], [0.0, 0.5], n=10**9)
    assert math.isinf(result["a"].usd_per_solved_task)
    assert "none solved" in str(result)
    assert result.to_dict()["options"][0]["usd_per_solved_task"] is None


def test_evaluators_are_not_mixed_in_silence():
    scores = [cm.Score("a", "t", 0.5, n=100, evaluator="us"), cm.Score("b", "t", 0.5, n=100, evaluator="them")]
    models = [priced("a", 5.0), priced("b", 6.0)]
    with pytest.raises(cm.InputError, match=r"several evaluators \(them, us\)"):
        cm.performance_per_dollar(TASKS, models, scores)
    mixed = cm.performance_per_dollar(TASKS, models, scores, evaluator_spread=0.5)
    alone = cm.performance_per_dollar(TASKS, models[:1], scores)
    width, narrow = (each["a"].score_interval[1] - each["a"].score_interval[0] for each in (mixed, alone))
    assert width > 2 * narrow
    assert mixed["a"].usd_per_solved_task == alone["a"].usd_per_solved_task


def test_benchmarks_are_not_mixed():
    scores = [cm.Score("a", "t", 0.5, n=100), cm.Score("b", "u", 0.5, n=100)]
    with pytest.raises(cm.InputError, match="must be of one benchmark; got t, u"):
        cm.performance_per_dollar(TASKS, [priced("a", 5.0), priced("b", 6.0)], scores)


def test_effort_decides_the_score_but_not_the_price():
    scores = cm.scores("Aider polyglot", evaluator="Aider")
    result = cm.performance_per_dollar(TASKS, ["gpt-5_low", "gpt-5_high"], scores)
    assert result["gpt-5_low"].usd_per_task == result["gpt-5_high"].usd_per_task
    assert (result["gpt-5_low"].score, result["gpt-5_high"].score) == (0.813, 0.88)
    bare = cm.performance_per_dollar(TASKS, ["gpt-5"], scores)
    assert "with the reasoning effort high, low, medium" in bare["gpt-5"].missing


def test_newest_of_several_scores_is_used_and_said():
    scores = [cm.Score("a", "t", value, n=9, on=day) for value, day in ((0.5, "2026-01-01"), (0.7, "2026-05-01"))]
    result = cm.performance_per_dollar(TASKS, [priced("a", 5.0)], scores)
    assert result["a"].score == 0.7 and "score of a, the newest of 2" in result["a"].note
    undated = [score.replace(on=None) for score in scores]
    with pytest.raises(cm.InputError, match=r"several without a date \(0.5, 0.7\)"):
        cm.performance_per_dollar(TASKS, [priced("a", 5.0)], undated)


def test_option_without_price_or_score_keeps_its_row():
    scores = [cm.Score("grok-4", "t", 0.5, n=100), cm.Score("gpt-4.1", "t", 0.5, n=100)]
    own = cm.SelfHosted(name="gpt-4.1 at home", gpus_per_replica=1, requests_per_second=1, usd_per_gpu_hour=2)
    result = cm.performance_per_dollar(TASKS, ["grok-4", "gpt-4.1", "o3", own], scores)
    assert "several providers" in result["grok-4"].missing
    assert "no score among those given" in result["o3"].missing
    assert result.known == ["gpt-4.1"] and len(result) == 4
    mapped = cm.performance_per_dollar(TASKS, [own], {"gpt-4.1 at home": scores[1]})
    assert "tasks_per_month" in mapped["gpt-4.1 at home"].missing


def test_tokens_of_the_runs_take_the_place_of_the_workload():
    scores = cm.scores("Aider polyglot", evaluator="Aider")
    result = cm.performance_per_dollar(TASKS, ["gpt-5_high", "gpt-4.1"], scores, run_tokens=True)
    assert result["gpt-5_high"].usd_per_task == pytest.approx(29.0829 / 225, rel=0.02)
    assert "tokens of its run" in result["gpt-4.1"].missing


@pytest.mark.golden(source="Aider polyglot leaderboard (github:Aider-AI/aider@5dc9490)", table="o3-pro (high)")
def test_published_cost_of_a_run_follows_from_its_tokens(golden):
    scores = cm.scores("Aider polyglot", evaluator="Aider")
    result = cm.performance_per_dollar(TASKS, ["o3-pro (high)"], scores, run_tokens=True)
    golden("cost of a run of 225 exercises [USD]", "146.3249", 225 * result["o3-pro (high)"].usd_per_task)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"workload": 3}, "workload: must be a TaskWorkload"),
        ({"models": []}, "models: must be a list"),
        ({"models": "gpt-4.1"}, "models: must be a list"),
        ({"models": ["gpt-4.1", "gpt-4.1"]}, "two are named 'gpt-4.1'"),
        ({"evaluator_spread": 0}, "evaluator_spread: must be"),
        ({"workload": TASKS.replace(reasoning_tokens={"gpt-5": 10})}, "no option is named gpt-5"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    given = {"workload": TASKS, "models": ["gpt-4.1"], "scores": [cm.Score("gpt-4.1", "t", 0.5, n=100)], **arguments}
    with pytest.raises(cm.InputError, match=message):
        cm.performance_per_dollar(**given)


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"attempts": 2}, "attempts: more than 1 needs a verifier"),
        ({"escalation_usd": 1}, "escalation_usd: needs a verifier"),
        ({"verifier": {"precision": 0.9, "false_acceptance": 0.1}}, "exclude each other"),
        ({"correlation": 1.5}, "correlation:"),
    ],
)
def test_wrong_workloads_are_refused(fields, message):
    with pytest.raises(cm.InputError, match=message):
        TASKS.replace(fields)


def test_result_is_deterministic_and_prints_in_80_columns():
    scores = cm.scores("LiveBench 2026-06-25")
    first, again = (
        cm.performance_per_dollar(TASKS, [score.model for score in scores], scores, run_tokens=True) for _ in range(2)
    )
    assert first.rows() == again.rows()
    assert max(map(len, first.to_text().splitlines())) <= 80
    assert len(first.to_frame()) == len(scores)
    assert "<table>" in first._repr_html_()


def test_plot_marks_each_option(tmp_path):
    result = compared([10.0, 5.0], [0.8, 0.6])
    axes = cm.plot.performance_per_dollar(result)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert len(labels) == 2 and labels[0].startswith("b (")
    assert axes.get_xlabel() == "price per task (USD)"
    axes.figure.savefig(tmp_path / "plot.png")
    with pytest.raises(cm.MissingFactError, match="no option"):
        cm.plot.performance_per_dollar(cm.performance_per_dollar(TASKS, ["o3"], []))


def test_plot_of_many_options_names_the_front():
    scores = cm.scores("LiveBench 2026-06-25")
    result = cm.performance_per_dollar(TASKS, [score.model for score in scores], scores, run_tokens=True)
    axes = cm.plot.performance_per_dollar(result)
    assert len(axes.get_legend().get_texts()) == len(result.front)


def test_a_model_has_the_same_color_in_plots_of_several_workloads():
    pytest.importorskip("matplotlib")
    models, colors = ["gpt-4.1", "gpt-4.1-mini", "o3"], []
    for solved in ((0.9, 0.2, 0.8), (0.9, 0.8, 0.2)):  # another order by price of a solved task
        own = [cm.Score(model, "own", share, n=300) for model, share in zip(models, solved, strict=True)]
        axes = cm.plot.performance_per_dollar(cm.performance_per_dollar(TASKS, models, own))
        colors.append({each.get_label().split(" (")[0]: each.lines[0].get_color() for each in axes.containers})
    assert colors[0] == colors[1]
    assert len(set(colors[0].values())) == 3


def test_a_model_without_a_score_is_told_the_nearest_that_has_one():
    result = cm.performance_per_dollar(TASKS, ["gpt-4.l", "o3"], [cm.Score("gpt-4.1", "own", 0.8, n=100)])
    assert result["gpt-4.l"].missing == "no score among those given; the nearest has one: gpt-4.1"
    assert result["o3"].missing == "no score among those given"
