"""Attributions of published runs and scenarios: parts add up, signs invert, factors that are not known are merged."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.comparison.attribution.factors import FACTORS
from costmodel.comparison.development import development_cost
from costmodel.comparison.frontier import frontier_against_low_cost
from costmodel.foundation.errors import InputError, MissingFactError

PRICED = ("llama2-70b", "llama3-8b", "llama3.1-405b", "deepseek-v3", "gpt-4", "gemini-1-ultra", "qwen3-235b", "mpt-7b")


@pytest.fixture(scope="module")
def gpt4_against_deepseek():
    return cm.attribute("gpt-4", "deepseek-v3", price="published")


def run(**fields):
    scenario = {
        "architecture": "llama-3.1-8b",
        "recipe": cm.Pretraining(tokens="1T"),
        "cluster": cm.Cluster("H100-SXM", 64),
        "prices": cm.Rental(price="2 to 3 USD/h"),
        "mfu": "0.3 to 0.5",
        "goodput": 0.9,
        "name": "mine",
    }
    return cm.Scenario(**(scenario | fields))


def adds_up(result):
    """Assert that factors multiply and dollars add up, in the central value and in every draw."""
    assert math.prod(part.factor for part in result.parts) == pytest.approx(result.ratio, rel=1e-9)
    assert sum(part.usd[0] for part in result.parts) == pytest.approx(
        result.difference.magnitude, rel=1e-9, abs=1e-9 * max(result.usd)
    )
    logs = sum(np.log(result.draws(part.name)) for part in result.parts)
    assert np.allclose(logs, np.log(result.draws("total")), rtol=0, atol=1e-9)
    dollars = sum(result.draws(part.name, "usd") for part in result.parts)
    size = max(result.usd)
    assert np.allclose(dollars, result.draws("total", "usd"), rtol=1e-9, atol=1e-9 * size)


def test_published_costs_of_gpt4_and_deepseek_v3(gpt4_against_deepseek):
    assert gpt4_against_deepseek.usd == pytest.approx((78.6e6, 5.576e6), rel=1e-12)
    adds_up(gpt4_against_deepseek)
    for row in gpt4_against_deepseek.rows():
        assert row["sentence"].endswith(".") and row["source"] and row["factor_low"] <= row["factor_high"]
        assert "DeepSeek-V3" in row["sentence"] and "GPT-4" in row["sentence"]
    assert sum(row["log_share"] for row in gpt4_against_deepseek.rows()) == pytest.approx(1, rel=1e-9)


def test_given_experiments_and_staff_are_the_scope_of_a_scenario():
    given = run(other_costs={"experiments": 0.5, "staff": 0})
    result = cm.attribute(given, run(), scope="development")
    adds_up(result)
    assumed = development_cost(cm.estimate(run()))
    assert result.usd == pytest.approx((cm.estimate(given).value("cost"), assumed.usd))
    assert result.usd[0] == pytest.approx(1.5 * cm.estimate(run()).value("cost"))


def test_factors_are_the_ratios_of_published_numbers(gpt4_against_deepseek):
    factors = {part.name: part.factor for part in gpt4_against_deepseek.parts}
    assert factors["total_parameters"] == pytest.approx(671 / 1800)
    assert factors["sparsity"] == pytest.approx((37 / 671) / (280 / 1800))
    assert factors["tokens"] == pytest.approx(14.8 / 13)
    assert factors["precision"] == pytest.approx(1 / 2, rel=1e-3)
    assert factors["scope"] == 1
    price_and_peak = factors["hardware"] * factors["price_convention"]
    assert price_and_peak == pytest.approx((2.0 / 989.4) / (78.6 / 57 / 312), rel=2e-3)


def test_guesses_widen_and_are_said(gpt4_against_deepseek):
    rows = {row["part"]: row for row in gpt4_against_deepseek.rows()}
    assert rows["tokens"]["speculative"] and "(speculative)" in rows["tokens"]["sentence"]
    assert rows["tokens"]["factor_high"] / rows["tokens"]["factor_low"] > 2
    assert not rows["price_convention"]["speculative"]
    total = gpt4_against_deepseek.total()
    assert (total["confidence_a"], total["confidence_b"]) == ("C", "A")
    assert total["factor_low"] < total["factor"] / 1.5 and total["factor_high"] > total["factor"] * 1.5


@pytest.mark.parametrize("scopes", [("final_run", None), ("development", None), ("development", "final_run")])
@pytest.mark.parametrize("price", ["on_demand", "contract"])
def test_parts_add_up_under_each_convention_and_scope(price, scopes):
    adds_up(cm.attribute("llama3.1-405b", "qwen3-235b", price=price, scope=scopes[0], scope_b=scopes[1]))


def test_costs_are_those_of_the_frontier_table():
    table = frontier_against_low_cost(price="contract")
    result = cm.attribute("llama3.1-405b", "deepseek-v3", price="contract")
    expected = table["llama3.1-405b"].final.usd, table["deepseek-v3"].final.usd
    assert result.usd == pytest.approx(expected, rel=1e-9)


def test_scope_is_the_conversion_of_the_final_run():
    result = cm.attribute("llama3.1-405b", "llama3.1-405b", scope="development", scope_b="final_run")
    assert result["scope"].factor == pytest.approx(1 / development_cost(1.0).usd, rel=1e-9)
    assert [part.name for part in result.parts if not part.same] == ["scope"]
    equal = cm.attribute("llama3.1-405b", "llama3-8b", scope="development")
    assert np.all(equal.draws("scope") == 1)


@pytest.mark.parametrize("name", ["gpt-4", "qwen3-235b", "llama3-8b"])
def test_identical_runs_have_no_parts(name):
    result = cm.attribute(name, name)
    assert result.ratio == 1 and result.difference.magnitude == 0
    for part in result.parts:
        assert np.all(part.ratios == 1) and np.all(part.usd == 0)
    assert "No factor differs" in result.summary() and result.rows()[0]["log_share"] is None


@settings(max_examples=12)
@given(a=st.sampled_from(PRICED), b=st.sampled_from(PRICED))
def test_swapped_runs_give_inverted_signs(a, b):
    forward, back = cm.attribute(a, b), cm.attribute(b, a)
    size = max(forward.usd)
    for part in forward.parts:
        other = back[part.name]
        assert np.allclose(np.log(part.ratios), -np.log(other.ratios), rtol=0, atol=1e-9)
        assert part.usd[0] == pytest.approx(-other.usd[0], rel=1e-9, abs=1e-9 * size)
        draws = np.maximum(forward.draws("total", "usd"), 0) + np.abs(part.usd[1:])
        assert np.all(np.abs(part.usd[1:] + other.usd[1:]) <= 1e-9 * (draws + size))
    adds_up(forward)


def test_factors_that_are_not_known_are_merged_and_named():
    result = cm.attribute("gemini-1-ultra", "deepseek-v3")
    names = [part.name for part in result.parts]
    assert names == ["compute", "precision", "utilization", "hardware", "price_convention", "scope"]
    assert "Gemini 1.0 Ultra: its tokens or its active parameters are not published" in result["compute"].merged
    assert "compute is not split further" in str(result)
    adds_up(result)


def test_work_without_flops_is_merged_with_the_utilization():
    result = cm.attribute("deepseek-v3", "deepseek-r1", price="published")
    assert [part.name for part in result.parts] == ["peak_compute", "hardware", "price_convention", "scope"]
    assert result["peak_compute"].factor == pytest.approx(147_000 / 2_788_000)
    adds_up(result)


def test_a_price_on_demand_that_is_not_known_is_merged(monkeypatch):
    from costmodel.comparison.attribution import published

    market = published._market

    def unknown(run, accelerator, count, price, seed):
        if price == "on_demand" and accelerator == "H800-SXM":
            raise MissingFactError("no price is known")
        return market(run, accelerator, count, price, seed)

    monkeypatch.setattr(published, "_market", unknown)
    result = cm.attribute("gpt-4", "deepseek-v3", price="published")
    assert "hardware" not in [part.name for part in result.parts]
    assert "no price is known" in result["price"].merged
    adds_up(result)


def test_scenarios_and_published_runs_mix(tmp_path):
    scenario = run()
    scenario.save(tmp_path / "run.toml")
    result = cm.attribute("llama3-8b", tmp_path / "run.toml")
    adds_up(result)
    assert result["tokens"].factor == pytest.approx(1 / 15) and result.names == ("Llama 3 8B", "mine")
    assert result.usd[1] == pytest.approx(cm.estimate(scenario).value("cost"), rel=1e-12)
    same = cm.attribute(cm.estimate(scenario), str(tmp_path / "run.toml"))
    assert same.ratio == 1 and np.all(same.draws("total") == 1)


def test_one_changed_field_is_one_factor():
    result = cm.attribute(run(), run(recipe=cm.Pretraining(tokens="3T")))
    assert [part.name for part in result.parts if not part.same] == ["tokens"]
    assert result["tokens"].factor == pytest.approx(3) and result["tokens"].usd[0] == pytest.approx(
        result.difference.magnitude
    )


def test_precision_and_utilization_are_relative_to_the_peak_in_use():
    recipe = cm.Pretraining(tokens="1T", precision="fp8")
    result = cm.attribute(run(mfu=0.4), run(mfu=0.5, recipe=recipe))
    assert result["precision"].factor == pytest.approx(0.5, rel=1e-3)
    assert result["precision"].factor * result["utilization"].factor == pytest.approx(0.4 / 0.5)


def test_lines_around_a_run_are_a_factor_and_those_of_a_development_its_scope():
    plain, whole = run(), run(other_costs={"staff": "20 k$", "experiments": 0.5}, scope="development")
    result = cm.attribute(plain, whole, scope_b="development")
    adds_up(result)
    assert [part.name for part in result.parts if not part.same] == ["scope"]
    estimate = cm.estimate(whole)
    assert result.usd[1] == pytest.approx(estimate.value("cost"), rel=1e-12)
    final = cm.attribute(plain, run(other_costs={"staff": "20 k$"}))
    assert [part.name for part in final.parts if not part.same] == ["other_costs"]
    assert final["other_costs"].factor == pytest.approx(1 + 20e3 / cm.estimate(plain).value("cost"))
    adds_up(final)


def test_problems_are_named_all_at_once():
    with pytest.raises(InputError) as caught:
        cm.attribute("gpt-44", 3, price="list", scope="all", seed=-1)
    message = str(caught.value)
    for text in (
        "run_a: ",
        "did you mean 'gpt-4'",
        "a run of your own is a scenario",
        "run_b: must be",
        "price: ",
        "scope: must be",
        "seed: must be",
    ):
        assert text in message
    assert message.count("scope") == 1


def test_costs_that_are_not_known_are_named():
    with pytest.raises(MissingFactError) as caught:
        cm.attribute("llama3.1-405b", "llama3-8b", price="published")
    assert "llama3.1-405b: no cost of its final run is published; take price" in str(caught.value)
    assert "llama3-8b: no cost" in str(caught.value)
    with pytest.raises(MissingFactError, match="its accelerator is not published"):
        cm.attribute("claude-3.5-sonnet", "gpt-4", price="published")
    with pytest.raises(InputError, match="mine: scope must be development, as in the scenario; got final_run"):
        cm.attribute(run(scope="development"), "gpt-4")


def test_the_result_is_plain_data_a_frame_and_a_table_of_80_columns(gpt4_against_deepseek):
    data = gpt4_against_deepseek.to_dict()
    assert json.loads(json.dumps(data, allow_nan=False))["total"]["factor"] == gpt4_against_deepseek.ratio
    assert math.prod(row["factor"] for row in data["groups"]) == pytest.approx(gpt4_against_deepseek.ratio)
    assert sum(row["usd"] for row in data["groups"]) == pytest.approx(gpt4_against_deepseek.difference.magnitude)
    frame = gpt4_against_deepseek.to_frame()
    assert frame.index.tolist() == [name for name in FACTORS if name in frame.index]
    lines = str(gpt4_against_deepseek).splitlines()
    assert all(len(line) <= 80 or "://" in line for line in lines)
    assert lines[0] == "Why DeepSeek-V3 671B (B) costs less than GPT-4 (A)"
    page = gpt4_against_deepseek._repr_html_()
    assert "<table>" in page and "<li>- sparsity: DeepSeek-V3" in page
    assert "sparsity" in gpt4_against_deepseek.to_markdown()
    summary = gpt4_against_deepseek.summary()
    assert summary.startswith("DeepSeek-V3 671B costs 5.58 M$, GPT-4 78.6 M$: × 0.0709")
    assert "activates 37.0B of 671B parameters" in summary


def test_titles_say_which_costs_more():
    assert str(cm.attribute("llama2-70b", "llama3-8b")).startswith("Why Llama 3 8B (B) costs more than Llama 2 70B")
    assert str(cm.attribute("gpt-4", "gpt-4")).startswith("Why GPT-4 (2) (B) costs as much as GPT-4 (1) (A)")


def test_runs_of_the_same_name_are_labeled(tmp_path):
    run = cm.Scenario("llama-3.1-8b", cm.Pretraining(tokens="1T"), cm.Cluster("H100-SXM", 64), gpu_hours=5e4)
    files = [tmp_path / "first.toml", tmp_path / "second.toml", tmp_path / "deep" / "first.toml"]
    files[2].parent.mkdir()
    for count, file in zip((64, 128, 256), files, strict=True):
        run.replace({"cluster.count": count, "gpu_hours": 5e4 + count}).save(file)
    by_stem = cm.attribute(files[0], str(files[1]))
    assert by_stem.names == ("first", "second")
    text = str(by_stem)
    assert text.startswith("Why second (B) costs more than first (A)") and "cost of second: estimate" in text
    assert "second reaches" in text and "first reaches" in text
    assert cm.attribute(files[0], files[2]).names == (str(files[0]), str(files[2]))
    loaded = [cm.Scenario.load(file) for file in files[:2]]
    assert cm.attribute(*loaded).names == ("llama-3.1-8b (1)", "llama-3.1-8b (2)")
    assert cm.attribute(files[0], loaded[1]).names == ("first", "llama-3.1-8b")
    named = [each.replace(name=name) for each, name in zip(loaded, "ab", strict=True)]
    assert cm.attribute(*named).names == ("a", "b")


def test_names_and_units_that_do_not_exist_are_refused(gpt4_against_deepseek):
    with pytest.raises(cm.UnknownNameError, match="did you mean 'tokens'"):
        gpt4_against_deepseek["token"]
    with pytest.raises(cm.UnknownNameError, match="attribution 0; known"):
        gpt4_against_deepseek[0]
    with pytest.raises(InputError, match="unit"):
        gpt4_against_deepseek.draws("tokens", "dollars")
    with pytest.raises(InputError, match="level"):
        gpt4_against_deepseek.rows(level=2)


def test_answers_of_the_notebook_on_published_costs():
    """What notebook 06 and the how-to page say in words."""
    deepseek = cm.attribute("gpt-4", "deepseek-v3", price="published")
    groups = {row["group"]: row["factor"] for row in deepseek.groups()}
    assert 1 / deepseek.ratio == pytest.approx(14, abs=0.5) and 5 < 1 / groups["model and data"] < 6
    assert 1 / deepseek["price_convention"].factor == pytest.approx(2.4, abs=0.1)
    assert 0.8 < groups["speed"] < 1.25 and 0.8 < deepseek["hardware"].factor < 1.25
    assert 1 / cm.attribute("gpt-4", "gpt-4", scope="development", scope_b="final_run").ratio == pytest.approx(
        3.6, abs=0.1
    )
    qwen = cm.attribute("llama3.1-405b", "qwen3-235b")
    assert 4 < 1 / qwen.ratio < 6 and 1 / qwen["sparsity"].factor > 10 and qwen["tokens"].factor > 2
    llama = cm.attribute("llama2-70b", "llama3-8b")
    assert llama.ratio == pytest.approx(1.6, abs=0.1) and llama["tokens"].factor == 7.5
    assert llama["total_parameters"].factor * llama["tokens"].factor == pytest.approx(1, abs=0.2)
    assert llama["utilization"].factor > 2 and llama["hardware"].factor == pytest.approx(2 / 3, abs=0.05)


def test_owned_accelerators_are_a_price_convention():
    owned = run(prices=cm.Ownership(), other_costs={"staff": "20 k$"})
    result = cm.attribute(run(), owned)
    adds_up(result)
    assert [part.name for part in result.parts if not part.same] == ["price_convention", "other_costs"]
    assert "owned" in result["price_convention"].sentence
    assert result.usd[1] == pytest.approx(cm.estimate(owned).value("cost"), rel=1e-12)
