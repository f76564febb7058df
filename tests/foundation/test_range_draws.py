"""Random draws follow the quantiles, stay in the support, and depend only on key and seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation.ranges import beta, between, draws, samples, triangular

SHAPES = {
    "lognormal": between(1.8, 3.2).settled("lognormal"),
    "lognormal above 1": between(1.02, 1.4).settled("lognormal", 1.0),
    "logitnormal": between(0.01, 0.99).settled("logitnormal"),
    "normal": between(-2.0, 3.0).settled("normal"),
    "triangular": triangular(1, 2, 4),
    "beta": beta(0.5, 0.7, 10, 30),
    "samples": samples([2.1, 2.4, 3.0, 2.2, 5.0]),
}
every_shape = pytest.mark.parametrize("spread", SHAPES.values(), ids=SHAPES.keys())
keys = st.text(min_size=1, max_size=40)


@every_shape
def test_draws_agree_with_the_quantiles(spread):
    drawn = draws("mfu", spread, 40_000, 7)
    assert drawn.shape == (40_000,)
    for probability in (0.05, 0.25, 0.5, 0.75, 0.95):
        below = np.mean(drawn <= spread.quantile(probability))
        within = 0.21 if spread is SHAPES["samples"] else 0.01  # five values: steps of a fifth
        assert below == pytest.approx(probability, abs=within)


@every_shape
def test_draws_stay_in_the_support(spread):
    drawn = draws("mfu", spread, 40_000, 1)
    low, high = spread.support()
    assert np.all(np.isfinite(drawn))
    assert low <= drawn.min() and drawn.max() <= high


def test_samples_draw_nothing_but_their_values():
    assert set(draws("x", SHAPES["samples"], 1000, 0)) == {2.1, 2.4, 3.0, 2.2, 5.0}


@pytest.mark.parametrize("name", ["lognormal", "normal", "triangular", "beta", "samples"])
def test_draws_of_a_scaled_range_are_scaled_draws(name):
    spread = SHAPES[name]
    assert draws("p", spread.scaled(1e3, "W"), 500, 3) == pytest.approx(1e3 * draws("p", spread, 500, 3))


@settings(max_examples=25, deadline=None)
@given(keys, st.integers(0, 2**32 - 1))
def test_same_key_and_seed_give_equal_draws(key, seed):
    spread = SHAPES["lognormal"]
    assert draws(key, spread, 20, seed).tolist() == draws(key, spread, 20, seed).tolist()


@settings(max_examples=25, deadline=None)
@given(keys, keys, st.integers(0, 2**32 - 2))
def test_different_key_or_seed_gives_different_draws(one, other, seed):
    spread = SHAPES["lognormal"]
    drawn = draws(one, spread, 20, seed)
    assert not np.any(drawn == draws(one, spread, 20, seed + 1))
    if one != other:
        assert not np.any(drawn == draws(other, spread, 20, seed))


def test_draws_of_different_keys_are_independent():
    spread = SHAPES["normal"]
    one, other = draws("mfu", spread, 20_000, 0), draws("goodput", spread, 20_000, 0)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03


def test_the_first_draws_do_not_depend_on_how_many_follow():
    spread = SHAPES["lognormal"]
    assert draws("x", spread, 1000, 5)[:10].tolist() == draws("x", spread, 10, 5).tolist()


def test_ranges_with_the_same_key_have_draws_in_the_same_order():
    narrow, wide = between(1.9, 2.1).settled("lognormal"), between(1, 4).settled("lognormal")
    assert np.argsort(draws("x", narrow, 100, 0)).tolist() == np.argsort(draws("x", wide, 100, 0)).tolist()


def scenario(**changes):
    base = cm.Scenario(
        architecture={"total": "7B"},
        recipe=cm.Pretraining(tokens="1T"),
        cluster=cm.Cluster("H100-SXM", 64, site=cm.Site(pue=1.1, grid_intensity=0.4, power_per_gpu="700 W")),
        prices=cm.Rental(price=2),
        mfu="0.3 to 0.45",
        goodput=0.9,
    )
    return base.replace(changes)


def test_a_range_added_to_another_input_changes_nothing_else():
    plain = cm.estimate(scenario())
    added = cm.estimate(scenario(**{"cluster.site.pue": "1.05 to 1.2"}))
    assert added.interval("cost") == plain.interval("cost")
    assert added.interval("gpu_hours") == plain.interval("gpu_hours")
    assert added.interval("energy") != plain.interval("energy")
