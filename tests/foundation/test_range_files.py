"""Ranges in files: round trips, and errors of invalid tables."""

import json

import pytest

import costmodel as cm
from costmodel.foundation.errors import InputError
from costmodel.foundation.ranges import beta, between, from_data, samples, triangular
from costmodel.foundation.units import read

KINDS = {
    "plain": between(1.8, 3.2, "USD/hour"),
    "another level": between(1.8, 3.2, "USD/hour", level=0.9),
    "named shape": between(1.8, 3.2, "USD/hour", shape="lognormal"),
    "settled": between(1.8, 3.2, "USD/hour").settled("lognormal"),
    "on a floor": between(1.05, 1.2).settled("lognormal", 1.0),
    "no unit": between(0.3, 0.4, level=0.5),
    "triangular": triangular(1, 2, 4, "USD/hour"),
    "beta": beta(2, 5, 0.1, 0.9),
    "samples": samples([2.1, 2.4, 3.0], "USD/hour"),
}


@pytest.mark.parametrize("spread", KINDS.values(), ids=KINDS.keys())
def test_a_range_survives_being_written(spread):
    data = json.loads(json.dumps(spread.to_data()))
    read_back = read(data, spread.unit or "1") if isinstance(data, str) else from_data(data)
    assert read_back == spread


def test_a_plain_range_is_written_as_people_write_it():
    assert KINDS["plain"].to_data() == "1.8 to 3.2 USD/hour"


@pytest.mark.parametrize("suffix", [".toml", ".json"])
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("mfu", "0.3 to 0.45"),
        ("mfu", between(0.3, 0.45, level=0.95)),
        ("mfu", beta(2, 3)),
        ("goodput", triangular(0.8, 0.9, 0.95)),
        ("cluster.site.pue", "1.08 to 1.15"),
        ("cluster.site.pue", between(1.05, 1.2, level=0.5)),
        ("cluster.site.power_per_gpu", "0.5 kW to 900 W (90 %)"),
        ("cluster.site.grid_intensity", samples([300, 400, 420], "g/kWh")),
        ("prices", {"price": "1.8 to 3.2 USD/hour"}),
        ("prices", {"price": samples([2, 2.5, 3])}),
        ("recipe.tokens", "10T to 15T"),
    ],
)
def test_a_scenario_with_a_range_survives_a_file(tmp_path, suffix, path, value):
    run = cm.Scenario(
        architecture="llama-3.1-8b", recipe=cm.Pretraining(tokens="15T"), cluster=cm.Cluster("H100-SXM", 8)
    ).replace({path: value})
    file = tmp_path / f"run{suffix}"
    run.save(file)
    loaded = cm.Scenario.load(file)
    assert loaded == run
    assert loaded.to_data() == run.to_data()
    assert cm.estimate(loaded).interval("cost") == cm.estimate(run).interval("cost")


def test_a_file_may_describe_a_range_as_a_table(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text(
        'architecture = "llama-3.1-8b"\n'
        "mfu = {low = 0.3, high = 0.45, level = 0.9}\n"
        'recipe = {tokens = "15T"}\n'
        'cluster = {accelerator = "H100-SXM", count = 8}\n'
        'prices = {price = {shape = "triangular", low = 48, mode = 60, high = 72, unit = "USD/day"}}\n',
        encoding="utf-8",
    )
    run = cm.Scenario.load(file)
    assert (run.mfu.low, run.mfu.high, run.mfu.level) == (0.3, 0.45, 0.9)
    assert (run.prices.price.low, run.prices.price.mode, run.prices.price.high) == pytest.approx((2, 2.5, 3))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"low": 1}, r"a range must be .* got keys \['low'\]"),
        ({}, r"got keys \[\]"),
        ({"low": 1, "hihg": 2}, r"got keys \['hihg', 'low'\]"),
        ({"low": 1, "high": 2, "shape": "bogus"}, r"unknown shape 'bogus'"),
        ({"low": 1, "high": 2, "mode": 1.5}, r"got keys"),
        ({"low": 2, "high": 1}, r"`low` must be below `high`"),
        ({"low": "1", "high": 2}, r"low must be a finite number; got '1'"),
        ({"low": 1, "high": 2, "level": 80}, r"level must be a fraction between 0 and 1"),
        ({"low": 1, "high": 2, "floor": "x"}, r"floor must be a finite number"),
        ({"shape": "samples", "values": []}, r"at least one value"),
        ({"shape": "samples", "values": 5}, r"values` must be a list of numbers; got 5"),
        ({"shape": "samples", "values": "12"}, r"values` must be a list of numbers; got '12'"),
        ({"shape": "beta", "alpha": -1, "beta": 2}, r"alpha and beta must be positive"),
        ({"shape": "triangular", "low": 1, "high": 2}, r"got keys"),
        ({"shape": ["lognormal"], "low": 1, "high": 2}, r"shape"),
        ({"shape": {"name": "normal"}, "low": 1, "high": 2}, r"shape"),
    ],
)
def test_a_table_that_is_not_a_range_is_refused(data, message):
    with pytest.raises(InputError, match=message):
        from_data(data)


def test_a_unit_that_is_not_text_is_refused():
    with pytest.raises(InputError, match=r"pue: .*unit"):
        cm.Site(pue={"low": 1.1, "high": 1.2, "unit": 5})
