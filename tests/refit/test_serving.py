"""Refit of the serving model on a part of its rows."""

import numpy as np
import pytest

from costmodel.refit import serving
from costmodel.serving.calibration.constants import default_constants, priors
from costmodel.serving.step.timing import roofline


@pytest.fixture(scope="module")
def rows():
    return serving.scored_rows()


def test_no_prediction_and_no_measurement_is_below_the_roofline(rows):
    prepared = serving.prepare(rows)
    least = roofline(prepared.work, prepared.hardware, prepared.batch)
    predicted = serving.predict(prepared, dict(default_constants().values))
    assert (predicted > least).all() and (prepared.seconds > least).all()


def test_a_fit_on_a_part_of_the_rows_is_near_the_shipped_one(rows):
    part = [row for row in rows if row.benchmark in {"mlenergy", "inferencemax"}][::3]
    values = serving.fit(serving.prepare(part), np.ones(len(part), dtype=bool))
    shipped = default_constants().values
    for name in ("bandwidth", "layer", "software:tuned"):
        assert values[name] == pytest.approx(shipped[name], rel=0.3)
    assert all(value <= priors()[name].upper for name, value in values.items())


def test_rows_of_one_group_count_as_at_most_20(rows):
    prepared = serving.prepare(rows)
    groups = {}
    for row, weight in zip(rows, prepared.weights, strict=True):
        key = (row.benchmark, row.model, row.stack.accelerator, row.stack.recipe.name)
        groups[key] = groups.get(key, 0.0) + weight
    assert max(groups.values()) == pytest.approx(20)
    older = np.array([row.year < 2025 for row in rows])
    assert prepared.weights[older].max() == 0.35 and prepared.weights[~older].max() == 1
    assert 0.32 < (prepared.weights[older] > 0).mean() < 0.35


def test_the_anomalous_rows_are_not_fitted(rows):
    slow = [row for row in rows if row.model in {"qwen3-8b", "qwen3-14b"} and row.stack.accelerator == "B200"]
    assert slow and all(row.seconds < 0.033 or row.batch > 100 for row in slow)


def test_known_stacks_need_a_second_group(rows):
    prepared = serving.prepare(rows)
    known = serving.known_stacks(rows, prepared.shapes)
    tuned = np.array([row.stack.recipe.name.startswith("sglang") for row in rows])
    assert not known[tuned].any() and known[~tuned].any()  # only DeepSeek was measured with SGLang
