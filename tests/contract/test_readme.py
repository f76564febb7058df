"""The README says what the commands say."""

from costmodel.foundation.tables import table
from costmodel.validation.published_runs import validate_published_runs
from costmodel.validation.step_times import validate_step_times


def test_the_table_of_errors_is_what_the_command_prints(root):
    scored = validate_published_runs(table("published_runs"))
    row = (
        f"| {scored['scored']} | {scored['median_ape']:.0%} | {scored['mape']:.0%} | "
        f"{scored['median_abs_log10']:.3f} | {scored['coverage']['0.8']:.0%} |"
    )
    assert row in (root / "README.md").read_text(encoding="utf-8")


def test_the_table_of_step_times_is_what_the_command_prints(root):
    scored = validate_step_times(table("step_times"))
    rows = [row for row in scored["rows"] if row["skipped"] is None]
    near = sum(abs(row["predicted"] / row["measured"] - 1) < 0.15 for row in rows) / len(rows)
    row = (
        f"| {scored['scored']} | {scored['median_ape']:.0%} | {scored['mape']:.0%} | {near:.0%} | "
        f"{scored['coverage']['0.8']:.0%} |"
    )
    assert row in (root / "README.md").read_text(encoding="utf-8")
