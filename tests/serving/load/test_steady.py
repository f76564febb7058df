"""Steady states of a replica: against a discrete-event simulation, and monotone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.serving.engine.recipes import recipe_of
from costmodel.serving.load.requests import requests_of
from costmodel.serving.load.served import Model, default_layout, serve
from costmodel.serving.load.steady import closed_limits, closed_loop, open_limits, open_loop
from costmodel.serving.step.formats import format_of
from costmodel.serving.step.latency import LatencyConstants


def replica(name="llama-3.1-8b", gpu="H100-SXM", count=1, precision="bf16", **lengths):
    architecture, cluster = cm.load_architecture(name), cm.Cluster(gpu, count)
    requests = requests_of(**{"input_tokens": 500, "output_tokens": 60, **lengths})
    model = Model(architecture, format_of(architecture, precision), "bf16", requests)
    return serve(model, cluster, default_layout(model, cluster), recipe_of(cluster.accelerator, "vllm", "default"))[0]


def simulate(step, prompt, outputs, rate, most, requests, seed=0):
    """Return the mean time to first token, time per output token and number of requests: a discrete-event simulation.

    Prompts run one after the other, before decode steps of all sequences.

    Parameters
    ----------
    step : Callable
        Time of a decode step by the number of sequences [s].
    prompt : float
        Time of a prompt, during which nobody decodes [s].
    outputs : Callable
        Draws the output tokens of a number of requests from a generator.
    rate : float
        Requests that arrive per second.
    most : int
        Largest number of sequences.
    requests : int
        Number of requests; the first fifth is not counted.
    """
    generator = np.random.default_rng(seed)
    arrivals = np.cumsum(generator.exponential(1 / rate, requests))
    lengths = outputs(generator, requests)
    first, end = np.zeros(requests), np.zeros(requests)
    left = {}
    now, next_in, waiting, done = 0.0, 0, [], 0
    while done < requests:
        while next_in < requests and arrivals[next_in] <= now:
            waiting.append(next_in)
            next_in += 1
        if waiting and len(left) < most:
            new = waiting.pop(0)
            now += prompt
            first[new] = now
            left[new] = lengths[new]
        elif left:
            now += step[len(left)]
            for request in list(left):
                left[request] -= 1
                if left[request] <= 0:
                    end[request] = now
                    del left[request]
                    done += 1
        else:
            now = arrivals[next_in]
    counted = slice(requests // 5, requests)
    ttft = float(np.mean((first - arrivals)[counted]))
    tpot = float(np.sum((end - first)[counted]) / np.sum(lengths[counted]))
    area = float(np.sum((end - arrivals)[counted]))
    span = float(arrivals[-1] - arrivals[requests // 5])
    return ttft, tpot, area / span


IDEAL = LatencyConstants(prompts=1.0, queue=0.0, layer=0.0, step=0.5, engine=1.0)
"""A first token after the prompt and, in the mean, half of the step under way: the engine of the simulation."""


@pytest.mark.parametrize("load", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("most", [4, 32])
def test_latencies_at_a_request_rate_match_a_simulation(load, most):
    served = replica()._replace(latency=IDEAL, most=float(most))
    rate = load * served.capacity
    busy = float(open_loop(served, rate).busy)  # a step is under way if the replica is busy
    steady = open_loop(served._replace(latency=IDEAL._replace(step=0.5 * busy)), rate)
    steps = np.asarray([0.0, *served.step(np.arange(1.0, most + 1))])

    def lengths(generator, count):
        return generator.geometric(1 / served.output_tokens, count)

    runs = [simulate(steps, served.prompt, lengths, rate, most, 12000, seed) for seed in range(3)]
    ttft, tpot, present = np.mean(runs, axis=0)
    assert float(steady.tpot) == pytest.approx(tpot, rel=0.1)
    assert float(steady.ttft) == pytest.approx(ttft, rel=0.1)
    assert rate * (ttft + served.output_tokens * tpot) == pytest.approx(present, rel=0.1)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.01, 0.98), st.floats(0.01, 0.98))
def test_latencies_rise_with_the_rate(one, other):
    served = replica()
    low, high = (open_loop(served, load * served.capacity) for load in sorted((one, other)))
    for name in ("batch", "ttft", "tpot", "busy"):
        assert float(getattr(low, name)) <= float(getattr(high, name)) * (1 + 1e-6), name


@settings(max_examples=25, deadline=None)
@given(st.floats(1, 1000), st.floats(1, 1000))
def test_throughput_and_latencies_do_not_fall_with_the_batch(one, other):
    served = replica()
    low, high = (closed_loop(served, concurrency) for concurrency in sorted((one, other)))
    assert float(low.requests_per_second) <= float(high.requests_per_second) * (1 + 1e-9)
    assert float(low.tpot) <= float(high.tpot) * (1 + 1e-9) and float(low.ttft) <= float(high.ttft) * (1 + 1e-9)


def test_throughput_does_not_fall_with_the_bandwidth():
    served = replica()
    rates = [
        float(served._replace(hardware=served.hardware._replace(bandwidth=rate)).requests_per_second(64.0))
        for rate in (1e12, 2e12, 4e12)
    ]
    assert rates == sorted(rates) and rates[0] < rates[-1]


def test_requests_beyond_the_largest_batch_wait():
    served = replica()._replace(most=10.0)
    full, twice = closed_loop(served, 10), closed_loop(served, 20)
    assert float(full.requests_per_second) == pytest.approx(float(twice.requests_per_second))
    whole = float(twice.ttft) + served.output_tokens * float(twice.tpot)
    assert pytest.approx(float(twice.requests_per_second) * whole, rel=0.02) == 20  # Little's law


def test_a_rate_beyond_the_capacity_waits_without_limit():
    served = replica()
    steady = open_loop(served, 1.01 * served.capacity)
    assert np.isinf(steady.ttft) and float(steady.requests_per_second) == served.capacity
    assert np.isfinite(steady.tpot)


def test_large_batches_are_as_exact_as_small_ones():
    """States that stand for their neighbors give the batch of all states: that of a product form by hand."""
    served = replica(input_tokens=50)
    rate, count = 0.9 * served.capacity, np.arange(1.0, served.most + 1)
    logs = np.concatenate([[0], np.cumsum(np.log(rate * served.output_tokens * served.seconds(count) / count))])
    shares = np.exp(logs - logs.max())
    tail = shares[-1] * 0.9 / 0.1
    batch = (shares @ np.arange(served.most + 1) + tail * served.most) / (shares.sum() + tail)
    assert float(open_loop(served, rate).batch) == pytest.approx(batch, rel=1e-3)


def test_largest_loads_within_targets_meet_them():
    served = replica(output_tokens=300)
    limits = closed_limits(served)
    batch = float(limits.within(None, 0.02))
    assert served.between(batch) <= 0.02 < served.between(batch + 1)
    assert float(limits.within(None, 1e-4)) == 0
    rate = float(open_limits(served).within(0.1, 0.02))
    steady = open_loop(served, rate)
    assert float(steady.ttft) <= 0.1 and float(steady.tpot) <= 0.02
    assert float(open_limits(served).within(None, None)) == pytest.approx(0.85 * served.capacity)
