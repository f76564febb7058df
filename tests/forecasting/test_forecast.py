"""Forecasts of what is left of a run: arithmetic, stops and restarts, intervals and their coverage, what is refused."""

import datetime as dt
import json

import numpy as np
import pytest

import costmodel as cm
from costmodel.estimation.results import DRAWS
from costmodel.forecasting.pace import Pace, Prior, draws_left, log_step_times, noise_of, pace_of
from costmodel.forecasting.run_log import read_log

STEPS, DONE = 4000, 1000


@pytest.fixture(scope="module")
def run():
    return cm.Scenario(
        architecture="llama-3.1-8b",
        recipe=cm.Pretraining(tokens=STEPS * 512 * 8192, sequence_length=8192, batch_size=512),
        cluster=cm.Cluster("H100-SXM", 64, site=cm.Site(power_per_gpu=1000.0, pue=1.2)),
        prices=cm.Rental(price="2 USD/hour"),
        reliability=cm.Reliability(residual_overhead=0.0, gpu_hours_per_failure=1e9, restart_time=60.0),
        mfu=0.4,
    )


def steady(steps=DONE, seconds=10.0, every=10):
    return [{"step": step, "elapsed": step * seconds} for step in range(every, steps + 1, every)]


def test_time_dollars_and_energy_follow_from_the_steps_left(run):
    left = cm.forecast(run, steady(), now="2026-09-01T00:00")
    assert (left.steps_done, left.steps_left) == (DONE, STEPS - DONE)
    hours = left.left("wall_time").to("hour").magnitude
    assert hours == pytest.approx(3000 * 10 / 3600, rel=0.02)
    assert left.left("cost").magnitude == pytest.approx(hours * 64 * 2)
    assert left.left("energy").to("kWh").magnitude == pytest.approx(hours * 64 * 1.0 * 1.2)
    assert left.done("wall_time").to("s").magnitude == DONE * 10
    assert left.done("cost").magnitude == pytest.approx(DONE * 10 / 3600 * 64 * 2)
    assert left.end() == dt.datetime(2026, 9, 1, tzinfo=dt.UTC) + dt.timedelta(hours=hours)
    assert left.end(0.1) < left.end() < left.end(0.9)
    low, high = left.interval("wall_time", 0.95)
    assert low < left.interval("wall_time")[0] < left.left("wall_time") < left.interval("wall_time")[1] < high


@pytest.mark.parametrize(
    ("name", "value"), [("step_time", "10 s"), ("tokens_per_second", f"{512 * 819.2:.6f} token/s")]
)
def test_a_single_figure_is_a_log_without_noise(run, name, value):
    left = cm.forecast(run, **{name: value}, done=DONE, start="2026-09-01", now="2026-09-01T03:00")
    assert left.left("wall_time").to("s").magnitude == pytest.approx(30_000, rel=0.02)
    assert left.done("wall_time").to("hour").magnitude == 3
    assert left.goodput is None and left.pace.stops == ()


def test_an_uncertain_figure_widens_the_interval(run):
    widths = [np.ptp([end.magnitude for end in cm.forecast(run, step_time=each, done=DONE).interval("wall_time")])
              for each in ("10 s", "8 to 12.5 s")]  # fmt: skip
    assert widths[1] > 1.5 * widths[0]


def test_a_prediction_pulls_a_short_log_and_not_a_long_one(run):
    planned = run.replace(mfu=None)
    predicted = cm.forecast(planned, steady(40)).predicted.to("s").magnitude
    medians = {steps: float(np.median(cm.forecast(planned, steady(steps)).draws("wall_time"))) / (STEPS - steps)
               for steps in (40, 2000)}  # fmt: skip
    assert predicted < 9
    assert predicted < medians[40] < medians[2000] < 10.2
    assert medians[2000] == pytest.approx(10, rel=0.01)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"step_time": "0.001 s", "done": DONE}, "step_time"),
        ({"tokens_per_second": 1e9, "done": DONE}, "tokens_per_second"),
        ({"measured": steady(seconds=1e-3)}, "measured"),
    ],
)
def test_a_speed_above_the_peak_is_refused(run, given, name):
    with pytest.raises(
        cm.InputError,
        match=rf"{name}: a step of .* is faster than the bf16 peak of 64 × H100-SXM, .* for a batch of 4.19M tokens",
    ):
        cm.forecast(run, **given)


