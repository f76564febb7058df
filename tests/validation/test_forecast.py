"""Score of forecasts on the logs of published runs: errors and coverage by cut, restarts, and tables of one's own."""

import pytest

import costmodel as cm
from costmodel.forecasting.run_log import read_log
from costmodel.foundation.columns import as_table
from costmodel.foundation.tables import table
from costmodel.validation.forecast import validate_forecast


@pytest.fixture(scope="module")
def scored():
    return validate_forecast(table("measurements/run_log_steps"))


def test_every_log_is_scored_at_every_cut(scored):
    assert scored["kind"] == "forecast" and scored["scored"] == 45
    assert {name: part["scored"] for name, part in scored["families"].items()} == {
        "cut at 5%": 15, "cut at 20%": 15, "cut at 50%": 15
    }  # fmt: skip


def test_total_times_of_published_runs_are_forecast_within_the_stated_errors(scored):
    """Figures of 2026-11: median errors of 3, 1 and 0.3 %; 76 % of the totals in the 80 % interval."""
    errors = [scored["families"][f"cut at {cut}"]["median_ape"] for cut in ("5%", "20%", "50%")]
    assert errors[0] < 0.04 and errors[1] < 0.015 and errors[2] < 0.005
    assert 0.7 <= scored["coverage"]["0.8"] <= 0.9
    assert scored["coverage"]["0.95"] >= 0.93


def test_intervals_of_real_logs_shrink_as_the_log_grows(scored):
    widths = {}
    for row in scored["rows"]:
        name, _, cut = row["id"].rpartition(", ")
        widths.setdefault(name, {})[cut] = (row["high"] - row["low"]) / row["measured"]
    for name, each in widths.items():
        if name != "sunxiaochuan-3b":  # its step time begins to scatter after the first cut
            assert each["cut at 5%"] > each["cut at 20%"] > each["cut at 50%"], name


def test_the_restart_of_a_real_log_is_read():
    rows = [row for row in table("measurements/run_log_steps").rows if row["log"] == "qwen-3b-restarted"]
    log = read_log([{"step": row["step"], "seconds": row["seconds"]} for row in rows])
    assert len(log.restarts) == 1
    assert log.times[-1] > 100_000 and max(log.steps) == 6565


def test_a_log_that_begins_after_the_cut_is_left_out_with_the_reason():
    rows = [{"log": "own", "step": step, "seconds": 2 * step} for step in (30, 60, 100)]
    found = validate_forecast(as_table("own", rows))
    skipped = [row["skipped"] for row in found["rows"]]
    assert skipped == [f"no row in the first {cut}% of the steps" for cut in (5, 20)] + [None]
    assert found["scored"] == 1


def test_a_table_without_times_is_refused():
    with pytest.raises(cm.InputError, match="missing: seconds"):
        validate_forecast(as_table("own", [{"log": "a", "step": 1}]))


def test_the_published_scores_are_what_the_command_prints(scored, root):
    row = f"{scored['scored']} | {scored['median_ape']:.0%} | {scored['coverage']['0.8']:.0%}"
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert f"| total time of a run, from the first 5 to 50 % of its log | {row} |" in readme
