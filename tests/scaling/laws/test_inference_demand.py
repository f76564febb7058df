"""Lowest-cost model over training and inference: the examples of Sardana et al. 2024, and optimality."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.foundation.errors import InputError
from costmodel.scaling.laws.equal_loss import compute_optimal_loss, overtrain, tokens_for_loss
from costmodel.scaling.laws.inference import serve_in_dollars, serve_in_flops
from costmodel.scaling.laws.presets import scaling_law

EXAMPLE = scaling_law("sardana-2024-example")
DEMANDS = st.one_of(st.just(0.0), st.floats(1e6, 1e17))
SIZES = st.floats(1e8, 1e12)
RATES = {"training_price": 1e-18, "inference_price": 1e-18, "training_mfu": 0.4, "prompt_mfu": 0.4}


def test_optimum_for_13b_quality_and_2_trillion_inference_tokens_matches_sardana():
    best = serve_in_flops(EXAMPLE, compute_optimal_loss(EXAMPLE, 13e9), 2e12)
    assert round(best.parameters / 1e9, 2) == 6.97  # published: a model of 7B
    assert round(best.tokens / 1e12, 2) == 1.25
    assert round(best.saving / 1e22, 2) == 1.69  # published: 1.7e22 FLOP
    assert round(best.saving_fraction, 3) == 0.174  # published: 17 %
    assert best.baseline_parameters == pytest.approx(13e9)


def test_optimum_for_7b_quality_and_100_billion_inference_tokens_matches_sardana():
    best = serve_in_flops(EXAMPLE, compute_optimal_loss(EXAMPLE, 7e9), 1e11)
    assert round(best.parameters / 1e9, 2) == 6.00  # published: 6B on 1.18 times the data
    assert round(best.tokens / best.baseline_tokens, 2) == 1.18


@pytest.mark.parametrize(
    ("name", "parameters", "saving", "fraction"),
    [("hoffmann-2022", 7.12e9, 1.63e22, 0.163), ("hoffmann-2022-rounded", 8.02e9, None, 0.101)],
)
def test_example_of_sardana_holds_with_other_published_coefficients(name, parameters, saving, fraction):
    law = scaling_law(name)
    best = serve_in_flops(law, compute_optimal_loss(law, 13e9), 2e12)
    assert best.parameters == pytest.approx(parameters, rel=1e-3)
    assert best.saving_fraction == pytest.approx(fraction, abs=6e-4)
    assert saving is None or best.saving == pytest.approx(saving, rel=4e-3)


@pytest.mark.parametrize("name", ["sardana-2024-example", "besiroglu-2024", "sardana-2024", "krajewski-2024-dense"])
@given(size=SIZES, demand=DEMANDS, factor=st.floats(1.02, 20))
def test_optimum_minimizes_total_cost_at_fixed_loss(name, size, demand, factor):
    law = scaling_law(name)
    target = compute_optimal_loss(law, size)
    best = serve_in_flops(law, target, demand)
    assert law.loss(best.parameters, best.tokens) == pytest.approx(target, rel=1e-9)
    assert best.training == pytest.approx(6 * best.parameters * best.tokens)
    assert best.inference == pytest.approx(2 * best.parameters * demand)
    for other in (best.parameters * factor, best.parameters / factor):
        tokens = tokens_for_loss(law, other, target)
        assert 6 * other * tokens + 2 * other * demand >= best.total * (1 - 1e-9)
    assert best.parameters <= size * (1 + 1e-9) and best.saving >= -1e-9 * best.total


@given(size=SIZES)
def test_without_inference_demand_the_optimum_is_compute_optimal(size):
    best = serve_in_flops(EXAMPLE, compute_optimal_loss(EXAMPLE, size), 0)
    assert best.parameters == pytest.approx(size) == best.baseline_parameters
    assert best.tokens == pytest.approx(EXAMPLE.allocate(6 * best.parameters * best.tokens).tokens)
    assert best.saving_fraction == pytest.approx(0, abs=1e-9)


@given(size=SIZES, demand=st.floats(1e9, 1e16), more=st.floats(1.1, 100))
def test_optimal_model_size_decreases_with_inference_demand(size, demand, more):
    target = compute_optimal_loss(EXAMPLE, size)
    assert (
        serve_in_flops(EXAMPLE, target, demand * more).parameters < serve_in_flops(EXAMPLE, target, demand).parameters
    )


@given(size=SIZES, prompt=st.floats(1e9, 1e14), generated=st.floats(1e9, 1e14))
def test_optimum_in_dollars_equals_optimum_in_flops_at_equal_price_and_mfu(size, prompt, generated):
    target = compute_optimal_loss(EXAMPLE, size)
    flops = serve_in_flops(EXAMPLE, target, prompt + generated)
    dollars = serve_in_dollars(
        EXAMPLE, target, prompt_tokens=prompt, generated_tokens=generated, generation_mfu=0.4, **RATES
    )
    assert dollars.parameters == pytest.approx(flops.parameters)
    assert dollars.total == pytest.approx(flops.total * 1e-18 / 0.4)
    assert dollars.saving_fraction == pytest.approx(flops.saving_fraction, abs=1e-9)


def test_low_decode_mfu_decreases_the_optimal_model_size():
    target = compute_optimal_loss(EXAMPLE, 30e9)
    demand = {"prompt_tokens": 1e11, "generated_tokens": 3e11}
    slow, fast = (serve_in_dollars(EXAMPLE, target, generation_mfu=mfu, **demand, **RATES) for mfu in (0.01, 0.4))
    assert slow.parameters < fast.parameters and slow.saving_fraction > fast.saving_fraction


def test_arrays_and_floats_give_equal_results():
    targets, demands = compute_optimal_loss(EXAMPLE, np.array([7e9, 13e9]))[:, None], np.array([0.0, 1e11, 2e12])
    best = serve_in_flops(EXAMPLE, targets, demands)
    assert best.parameters.shape == best.saving_fraction.shape == (2, 3)
    alone = serve_in_flops(EXAMPLE, float(targets[1, 0]), 2e12)
    assert type(alone.parameters) is float and type(alone.saving) is float
    assert best.parameters[1, 2] == pytest.approx(alone.parameters)


def test_invalid_arguments_raise_input_error():
    with pytest.raises(InputError, match=r"`target_loss` must be above the irreducible loss 1.69; got 1.6"):
        serve_in_flops(EXAMPLE, 1.6, 1e12)
    with pytest.raises(InputError) as caught:
        serve_in_flops(EXAMPLE, math.nan, -1.0)
    assert len(caught.value.problems) == 2
    with pytest.raises(InputError) as caught:
        serve_in_dollars(EXAMPLE, 2.0, prompt_tokens=-1, generated_tokens=1, generation_mfu=0, **RATES)
    assert [problem.split()[0] for problem in caught.value.problems] == ["`prompt_tokens`", "`generation_mfu`"]


@given(size=SIZES, tokens=st.floats(1e9, 1e14))
def test_tokens_for_a_loss_is_the_inverse_of_the_loss(size, tokens):
    assert tokens_for_loss(EXAMPLE, size, EXAMPLE.loss(size, tokens)) == pytest.approx(tokens, rel=1e-6)


def test_too_small_model_cannot_reach_the_target_loss():
    assert tokens_for_loss(EXAMPLE, 1e6, 2.0) == math.inf
    assert overtrain(EXAMPLE, 1e23, 1e-4).overhead == math.inf
    assert tokens_for_loss(EXAMPLE, np.array([1e6, 1e11]), 2.0)[0] == math.inf


@given(compute=st.floats(1e19, 1e27), size=st.floats(0.2, 5))
def test_only_the_compute_optimal_size_has_no_compute_overhead(compute, size):
    law = scaling_law("besiroglu-2024")
    trained = overtrain(law, compute, size)
    best = law.allocate(compute)
    assert trained.overhead >= -1e-9
    if trained.tokens < math.inf:
        assert law.loss(size * best.parameters, trained.tokens) == pytest.approx(best.loss)
    assert overtrain(law, compute, 1).overhead == pytest.approx(0, abs=1e-9)
