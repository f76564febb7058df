"""The page on rows of measurements names every column and every word."""

from pathlib import Path

import pytest

from costmodel.hardware.metered import METERED_RUNS
from costmodel.hardware.published_energy import ENERGIES
from costmodel.serving.calibration.columns import SERVED
from costmodel.training.calibration.columns import CONVENTIONS, HARMLESS, STEPS, WRONG
from costmodel.training.calibration.finetune_columns import FINE_TUNES, FLAGS

PAGE = (Path(__file__).parents[2] / "docs/measured_rows.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("schema", [STEPS, FINE_TUNES, SERVED, METERED_RUNS, ENERGIES], ids=lambda schema: schema.kind)
def test_every_column_is_on_the_page(schema):
    assert [name for name in schema.columns if f"`{name}`" not in PAGE] == []


def test_every_flag_and_convention_is_on_the_page():
    assert [word for word in (*HARMLESS, *WRONG, *CONVENTIONS, *FLAGS) if word not in PAGE] == []
