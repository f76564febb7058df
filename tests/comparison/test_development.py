"""Conversion of the training cost of a final run into the total development cost."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.comparison.costs import Cost
from costmodel.comparison.development import development_cost, observed_multipliers
from costmodel.comparison.runs import published_runs
from costmodel.estimation.other_lines import development_fact
from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import table


def test_default_multiplier_matches_cottier_2024():
    """Cottier et al. 2024 (arXiv 2405.21015): lognormal, 90 % between 1.2 and 4, median 2.2."""
    fact = development_fact("R&D multiplier")
    assert fact.value == pytest.approx(2.19, abs=0.01) and fact.provenance.source
    assert fact.spread.quantile(0.05) == pytest.approx(1.2) and fact.spread.quantile(0.95) == pytest.approx(4)


def test_every_assumption_has_a_source():
    rows = table("assumptions/development").rows
    assert all(row["source"] and row["note"] and row["subject"] for row in rows)
    assert {row["kind"] for row in rows} == {"assumed", "published", "observed"}


def test_observed_multipliers_match_published_shares():
    multipliers = {row["subject"]: row["multiplier"] for row in observed_multipliers()}
    assert multipliers["OLMo 3"] == pytest.approx(1 / (1 - 0.822), rel=0.01)
    assert multipliers["LLaMA 1"] == pytest.approx(2638 / 777, rel=0.01)
    assert multipliers["OpenAI 2024"] == pytest.approx(5 / 0.5)
    assert multipliers["Meta AI infrastructure"] == pytest.approx((10 + 20) / 20)  # power of experiments and training
    assert multipliers["OLMo family"] == pytest.approx(1 + 1 / 2)  # development has half of the impact of training
    assert multipliers["MiniMax, Z.ai"] == pytest.approx(1 / 0.3, rel=0.02)  # final runs are at most 30 % of R&D
    assert multipliers["OPT-175B"] == pytest.approx(2)  # about two: restarts and smaller models (its logbook)
    assert multipliers["GPT-3"] == pytest.approx(1.14)  # epoch-research/training-cost-trends


def test_ranges_of_cost_shares_include_a_sum_of_1():
    """47-67 % hardware, 29-49 % staff, 2-6 % energy."""
    ends = {
        row["name"]: (float(row["low"]), float(row["high"]))
        for row in table("assumptions/development").rows
        if row["name"] in ("hardware share", "staff share", "energy share")
    }
    assert sum(low for low, _ in ends.values()) < 1 < sum(high for _, high in ends.values())


def test_cost_shares_of_four_frontier_models_match_cottier_2024():
    """Cottier et al. 2024, section 3: staff 29 to 49 %, hardware 47 to 67 % with servers 15 to 22 % and interconnect
    9 to 13 %, energy 2 to 6 % of the total."""
    listed = {
        row["name"]: (float(row["low"]), float(row["high"]))
        for row in table("assumptions/development").rows
        if row["high"] and row["name"].endswith("share")
    }
    assert listed == {
        "staff share": (0.29, 0.49),
        "hardware share": (0.47, 0.67),
        "energy share": (0.02, 0.06),
        "server share": (0.15, 0.22),
        "interconnect share": (0.09, 0.13),
    }


def test_guessed_gpu_hours_follow_the_estimate_of_gpt_4():
    """Epoch AI: 8.2e24 to 4.4e25 FLOP with 90 %, around 2.1e25."""
    spread = development_fact("guessed GPU-hours").spread
    assert spread.quantile(0.05) == pytest.approx(8.2e24 / 2.1e25, rel=0.01)
    assert spread.quantile(0.95) == pytest.approx(4.4e25 / 2.1e25, rel=0.01)


def test_parts_of_the_development_cost_by_hand():
    total = development_cost(10e6, multiplier=2.0, staff_share=0.5)
    assert {row["part"]: row["usd"] for row in total.parts()} == {
        "final run": 10e6,
        "other compute": 10e6,
        "staff": 20e6,
        "development": 40e6,
    }
    assert total.interval() == pytest.approx((40e6, 40e6))
    assert development_cost(10e6, staff=False, multiplier=2.0).usd == 20e6


def test_median_and_interval_follow_from_the_multiplier_and_the_staff_share():
    total = development_cost(5.576e6)
    point = 5.576e6 * development_fact("R&D multiplier").value / (1 - development_fact("staff share").value)
    low, high = total.interval()
    assert total.usd == pytest.approx(point)
    assert low < total.usd < high and np.median(total.draws()) == pytest.approx(point, rel=0.03)
    scale = math.log(4 / 1.2) / 2 / 1.645
    assert development_cost(1e6, staff=False).interval()[1] / development_cost(1e6, staff=False).usd == pytest.approx(
        math.exp(1.2816 * scale), rel=0.03
    )


def test_scope_reason_describes_the_conversion():
    total = development_cost(published_runs()["deepseek-v3"].cost)
    assert total.scope == "development" and total.year == 2024
    assert "converted from the final run by development_cost" in total.scope_reason
    assert "staff" in total.scope_reason and "staff not included" in development_cost(1.0, staff=False).scope_reason
    assert "arXiv 2405.21015" in str(total) and "arXiv 2405.21015" in total.source


def test_development_cost_rejects_a_cost_of_scope_development():
    with pytest.raises(InputError, match=r"got a cost of scope development"):
        development_cost(Cost(1e8, "development"))
    with pytest.raises(InputError, match=r"got a cost of scope development"):
        development_cost(development_cost(1e6))


def test_conversion_keeps_the_interval_of_an_estimate():
    run = cm.Scenario(
        architecture={"total": "7B"},
        recipe=cm.Pretraining(tokens="2T"),
        cluster=cm.Cluster("A100-80GB-SXM", 512),
        prices=cm.Rental(price="2 USD/hour"),
    )
    result = cm.estimate(run)
    total = development_cost(result)
    final = next(row for row in total.parts() if row["part"] == "final run")
    assert (final["usd"], final["low"], final["high"]) == pytest.approx((result.value("cost"), *result.bounds("cost")))
    with pytest.raises(InputError, match=r"got a cost of scope development"):
        development_cost(cm.estimate(run.replace(scope="development")))


RUN = cm.Scenario(
    architecture={"total": "7B"},
    recipe=cm.Pretraining(tokens="2T"),
    cluster=cm.Cluster("A100-80GB-SXM", 512),
    prices=cm.Rental(price=cm.between(1.5, 2.5)),
    mfu=cm.between(0.3, 0.5),
)


@pytest.mark.parametrize(
    "other_costs",
    [None, {"rd_multiplier": 3, "staff_share": "20 %"}, {"checkpoints": {}, "evaluation": {}, "failed_runs": 0.2}],
    ids=["defaults", "given multiplier", "storage, evaluation and failed runs"],
)
def test_the_scope_of_an_estimate_and_development_cost_are_one_figure(other_costs):
    run = RUN.replace(other_costs=other_costs, seed=3)
    developed, converted = cm.estimate(run.replace(scope="development")), development_cost(cm.estimate(run))
    assert converted.usd == developed.value("cost")
    np.testing.assert_array_equal(converted.draws(), developed.draws("cost"))
    assert converted.interval() == pytest.approx(developed.bounds("cost"))
    parts = {row["part"]: row["usd"] for row in converted.parts()}
    assert parts["final run"] + parts["other compute"] + parts["staff"] == pytest.approx(parts["development"])
    assert parts["staff"] == developed.value("cost.rd_staff")


def test_an_estimate_and_its_cost_in_dollars_are_converted_alike():
    exact = RUN.replace({"mfu": 0.4, "goodput": 0.9, "prices.price": 2.0})
    run = development_cost(cm.estimate(exact))
    dollars = development_cost(cm.estimate(exact).value("cost"))
    assert run.usd == pytest.approx(dollars.usd, rel=1e-12) and run.scope_reason == dollars.scope_reason
    np.testing.assert_allclose(run.draws(), dollars.draws(), rtol=1e-12)


def test_arguments_replace_what_the_scenario_gives():
    run = cm.estimate(RUN.replace(other_costs={"failed_runs": 0.2, "staff": "1 M$"}))
    final = cm.estimate(RUN).value("cost")
    assert development_cost(run).usd == pytest.approx(1.2 * final + 1e6)
    assert development_cost(run, multiplier=2).usd == pytest.approx(2 * final + 1e6)
    assert development_cost(run, staff_share=0.5).usd == pytest.approx(2 * 1.2 * final)
    assert development_cost(run, staff=False).usd == pytest.approx(1.2 * final)
    seeded = cm.estimate(RUN.replace(scope="development", seed=7, other_costs={"rd_multiplier": 2}))
    np.testing.assert_array_equal(
        development_cost(cm.estimate(RUN), multiplier=2, seed=7).draws(), seeded.draws("cost")
    )


def test_a_sum_of_estimates_is_converted_in_its_parts():
    one, two = cm.estimate(RUN), cm.estimate(RUN.replace({"recipe.tokens": "1T"}))
    total = development_cost(one + two)
    np.testing.assert_allclose(total.draws(), development_cost(one).draws() + development_cost(two).draws())


def test_an_estimate_without_a_cost_is_not_converted():
    run = cm.estimate(RUN.replace(prices=cm.Rental(provider="lambda", on="2018-01-01")))
    with pytest.raises(cm.MissingFactError, match=r"final_run_cost: the estimate has no cost: prices\.price"):
        development_cost(run)


def test_a_range_of_the_final_run_cost_widens_the_interval():
    narrow, wide = development_cost(6e6), development_cost(cm.between(3e6, 12e6, "USD"))
    assert wide.usd == pytest.approx(narrow.usd)
    assert wide.interval()[0] < narrow.interval()[0] and wide.interval()[1] > narrow.interval()[1]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"final_run_cost": -1.0}, r"final_run_cost"),
        ({"final_run_cost": math.nan}, r"final_run_cost"),
        ({"final_run_cost": math.inf}, r"final_run_cost"),
        ({"final_run_cost": "5 hours"}, r"final_run_cost: .*dimension"),
        ({"final_run_cost": 1e300}, r"final_run_cost"),
        ({"final_run_cost": True}, r"final_run_cost"),
        ({"final_run_cost": 1e6, "multiplier": 0.5}, r"multiplier"),
        ({"final_run_cost": 1e6, "staff_share": 1.0}, r"staff_share"),
        ({"final_run_cost": 1e6, "multiplier": cm.triangular(0.5, 1.2, 3.0)}, r"multiplier: .*at least 1"),
        ({"final_run_cost": 1e6, "multiplier": cm.between(0.5, 4.0)}, r"multiplier"),
        ({"final_run_cost": 1e6, "staff_share": cm.triangular(0.2, 0.5, 1.5)}, r"staff_share: .*below 1"),
        ({"final_run_cost": 1e6, "seed": -1}, r"seed: must be a whole number"),
    ],
)
def test_inputs_outside_their_range_raise_an_error(fields, message):
    with pytest.raises(InputError, match=message):
        development_cost(**fields)


@given(st.floats(1.0, 1e12), st.floats(1.0, 1e3))
def test_development_cost_is_proportional_to_the_final_run_cost(cost, factor):
    base, scaled = development_cost(cost), development_cost(cost * factor)
    assert scaled.usd == pytest.approx(base.usd * factor)
    parts = {row["part"]: row["usd"] for row in base.parts()}
    assert parts["final run"] + parts["other compute"] + parts["staff"] == pytest.approx(parts["development"])


def test_inputs_are_read_from_text():
    assert development_cost("5 MUSD", multiplier="2", staff_share="50 %", seed=1).usd == pytest.approx(20e6)
    assert development_cost("3 to 12 MUSD").interval() == development_cost(cm.between(3e6, 12e6, "USD")).interval()


@pytest.mark.parametrize("level", [0, 1, 2, "a"])
def test_levels_outside_0_to_1_raise_an_error(level):
    total = development_cost(1e6)
    for method in (total.parts, total.interval):
        with pytest.raises(InputError, match=r"level must be a fraction"):
            method(level)