@pytest.mark.parametrize(("excess", "stops"), [(450.0, 0), (550.0, 1)])
def test_a_gap_of_more_than_five_times_the_usual_time_between_rows_is_a_stop(run, excess, stops):
    rows = steady()  # 100 s between two rows
    late = [{**row, "elapsed": row["elapsed"] + excess * (row["step"] > 500)} for row in rows]
    assert len(cm.forecast(run, late).pace.stops) == stops


def test_steps_lost_by_the_last_restart_are_left_to_do(run):
    rows = [{"step": step, "elapsed": 10.0 * step} for step in (100, 200, 300, 400)]
    left = cm.forecast(run, [*rows, {"step": 200, "elapsed": 7600.0}])
    assert (left.steps_done, left.steps_left, left.pace.lost_steps) == (200, STEPS - 200, 200)


def test_gaps_and_repeated_steps_lower_the_goodput(run):
    rows = [*steady(500), {"step": 460, "elapsed": 5000 + 3600 + 100}]
    rows += [{"step": step, "elapsed": 8700 + (step - 460) * 10.0} for step in range(470, 1001, 10)]
    left = cm.forecast(run, rows)
    pace = left.pace
    assert (pace.restarts, len(pace.stops), pace.lost_steps) == (1, 1, 40)
    assert sum(pace.stops) == pytest.approx(3700 + 400)
    assert left.goodput == pytest.approx(DONE * 10 / 14_100)
    assert "1 stop of 1.14 hours, 40 steps repeated" in str(left)
    usual = run.replace(reliability=cm.Reliability())
    stopped, without = (cm.forecast(usual, each).draws("wall_time").mean() for each in (rows, steady()))
    assert stopped > without * 1.05
    assert left.done("wall_time").to("s").magnitude == 14_100


def test_slow_phases_are_part_of_the_step_time(run):
    rows, time = [], 0.0
    for step in range(10, 1001, 10):
        time += 10 * (13.0 if 300 < step <= 600 else 10.0)
        rows.append({"step": step, "elapsed": time})
    left = cm.forecast(run, rows)
    assert left.pace.step_time == pytest.approx(10.9, rel=0.01)
    low, high = (end.to("s").magnitude / 3000 for end in left.interval("wall_time"))
    assert low < 10.2 and high > 12


@pytest.mark.parametrize("seconds", [119.0, 130.0])
def test_a_delay_of_two_minutes_is_a_stop(seconds):
    rows = [{"step": step, "elapsed": step + (seconds if step > 50 else 0.0)} for step in range(1, 101)]
    pace = pace_of(read_log(rows), 1000)
    assert pace.stops == (() if seconds < 120 else (pytest.approx(seconds),))
    assert pace.wall == 100 + seconds


def test_the_start_of_a_run_is_not_part_of_its_step_time():
    pace = pace_of(read_log([{"step": step, "elapsed": 960 + step} for step in range(1, 101)]), 1000)
    assert pace.step_time == pytest.approx(1.0) and pace.stops == ()
    assert pace.wall == 1060


def test_blocks_are_a_fortieth_of_the_run():
    pace = pace_of(read_log(steady(800)), 4000)
    assert len(pace.blocks) == 8
    assert pace.blocks == pytest.approx([np.log(10)] * 8)


def test_noise_without_a_log_is_the_prior():
    noise = noise_of((), 0.5)
    assert (noise.scale, noise.past, noise.freedom) == (pytest.approx(0.05), 1.0, 2.0)
    assert noise.shared == pytest.approx(0.8 * (1 - 0.8**20) / (0.2 * 20))
    assert noise.rest == pytest.approx((9 - 2 * 0.8 * (1 - 0.8**20) / (20 * 0.04)) / 20)


def test_noise_follows_the_blocks():
    calm, rough = (noise_of(tuple(np.random.default_rng(0).normal(0, spread, 20)), 0.5) for spread in (1e-4, 0.1))
    assert calm.scale == pytest.approx(0.05 * np.sqrt(2 / 21), rel=1e-3)
    assert rough.scale == pytest.approx(0.1, rel=0.3)
    assert rough.rest < calm.rest  # its blocks are not correlated


def stops_of(overheads, useful=3600.0, pace_useful=0.0, stops=()):
    pace = Pace(0, 0.5, 0.0, pace_useful, 1.0, (), stops, 0, 0)
    rest = draws_left(pace, Prior(np.asarray(overheads)), useful, DRAWS, 0)
    random = np.random.default_rng([0, 7])
    return rest - useful * np.exp(log_step_times(pace, Prior(np.asarray(overheads)), DRAWS, random))


