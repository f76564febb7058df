"""The fit on measured fine-tunes: reproduced, scored with models left out, and with few constants."""

import numpy as np
import pytest

from costmodel.foundation.tables import table
from costmodel.refit.finetunes import MEMORY_PRIORS, all_tunes, fit_all, memory_residuals
from costmodel.training.calibration.predictions import predict, prepare
from costmodel.training.calibration.priors import FINE_TUNING, PRIORS, TIED
from costmodel.training.step.efficiency import default_efficiency
from costmodel.training.step.memory import MemoryConstants, default_memory_constants

TUNES = all_tunes()
TIMED, WEIGHED = [one for one in TUNES if one.seconds], [one for one in TUNES if one.memory]
FOLDS = {row["model"]: row for row in table("fitted/folds/finetune").rows}


@pytest.fixture(scope="module")
def fitted():
    return fit_all(TUNES)


@pytest.fixture(scope="module")
def prepared():
    return prepare([one.step for one in TIMED])


def errors(logs):
    return np.abs(np.expm1(logs))


def left_out(prepared):
    """Residuals of time and memory, each model predicted by the shipped fit without it."""
    shipped = default_efficiency().values
    time, memory = np.zeros(len(TIMED)), np.zeros(len(WEIGHED))
    for model, row in FOLDS.items():
        values = shipped | {name: float(row[name]) for name in FINE_TUNING}
        out = prepared.families == model
        time[out] = np.log(predict(prepared, values) / prepared.seconds)[out]
        out = np.array([one.model == model for one in WEIGHED])
        memory[out] = memory_residuals(WEIGHED, MemoryConstants(**{name: float(row[name]) for name in MEMORY_PRIORS}))[
            out
        ]
    return time, memory


def test_errors_of_the_shipped_fit(prepared):
    time = errors(np.log(predict(prepared, default_efficiency().values) / prepared.seconds))
    assert time.mean() <= 0.065 and np.median(time) <= 0.055
    memory = errors(memory_residuals(WEIGHED, default_memory_constants()))
    assert memory.mean() <= 0.045 and np.median(memory) <= 0.035


def test_errors_with_the_model_left_out(prepared):
    time, memory = map(errors, left_out(prepared))
    assert time.mean() <= 0.11 and np.median(time) <= 0.09 and (time < 0.25).mean() >= 0.95
    assert memory.mean() <= 0.06 and np.median(memory) <= 0.05 and (memory < 0.25).all()


def test_the_shipped_residuals_are_those_of_the_fit(fitted, prepared):
    """Or the scores above would be of other constants."""
    time, memory = left_out(prepared)
    assert fitted.residuals["time, model left out"] == pytest.approx(time, abs=0.01)
    assert fitted.residuals["memory, model left out"] == pytest.approx(memory, abs=0.01)


def test_few_constants_are_fitted():
    assert sum(prior.spread > 0 for prior in FINE_TUNING.values()) <= 10
    assert sum(prior.spread > 0 for prior in MEMORY_PRIORS.values()) <= 10
    assert set(MEMORY_PRIORS) == set(MemoryConstants._fields)
    assert not set(FINE_TUNING) & set(PRIORS)  # each is fitted once
    assert all(prior.source and prior.unit for prior in (*FINE_TUNING.values(), *MEMORY_PRIORS.values()))
    for name in set(TIED) & set(FINE_TUNING):
        assert FINE_TUNING[name].spread == 0


def test_the_shipped_constants_are_those_of_the_fit(fitted):
    shipped = default_efficiency().values
    assert {name: shipped[name] for name in fitted.time} == pytest.approx(fitted.time, rel=0.01)
    assert default_memory_constants()._asdict() == pytest.approx(fitted.memory, rel=0.01)
    spreads = {
        row["name"]: float(row["value"]) for row in table("fitted/finetune_efficiency").rows if row["kind"] == "spread"
    }
    assert spreads == pytest.approx(fitted.spreads, rel=0.02)


def test_every_fold_is_the_fit_without_its_model(fitted):
    assert set(FOLDS) == set(fitted.folds) == {one.model for one in TUNES}
    for model, values in fitted.folds.items():
        assert {name: float(FOLDS[model][name]) for name in values} == pytest.approx(values, rel=0.01)


def test_constants_stay_where_they_have_a_meaning(fitted):
    """Within three spreads of what was known before, and on the side on which an efficiency must lie."""
    for priors, values in ((FINE_TUNING, fitted.time), (MEMORY_PRIORS, fitted.memory)):
        for name, prior in priors.items():
            if name not in TIED:
                assert abs(np.log(values[name] / prior.value)) <= max(3 * prior.spread, 1e-12), name
    assert fitted.time["launch_eager"] >= 1
    assert fitted.memory["whole_logits"] > fitted.memory["half_logits"] > 0
    assert fitted.memory["copied_logits"] <= 4 and fitted.memory["eager_norms"] >= 1


def test_intervals_hold_four_of_five(fitted):
    """By the spreads that are shipped, of models that were left out."""
    for name, spread in (("memory, model left out", "memory"), ("time, model left out", "finetune")):
        held = np.abs(fitted.residuals[name]) < 1.2816 * fitted.spreads[spread]
        assert 0.7 <= held.mean() <= 0.9
