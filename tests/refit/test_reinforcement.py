"""Realized efficiency of rollouts and of updates, in cases that can be computed by hand."""

import math

import pytest

from costmodel.comparison.rl_steps import Parts
from costmodel.foundation.tables import table
from costmodel.refit.reinforcement import Observed, fit, reinforcement_rows

MODELED = Parts(40.0, 60.0, 1.0, 101.0)


def step(organization, rollout, training, modeled=MODELED):
    """Return a step whose parts took the modeled time divided by realized efficiencies."""
    parts = modeled.rollout / rollout, modeled.training / training
    return Observed(organization, modeled, Parts(*parts, modeled.weight_sync, sum(parts) + modeled.weight_sync))


def whole(organization, rollout, training):
    """Return the same step, of which only the whole time is known."""
    known = step(organization, rollout, training)
    return known._replace(measured=Parts(0.0, 0.0, 0.0, known.measured.whole))


def test_steps_with_parts_give_both_factors():
    rollout, training = fit([step("a", 0.4, 0.2), step("b", 0.1, 0.8)])
    assert math.exp(rollout) == pytest.approx(0.2)
    assert math.exp(training) == pytest.approx(0.4)


def test_every_organization_has_one_weight():
    many = [step("a", 0.4, 0.4)] * 5
    assert math.exp(fit([*many, step("b", 0.1, 0.1)]).rollout) == pytest.approx(0.2)


def test_a_step_known_as_a_whole_agrees_with_factors_that_reproduce_it():
    rollout, training = fit([step("a", 0.4, 0.2), whole("b", 0.4, 0.2)])
    assert (math.exp(rollout), math.exp(training)) == pytest.approx((0.4, 0.2), rel=1e-3)


def test_a_slow_step_known_as_a_whole_lowers_both():
    rollout, training = fit([step("a", 0.4, 0.2), whole("b", 0.2, 0.1)])
    assert math.exp(rollout) < 0.4
    assert math.exp(training) < 0.2


def test_rows_leave_each_organization_out():
    observed = [step("a", 0.4, 0.2), step("b", 0.2, 0.4), step("c", 0.2, 0.4)]
    rows = {(row["kind"], row["left_out"]): float(row["realized_efficiency"]) for row in reinforcement_rows(observed)}
    assert set(rows) == {(kind, name) for kind in ("rollout", "reinforcement") for name in ("", "a", "b", "c")}
    assert rows["rollout", "a"] == pytest.approx(0.2, rel=1e-3)
    assert rows["reinforcement", "a"] == pytest.approx(0.4, rel=1e-3)


def test_a_published_rollout_is_shorter_than_its_step():
    known = [row for row in table("measurements/rl_steps").rows if row["rollout_time"] and row["step_time"]]
    assert known
    for row in known:
        assert 0 < float(row["rollout_time"]) + float(row["weight_sync_time"] or 0) < float(row["step_time"])