def test_stops_before_a_log_are_those_of_the_goodput():
    costs = stops_of([0.1])
    assert (costs > 1e-6).mean() == pytest.approx(1 - 1.01**-10, abs=0.005)  # 10 stops in 100 hours
    assert costs.mean() == pytest.approx(360, rel=0.15)
    assert np.median(costs[costs > 1e-6]) == pytest.approx(3600 * (np.sqrt(2) - 1), rel=0.08)
    assert stops_of([0.0]).max() < 1e-6


def test_a_spread_of_the_goodput_makes_stops_less_certain():
    often, rarely = ((stops_of(each, useful=36_000.0) > 1e-6).mean() for each in ([0.1], [0.0, 0.2]))
    assert often == pytest.approx(1 - 1.1**-10, abs=0.02)
    assert rarely == pytest.approx(1 / 2, abs=0.02)


def test_a_stop_in_the_log_counts_against_a_goodput_near_1():
    costs = stops_of([1e-9], useful=50 * 3600.0, pace_useful=100 * 3600.0, stops=(3600.0,))
    assert (costs > 1e-6).mean() == pytest.approx(1 - 1 / (1 + 50 / 200), abs=0.01)  # the prior weighs 100 hours


def test_hours_without_a_stop_lower_the_rate_of_stops():
    shares = [(stops_of([0.1], pace_useful=hours * 3600) > 1e-6).mean() for hours in (0, 20, 200)]
    assert shares[0] > shares[1] > shares[2]
    assert shares[2] == pytest.approx(1 - (1 + 1 / 300) ** -10, abs=0.004)


def test_the_interval_shrinks_as_the_log_grows(run):
    widths = []
    for steps in (40, 200, 800, 2000, 3600):
        left = cm.forecast(run.replace(reliability=cm.Reliability()), steady(steps))
        low, high = (end.magnitude for end in left.interval("wall_time"))
        widths.append((high - low) / left.left("wall_time").magnitude)
    assert widths[:-1] == sorted(widths[:-1], reverse=True)  # the last has few steps left
    assert widths[0] > 0.3 and widths[3] < 0.08


def synthetic(random, overhead, steps=1500, seconds=20.0):
    """Return the rows of a run with autocorrelated noise, slow phases and stops with lost work."""
    noise = np.zeros(steps)
    level = random.normal(0, 0.02)
    for step in range(steps):
        level = 0.98 * level + random.normal(0, 0.004)
        noise[step] = level
    for _ in range(random.poisson(2)):
        first = random.integers(steps)
        noise[first : first + int(random.exponential(steps * 0.05)) + 1] += 0.15
    durations = seconds * np.exp(noise)
    rows, step, time = [], 0, 0.0
    while step < steps:
        time += durations[step]
        step += 1
        if step % 5 == 0:
            rows.append({"step": step, "elapsed": time})
        if random.random() < overhead * durations[step - 1] / 3600 and step % 100:
            time += max(random.exponential(3600) - step % 100 * seconds, 60.0)
            step -= step % 100
    return rows


def test_the_interval_covers_synthetic_runs():
    """Rates of stops are drawn from the prior; 150 runs, cut at 5, 20 and 50 %: at least 80 % minus two errors."""
    random = np.random.default_rng(1)
    overheads = 1 / (1 / (1 + np.exp(-random.normal(2.9, 0.9, 4000)))) - 1
    inside = {0.05: [], 0.2: [], 0.5: []}
    for number in range(150):
        rows = synthetic(random, random.choice(overheads))
        for share, found in inside.items():
            log = read_log(rows[: next(i for i, row in enumerate(rows) if row["step"] > share * 1500)])
            pace = pace_of(log, 1500)
            rest = draws_left(pace, Prior(overheads), 1500 - pace.done, 1000, number)
            low, high = np.quantile(rest, [0.1, 0.9])
            found.append(low <= rows[-1]["elapsed"] - log.times[-1] <= high)
    for share, found in inside.items():
        assert np.mean(found) > 0.8 - 2 * np.sqrt(0.8 * 0.2 / 150), share


