"""Routes to a model: totals and break-even volumes by hand, quality, fallback, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.comparison.serving.workload import HOURS_PER_MONTH, SECONDS_PER_MONTH

WORKLOAD = cm.ServingWorkload(requests_per_month=1e6, input_tokens=1000, output_tokens=1000, peak_to_mean=1)


def api(usd):
    """An API that bills `usd` dollars for a request of 2,000 tokens."""
    return cm.HostedAPI(usd_per_million_input=500 * usd, usd_per_million_output=500 * usd)


def replicas(requests_per_month, usd_per_month):
    rate = requests_per_month / SECONDS_PER_MONTH / 0.85
    price = usd_per_month / HOURS_PER_MONTH
    return cm.SelfHosted(name="own", gpus_per_replica=1, requests_per_second=rate, usd_per_gpu_hour=price)


def test_total_is_setup_and_months_of_serving():
    route = cm.Route("tuned", serving=api(0.002), setup_usd=48_000, usd_per_month=500)
    result = cm.choose_route(WORKLOAD, [cm.Route("API", serving=api(0.01)), route], months=12)
    assert result["tuned"].usd == pytest.approx(48_000 + 12 * (2000 + 500))
    assert result["tuned"].usd_per_month == pytest.approx(2500)
    assert (result.best, result["API"].usd) == ("tuned", pytest.approx(120_000))


def test_model_is_made_again_within_the_horizon():
    """After 10 and 20 months of 24, each time at half the cost."""
    route = cm.Route("tuned", serving=api(0.002), setup_usd=10_000, repeat_months=10, repeat_share=0.5)
    result = cm.choose_route(WORKLOAD, [route], months=24)["tuned"]
    assert (result.repetitions, result.usd) == (2, pytest.approx(20_000 + 24 * 2000))
    assert cm.choose_route(WORKLOAD, [route], months=10)["tuned"].repetitions == 0


def test_break_even_of_two_apis_by_hand():
    """48,000 / 12 / (0.010 - 0.002) requests."""
    routes = [cm.Route("API", serving=api(0.01)), cm.Route("tuned", serving=api(0.002), setup_usd=48_000)]
    found = cm.choose_route(WORKLOAD, routes, months=12).break_even("API", "tuned")
    assert (found.below, found.above) == ("API", "tuned")
    assert found.requests_per_month == pytest.approx(500_000, rel=1e-9)
    assert found.interval == (pytest.approx(500_000), pytest.approx(500_000))
    assert found.probability == 1


def test_break_even_with_replicas_by_hand():
    """A replica serves 300,000 requests for 1,000 USD; 24,000 / 12 + 2 x 1,000 = 0.008 x 500,000."""
    routes = [
        cm.Route("API", serving=api(0.008)),
        cm.Route("own", serving=replicas(300_000, 1000), setup_usd=24_000),
    ]
    found = cm.choose_route(WORKLOAD, routes, months=12).break_even("API", "own")
    assert found.requests_per_month == pytest.approx(500_000, rel=1e-9)


def test_break_even_agrees_with_compare_serving_without_setup():
    own = replicas(400_000, 1000)
    hosted = cm.HostedAPI(name="API", usd_per_million_input=2, usd_per_million_output=2)
    expected = cm.compare_serving(WORKLOAD, [hosted, own])["own"].break_even_requests
    routes = [cm.Route("API", serving=hosted), cm.Route("own", serving=own)]
    found = cm.choose_route(WORKLOAD, routes, months=6).break_even("API", "own")
    assert found.requests_per_month == pytest.approx(expected, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(cheap=st.floats(0.001, 0.005), dear=st.floats(0.006, 0.05), setup=st.floats(1e3, 1e5), months=st.integers(1, 48))
def test_totals_are_equal_at_the_break_even(cheap, dear, setup, months):
    routes = [cm.Route("API", serving=api(dear)), cm.Route("tuned", serving=api(cheap), setup_usd=setup)]
    result = cm.choose_route(WORKLOAD, routes, months=months)
    volume = result.break_even("API", "tuned").requests_per_month
    totals = result.curve([volume, volume / 2, volume * 2])
    assert totals["API"][0] == pytest.approx(totals["tuned"][0], rel=1e-6)
    assert totals["API"][1] < totals["tuned"][1]
    assert totals["API"][2] > totals["tuned"][2]


def test_route_that_costs_less_at_any_volume_has_no_break_even():
    result = cm.choose_route(
        WORKLOAD, [cm.Route("API", serving=api(0.01)), cm.Route("b", serving=api(0.002))], months=3
    )
    found = result.break_even("API", "b")
    assert (found.below, found.requests_per_month, found.probability) == ("b", None, 0)
    assert "b costs less than API at any volume" in str(result)


def test_uncertain_setup_gives_an_interval_of_the_break_even():
    """The volume is proportional to the setup, so its interval is that of the setup over 12 x 0.008."""
    routes = [
        cm.Route("API", serving=api(0.01)),
        cm.Route("tuned", serving=api(0.002), setup_usd="20k to 80k USD"),
    ]
    low, high = cm.choose_route(WORKLOAD, routes, months=12).break_even("API", "tuned").interval
    assert low == pytest.approx(20_000 / 0.096, rel=0.03)
    assert high == pytest.approx(80_000 / 0.096, rel=0.03)


def test_quality_floor_excludes_routes_and_its_probability_follows_from_the_score():
    """A score of 0.80 with a standard error of 0.02 reaches 0.80 with one half, 0.84 with 2 %."""
    scored = cm.Score("small", "tickets", 0.8, n=400)
    routes = [
        cm.Route("API", serving=api(0.01), score=cm.Score("large", "tickets", 0.95, n=400)),
        cm.Route("small", serving=api(0.001), score=scored),
    ]
    low = cm.choose_route(WORKLOAD, routes, months=12, required_quality=0.8, confidence=0.4)
    high = cm.choose_route(WORKLOAD, routes, months=12, required_quality=0.84)
    assert low["small"].probability_reaches == pytest.approx(0.5, abs=0.02)
    assert high["small"].probability_reaches == pytest.approx(0.023, abs=0.01)
    assert (low.best, high.best) == ("small", "API")
    assert low["small"].probability_best == pytest.approx(low["small"].probability_reaches, abs=1e-3)
    assert cm.choose_route(WORKLOAD, routes, months=12, required_quality=0.999).best is None


def test_fallback_pays_the_setup_and_the_other_route_where_the_quality_is_missed():
    routes = [
        cm.Route("API", serving=api(0.01), quality=0.9),
        cm.Route("tuned", serving=api(0.002), setup_usd=10_000, quality="0.7 to 0.9"),
    ]
    result = cm.choose_route(WORKLOAD, routes, months=12, required_quality=0.85, fallback="API")
    share = result["tuned"].probability_reaches
    assert 0.1 < share < 0.5
    assert result["tuned"].expected_usd == pytest.approx(share * 34_000 + (1 - share) * 130_000)
    assert result["API"].expected_usd == pytest.approx(120_000)


def test_setup_adds_project_run_service_teacher_and_further_cost():
    project = cm.Project("p", data=[{"name": "labels", "quantity": 1000, "unit": "example", "unit_price": 2}])
    training = cm.Scenario(
        architecture="llama-3.2-1b",
        recipe=cm.LoRA(examples=1000, lengths=500, epochs=1, sequence_length=512),
        cluster=cm.Cluster("H100-SXM", 1),
        prices=cm.Rental(price=2),
    )
    tuning = cm.HostedTuning(provider="openai", model="gpt-4o-mini", tokens="2M", epochs=3, runs=2)
    teacher = cm.Teacher(api(0.01), examples=8000, input_tokens=1000, output_tokens=1000, kept=0.8)
    route = cm.Route(
        "all",
        serving=api(0.001),
        project=project,
        training=training,
        tuning=tuning,
        teacher=teacher,
        setup_usd=7,
    )
    run = float(cm.estimate(training).quantity("cost").magnitude)
    expected = 2000 + run + 2 * 6 * 3 + 10_000 * 0.01 + 7
    assert route.setup().value == pytest.approx(expected)
    assert route.kind == "distill"
    draws = route.setup().draws
    assert np.quantile(draws, 0.5) == pytest.approx(expected, rel=0.05)


def test_teacher_behind_an_api_costs_as_in_the_recipe_of_distillation():
    recipe = cm.Distillation(
        examples=2000, lengths=500, sequence_length=512, epochs=1, prompt_length=300, api="gpt-4.1", api_batch=True
    )
    option = cm.HostedAPI(model="gpt-4.1", batch=True)
    teacher = cm.Teacher(option, examples=2000, input_tokens=300, output_tokens=500)
    assert teacher.cost().value == pytest.approx(recipe.purchases().value)


def test_tuned_model_of_a_service_is_served_at_its_price():
    tuning = cm.HostedTuning(provider="openai", model="gpt-4.1-mini", tokens="1M")
    served = cm.Route("tuned", tuning=tuning).served_by
    assert (served.usd_per_million_input, served.usd_per_million_output) == (0.8, 3.2)
    with pytest.raises(cm.MissingFactError, match="no price per token of a tuned"):
        cm.HostedTuning(provider="fireworks", model="16.1B-80B", tokens="1M").served("x")


def test_price_of_a_service_in_dispute_has_an_interval():
    cost = cm.HostedTuning(provider="openai", model="gpt-4.1-mini", tokens="1M", epochs=2).cost()
    assert cost.value == pytest.approx(10)
    assert np.quantile(cost.draws, [0.1, 0.9]) == pytest.approx([8, 10], rel=0.03)


def test_kinds_of_routes():
    distilled = cm.Scenario(
        architecture="llama-3.2-1b",
        recipe=cm.Distillation(examples=1000, lengths=500, sequence_length=512, api="gpt-4.1"),
        cluster=cm.Cluster("H100-SXM", 1),
    )
    routes = [
        cm.Route("a", serving=api(0.01)),
        cm.Route("b", serving=replicas(1e5, 1000)),
        cm.Route("c", tuning=cm.HostedTuning(provider="openai", model="gpt-4o-mini", tokens="1M")),
        cm.Route("d", serving=api(0.01), training=distilled),
    ]
    assert [route.kind for route in routes] == ["api", "self-host", "fine-tune", "distill"]


def test_route_without_a_price_keeps_its_row():
    unknown = cm.SelfHosted(name="own", gpus_per_replica=1, requests_per_second=1)
    result = cm.choose_route(
        WORKLOAD, [cm.Route("API", serving=api(0.01)), cm.Route("own", serving=unknown)], months=12
    )
    assert "usd_per_gpu_hour" in result["own"].missing
    assert "own: no cost" in str(result)
    assert result.best == "API"


def test_result_prints_within_80_columns_and_as_data():
    routes = [
        cm.Route("an API with a long name", serving=cm.HostedAPI(model="gpt-4.1"), quality="0.8 to 0.9"),
        cm.Route("own", serving=replicas(1e5, 1000), setup_usd="900k to 1.5M USD", quality=0.85),
    ]
    result = cm.choose_route(WORKLOAD, routes, months=24, required_quality=0.85, fallback="an API with a long name")
    assert max(map(len, str(result).splitlines())) <= 80
    assert set(result.to_frame().index) == set(result)
    assert result.to_dict()["break_evens"][0]["below"] == "an API with a long name"
    labels = [text.get_text() for text in cm.plot.routes(result).get_legend().get_texts()]
    assert labels == list(result)


def test_all_problems_are_reported_at_once():
    routes = [cm.Route("a", serving=api(0.01)), cm.Route("a", serving=api(0.01))]
    with pytest.raises(cm.InputError) as error:
        cm.choose_route(WORKLOAD, routes, months=0, required_quality=2, fallback="b")
    for part in ("two are named 'a'", "unknown route 'b'", "needs score or quality", "months:", "required_quality:"):
        assert part in str(error.value)


def test_scores_of_several_benchmarks_are_refused():
    routes = [
        cm.Route("a", serving=api(0.01), score=cm.Score("a", "x", 0.8, n=10)),
        cm.Route("b", serving=api(0.01), score=cm.Score("b", "y", 0.8, n=10)),
    ]
    with pytest.raises(cm.InputError, match="one benchmark and evaluator; got x by own, y by own"):
        cm.choose_route(WORKLOAD, routes, months=12)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "serving: give how requests are served"),
        ({"quality": 0.5, "score": cm.Score("a", "b", 0.5, n=9)}, "exclude"),
    ],
)
def test_route_refuses_what_does_not_fit(fields, message):
    with pytest.raises(cm.InputError, match=message):
        cm.Route("a", **({"serving": api(0.01)} if fields else {}), **fields)
