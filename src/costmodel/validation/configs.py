"""Parameter and FLOP counts of a folder of configs against those of a reference implementation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.architecture.flops import count_flops
from costmodel.architecture.loading import from_config, read_config
from costmodel.foundation.errors import CostModelError, InputError
from costmodel.foundation.tables import read_csv
from costmodel.validation.scores import Case, report

if TYPE_CHECKING:
    from pathlib import Path

    from costmodel.architecture.specification import Architecture
    from costmodel.foundation.tables import Row

COUNTS = {"total": "total_params", "active": "active_params", "embedding": "embedding_params"}


def validate_configs(folder: Path) -> dict[str, Any]:
    """Count every config of a folder and compare with its `params.csv`, and with its `flops.csv` if there is one.

    Parameters
    ----------
    folder : Path
        Holds NAME.json for each row of params.csv, with the columns model, model_type, total_params, active_params and
        embedding_params.

    Returns
    -------
    dict
        The scores of the total counts, the numbers of equal, wrong and refused configs, and a row per model.
    """
    table = read_csv(folder / "params.csv")
    if missing := [name for name in ("model", "model_type", *COUNTS.values()) if name not in table.columns]:
        raise InputError([f"params.csv: the column {name!r} is missing" for name in missing])
    flops_file = folder / "flops.csv"
    flops = read_csv(flops_file).rows if flops_file.is_file() else ()
    rows, cases = [], []
    for row in table.rows:
        checked = _row(folder, row, [count for count in flops if count["model"] == row["model"]])
        rows.append(checked)
        expected, counted = checked["expected"]["total"], (checked["counted"] or {}).get("total")
        case = Case(row["model"], row["model_type"], counted, expected, skipped=checked["skipped"])
        cases.append(case)
    scored = report("configs", cases)
    scored["rows"] = rows
    equal = sum(row["equal"] is True for row in rows)
    refused = sum(row["equal"] is None for row in rows)
    return {**scored, "equal": equal, "wrong": len(rows) - equal - refused, "refused": refused}


def summary(scored: dict[str, Any]) -> list[dict[str, str]]:
    """Return a row of text for each model with other parameters or FLOPs than expected."""
    listed = []
    for row in scored["rows"]:
        off = [count for count in row["flops"] if count["counted"] != count["expected"]]
        if row["equal"] is True and not off:
            continue
        verdict = "refused" if row["equal"] is None else ("equal" if row["equal"] else "wrong")
        largest = max((abs(count["counted"] / count["expected"] - 1) for count in off), default=0.0)
        note = row["skipped"] or (f"FLOPs differ by up to {largest:.2%}" if off else str(row["counted"]))
        listed.append({"model": row["id"], "parameters": verdict, "note": note.splitlines()[0][:120]})
    return listed


def _row(folder: Path, row: Row, flops: list[Row]) -> dict[str, Any]:
    expected = {name: int(row[column]) for name, column in COUNTS.items()}
    result: dict[str, Any] = {"id": row["model"], "expected": expected, "counted": None, "equal": None, "flops": []}
    try:
        architecture = from_config(read_config(folder / f"{row['model']}.json"))
        counted = {name: getattr(architecture.parameters, name) for name in COUNTS}
    except CostModelError as error:
        return {**result, "skipped": str(error)}
    compared = [_flops(architecture, count) for count in flops]
    return {**result, "counted": counted, "equal": counted == expected, "flops": compared, "skipped": None}


def _flops(architecture: Architecture, row: Row) -> dict[str, Any]:
    length, batch = int(row["seq_len"]), int(row["batch"])
    counted = count_flops(architecture, length, batch, attention="full", scan="plain").forward
    expected = int(row["forward_flops"])
    return {"sequence_length": length, "batch": batch, "expected": expected, "counted": float(counted)}
