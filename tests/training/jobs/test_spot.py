"""Interruptions of spot instances as further failures."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.estimation.chain import GIVEN_UP
from costmodel.foundation.tables import default, table
from costmodel.training.jobs.goodput import Reliability, interruptions, job_goodput

HOUR = 3600.0
JOB = (64, 8e9, 35_000 * HOUR, 600.0, 1e10, 14.0, 0.05)
DAY = "2026-10-01"
RUN = cm.Scenario(
    architecture="llama-3.1-8b",
    recipe=cm.Pretraining(tokens="100B", sequence_length=8192, batch_size=1024),
    cluster=cm.Cluster("H100-SXM", 64),
    prices=cm.Rental(on=DAY),
    mfu=0.4,
)
SPOT = RUN.replace({"prices.purchase_model": "spot"})
RATE = "reliability.gpu_time_per_interruption"


@given(st.floats(1.0, 1e6), st.floats(1.0, 1e6))
def test_rates_of_failures_and_interruptions_add_up(failure, interruption):
    count, parameters, _, *rest = JOB
    both = job_goodput(count, parameters, failure * HOUR, *rest, gpu_time_per_interruption=interruption * HOUR)
    together = 1 / (1 / failure + 1 / interruption)
    assert both == pytest.approx(job_goodput(count, parameters, together * HOUR, *rest), rel=1e-9)
    assert both <= job_goodput(count, parameters, failure * HOUR, *rest) * (1 + 1e-12)


def test_no_interruptions_are_the_limit_of_rare_ones():
    assert job_goodput(*JOB, gpu_time_per_interruption=1e15) == pytest.approx(job_goodput(*JOB), rel=1e-6)
    with pytest.raises(cm.InputError, match="gpu_time_per_interruption is above 0"):
        job_goodput(*JOB, gpu_time_per_interruption=0.0)


def test_spot_takes_more_gpu_hours_and_says_why():
    demand, spot = cm.estimate(RUN), cm.estimate(SPOT)
    assert spot.value("goodput") < demand.value("goodput")
    assert spot.value("gpu_hours") > demand.value("gpu_hours")
    assert spot.value("cost") == pytest.approx(spot.value("gpu_hours") * spot.inputs["prices.price"].value)
    assert spot.inputs[RATE].provenance.kind == "assumed" and RATE not in demand.inputs
    assert any("spot instances are taken back" in note for note in spot.notes())
    assert "spot_interruptions" in str(spot.explain("goodput"))
    assert not any("spot" in note for note in demand.notes())


@pytest.mark.parametrize(("count", "instance"), [(64, 8), (4, 4), (1, 1)])
def test_an_instance_is_taken_back_as_a_whole(count, instance):
    estimate = cm.estimate(SPOT.replace({"cluster.count": count}))
    assert estimate.inputs[RATE].value == pytest.approx(interruptions(instance).value * HOUR)


def test_a_given_goodput_stays_as_it_is():
    estimate = cm.estimate(SPOT.replace({"goodput": 0.9}))
    assert estimate.value("goodput") == 0.9 and RATE not in estimate.inputs


def test_a_given_rate_replaces_the_assumed_one_for_any_purchase_model():
    rate = {"reliability.gpu_hours_per_interruption": 500}
    spot, demand = cm.estimate(SPOT.replace(rate)), cm.estimate(RUN.replace(rate))
    assert spot.inputs[RATE].provenance.kind == "given"
    assert spot.value("goodput") == demand.value("goodput") < cm.estimate(RUN).value("goodput")
    printed = cm.estimate(RUN.replace({RATE: 500}))
    assert printed.value("goodput") == demand.value("goodput")


def test_a_given_price_of_spot_accelerators_has_interruptions():
    given = cm.estimate(RUN.replace({"prices": {"price": 2, "purchase_model": "spot"}}))
    assert given.value("goodput") == cm.estimate(SPOT).value("goodput")
    with pytest.raises(cm.InputError, match="price is given, so purchase_model has no effect"):
        cm.Rental(price=2, purchase_model="reserved_1y")


def test_the_default_goodput_of_a_class_has_no_interruptions_and_says_so():
    run = RUN.replace({"cluster": {"accelerator": "TPU-v4", "count": 64}, "mfu": None})
    notes = cm.estimate(run.replace({"prices": {"price": 1, "purchase_model": "spot"}})).notes()
    assert any("without interruptions of spot instances" in note for note in notes)


def test_the_assumed_rate_lies_between_the_two_kinds_of_sources():
    assumed, rows = default("instance_hours_per_interruption"), table("facts/spot_interruptions").rows
    traced = [float(row["hours_per_interruption"]) for row in rows if row["hours_per_interruption"]]
    monthly = [365.25 / 12 * 24 / float(row["monthly_high"]) for row in rows if row["monthly_high"]]
    low, high = (assumed.spread.quantile(p) for p in (0.1, 0.9))
    assert max(traced) < low < high < max(monthly)
    assert low < math.sqrt(max(traced) * max(monthly)) < high
    assert (low, high) == (pytest.approx(20), pytest.approx(5000))


def test_no_draw_of_the_assumed_rate_is_above_the_highest_of_a_trace():
    traced = [
        float(row["hours_per_interruption"]) for row in table("facts/spot_interruptions").rows if row["interruptions"]
    ]
    assert default("instance_hours_per_interruption").spread.support()[0] == pytest.approx(min(traced), rel=5e-3)
    draws = cm.estimate(SPOT).draws("gpu_hours")
    assert draws.mean() < 2 * cm.estimate(SPOT).value("gpu_hours")  # few draws no longer decide the mean


def test_a_checkpoint_of_adapters_is_as_small_as_they_are():
    recipe = {"tokens": "20M", "sequence_length": 1024}
    adapters = cm.LoRA(**recipe, rank=16)
    tuned = SPOT.replace({"mfu": 0.4, "recipe": adapters, "cluster.count": 8})
    full = tuned.replace({"recipe": cm.FullFineTuning(**recipe)})
    sizes = [cm.estimate(run).inputs["trained_parameters"] for run in (tuned, full)]
    assert [size.value for size in sizes] == [
        cm.trainable_parameters("llama-3.1-8b", run.recipe) for run in (tuned, full)
    ]
    assert sizes[0].value < 0.01 * sizes[1].value
    assert cm.estimate(tuned).value("goodput") > cm.estimate(full).value("goodput")
    assert "holds no others" in sizes[0].provenance.note


def test_a_trace_has_the_rate_of_its_counts():
    for row in table("facts/spot_interruptions").rows:
        if row["interruptions"]:
            rate = float(row["instance_hours"]) / int(row["interruptions"])
            assert float(row["hours_per_interruption"]) == pytest.approx(rate, rel=5e-3)


def test_figures_of_reliability_without_spot_have_no_interruptions():
    assert "gpu_time_per_interruption" not in Reliability().figures(64)
    assert "gpu_time_per_interruption" in Reliability().figures(64, spot_instance=8)


def test_a_run_that_does_not_finish_has_no_cost_and_says_why():
    rare = cm.estimate(SPOT.replace({"cluster.count": 1024}))
    often = cm.estimate(SPOT.replace({"cluster.count": 1024, "reliability.gpu_hours_per_interruption": 40}))
    assert rare.value("cost") > 0 and often.value("flops") == rare.value("flops")
    for name in ("goodput", "gpu_hours", "wall_time", "cost", "energy", "carbon"):
        with pytest.raises(cm.MissingFactError, match="the run does not finish: less than 5% of the time of 1,024"):
            often.quantity(name)
        with pytest.raises(cm.MissingFactError, match="does not finish"):
            often.draws(name)
    assert "interruption=40" in often.note("cost") and "not known" in str(often)
    assert "does not finish" in often.to_dict()["missing"]["cost"]


def test_the_expected_cost_of_spot_instances_is_bounded_by_the_goodput_at_which_a_run_is_given_up():
    estimate = cm.estimate(SPOT.replace({"cluster.count": 1024}))
    assert estimate.draws("goodput").min() == GIVEN_UP
    most = estimate.value("cost") * estimate.value("goodput") / GIVEN_UP * 3  # three times the price of the median
    assert estimate.value("cost") < estimate.draws("cost").mean() < most
    (note,) = (note for note in estimate.notes() if "does not finish" in note)
    assert "of the draws the run does not finish" in note and "goodput of 5%" in note
    assert not any("does not finish" in note for note in cm.estimate(RUN).notes())
