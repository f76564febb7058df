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


def test_the_curve_has_the_ends_of_its_interval_in_two_columns(costmodel, models, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    title, table = costmodel("cascade", models, "--curve", "solved").out.split("by precision: ")
    assert "Recall of the first detector" in title
    header, rule, *rows = table.splitlines()[1:]
    assert header.split()[:4] == ["precision", "recall", "low", "high"] and set(rule) == {"-", " "}
    (at_70,) = [row.split() for row in rows if row.startswith("0.700")]
    (point,) = [
        point
        for point in json.loads(costmodel("cascade", models, "--curve", "solved", "--json").out)["curve"]
        if point["precision"] == pytest.approx(0.7)
    ]
    assert at_70[1:4] == [f"{point[key]:.3f}" for key in ("recall", "recall_low", "recall_high")]
    assert point["recall_low"] < point["recall"] < point["recall_high"] and "interval" not in point


LONG = "llama-3.3-70b-instruct"
LONG_NAMES = f"""
models = [{{ kind = "hosted", model = "{LONG}", provider = "bedrock" }}, "gpt-4.1"]
workload = {{ input_tokens = 3000, output_tokens = 400 }}
detectors = [{{ recall = 0.8, precision = 0.7 }}]
scores = [
    {{ model = "{LONG}", benchmark = "own", value = 0.74, n = 300 }},
    {{ model = "gpt-4.1", benchmark = "own", value = 0.88, n = 300 }},
]
"""


@pytest.mark.parametrize("columns", [80, 60])
def test_names_of_models_are_whole(costmodel, monkeypatch, tmp_path, columns):
    (tmp_path / "long.toml").write_text(LONG_NAMES, encoding="utf-8")
    monkeypatch.setenv("COLUMNS", str(columns))
    printed = costmodel("cascade", tmp_path / "long.toml").out
    table = printed.partition("tasks that reach a model")[0].partition("\nstrategy ")[2]
    assert LONG in table and "…" not in printed, printed
    assert max(map(len, printed.splitlines())) <= columns


def test_notes_are_wrapped_once_on_a_narrow_terminal(costmodel, models, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    lines = costmodel("cascade", models).out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("correlation of failures"))
    assert len(lines[start + 1]) > 40 and lines[start + 1].startswith("  ")
