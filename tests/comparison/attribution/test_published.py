"""Guesses about unpublished runs, and runs as products of factors."""

import math

import numpy as np
import pytest

from costmodel.comparison.attribution.factors import CHOICES, FACTORS
from costmodel.comparison.attribution.published import GUESSED_FIGURES, guesses, side_of_run
from costmodel.comparison.runs import published_runs
from costmodel.foundation.ranges import normal_quantile
from costmodel.foundation.tables import table


def test_guesses_are_about_speculative_runs_that_publish_nothing():
    for row in table("assumptions/guessed_runs").rows:
        run = published_runs()[row["id"]]
        assert run.speculative and not run.row["tokens"] and not run.row["params_active"]
        assert float(row["low"]) < float(row["value"]) < float(row["high"])
    assert set(guesses("gpt-4")) == set(GUESSED_FIGURES) and guesses("deepseek-v3") == {}


def test_guesses_of_gpt4_have_the_spread_of_its_compute():
    """Epoch AI: 2.1e25 FLOP, 90 % interval 8.2e24 to 4.4e25; SemiAnalysis: 280B active parameters, 13T tokens."""
    gpt4 = guesses("gpt-4")
    assert 6 * gpt4["active_parameters"].value * gpt4["tokens"].value == pytest.approx(2.1e25, rel=0.05)
    spread = math.log(4.4e25 / 8.2e24) / (2 * normal_quantile(0.95))
    parts = [
        math.log(gpt4[name].spread.high / gpt4[name].spread.low) / (2 * normal_quantile(0.9))
        for name in ("active_parameters", "tokens")
    ]
    assert math.hypot(*parts) == pytest.approx(spread, rel=0.02)


def test_gpu_hours_of_gpt4_follow_from_the_guesses():
    side = side_of_run(published_runs()["gpt-4"], "published", "final_run", 0)
    hours = side.terms["peak_compute"].values / (3600 * 312e12)
    assert hours[0] == pytest.approx(57e6)
    used = 1 / side.terms["utilization"].values
    assert used[0] == pytest.approx(0.341, rel=1e-2)
    assert np.quantile(used[1:], 0.1) == pytest.approx(0.32, rel=0.02)
    low, high = np.quantile(hours[1:], [0.1, 0.9])
    assert 57e6 / low == pytest.approx(1.93, rel=0.1) and high / 57e6 == pytest.approx(1.93, rel=0.1)


@pytest.mark.parametrize("name", ["gpt-4", "deepseek-v3", "qwen3-235b", "gemini-1-ultra", "olmo3-32b"])
@pytest.mark.parametrize("price", ["on_demand", "contract"])
def test_each_way_to_write_the_cost_is_the_cost(name, price):
    side = side_of_run(published_runs()[name], price, "development", 0)
    for work in CHOICES[0]:
        for paid in CHOICES[1]:
            names = (*work, *paid, *CHOICES[2][0])
            if all(name in side.terms for name in names):
                product = np.prod([side.terms[name].values for name in names], axis=0)
                assert np.allclose(product, side.cost, rtol=1e-12, atol=0)
    assert set(side.terms) <= set(FACTORS)


def test_a_stated_cost_of_estimated_gpu_hours_stays_as_it_is():
    side = side_of_run(published_runs()["dbrx"], "published", "final_run", 0)
    assert np.allclose(side.cost, 10e6, rtol=1e-12)
    assert "estimated" in side.terms["utilization"].assumed
