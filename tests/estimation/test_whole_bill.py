"""The whole bill of random runs: all recipes, rented and owned, with what stands around the run."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.training.recipes.table import RECIPES

OWN_FIELDS = {"distillation": {"teacher": "llama-3.1-70b"}}
RECIPE = st.sampled_from(sorted(RECIPES.working()))
RENTED = st.fixed_dictionaries(
    {"price": st.floats(0.5, 20)},
    optional={"commitment": st.sampled_from(["30 days", "400 days"]), "unused_share": st.floats(0, 1)},
).filter(lambda fields: "commitment" in fields or "unused_share" not in fields)
OWNED = st.fixed_dictionaries(
    {"kind": st.just("owned"), "purchase_price": st.floats(1e3, 1e5)},
    optional={
        "convention": st.sampled_from(["amortized", "acquisition"]),
        "includes": st.sampled_from(["accelerator", "server"]),
        "utilization": st.floats(0.1, 1),
        "cost_of_capital": st.floats(0, 0.3),
        "dollars": st.sampled_from(["nominal", "real"]),
        "colocation": st.floats(50, 500),
        "staff": st.floats(0, 5e3),
    },
)
OTHERS = st.fixed_dictionaries(
    {},
    optional={
        "checkpoints": st.just({}),
        "data": st.just({"days": 30}),
        "egress": st.just({"checkpoints": 1}),
        "evaluation": st.fixed_dictionaries({"share": st.floats(0, 0.5)}),
        "failed_runs": st.floats(0, 2),
        "experiments": st.floats(0, 2),
        "staff_share": st.floats(0, 0.9),
    },
)


def scenario(recipe, prices, scope, others, gpus):
    return cm.Scenario(
        architecture="llama-3.1-8b",
        recipe={"kind": recipe, "tokens": "20M", **OWN_FIELDS.get(recipe, {})},
        cluster=cm.Cluster("H100-SXM", gpus),
        prices=prices,
        scope=scope,
        other_costs=others,
        mfu=cm.between(0.3, 0.5),
    )


@given(RECIPE, RENTED | OWNED, st.sampled_from(["final_run", "development"]), OTHERS, st.sampled_from([8, 64]))
@settings(max_examples=60)
def test_lines_add_up_and_none_is_there_twice(recipe, prices, scope, others, gpus):
    estimate = cm.estimate(scenario(recipe, prices, scope, others, gpus))
    names = [line.name for line in estimate.lines]
    titles = [row["title"] for row in estimate.bill().rows()]
    assert len(set(names)) == len(names) and len(set(titles)) == len(titles)
    lines = {name: estimate.draws(f"cost.{name}") for name in names}
    real = prices.get("dollars") == "real"  # the interest is below zero where inflation is above the cost of capital
    assert all(np.all(line >= 0) for name, line in lines.items() if not (real and name == "capital"))
    np.testing.assert_allclose(np.sum(list(lines.values()), axis=0), estimate.draws("cost"), rtol=1e-12)
    *rows, total = estimate.bill().rows()
    assert sum(row["usd"] for row in rows) == pytest.approx(total["usd"], rel=1e-12)


@given(RECIPE, RENTED | OWNED, st.sampled_from(["final_run", "development"]), OTHERS)
@settings(max_examples=30)
def test_the_cost_is_linear_in_the_price_and_the_energy_does_not_depend_on_it(recipe, prices, scope, others):
    path = "purchase_price" if "kind" in prices else "price"
    single, double, triple = (
        cm.estimate(scenario(recipe, {**prices, path: prices[path] * times}, scope, others, 8)) for times in (1, 2, 3)
    )
    steps = [b.draws("cost") - a.draws("cost") for a, b in ((single, double), (double, triple))]
    np.testing.assert_allclose(*steps, rtol=1e-9)
    assert np.all(steps[0] > 0)
    for name in ("energy", "carbon", "embodied_carbon", "water", "gpu_hours"):
        np.testing.assert_array_equal(single.draws(name), triple.draws(name))
