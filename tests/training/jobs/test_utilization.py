"""Utilization of published runs by class."""

from costmodel.foundation.tables import table
from costmodel.refit.utilization import class_rows
from costmodel.training.jobs.utilization import shipped_runs


def test_shipped_classes_equal_the_fit():
    """Small classes are shrunk toward the mean with the spreads of `data/assumptions/model_constants.csv`."""
    shipped = [row for row in table("fitted/utilization").rows if row["kind"] in {"dense", "moe"}]
    assert class_rows(shipped_runs()) == shipped
