"""The bill of an estimate: lines that add up to the cost."""

import numpy as np
import pytest

import costmodel as cm

RUN = cm.Scenario(
    architecture={"total": "7B"},
    recipe=cm.Pretraining(tokens="2T"),
    cluster=cm.Cluster("A100-80GB-SXM", 512),
    prices=cm.Rental(price=cm.between(1.5, 2.5)),
    mfu=cm.between(0.3, 0.5),
)
DISTILLED = cm.Scenario(
    architecture="llama-3.1-8b",
    recipe=cm.Distillation(tokens=5e6, api="claude-haiku-4-5", api_provider="anthropic"),
    cluster=cm.Cluster("H100-SXM", 8),
    prices=cm.Rental(price="2 USD/hour"),
)


@pytest.mark.parametrize("run", [RUN, DISTILLED], ids=["rent", "rent and purchases"])
def test_lines_add_up_to_the_cost_in_every_draw(run):
    estimate = cm.estimate(run)
    lines = [f"cost.{line.name}" for line in estimate.lines]
    assert len(set(lines)) == len(lines)
    total = np.sum([estimate.draws(line) for line in lines], axis=0)
    np.testing.assert_allclose(total, estimate.draws("cost"), rtol=1e-12)
    rows = estimate.bill().rows()
    assert sum(row["usd"] for row in rows[:-1]) == pytest.approx(rows[-1]["usd"], rel=1e-12)
    assert rows[-1]["usd"] == pytest.approx(estimate.cost.to("USD").magnitude, rel=1e-12)


def test_a_bill_of_rent_is_gpu_hours_times_price():
    estimate = cm.estimate(RUN.replace({"prices.price": 2.0}))
    rent, total = estimate.bill().rows()
    assert rent["usd"] == pytest.approx(2 * estimate.gpu_hours.to("hour").magnitude)
    assert (rent["share"], total["share"], rent["title"]) == (1.0, 1.0, "rent")
    assert rent["low"] < rent["usd"] < rent["high"]


def test_a_line_that_is_not_known_stays_in_its_place_with_the_reason():
    estimate = cm.estimate(RUN.replace(prices=cm.Rental(provider="lambda", on="2018-01-01")))
    rent, total = estimate.bill().rows()
    assert rent["usd"] is None and total["usd"] is None and "lambda" in rent["note"]
    assert "not known" in str(estimate.bill()) and "lambda" in str(estimate.bill())


def test_level_of_the_bill_is_checked():
    with pytest.raises(cm.InputError, match="level"):
        cm.estimate(RUN).bill().rows(level=2)
