"""A note on the age of a price, counted to the day of pricing."""

import datetime as dt

import pytest

import costmodel as cm
from costmodel.market.dated import today

OLD = "days before"


def run(**prices):
    recipe = cm.Pretraining(tokens="1T", sequence_length=8192)
    return cm.Scenario(architecture="llama-3.1-8b", recipe=recipe, cluster=cm.Cluster("H100-SXM", 64), prices=prices)


def notes(scenario):
    return [line for line in cm.estimate(scenario).notes() if OLD in line]


def day_after(days):
    newest = cm.gpu_price("H100-SXM").as_of
    return newest, newest + dt.timedelta(days=days)


@pytest.fixture
def on_day(monkeypatch):
    def pretend(day):
        seconds = int(dt.datetime.combine(day, dt.time(12), dt.UTC).timestamp())
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(seconds))

    return pretend


@pytest.mark.parametrize(("days", "noted"), [(0, False), (90, False), (91, True), (160, True)])
def test_a_price_is_noted_as_old_after_90_days_from_the_given_day(days, noted):
    newest, day = day_after(days)
    expected = f"the newest price is of {newest}, {days} days before {day} (costmodel data refresh adds newer prices)"
    assert notes(run(on=str(day))) == ([expected] if noted else [])


@pytest.mark.parametrize(("days", "noted"), [(90, False), (91, True)])
def test_the_age_counts_to_today_unless_a_day_is_given(days, noted, on_day):
    newest, day = day_after(days)
    on_day(day)
    assert today() == day
    assert bool(notes(run())) is noted
    assert notes(run(on=str(newest))) == [] and notes(run(price=2.0)) == []


def test_the_day_changes_no_figure(on_day):
    on_day(dt.date(2026, 11, 28))
    before = cm.estimate(run())
    on_day(dt.date(2029, 11, 28))
    after = cm.estimate(run())
    assert after.value("cost") == before.value("cost") and after.rows() == before.rows()
    assert notes(run())


def test_served_models_note_the_age_too(on_day):
    _, day = day_after(200)
    on_day(day)
    serving = cm.Serving("llama-3.1-8b", cm.Cluster("H100-SXM", 1), input_tokens=1000, output_tokens=200, concurrency=8)
    assert any(f"200 {OLD} {day}" in line for line in cm.estimate(serving).notes())
