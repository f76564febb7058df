"""Score of the MFU by accelerator generation on published throughput."""

import pytest

from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import Table, table
from costmodel.training.jobs.throughput import READER, TABLE
from costmodel.validation.throughput import validate_throughput


@pytest.fixture(scope="module")
def scored():
    return validate_throughput(table(TABLE))


def coverage_by_source(part):
    rows = {row.id: row.group for row in READER.used(table(TABLE))[0]}
    inside = {name: [] for name in rows.values()}
    for row in part["rows"]:
        inside[rows[row["id"]]].append(row["low"] <= row["measured"] <= row["high"])
    return sum(sum(each) / len(each) for each in inside.values()) / len(inside)


def test_all_rows_are_scored_without_their_source_and_without_their_generation(scored):
    assert scored["scored"] == scored["cases"] == scored["generation"]["scored"] == len(table(TABLE).rows)
    assert scored["median_ape"] < 0.2
    assert scored["generation"]["median_ape"] < 0.25


def test_intervals_hold_four_sources_in_five(scored):
    assert 0.7 <= coverage_by_source(scored) <= 0.95
    assert 0.7 <= coverage_by_source(scored["generation"]) <= 0.95


def test_the_published_scores_are_what_the_command_prints(scored, root):
    text = (root / "docs" / "accuracy.md").read_text(encoding="utf-8")
    for name, part in (("source", scored), ("generation", scored["generation"])):
        inside = f"{part['coverage']['0.8']:.0%} | {part['half_width']:.2f} | {coverage_by_source(part):.0%}"
        row = f"| {name} | {part['scored']} | {part['median_ape']:.0%} | {part['mape']:.0%} | {inside} |"
        assert row in text
    short = f"source left out | {scored['scored']} | {scored['median_ape']:.0%} | {scored['coverage']['0.8']:.0%} |"
    assert short in (root / "README.md").read_text(encoding="utf-8")


def test_rows_outside_the_fit_are_predicted_by_all_rows():
    shipped = table(TABLE)
    known = next(row for row in shipped.rows if row["accelerator"] == "TPU-v5p")
    own, other = {**known, "id": "mine"}, {**known, "id": "bad", "accelerator": "TPU-v5p", "sequence_length": "x"}
    again = validate_throughput(Table("mine", (own, other), shipped.columns, ""))
    assert again["cases"] == 2 and again["scored"] == 1
    assert "sequence_length must be a whole number" in again["rows"][1]["skipped"]
    left_out = next(row for row in validate_throughput(shipped)["rows"] if row["id"] == known["id"])
    assert again["rows"][0]["predicted"] > left_out["predicted"]


def test_unknown_columns_are_errors():
    shipped = table(TABLE)
    with pytest.raises(InputError, match="unknown column 'tps'"):
        validate_throughput(
            Table("rows", tuple({**row, "tps": ""} for row in shipped.rows), (*shipped.columns, "tps"), "")
        )
