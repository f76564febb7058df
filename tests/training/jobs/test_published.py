"""Published runs: what is assumed where a row does not state it."""

import math
from dataclasses import replace

import pytest

import costmodel as cm
from costmodel.foundation.tables import Table
from costmodel.training.jobs.modeled_runs import modeled_run
from costmodel.training.jobs.published import NEEDED, read_runs
from costmodel.training.jobs.utilization import steady_logit

LLAMA = cm.load_architecture("llama-2-7b")
ROW = {
    **dict.fromkeys(NEEDED, ""),
    "id": "llama-2-7b",
    "org": "Meta",
    "kind": "pretrain",
    "arch": "dense",
    "params_total": "6.74e9",
    "tokens": "2e12",
    "accelerator": "A100-80GB-SXM",
    "chip_hours": "184320",
    "confidence": "A",
}


def run(**cells):
    row = {**ROW, **cells}
    (read,), _ = read_runs(Table("runs", (row,), tuple(row), ""))
    return read


@pytest.mark.parametrize(
    ("cells", "length"),
    [
        ({}, 4096),
        ({"context": "2048"}, 2048),
        ({"context": "131072"}, 4096),
        ({"context": "131072", "training_sequence_length": "8192"}, 8192),
    ],
)
def test_run_without_a_sequence_length_trained_on_4096_tokens_or_its_context(cells, length):
    assert run(**cells).sequence_length == length


@pytest.mark.parametrize(("factor", "agrees"), [(1.0, True), (0.95, True), (1.05, True), (0.935, False), (1.07, False)])
def test_architecture_of_a_run_has_its_parameters_within_6_percent(factor, agrees):
    """A 7B model of 6.74 billion parameters is 4 % below its name."""
    detailed = run(params_total=str(factor * LLAMA.parameters.total)).detailed
    assert (detailed is not None) is agrees


def test_run_with_unknown_accelerators_is_modeled_as_a_job_of_30_days():
    """184,320 GPU-hours: 256 accelerators for 30 days."""
    unknown, known = run(), run(n_chips="256")
    assert (unknown.count, known.count) == (None, 256)
    assert modeled_run(unknown) == modeled_run(known)


def test_run_without_a_date_is_of_2024():
    assert run().year == run(date="2024-01").year - 0.5 / 12 == 2024.0


@pytest.mark.parametrize(("utilization", "expected"), [(0.5, 0.5), (0.95, 0.95), (0.999, 0.99), (1.2, 0.99)])
def test_utilization_is_at_most_99_percent(utilization, expected):
    published = run()
    scaled = replace(published, gpu_hours=published.gpu_hours * published.utilization / utilization)
    assert scaled.utilization == pytest.approx(utilization)
    assert steady_logit(scaled, 1.0) == pytest.approx(math.log(expected / (1 - expected)))
