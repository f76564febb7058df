"""The realized efficiency of jobs: pretraining on few accelerators has an effect that ends without a cliff."""

import math
from itertools import pairwise

import pytest

from costmodel.foundation.tables import table
from costmodel.refit.realized_efficiency import Job, job_rows
from costmodel.training.jobs.realized_efficiency import FEW, TABLE, realized_efficiency


def shipped(kind):
    row = next(row for row in table(TABLE).rows if (row["kind"], row["left_out"]) == (kind, ""))
    return math.sqrt(float(row["low"]) * float(row["high"]))


def test_the_effect_of_few_accelerators_falls_with_their_logarithm_from_16_to_64():
    few, many = shipped(FEW), shipped("pretraining")
    expected = {1: few, 16: few, 32: math.sqrt(few * many), 64: many, 4096: many}
    found = {count: realized_efficiency("pretraining", count).value for count in expected}
    assert found == pytest.approx(expected, rel=1e-9)
    values = [realized_efficiency("pretraining", count).value for count in range(16, 65)]
    assert all(1 < first / second < 1.03 for first, second in pairwise(values))


def test_only_pretraining_has_an_effect_of_few_accelerators():
    for kind in ("fine_tuning", "reinforcement"):
        assert realized_efficiency(kind, 1).value == realized_efficiency(kind, 4096).value


def test_the_effect_of_few_jobs_is_shrunk_by_their_number_of_organizations():
    """With n organizations and deviations of sd between jobs and 0.3 of the effect: n / sd² over n / sd² + 1 / 0.3²."""
    many = [
        Job("pretraining", name, log) for name, log in zip("abcdef", (-0.5, 0.1, -0.4, 0.0, -0.3, -0.1), strict=True)
    ]
    others = [
        Job(kind, name, 0.1 * index) for kind in ("fine_tuning", "reinforcement") for index, name in enumerate("abc")
    ]
    few = [Job("pretraining", name, 0.4, few=True) for name in "gh"]
    rows = {row["kind"]: row for row in job_rows([*many, *few, *others]) if not row["left_out"]}
    whole, effect = rows["pretraining"], rows[FEW]
    mean = math.log(float(whole["realized_efficiency"]))
    sd = math.log(float(whole["high"]) / float(whole["low"])) / 2 / 1.2815515655
    weight = (2 / sd**2) / (2 / sd**2 + 1 / 0.3**2)
    assert math.log(float(effect["realized_efficiency"])) == pytest.approx(mean + weight * (0.4 - mean), abs=2e-4)
    spread = math.log(float(effect["high"]) / float(effect["low"])) / 2 / 1.2815515655
    assert spread == pytest.approx(math.sqrt(sd**2 + 1 / (2 / sd**2 + 1 / 0.3**2)), rel=1e-3)
