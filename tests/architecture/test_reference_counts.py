"""Parameters and FLOPs of the catalog equal those of the reference implementation, to the last unit.

Reference: Hugging Face transformers 5.23 on the meta device; `tests/data/reference_counts.csv`.
"""

import csv
from pathlib import Path

import pytest

from costmodel.architecture.flops import count_flops
from costmodel.architecture.loading import load_architecture

SCANS = {"mamba", "falcon_h1", "jamba", "nemotron_h", "qwen3_next"}
"""Families whose scans the reference counts by its own kernels: indicative, ours are within 2 %."""
with (Path(__file__).parent.parent / "data" / "reference_counts.csv").open(encoding="utf-8") as file:
    ROWS = list(csv.DictReader(file))


@pytest.mark.golden(
    source="Hugging Face transformers 5.23", table="Elements of the parameters of the model built on the meta device"
)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_counts_equal_the_reference(row, golden):
    architecture = load_architecture(row["name"])
    golden(f"parameters of {row['name']}", f"{int(row['parameters']):,}", architecture.parameters.total)
    assert architecture.parameters[:3] == (int(row["parameters"]), int(row["active"]), int(row["embedding"]))
    if row["forward_flops"]:
        forward = count_flops(architecture, int(row["sequence_length"]), attention="full", scan="plain").forward
        tolerance = 0.02 if row["model_type"] in SCANS else 0
        assert forward == pytest.approx(int(row["forward_flops"]), rel=tolerance, abs=0)


def test_the_table_covers_the_families():
    assert len(ROWS) == 75
    assert len({row["model_type"] for row in ROWS}) >= 50
