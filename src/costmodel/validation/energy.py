"""Error of the predicted energy of runs with published accelerator-hours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.hardware.power import folds, power_model
from costmodel.hardware.published_energy import READER
from costmodel.validation.scores import Case, intervals, report

if TYPE_CHECKING:
    from costmodel.foundation.tables import Table


def validate_energy(rows: Table) -> dict[str, Any]:
    """Score the energy of training runs [MWh] on a table of published energies, from their accelerator-hours.

    The prediction has the boundary of the publication: accelerators, servers, or the facility with the PUE of the row
    (the default PUE without one). A run whose power the constants were fitted on is predicted by a fit without it.
    Families are boundaries.

    Parameters
    ----------
    rows : Table
        Rows with the columns of `costmodel.hardware.published_energy.ENERGIES`.

    Returns
    -------
    dict
        In the format of `report`.
    """
    cases = []
    for row in READER.rows(rows):
        run = row.value
        if run is None:
            cases.append(Case(row.id, skipped="; ".join(row.problems)))
        else:
            predicted = run.predicted(folds().get(run.group, power_model()))
            cases.append(Case(run.id, run.boundary, predicted, run.energy, intervals(predicted, run.spread)))
    return report("energy", cases)