def test_the_printed_table_fits_80_columns_and_the_data_are_json(run):
    left = cm.forecast(run, steady(), start="2026-09-01")
    text = str(left)
    assert max(len(line) for line in text.splitlines()) <= 80
    for word in (
        "steps",
        "wall time",
        "cost",
        "energy",
        "end: 2026-09-01",
        "step time: 10.0 s measured",
        "goodput so far",
    ):
        assert word in text
    data = json.loads(json.dumps(left.to_dict(), allow_nan=False))
    assert data["figures"]["steps"]["left"] == 3000 and data["end"]["0.5"] == left.end().isoformat()
    assert "<table>" in left._repr_html_()
    assert list(left.to_frame().index) == ["steps", "wall_time", "cost", "energy"]


def test_a_price_that_is_not_known_is_shown_as_missing(run):
    left = cm.forecast(run.replace(prices={"provider": "aws", "on": "2019-01-01"}), steady())
    assert "cost: " in str(left) and "\ncost       -" in str(left)
    assert "cost" in left.to_dict()["missing"]
    with pytest.raises(cm.MissingFactError, match="cost is not known"):
        left.left("cost")
    assert left.left("energy").magnitude > 0


def test_a_date_of_the_end_needs_a_time(run):
    left = cm.forecast(run, steady())
    assert "end: not known; give start or now (--start, --now)" in str(left)
    with pytest.raises(cm.MissingFactError, match="give start or now"):
        left.end()


def test_the_log_counts_where_it_contradicts_the_run(run):
    rows = [{**row, "total_steps": 5000} for row in steady()]
    left = cm.forecast(run, rows)
    assert left.steps_left == 4000 and "the log states 5,000, the run has 4,000" in str(left)
    assert cm.forecast(run, rows, steps="2k").steps_left == 1000
    tokens = [{**row, "tokens": row["step"] * 2 * 512 * 8192} for row in steady()]
    assert cm.forecast(run, tokens).steps_left == 1000


def test_a_run_that_should_not_fit_is_forecast_with_a_note(run):
    small = run.replace({"mfu": None, "cluster.count": 8, "layout": {"data": 8, "zero": 0, "recompute": "none"}})
    left = cm.forecast(small, step_time=60.0, done=10)
    assert left.predicted is None and "no prediction of the step time: layout: does not fit" in str(left)


def test_rollouts_are_forecast_from_a_log():
    run = cm.Scenario(
        architecture="qwen2.5-7b",
        recipe=cm.GRPO(examples=6400, lengths=500, batch_size=64),
        cluster=cm.Cluster("H100-SXM", 16),
        prices=cm.Rental(price=2.0),
    )
    left = cm.forecast(run, [{"step": step, "step_time": 97.7} for step in range(1, 41)], steps=100)
    assert left.steps_left == 60
    assert left.left("wall_time").to("s").magnitude == pytest.approx(60 * 97.7, rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give one of measured .*; got none"),
        ({"step_time": 10.0, "tokens_per_second": 2.0}, "got step_time and tokens_per_second"),
        ({"measured": steady(), "step_time": 10.0}, "got measured and step_time"),
        ({"measured": steady(), "done": 3}, "`done` is for a single figure"),
        ({"measured": [{"step": 10, "timestamp": "2026-09-01"}]}, "no time of a step follows from the log"),
        ({"step_time": 0}, "step_time: must be a number in s above 0"),
        ({"step_time": 10.0, "done": 4000}, "the run is done: 4,000 steps of 4,000; give `steps`"),
        ({"step_time": 10.0, "done": 1.5}, "done: must be a whole number"),
        ({"step_time": 10.0, "done": -1}, "done: must be a number at least 0"),
        ({"step_time": 10.0, "start": "yesterday"}, "start: must be a date or time"),
        ({"step_time": 10.0, "start": "2026-09-02", "now": "2026-09-01"}, "start: must be before now"),
        ({"step_time": 10.0, "now": 3}, "now: must be a date or time"),
    ],
)
def test_wrong_arguments_are_refused(run, arguments, message):
    with pytest.raises(cm.InputError, match=message):
        cm.forecast(run, **arguments)


def test_a_forecast_is_for_one_recipe(run):
    with pytest.raises(cm.InputError, match="for one recipe; got 2"):
        cm.forecast(run.replace(recipe=[run.recipe, run.recipe]), step_time=10.0)
    with pytest.raises(cm.InputError, match="`run` must be a Scenario"):
        cm.forecast("run.toml", step_time=10.0)
    with pytest.raises(cm.InputError, match="unknown figure 'carbon'"):
        cm.forecast(run, step_time=10.0).left("carbon")
