"""Allocation of a budget: within the budget, better than its neighbors, with limits and clear errors."""

import numpy as np
import pytest

import costmodel as cm
from costmodel.planning import allocation
from costmodel.planning.allocation import _curve, _Paid, allocate
from costmodel.scaling.fitting.fit import fit_scaling_law
from costmodel.scaling.laws.hoffmann import HoffmannLaw

LAW = HoffmannLaw(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)
RUN = cm.Scenario(
    architecture={"total": "1B"},
    recipe=cm.Pretraining(tokens="1T", batch_size=1024),
    cluster=cm.Cluster("H100-SXM", 256),
    prices=cm.Rental(price=2.5),
)


@pytest.fixture(scope="module")
def bought():
    return allocate(LAW, RUN, "1 MUSD")


def test_allocation_uses_the_whole_budget(bought):
    assert bought.estimate.value("cost") == pytest.approx(1e6, rel=1e-6)
    assert bought.loss == LAW.loss(bought.parameters, bought.tokens)
    assert bought.limit == "budget" and "1.00 M$" in str(bought)


def test_other_sizes_of_equal_cost_have_higher_loss(bought):
    for factor in (0.4, 2.5):  # beyond the sizes of almost the same loss
        assert allocate(LAW, RUN, 1e6, parameters=bought.parameters * factor).loss > bought.loss


def test_allocation_is_close_to_compute_optimum(bought):
    """With equal cost per FLOP, the optimum is that of compute."""
    best = LAW.allocate(6 * bought.parameters * bought.tokens)
    assert bought.parameters == pytest.approx(best.parameters, rel=0.5)
    assert bought.loss == pytest.approx(best.loss, rel=2e-3)


def test_larger_budget_never_increases_loss():
    losses = [allocate(LAW, RUN, dollars).loss for dollars in (1e5, 3e5, 1e6)]
    assert losses == sorted(losses, reverse=True)


def test_token_limit_and_ratio_are_met(bought):
    few = allocate(LAW, RUN, 1e6, most_tokens=bought.tokens / 3)
    assert few.tokens <= bought.tokens / 3 and few.loss > bought.loss and few.parameters > bought.parameters
    long = allocate(LAW, RUN, 1e6, tokens_per_parameter=200)
    assert long.tokens_per_parameter >= 200 and long.parameters < bought.parameters


def test_served_tokens_reduce_model_size(bought):
    """Sardana et al. 2024: serving moves the optimum to smaller models with more tokens per parameter."""
    served = allocate(LAW, RUN, 1e6, served_tokens=2e12, serving_mfu=0.3)
    assert served.parameters < bought.parameters and served.loss > bought.loss
    assert served.tokens_per_parameter > bought.tokens_per_parameter
    serving = 2 * served.parameters * 2e12 / (0.3 * 989.4e12) / 3600 * 2.5
    assert served.estimate.value("cost") + serving == pytest.approx(1e6, rel=1e-6)


@pytest.mark.parametrize(
    "wrong", [{"served_tokens": 1e12}, {"served_tokens": -1}, {"served_tokens": 1, "serving_mfu": 2}]
)
def test_served_tokens_need_serving_mfu(wrong):
    with pytest.raises(cm.InputError, match=r"`serving_mfu` above 0|served_tokens: must be a number in token"):
        allocate(LAW, RUN, 1e6, **wrong)


def test_intervals_include_cost_and_fit_uncertainty(bought):
    ends = bought.interval()
    assert ends["tokens"][0] < bought.tokens < ends["tokens"][1]
    assert ends["loss"][0] < bought.loss < ends["loss"][1]
    n, d = (grid.ravel() for grid in np.meshgrid(np.geomspace(1e8, 1e10, 6), np.geomspace(1e9, 1e12, 6)))
    noise = np.exp(np.random.default_rng(0).normal(0, 0.005, len(n)))
    fit = fit_scaling_law(n, d, LAW.loss(n, d) * noise, bootstrap=100)
    wider = allocate(fit, RUN, 1e6, parameters=bought.parameters).interval()["loss"]
    assert wider[1] / wider[0] > ends["loss"][1] / ends["loss"][0]


