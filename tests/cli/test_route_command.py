"""The commands `route` and `cascade`: results of their files, changes, and problems."""

import json

import pytest

import costmodel as cm


@pytest.fixture
def routes(root):
    return root / "examples" / "ticket-routes.toml"


@pytest.fixture
def models(root):
    return root / "examples" / "ticket-cascade.toml"


def test_a_file_of_routes_gives_the_result_of_choose_route(costmodel, routes):
    found = json.loads(costmodel("route", routes, "--json").out)
    assert found["best"] == "tuned mini" and found["routes"][0]["name"] == "large API"
    result = cm.choose_route(
        cm.ServingWorkload(requests_per_month="0.5M to 2M", input_tokens=2000, output_tokens=300, peak_to_mean=3),
        [
            cm.Route("large API", serving=cm.HostedAPI(model="gpt-4.1"), quality="0.85 to 0.9"),
        ],
        months=24,
        required_quality=0.82,
    )
    assert found["routes"][0]["usd"] == pytest.approx(result["large API"].usd)


def test_a_change_of_the_horizon(costmodel, routes):
    found = [json.loads(costmodel("route", routes, "--json", "--set", f"months={n}").out) for n in (12, 24)]
    api = [each["routes"][0]["usd"] for each in found]
    assert api[1] == pytest.approx(2 * api[0])


def test_a_file_of_a_cascade_gives_the_result_of_cascade(costmodel, models):
    found = json.loads(costmodel("cascade", models, "--json", "--curve", "solved").out)
    by_name = {row["name"]: row for row in found["strategies"]}
    assert by_name["always gpt-4.1"]["solved"] == pytest.approx(0.88)
    better = json.loads(costmodel("cascade", models, "--json", "--set", "detectors.0.recall=0.95").out)
    assert better["strategies"][0]["solved"] > by_name["cascade"]["solved"]
    assert {point["figure"] for point in found["curve"]} == {"solved"} and len(found["curve"]) > 10


def test_published_scores(costmodel, models):
    changes = ("--set", "scores=[]", "--set", 'benchmark="GPQA diamond"', "--set", 'evaluator="Epoch AI"')
    outcome = costmodel("cascade", models, *changes)
    assert outcome.code == 0 and "GPQA" in outcome.out


def test_problems_of_the_files(refused, routes, models, tmp_path):
    assert refused("cascade", models, "--set", "scores=[]") == [
        "scores: give scores of your own, or `benchmark` for published ones; one of them, not both"
    ]
    assert any("detectors.0.recall" in each for each in refused("cascade", models, "--set", "detectors.0.recall=2"))
    assert any("fallback" in each for each in refused("route", routes, "--set", "fallback=api"))
    (problem,) = refused("route", models)
    assert "holds a cascade of models, not routes to a model: use costmodel cascade" in problem
    (problem,) = refused("choose", routes)
    assert "use costmodel route" in problem
