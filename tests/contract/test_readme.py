"""The README says what the commands say."""

from costmodel.foundation.tables import table
from costmodel.validation.published_runs import validate_published_runs


def test_the_table_of_errors_is_what_the_command_prints(root):
    scored = validate_published_runs(table("published_runs"))
    row = (
        f"| {scored['scored']} | {scored['median_ape']:.0%} | {scored['mape']:.0%} | "
        f"{scored['median_abs_log10']:.3f} | {scored['coverage']['0.8']:.0%} |"
    )
    assert row in (root / "README.md").read_text(encoding="utf-8")
