"""Measured steps of software that no fit knows: they read, and none of them is an input of a fit."""

from collections import Counter

import numpy as np
import pytest

from costmodel.foundation.tables import table
from costmodel.training.calibration.measured_steps import family_stack, read_steps
from costmodel.training.calibration.predictions import predict, prepare
from costmodel.training.step.efficiency import default_efficiency

TABLE = table("measurements/other_software")
STEPS, SKIPPED = read_steps(TABLE)


def test_every_row_is_read():
    assert not SKIPPED
    assert len(STEPS) == len(TABLE.rows)


def test_the_first_word_of_a_family_is_the_software():
    assert [row["software"] for row in TABLE.rows] == [family_stack(row["family"]) for row in TABLE.rows]


def test_no_software_of_the_fit():
    rows = table("measurements/step_times").rows
    fitted = {row["software"].lower() for row in rows if not row["family"].endswith("MoE")}
    assert not fitted & {row["software"].lower() for row in TABLE.rows}


def test_many_stacks_and_none_dominates():
    stacks = Counter(family_stack(step.family) for step in STEPS)
    assert len(stacks) >= 20
    assert max(stacks.values()) <= 15


def test_dense_models_on_many_accelerators():
    assert {step.architecture.kind for step in STEPS} == {"dense"}
    assert len({step.cluster.accelerator.name for step in STEPS}) >= 6
    counts = [step.cluster.count for step in STEPS]
    assert min(counts) == 1
    assert max(counts) > 10_000


def test_predictions_are_of_the_right_size():
    """A unit read wrongly (samples for tokens, all accelerators for one) is off by more than a factor of 3."""
    predicted = predict(prepare(STEPS), default_efficiency().values)
    ratios = predicted / np.array([step.seconds for step in STEPS])
    assert ratios.min() > 1 / 3
    assert ratios.max() < 3
    assert np.median(ratios) == pytest.approx(1.0, abs=0.15)
