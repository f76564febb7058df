"""Curves of serving agree with estimates, and rise or fall as they must."""

import numpy as np
import pytest

import costmodel as cm
from costmodel.foundation.errors import InputError

LENGTHS = {"input_tokens": 1000, "output_tokens": 500}


def estimate(**fields):
    load = {} if "requests_per_second" in fields else {"concurrency": 64}
    fields = {**LENGTHS, **load, "precision": "fp8", "prices": {"price": 2.0}, **fields}
    return cm.estimate(cm.Serving("llama-3.1-70b", cm.Cluster("H100-SXM", 8), **fields))


def test_the_curve_over_requests_passes_through_the_estimate():
    point, curve = estimate(), estimate().speed_curve(1000)
    for name in ("tokens_per_second_per_gpu", "tokens_per_second_per_user", "tpot", "ttft"):
        assert np.interp(64, curve.requests, getattr(curve, name)) == pytest.approx(point.value(name), rel=1e-3), name
    assert np.interp(64, curve.requests, curve.cost) == pytest.approx(point.value("blended_cost"), rel=1e-3)


def test_throughput_rises_and_speed_falls_with_the_requests():
    curve = estimate().speed_curve(1000)
    assert len(curve.requests) == 1000 and curve.requests[-1] == 4 * estimate().max_batch
    assert (np.diff(curve.tokens_per_second_per_gpu) >= 0).all() and (np.diff(curve.cost) <= 0).all()
    assert (np.diff(curve.tokens_per_second_per_user) <= 0).all() and (np.diff(curve.ttft) >= 0).all()


def test_the_curve_over_the_rate_passes_through_the_estimate():
    point = estimate(requests_per_second=8)
    curve = point.load_curve(1000)
    for name in ("tpot", "ttft", "tokens_per_second_per_user"):
        value = np.interp(8, curve.requests_per_second, getattr(curve, name))
        assert value == pytest.approx(point.value(name), rel=1e-2), name
    assert (np.diff(curve.ttft) >= -1e-9).all()
    reserved = 8 * 2.0 / 3600  # dollars per second, whatever is served
    assert curve.cost * curve.requests_per_second * 1500 / 1e6 == pytest.approx(np.full(1000, reserved))


def test_a_measured_stack_shifts_estimate_and_curves():
    plain, slow = estimate(), estimate(time_factor=1.25, ttft_factor=2.0)
    assert slow.value("tpot") == pytest.approx(1.25 * plain.value("tpot"))
    assert slow.value("ttft") == pytest.approx(2 * plain.value("ttft"))
    assert slow.bounds("tpot") == pytest.approx([slow.value("tpot")] * 2)
    for name, factor in (("tpot", 1.25), ("ttft", 2.0), ("requests_per_second", 0.8), ("cost", 1.25)):
        shifted, central = (getattr(each.speed_curve(20), name) for each in (slow, plain))
        assert shifted == pytest.approx(factor * central), name
    rated = estimate(requests_per_second=8, time_factor=1.25)
    curve = rated.load_curve(1000)
    assert np.interp(8, curve.requests_per_second, curve.tpot) == pytest.approx(rated.value("tpot"), rel=1e-2)


def test_without_a_price_costs_are_not_numbers():
    card = cm.Accelerator("New", bf16=900, memory=96, memory_bandwidth=4000)
    result = cm.estimate(cm.Serving("llama-3.1-8b", cm.Cluster(card, 1), concurrency=2, **LENGTHS))
    assert np.isnan(result.speed_curve(5).cost).all() and (result.speed_curve(5).tpot > 0).all()


@pytest.mark.parametrize("points", [1, 2.5, True])
def test_the_number_of_points_is_checked(points):
    with pytest.raises(InputError, match="points: must be a whole number, at least 2"):
        estimate().speed_curve(points)
