"""Draws of an estimate: the same in blocks as at once, and not kept by the estimate."""

import pickle

import numpy as np
import pytest

import costmodel as cm
from costmodel.estimation import chain, sampling
from costmodel.foundation.ranges import draws

PRICES = {
    "lognormal": cm.between(2, 3),
    "triangular": cm.triangular(2, 2.5, 4),
    "beta": cm.beta(2, 3, 1, 4),
    "samples": cm.samples([2.0, 2.4, 3.3]),
}


def run(**changes):
    scenario = cm.Scenario(
        architecture="llama-3.1-8b",
        recipe=cm.Pretraining(tokens=1e12, batch_size=512),
        cluster=cm.Cluster("H100-SXM", 64),
        mfu=cm.between(0.35, 0.45),
    )
    return scenario.replace(changes)


@pytest.mark.parametrize("shape", PRICES)
def test_draws_do_not_depend_on_the_size_of_the_blocks(shape, monkeypatch):
    estimate = cm.estimate(run(**{"prices.price": PRICES[shape]}))
    blocks = estimate.draws("cost", 45_001)
    monkeypatch.setattr(sampling, "BLOCK", 10**9)
    assert (estimate.draws("cost", 45_001) == blocks).all()


def test_draws_are_the_calculation_on_draws_of_the_inputs():
    estimate = cm.estimate(run())
    drawn = {
        path: entry.value if entry.spread is None else draws(sampling.draw_key(path), entry.spread, 30_000, 0)
        for path, entry in estimate.inputs.items()
    }
    results = chain.run(estimate.steps, drawn | estimate.missing)
    sampled = estimate.sample(30_000)
    assert sampled
    assert all((values == results[name]).all() for name, values in sampled.items())


def test_estimates_keep_intervals_but_no_draws():
    estimates = [cm.estimate(run(**{"prices.price": 1.0 + place / 10})) for place in range(12)]
    intervals = [estimate.bounds("cost") for estimate in estimates]
    kept = sum(value.nbytes for each in estimates for value in vars(each).values() if isinstance(value, np.ndarray))
    assert kept == 0
    assert len(sampling._newest) <= sampling.SAMPLES_KEPT
    assert max(len(pickle.dumps(vars(each)["_ends"])) for each in estimates) < 1000
    assert [tuple(np.quantile(each.draws("cost"), [0.1, 0.9])) for each in estimates] == intervals


def test_compared_estimates_share_their_draws():
    runs = {f"{place}": run(**{"prices.price": 2.0 + place}) for place in range(8)}
    comparison = cm.compare(runs)
    assert comparison.ratio("cost", "2", "0") == pytest.approx((2.0, 2.0, 2.0))
