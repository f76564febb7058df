"""Goodput: failures and checkpoints against published runs, Daly's figures and a simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation.ranges import draws
from costmodel.foundation.tables import default, table
from costmodel.foundation.units import SI_FACTOR
from costmodel.training.jobs.goodput import (
    LEAST,
    Reliability,
    checkpoint_interval,
    failure_interval,
    goodput,
    job_goodput,
)

HOUR = 3600.0
ROWS = {row["run"]: row for row in table("facts/failures").rows}
LLAMA, OPT, BLOOM = ROWS["Llama 3 405B"], ROWS["OPT-175B"], ROWS["BLOOM-176B"]
JOB = (1024, 70e9, 35_000 * HOUR, 600.0, 1e11, 14.0, 0.05)

times = st.floats(1e-2, 1e7)
shares = st.floats(0, 0.9)


def in_si(figures):
    """The figures with their values and spreads in SI units."""
    return {
        name: figure._replace(
            value=figure.value * SI_FACTOR[unit], spread=figure.spread and figure.spread.scaled(SI_FACTOR[unit], "")
        )
        for name, (unit, figure) in figures.items()
    }


def spread(reliability, count, parameters, level=0.8):
    """The central interval of the goodput, by draws."""
    values = {
        name: figure.value if figure.spread is None else draws(name, figure.spread, 20_000, 0)
        for name, figure in in_si(reliability.figures(count)).items()
    }
    return np.quantile(job_goodput(count, parameters, **values), [(1 - level) / 2, (1 + level) / 2])


# Published values


@pytest.mark.parametrize("row", [row for row in ROWS.values() if row["failures"]], ids=lambda row: row["run"])
def test_failure_table_gpu_hours_match_failures(row):
    hours = float(row["accelerators"]) * float(row["days"]) * 24 / float(row["failures"])
    assert float(row["gpu_hours_per_failure"]) == pytest.approx(hours, rel=1e-3)


def test_accelerators_of_the_failure_table_are_in_the_catalog():
    assert all(cm.load_accelerator(row["accelerator"]) for row in ROWS.values() if row["accelerator"])


def test_bloom_goodput_follows_from_its_step_count():
    steps = (366e9 - 20.155564032e9) / (2048 * 2048)
    assert (7 + steps * 105 / 86400) / (1_082_990 / 384 / 24) == pytest.approx(float(BLOOM["goodput"]), abs=0.01)


@pytest.mark.parametrize(("hours", "minutes"), [(24, 117), (6, 57), (0.25, 9.1)])
def test_checkpoint_interval_matches_daly_figures(hours, minutes):
    """Daly 2006, figures 3 to 5: checkpoints of 5 min, M = 24 h, 6 h and 15 min."""
    assert checkpoint_interval(5 * 60, hours * HOUR) / 60 == pytest.approx(minutes, abs=0.5 if minutes > 10 else 0.05)


def test_checkpoint_interval_tends_to_young_for_short_stalls():
    assert checkpoint_interval(1e-3, 1e6) == pytest.approx(math.sqrt(2 * 1e-3 * 1e6), rel=1e-4)


def test_llama_3_goodput_matches_published_value():
    """Published: one failure in 3.1 h, effective training time above 0.90."""
    between = failure_interval(16384, float(LLAMA["gpu_hours_per_failure"]) * HOUR)
    assert between / HOUR == pytest.approx(3.1, abs=0.05)
    own = Reliability(gpu_hours_per_failure=float(LLAMA["gpu_hours_per_failure"]))
    assert own.replace(residual_overhead=0).goodput(16384, 405e9) == pytest.approx(0.925, abs=0.005)
    assert own.goodput(16384, 405e9) == pytest.approx(float(LLAMA["goodput"]), abs=0.03)
    low, high = spread(own, 16384, 405e9)
    assert low < float(LLAMA["goodput"]) < high


def test_bloom_goodput_matches_published_value():
    """Published: 0.37 % of the time in checkpoints of 40 s every 100 steps of 105 s."""
    only_checkpoints = goodput(40, 1e12, 0, interval=100 * 105)
    assert 1 - only_checkpoints == pytest.approx(0.0037, abs=0.0002)
    own = Reliability(
        gpu_hours_per_failure=float(BLOOM["gpu_hours_per_failure"]),
        checkpoint_interval=100 * 105,
        checkpoint_bandwidth=57.5,
        checkpoint_bytes_per_parameter=13.1,
    )
    assert own.goodput(384, 176e9) == pytest.approx(float(BLOOM["goodput"]), abs=0.04)
    low, high = spread(own, 384, 176e9)
    assert low < float(BLOOM["goodput"]) < high


def test_failures_alone_do_not_explain_opt_goodput():
    """Published: 33 of 56 days. Ninety restarts cost 3 %; the rest was lost to software, divergence and waiting."""
    own = Reliability(
        gpu_hours_per_failure=float(OPT["gpu_hours_per_failure"]),
        checkpoint_bytes_per_parameter=9.1,
        residual_overhead=0,
    )
    alone = own.goodput(992, 175e9)
    assert alone == pytest.approx(0.966, abs=0.005)
    assert 1 - float(OPT["goodput"]) / alone == pytest.approx(0.39, abs=0.01)
    assert default("residual_overhead").spread.quantile(0.99) > 0.39


def test_default_residual_overhead_is_between_published_residuals():
    residuals = sorted([0.0, 0.03, 0.07, 0.39])  # ByteRobust, Llama 3, BLOOM, OPT-175B
    assert default("residual_overhead").value == pytest.approx(np.median(residuals), abs=0.01)
    assert Reliability(residual_overhead=0).goodput(9600, 200e9) < float(ROWS["ByteRobust"]["goodput"])


def test_default_failure_rate_is_between_published_rates():
    published = [float(row["gpu_hours_per_failure"]) for row in ROWS.values() if row["failures"]]
    figure = default("gpu_hours_per_failure")
    assert figure.value == pytest.approx(np.median(published), rel=0.1)
    assert sum(figure.spread.low <= rate <= figure.spread.high for rate in published) >= 0.6 * len(published)


# The formula


@pytest.mark.parametrize(
    ("stall", "mean", "restart", "interval"),
    [(5, 60, 10, 25), (1, 200, 5, 20), (20, 15, 10, 15), (2, 30, 0, 60)],
)
def test_goodput_matches_simulated_job(stall, mean, restart, interval):
    """Segments of work and checkpoint; failures are possible at any time, also during a restart."""
    generator = np.random.default_rng(0)
    segments = 400_000
    elapsed, restarting = np.zeros(segments), np.zeros(segments, dtype=bool)
    left = np.arange(segments)
    while left.size:
        needed = np.where(restarting[left], restart, interval + stall)
        until_failure = generator.exponential(mean, left.size)
        done = until_failure >= needed
        elapsed[left] += np.minimum(until_failure, needed)
        finished = done & ~restarting[left]
        restarting[left] = ~done
        left = left[~finished]
    simulated = interval * segments / elapsed.sum()
    assert goodput(stall, mean, restart, interval) == pytest.approx(simulated, rel=0.01)


@given(st.floats(1e-4, 10), times)
def test_default_checkpoint_interval_maximizes_goodput(ratio, mean):
    stall = ratio * mean
    chosen = goodput(stall, mean, 0.0)
    grid = checkpoint_interval(stall, mean) * np.geomspace(0.05, 20, 400)
    assert chosen >= goodput(stall, mean, 0.0, grid).max() * (1 - 0.01)


@given(times, times, times, st.floats(1.01, 100))
def test_goodput_decreases_with_failures_restarts_and_stalls(stall, mean, restart, factor):
    base = goodput(stall, mean, restart, 1000.0)
    assert 0 < base <= 1
    assert goodput(stall, mean / factor, restart, 1000.0) <= base * (1 + 1e-12)
    assert goodput(stall, mean, restart * factor, 1000.0) <= base
    assert goodput(stall * factor, mean, restart, 1000.0) <= base * (1 + 1e-12)
    assert goodput(stall, mean, restart, 1000.0, 0.1, 0.1) == pytest.approx(max(base * 0.81, LEAST))


@given(st.integers(1, 10**6), st.floats(1e6, 1e13), times, st.floats(1.01, 100), shares)
def test_goodput_decreases_with_job_size(count, parameters, restart, factor, hidden):
    def of(count, parameters, restart):
        return job_goodput(count, parameters, 35_000 * HOUR, restart, 1e11, 14.0, 0.05, checkpoint_overlap=hidden)

    base = of(count, parameters, restart)
    slack = 1 + 1e-3  # the default interval is within 0.1 % of the optimum
    assert of(count * factor, parameters, restart) <= base * slack
    assert of(count, parameters * factor, restart) <= base * slack
    assert of(count, parameters, restart * factor) <= base


def test_goodput_by_hand():
    expected = 100 / (500 * math.exp(20 / 500) * (math.exp(110 / 500) - 1))
    assert goodput(10, 500, 20, 100) == pytest.approx(expected, rel=1e-12)
    assert goodput(10, 500, 20, 100, 0.2, 0.1) == pytest.approx(expected * 0.8 * 0.9, rel=1e-12)


def test_asynchronous_checkpoint_has_no_stall_but_loses_unfinished_write():
    waiting, hidden = (job_goodput(*JOB, checkpoint_overlap=share) for share in (0.0, 0.98))
    write = 70e9 * 14 / 1e11
    between = 35_000 * HOUR / 1024
    stall = write - 0.98 * write
    interval = max(checkpoint_interval(stall, between), 0.98 * write)
    assert hidden == pytest.approx(goodput(stall, between, 600 + 0.98 * write, interval, 0.05))
    assert hidden > waiting
    slow = (*JOB[:4], 1e8, *JOB[5:])
    by_hand = goodput(1e4 * 0.98 * 0.01, between, 600 + 0.98 * 0.99 * 1e4, 0.98 * 0.99 * 1e4, 0.05)
    assert job_goodput(*slow, checkpoint_overlap=0.99, interval=1.0) == pytest.approx(by_hand)  # one write at once


@settings(max_examples=200)
@given(*[st.floats(1e-300, 1e300)] * 6, shares, shares)
def test_goodput_is_bounded_for_extreme_inputs(count, parameters, gpu_time, restart, bandwidth, size, overhead, hidden):
    try:
        share = job_goodput(count, parameters, gpu_time, restart, bandwidth, size, overhead, checkpoint_overlap=hidden)
    except cm.InputError:  # the interval between failures is not finite
        assert not 1e-300 < gpu_time / count < 1e300
    else:
        assert LEAST <= share <= 1


def test_checkpoint_holds_weights_master_weights_and_two_moments():
    stated = Reliability(checkpoint_bytes_per_parameter=2 + 4 + 8)
    assert Reliability().goodput(4096, 405e9) == stated.goodput(4096, 405e9) > stated.goodput(4096, 810e9)


def test_goodput_has_a_lower_bound():
    assert goodput(1e6, 1.0, 1e6) == 1e-12
    assert job_goodput(10**9, 1e18, 1.0, 1e9, 1.0, 1e3, 0.9) == 1e-12


def test_scalar_and_array_inputs_agree():
    counts, shares = np.array([[8.0], [1024.0]]), np.array([0.01, 0.05, 0.2])
    whole = job_goodput(counts, *JOB[1:6], shares)
    assert whole.shape == (2, 3)
    for row, count in enumerate(counts[:, 0]):
        for column, share in enumerate(shares):
            scalar = job_goodput(count, *JOB[1:6], share)
            assert type(scalar) is float and scalar == pytest.approx(whole[row, column], rel=1e-14)
            assert job_goodput(np.asarray(count), *JOB[1:6], np.asarray(share)) == scalar
    for function, arguments in ((failure_interval, (8.0, 1e8)), (checkpoint_interval, (5.0, 1e4))):
        assert type(function(*arguments)) is float
        assert function(*(np.array([value, value]) for value in arguments)).tolist() == [function(*arguments)] * 2


# Input


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, 0, "count is above 0 and finite; got 0"),
        (1, -1.0, r"parameters is above 0 and finite; got -1\.0"),
        (2, math.inf, "gpu_time_per_failure is above 0 and finite; got inf"),
        (3, -1.0, r"restart_time is at least 0 and finite; got -1\.0"),
        (4, math.nan, "checkpoint_bandwidth is above 0 and finite; got nan"),
        (5, "many", "checkpoint_bytes_per_parameter is a number or an array of numbers; got 'many'"),
        (6, 1.0, r"residual_overhead is a share from 0 to below 1; got 1\.0"),
        (6, np.array([0.1, -0.1]), "residual_overhead is a share"),
    ],
)
def test_invalid_inputs_are_rejected(place, value, message):
    arguments = list(JOB)
    arguments[place] = value
    with pytest.raises(cm.InputError, match=message):
        job_goodput(*arguments)


def test_all_invalid_inputs_are_reported_at_once():
    with pytest.raises(cm.InputError) as caught:
        checkpoint_interval(-1, 0)
    assert len(caught.value.problems) == 2
    with pytest.raises(cm.InputError, match="interval is above 0"):
        job_goodput(*JOB, checkpoint_overlap=0.5, interval=-1)
    with pytest.raises(cm.InputError) as caught:
        Reliability(residual_overhead=1, gpu_hours_per_failure=0, checkpoint_bandwith=5)
    assert len(caught.value.problems) == 3 and "checkpoint_bandwidth" in str(caught.value)


# The specification


def test_default_reliability_inputs_have_a_spread():
    figures = in_si(Reliability().figures(1000))
    assert figures["gpu_time_per_failure"].value == default("gpu_hours_per_failure").value * HOUR
    assert figures["checkpoint_bandwidth"].value == pytest.approx(0.1118e12, rel=1e-3)
    for name in ("gpu_time_per_failure", "restart_time", "checkpoint_bandwidth", "residual_overhead"):
        figure = figures[name]
        assert figure.provenance.kind == "assumed" and figure.provenance.source
        assert figure.spread.median() == pytest.approx(figure.value)
    assert "interval" not in figures


def test_reliability_fields_accept_units_and_ranges():
    failures = Reliability(gpu_hours_per_failure="20k to 60k", restart_time="5 min", residual_overhead="2 to 8 %")
    given = failures.replace(checkpoint_bandwidth="2000 GB/s", checkpoint_interval="1 hour")
    figures = in_si(given.figures(64))
    assert figures["restart_time"].value == 300 and figures["interval"].value == 3600
    assert figures["checkpoint_bandwidth"].value == 2e12
    assert figures["gpu_time_per_failure"].spread.low == 20_000 * HOUR
    assert figures["residual_overhead"].value == pytest.approx(0.0404, abs=1e-3)
    assert all(figures[name].provenance.kind == "given" for name in ("restart_time", "interval", "residual_overhead"))
    assert Reliability.from_data(given.to_data()) == given
    values = {name: figure.value for name, figure in figures.items()}
    assert given.goodput(64, 8e9) == job_goodput(64, 8e9, **values)


@pytest.mark.parametrize(("count", "parameters"), [(8, 8e9), (1024, 70e9), (16384, 405e9)])
def test_goodput_interval_contains_point_value(count, parameters):
    low, high = spread(Reliability(), count, parameters)
    assert 0.6 < low < Reliability().goodput(count, parameters) < high < 0.99


def test_fixed_storage_bandwidth_lowers_goodput_of_large_jobs():
    assert Reliability(checkpoint_bandwidth=50).goodput(16384, 405e9) < Reliability().goodput(16384, 405e9) - 0.05