@pytest.mark.parametrize(
    ("change", "budget", "message"),
    [
        ({}, "1 kg", "budget"),
        ({}, -5, "budget"),
        ({"recipe": [cm.Pretraining(tokens=1e9), cm.Pretraining(tokens=1e9)]}, 1e6, "needs one recipe; got 2"),
        ({"cluster.count": 7, "recipe.batch_size": 11}, 1e6, None),
    ],
)
def test_invalid_arguments_are_rejected(change, budget, message):
    if message is None:  # no layout for the batch size: class utilization
        assert allocate(LAW, RUN.replace(change), budget).tokens > 0
        return
    with pytest.raises(cm.InputError, match=message):
        allocate(LAW, RUN.replace(change), budget)


def test_unreachable_ratio_is_reported():
    with pytest.raises(cm.InputError, match=r"1\.00 USD is too small for every model size"):
        allocate(LAW, RUN, 1, tokens_per_parameter=1e9)


BUDGETS = (2e5, 5e5, 1e6, 1.1e6, 1.25e6, 1.5e6, 2e6, 5e6)


@pytest.fixture(scope="module")
def allocations():
    return {dollars: allocate(LAW, RUN, dollars) for dollars in BUDGETS}


def test_size_grows_and_loss_falls_with_the_budget(allocations):
    sizes = [each.parameters for each in allocations.values()]
    assert sizes == sorted(set(sizes)) and len(sizes) == len(BUDGETS)
    losses = [allocations[dollars].loss for dollars in (2e5, 5e5, 1e6, 2e6, 5e6)]
    assert losses == sorted(set(losses), reverse=True)


def smooth_exponent():
    """Return exponent and factor of the cost per token over the parameters, a power law through many sizes."""
    sizes, costs = [], []
    for size in np.geomspace(1e10, 4e11, 60):
        architecture = cm.Architecture.sized(size)
        run = cm.estimate(RUN.replace({"architecture": architecture, "recipe.tokens": 1e9}))
        sizes.append(architecture.parameters.total)
        costs.append(run.value("cost") / 1e9)
    exponent, factor = np.polyfit(np.log(sizes), np.log(costs), 1)
    return exponent, np.exp(factor)


def test_the_cost_is_smoothed_with_a_kernel_of_width_one():
    """A local linear fit with a Gaussian kernel of variance 1 lies 1 above the minimum of x²."""
    logs = np.linspace(-6, 6, 241)
    paid = [_Paid(float(np.exp(log)), 1.0, float(np.exp(log**2)), 0.0, RUN) for log in logs]
    curve = _curve(paid)
    middle = np.abs(np.log(curve.sizes)).argmin()
    assert np.log(curve.cost_per_token[middle]) == pytest.approx(1.0, rel=0.01)


def test_other_sizes_of_equal_smoothed_cost_have_higher_loss(allocations):
    k, f = smooth_exponent()
    best = allocations[1e6]
    losses = [LAW.loss(size, 1e6 / (f * size**k)) for size in best.parameters * np.array([0.7, 1.0, 1.4])]
    assert losses[1] < min(losses[0], losses[2])


def test_sizes_are_the_optimum_of_the_law_for_a_power_law_of_the_cost(allocations):
    """With cost f N^k per token, N^(a + k b) = a A / (k b B) (budget / f)^b (Hoffmann et al. 2022, equation 4)."""
    k, f = smooth_exponent()
    for dollars in (1e6, 1.5e6, 2e6):
        scale = LAW.alpha * LAW.A / (k * LAW.beta * LAW.B) * (dollars / f) ** LAW.beta
        best = scale ** (1 / (LAW.alpha + k * LAW.beta))
        assert allocations[dollars].parameters == pytest.approx(best, rel=0.12)


def test_ranges_of_sizes_hold_the_best_and_have_the_stated_loss_and_cost(allocations):
    best = allocations[1e6]
    k, f = smooth_exponent()
    least = LAW.loss(best.parameters, 1e6 / (f * best.parameters**k))
    for size in best.sizes_within_loss:
        assert LAW.loss(size, 1e6 / (f * size**k)) == pytest.approx(1.001 * least, rel=5e-4)
    for size in best.sizes_within_cost:
        assert LAW.loss(size, 1.05e6 / (f * size**k)) == pytest.approx(least, rel=5e-4)
    for low, high in (best.sizes_within_loss, best.sizes_within_cost):
        assert low < best.parameters < high
    assert "sizes within 0.1% of the loss" in str(best) and "within 5% of the cost" in str(best)
    assert best.to_dict()["sizes_within_loss"] == best.sizes_within_loss
    assert allocate(LAW, RUN, 1e6, parameters=5e10).sizes_within_cost is None


@pytest.mark.parametrize(
    ("change", "arguments", "limit", "reason"),
    [
        ({}, {"budget": 1e6}, "loss", ""),
        ({}, {"budget": 1e6, "parameters": 1e9}, "given", "parameters are given"),
        ({}, {"budget": 1e12}, "largest size", "the largest size tried, 2e+12 parameters"),
        (
            {},
            {"budget": 1e6, "tokens_per_parameter": 200},
            "tokens_per_parameter",
            "less than 200 tokens per parameter",
        ),
        ({}, {"budget": 1e6, "most_tokens": 2e11}, "most_tokens", "only 200B tokens are available"),
        (
            {"cluster.count": 8},
            {"budget": 1e7},
            "feasible sizes",
            "larger models cannot run: layout: the model fits on",
        ),
        ({}, {"budget": 1e-3}, "feasible sizes", "smaller models cannot run: parameters: no shape of the rule"),
    ],
)
def test_what_limits_the_size_is_named(change, arguments, limit, reason):
    best = allocate(LAW, RUN.replace(change), **arguments)
    assert best.size_limit == best.to_dict()["size_limit"] == limit
    assert reason in best.size_reason and bool(best.size_reason) == bool(reason)
    shown = " ".join(str(best).split())
    assert ("the law does not limit the size" in shown) == (limit not in {"loss", "given"})
    assert limit in {"loss", "given"} or " ".join(best.size_reason.split()) in shown
    assert all(len(line) <= 90 for line in str(best).splitlines())


def test_the_smallest_size_of_the_search_can_limit_the_size(monkeypatch):
    monkeypatch.setattr(allocation, "SIZES", (1e10, 2e12))
    best = allocate(LAW, RUN, 1e4)
    assert best.size_limit == "smallest size" and "the smallest size tried, 1e+10 parameters" in best.size_reason
    monkeypatch.setattr(allocation, "SIZES", (1e8, 2e12))
    assert allocate(LAW, RUN, 1e4).size_limit == "loss"


SERVING = cm.Serving(
    architecture="llama-3.1-8b",
    cluster=cm.Cluster("H100-SXM", 8),
    precision="fp8",
    input_tokens=1000,
    output_tokens=500,
    concurrency=512,
    utilization=0.5,
    prices=cm.Rental(price=2.5),
)


def test_served_tokens_are_priced_by_the_serving_model(bought):
    best = allocate(LAW, RUN, 1e6, served_tokens="10T", serving=SERVING)
    assert best.parameters < bought.parameters
    price = cm.estimate(SERVING.replace({"architecture": best.architecture})).value("full_load_cost") / 0.5
    assert best.serving_usd == pytest.approx(1e7 * price)
    assert best.lifetime_cost.magnitude == pytest.approx(1e6, rel=1e-6)
    assert "training and serving: 1.00 M$" in str(best)
    assert best.to_dict()["serving_cost"] == best.serving_cost.magnitude


def test_more_served_tokens_make_the_model_smaller_and_trained_longer(bought):
    few, many = (allocate(LAW, RUN, 1e6, served_tokens=tokens, serving=SERVING) for tokens in (1e11, 3e13))
    assert bought.parameters >= few.parameters > many.parameters
    assert few.tokens_per_parameter < many.tokens_per_parameter


def test_a_scenario_and_an_mfu_of_serving_exclude_each_other():
    with pytest.raises(cm.InputError, match="exclude each other"):
        allocate(LAW, RUN, 1e6, served_tokens=1, serving_mfu=0.3, serving=SERVING)


def test_sizes_that_miss_the_latency_targets_are_infeasible():
    fast = SERVING.replace({"target_tpot": 0.005, "tensor": 1})
    best = allocate(LAW, RUN, 1e6, served_tokens=1e12, serving=fast)
    assert best.size_limit == "feasible sizes" and "tpot is" in best.size_reason
    assert cm.estimate(fast.replace({"architecture": best.architecture})).value("tpot") > 0
    with pytest.raises(cm.MissingFactError):
        allocate(
            LAW,
            RUN,
            1e6,
            served_tokens=1e12,
            serving=fast.replace({"prices": cm.Rental(provider="azure", on="2015-01-01")}),
        )
