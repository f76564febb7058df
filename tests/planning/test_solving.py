"""Solve: the answer meets the target in the estimate; errors give the range of the figure."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.estimation.chain import OUTPUTS
from costmodel.foundation.units import SI_FACTOR, registry
from costmodel.planning.solving import Solution, solve


def scenario(**changes):
    base = cm.Scenario(
        architecture="llama-3.1-8b",
        recipe=cm.Pretraining(tokens="15T", sequence_length=8192),
        cluster=cm.Cluster("H100-SXM", 1024),
        prices=cm.Rental(price=2),
    )
    return base.replace(changes)


def plain(**changes):
    """A scenario in which everything is linear: 6 × 7e9 × tokens at 40 % of 312 TFLOP/s."""
    base = cm.Scenario(
        architecture={"total": "7B"},
        recipe=cm.Pretraining(tokens="2T"),
        cluster=cm.Cluster("A100-80GB-SXM", 512),
        prices=cm.Rental(price=2),
        mfu=0.4,
        goodput=1.0,
    )
    return base.replace(changes)


def figure(run, name):
    """Return a figure in the unit in which the estimate shows it."""
    output = OUTPUTS[name]
    return cm.estimate(run).value(name) * SI_FACTOR[output.unit] / SI_FACTOR[output.shown]


LINEAR_HOURS = 6 * 7e9 * 2e12 / (312e12 * 0.4) / 3600


# --- numbers with a unit -----------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.floats(1e10, 1e16), st.sampled_from(["cost", "wall_time", "energy", "carbon", "water", "flops", "gpu_hours"]))
def test_solve_recovers_tokens(tokens, name):
    target = figure(plain(**{"recipe.tokens": tokens}), name)
    solution = solve(plain(), "recipe.tokens", **{name: target})
    assert solution.value == pytest.approx(tokens, rel=1e-8)
    assert figure(solution.scenario, name) == pytest.approx(target, rel=1e-8) == solution.achieved.magnitude
    assert solution.tried < 300


@settings(max_examples=15, deadline=None)
@given(st.floats(0.01, 500))
def test_solve_recovers_price(price):
    target = figure(scenario(**{"prices.price": price}), "cost")
    assert solve(scenario(), "prices.price", cost=target).value == pytest.approx(price, rel=1e-8)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.01, 0.99))
def test_solve_recovers_mfu(mfu):
    target = figure(plain(mfu=mfu), "wall_time")
    solution = solve(plain(), "mfu", wall_time=target)
    assert solution.value == pytest.approx(mfu, rel=1e-8) and solution.scenario.mfu == solution.value


@settings(max_examples=8, deadline=None)
@given(st.floats(1e11, 1e15))
def test_solve_recovers_tokens_with_planned_layout(tokens):
    target = figure(scenario(**{"recipe.tokens": tokens}), "wall_time")
    solution = solve(scenario(), "recipe.tokens", wall_time=target)
    assert figure(solution.scenario, "wall_time") == pytest.approx(target, rel=1e-8)


def test_solution_of_linear_figure_is_exact():
    assert solve(plain(), "recipe.tokens", cost="250 kUSD").value == pytest.approx(
        2e12 * 250e3 / (LINEAR_HOURS * 2), rel=1e-9
    )
    assert solve(plain(), "prices.price", cost="250 kUSD").value == pytest.approx(250e3 / LINEAR_HOURS, rel=1e-9)
    assert solve(plain(), "mfu", gpu_hours="200k").value == pytest.approx(0.4 * LINEAR_HOURS / 200e3, rel=1e-9)
    assert solve(plain(), "architecture.total", flops=1e23).value == pytest.approx(1e23 / 12e12, rel=1e-8)
    pue = cm.estimate(plain(**{"cluster.site": {"pue": 1.0}})).value("energy")
    solution = solve(plain(), "cluster.site.pue", energy=f"{1.25 * pue} J")
    assert solution.value == pytest.approx(1.25, rel=1e-9)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("goodput", {"wall_time": 25}),
        ("gpu_hours", {"wall_time": 25}),
        ("cluster.network_bandwidth", {"wall_time": "26 days"}),
        ("cluster.accelerator.bf16", {"wall_time": "20 days"}),
        ("cluster.site.grid_intensity", {"carbon": "300 tonne"}),
        ("cluster.site.power_per_gpu", {"energy": "500 MWh"}),
        ("reliability.gpu_hours_per_failure", {"goodput": "85 %"}),
        ("reliability.evaluation_share", {"wall_time": 26}),
        ("recipe.gpu_hours", {"cost": "1 MUSD"}),
    ],
)
def test_any_number_of_a_scenario_can_be_solved_for(path, target):
    solution = solve(scenario(), path, **target)
    ((name, _),) = target.items()
    assert (
        solution.achieved.magnitude
        == pytest.approx(solution.target.magnitude, rel=1e-8)
        == figure(solution.scenario, name)
    )
    assert solution.estimate.scenario == solution.scenario == scenario().replace({path: solution.value})


def test_target_accepts_any_unit():
    quantity = registry().Quantity
    spellings = (30, "30", "30 days", "720 hours", "720 h", quantity(30, "day"), quantity(2.592e6, "second"))
    values = [solve(plain(), "recipe.tokens", wall_time=spelling).value for spelling in spellings]
    assert values == pytest.approx([values[0]] * len(values), rel=1e-9)
    spellings = (250_000, "250000", "$250k", "250 kUSD", "0.25 MUSD", quantity(250, "kUSD"))
    values = [solve(plain(), "recipe.tokens", cost=spelling).value for spelling in spellings]
    assert values == pytest.approx([values[0]] * len(values), rel=1e-9)
    gibibytes = [
        solve(scenario(), "cluster.count", memory=spelling).target.magnitude
        for spelling in (60, "60", "60 GiB", "60 GB")
    ]
    assert gibibytes == pytest.approx([60, 60, 60, 60e9 / 2**30], rel=1e-12)
    assert solve(plain(), "mfu", utilization="35 %").value == pytest.approx(0.35, rel=1e-9)


def test_within_limits_the_search():
    low, high = solve(plain(), "recipe.tokens", cost="250 kUSD", within=("1T", "2T")), 1.2e12
    assert 1e12 < low.value < 2e12
    with pytest.raises(cm.InputError, match=r"no recipe.tokens from 1.000T tokens to 1.200T tokens .* at most"):
        solve(plain(), "recipe.tokens", cost="250 kUSD", within=(1e12, high))


def test_nearest_of_two_solutions_is_returned_with_a_note():
    path = "reliability.checkpoint_interval"
    target = 1.02 * figure(scenario(), "wall_time")  # with the optimal interval
    often = solve(scenario(**{path: 5}), path, wall_time=target)
    seldom = solve(scenario(**{path: 50_000}), path, wall_time=target)
    assert often.value < 100 and seldom.value > 1000
    for solution in (often, seldom):
        assert figure(solution.scenario, "wall_time") == pytest.approx(target, rel=1e-8)
        assert f"passes the target at 2 values of {path}; this is the nearest to the present one" in solution.note


def test_discontinuous_figure_is_solved_on_the_side_that_meets_the_target():
    run = scenario(**{"cluster.count": 8})  # the default batch size is a power of two
    solution = solve(run, "recipe.tokens", step_time="40 s")
    assert solution.achieved.magnitude < 39 and "step_time jumps there from 27." in solution.note
    more = run.replace({"recipe.tokens": solution.value * (1 + 1e-9)})
    assert figure(more, "step_time") > 40 > figure(solution.scenario, "step_time") == solution.achieved.magnitude


def test_target_at_a_bound_is_solved():
    target = figure(plain(mfu=1.0), "wall_time")
    assert solve(plain(), "mfu", wall_time=target).value == pytest.approx(1, rel=1e-9)
    assert solve(plain(), "recipe.tokens", cost=figure(plain(), "cost")).value == pytest.approx(2e12, rel=1e-9)


def test_solution_at_the_edge_of_the_feasible_range():
    # below 107,000 GPU-hours the speed would exceed the peak; 5 days are just above
    solution = solve(scenario(), "gpu_hours", wall_time="4.5 days")
    assert solution.achieved.magnitude == pytest.approx(4.5, rel=1e-8)
    with pytest.raises(cm.InputError, match=r"at least 4\.4.*not possible at .*too few"):
        solve(scenario(), "gpu_hours", wall_time="1 day")


# --- whole numbers -----------------------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(st.floats(0.5, 500))
def test_smallest_count_that_meets_the_target(days):
    solution = solve(plain(), "cluster.count", wall_time=days)
    assert isinstance(solution.value, int)
    exact = LINEAR_HOURS / 24 / days
    least = math.ceil(exact * (1 - 1e-12))
    assert solution.value == (least if least <= 8 else -(-least // 8) * 8)
    assert figure(solution.scenario, "wall_time") <= days * (1 + 1e-12)


@settings(max_examples=6, deadline=None)
@given(st.floats(2, 700))
def test_one_node_less_misses_the_target_with_planned_layouts(days):
    solution = solve(scenario(), "cluster.count", wall_time=days)
    assert figure(solution.scenario, "wall_time") <= days
    fewer = solution.value - (8 if solution.value > 8 else 1)
    assert figure(scenario(**{"cluster.count": fewer}), "wall_time") > days
    assert solution.value <= 8 or solution.value % 8 == 0
    assert solution.tried < 300


def test_largest_count_for_figures_that_increase_with_count():
    solution = solve(scenario(), "cluster.count", cost="1.3 MUSD")
    more = scenario(**{"cluster.count": solution.value + 8})
    assert figure(solution.scenario, "cost") <= 1.3e6 < figure(more, "cost")
    assert solution.value > 512


def test_mfu_target_is_a_minimum():
    solution = solve(scenario(), "cluster.count", utilization=0.35)
    more = scenario(**{"cluster.count": solution.value + 8})
    assert figure(solution.scenario, "utilization") >= 0.35 > figure(more, "utilization")
    assert "utilization ≥ 0.350" in str(solution)


def test_largest_batch_size_within_a_step_time():
    solution = solve(scenario(), "recipe.batch_size", step_time="5 s")
    assert figure(solution.scenario, "step_time") <= 5 and solution.value > 3000
    more = scenario(**{"recipe.batch_size": solution.value + 1024})
    assert figure(more, "step_time") > 5


def test_layout_fields_can_be_solved_for():
    run = scenario(**{"recipe.batch_size": 512, "cluster.count": 64, "layout": cm.Layout(data=32, tensor=2)})
    solution = solve(run, "layout.zero", memory=40)
    assert solution.value == 2 and figure(solution.scenario, "memory") <= 40
    assert figure(run.replace({"layout.zero": 1}), "memory") > 40
    only = solve(run, "cluster.count", wall_time="400 days")
    assert only.value == 64 and "56 is not possible: layout: data × tensor × pipeline × context differs" in only.note


def test_infeasible_counts_are_skipped_with_a_note():
    solution = solve(scenario(architecture="llama-3.1-70b"), "cluster.count", wall_time="200000 days")
    assert solution.value == 4 and "is not possible: layout: the model fits on no layout of 3 acc" in solution.note


def test_fewest_accelerators_for_a_batch_size_that_divides_badly():
    run = scenario(**{"recipe.batch_size": 500})  # not divisible by powers of two above four
    solution = solve(run, "cluster.count", wall_time="60 days")
    assert solution.estimate.layout is not None
    for count in range(solution.value - 80, solution.value, 8):
        assert figure(run.replace({"cluster.count": count}), "wall_time") > 60


def test_batch_size_that_shares_factors_with_count():
    solution = solve(scenario(**{"cluster.count": 1000}), "recipe.batch_size", step_time=3)
    assert solution.value % 125 == 0 and figure(solution.scenario, "step_time") <= 3


def test_fewest_accelerators_and_note_of_a_figure_that_is_not_monotone():
    run = scenario(architecture="llama-3.1-405b", **{"recipe.batch_size": 2048})
    solution = solve(run, "cluster.count", wall_time="120 days")
    assert solution.achieved.magnitude <= 120 and 12_288 < solution.value <= 16_384
    least = figure(run.replace({"cluster.count": 32_768}), "wall_time")
    with pytest.raises(cm.InputError, match=rf"wall_time to 30.0 days: it is at least {least:.1f} days \(at 32,768\)"):
        solve(run, "cluster.count", wall_time="30 days")
    uneven = scenario(**{"recipe.batch_size": 500})
    target = 1.1 * figure(uneven, "gpu_hours")
    note = solve(uneven, "cluster.count", gpu_hours=target).note
    assert "not monotone" in note, "counts that divide the batch size evenly need fewer GPU-hours"


def test_solution_counts_whole_instances():
    run = plain(prices=cm.Rental(price=16, per="instance"))
    cost = figure(run, "cost")
    solution = solve(run, "cluster.count", cost=1.5 * cost)
    assert solution.value == 6  # 8 are billed
    assert figure(run.replace({"cluster.count": 5}), "cost") > 1.5 * cost


def test_unbounded_solution_needs_within():
    with pytest.raises(cm.InputError, match=r"no largest cluster.count: cost is at most 50.0 M\$ up to 65,536"):
        solve(scenario(), "cluster.count", cost="50 MUSD")
    solution = solve(scenario(), "cluster.count", cost="50 MUSD", within=(8, 4096))
    assert solution.value == 4096 and "a bound of the search" in solution.note


# --- with a probability ------------------------------------------------------------------------------------------


def test_level_sets_the_quantile_to_the_target():
    solution = solve(scenario(), "recipe.tokens", cost="250 kUSD", level=0.8)
    draws = solution.estimate.draws("cost")
    assert (draws <= 250e3).mean() == pytest.approx(0.8, abs=1e-3)
    assert solution.value < solve(scenario(), "recipe.tokens", cost="250 kUSD").value
    assert "with a probability of 80 %" in str(solution)


def test_higher_level_needs_more_accelerators():
    plainly, surely = (solve(scenario(), "cluster.count", wall_time=30, level=level) for level in (None, 0.9))
    assert surely.value > plainly.value
    assert (surely.estimate.draws("wall_time") <= 30 * 86400).mean() >= 0.9
    fewer = cm.estimate(scenario(**{"cluster.count": surely.value - 8}))
    assert (fewer.draws("wall_time") <= 30 * 86400).mean() < 0.9


def test_level_of_mfu_uses_the_low_quantile():
    solution = solve(scenario(mfu="0.3 to 0.5"), "goodput", utilization=0.25, level=0.9)
    assert (solution.estimate.draws("utilization") >= 0.25).mean() == pytest.approx(0.9, abs=1e-3)


# --- other fields -----------------------------------------------------------------------------------------------


def test_solution_replaces_only_the_range_of_the_input():
    run = plain(**{"recipe.tokens": "1T to 3T", "prices.price": "1.8 to 2.4 USD/hour"})
    solution = solve(run, "recipe.tokens", cost="250 kUSD")
    assert isinstance(solution.value, float) and solution.scenario.recipe.tokens == solution.value
    assert solution.scenario.prices == run.prices
    low, high = solution.estimate.bounds("cost")
    assert low < 250e3 < high and high / low == pytest.approx(2.4 / 1.8, rel=0.02)


def test_solve_with_several_recipes():
    run = scenario(recipe=[cm.Pretraining(tokens="1T"), cm.Pretraining(tokens="2T", sequence_length=8192)])
    solution = solve(run, "recipe.0.tokens", cost="1 MUSD")
    assert figure(solution.scenario, "cost") == pytest.approx(1e6, rel=1e-8)
    assert solution.scenario.recipe[1] == run.recipe[1]
    with pytest.raises(cm.InputError, match=r"there are 2, numbered from 0; write recipe.0, recipe.1"):
        solve(run, "recipe.tokens", cost="1 MUSD")
    with pytest.raises(cm.InputError, match=r"at least 1[56]\d k\$"):
        solve(run, "recipe.0.tokens", cost="100 kUSD")  # the second recipe alone costs more


def test_solve_scenario_from_a_file(tmp_path):
    path = tmp_path / "run.toml"
    scenario(**{"recipe.tokens": "14T to 16T"}).save(path)
    run = cm.Scenario.load(path)
    assert solve(run, "cluster.count", wall_time="30 days").value > 700
    solved = solve(run, "recipe.tokens", cost="1 MUSD")
    solved.scenario.save(path)
    assert figure(cm.Scenario.load(path), "cost") == pytest.approx(1e6, rel=1e-8)


def test_solved_price_replaces_looked_up_price():
    run = scenario(prices=cm.Rental(provider="lambda", on="2026-09-01"))
    solution = solve(run, "prices.price", cost="1 MUSD")
    assert solution.scenario.prices == cm.Rental(price=solution.value)
    assert solution.achieved.magnitude == pytest.approx(1e6, rel=1e-8)


def test_architecture_counts_can_be_solved_for():
    dense = solve(plain(), "architecture.total", cost="500 kUSD")
    assert dense.scenario.architecture.parameters.total == dense.scenario.architecture.parameters.active == dense.value
    sparse = solve(plain(architecture={"total": "70B", "active": "10B"}), "architecture.active", cost="200 kUSD")
    assert sparse.scenario.architecture.parameters.total == 70e9
    assert sparse.scenario.architecture.parameters.active == sparse.value
    with pytest.raises(cm.InputError, match=r"at most .* not possible .*must be at most total"):
        solve(plain(), "architecture.active", cost="2 MUSD")


# --- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "target", "reason"),
    [
        ("prices.price", {"wall_time": 30}, r"prices.price does not change wall_time: it is 2\d\.\d days"),
        ("recipe.batch_size", {"flops": 1e24}, "recipe.batch_size does not change flops"),
        (
            "cluster.count",
            {"wall_time": "1 hour"},
            r"is at least \d+.\d hours \(at 65,536\); it is .* at 1 and .* at 6",
        ),
        ("mfu", {"wall_time": "2 days"}, r"from .* to 1.000 brings .* at least 9.\d+ days \(at 1.000\)"),
        ("cluster.site.pue", {"energy": "1 MWh"}, r"from 1.000 to 100.0 .* at least .*\(at 1.000\)"),
        ("cluster.cout", {"cost": 1}, "unknown field 'cout'; did you mean 'count'"),
        ("cluser.count", {"cost": 1}, "unknown field 'cluser'; did you mean 'cluster'"),
        ("recipe", {"cost": 1}, "recipe: not a number; name a number inside it"),
        ("recipe.precision", {"cost": 1}, "not a number that can be solved for; it is 'bf16'"),
        ("recipe.master_weights", {"cost": 1}, "not a number that can be solved for; it is True"),
        ("seed", {"cost": 1}, "seed: not a number that can be solved for"),
        ("efficiency.x", {"cost": 1}, "efficiency is not given, so there is nothing inside it"),
        ("layout.data", {"cost": 1}, "layout is not given"),
        ("name.x", {"cost": 1}, "name has no parts"),
        ("architecture.total", {"cost": 1}, "only if it is given by these counts"),
        ("recipe.tokens", {"cst": 1}, "unknown figure 'cst'; did you mean 'cost'"),
        ("recipe.tokens", {"cost": "30 days"}, "cost: '30 days' has the wrong dimension; expected a number in USD"),
        ("recipe.tokens", {"cost": 0}, "cost: must be a number in USD above 0"),
        ("recipe.tokens", {"cost": "1 to 2 MUSD"}, "cost: must be a number in .*, not a range"),
        ("recipe.tokens", {"cost": math.nan}, "cost: .* finite"),
        ("recipe.tokens", {}, "give one figure as the target, .*; got none"),
        ("recipe.tokens", {"cost": 1, "energy": 2}, "give one figure as the target, .*; got cost, energy"),
        ("recipe.tokens", {"cost": 1, "within": (2, 1)}, "the bounds go from low to high"),
        ("recipe.tokens", {"cost": 1, "within": 3}, "two bounds of recipe.tokens"),
        ("recipe.tokens", {"cost": 1, "within": (0, 3)}, "within: must be a number in token above 0"),
        ("cluster.count", {"cost": 1, "within": (9, 15)}, "no whole number of nodes of 8"),
        ("recipe.tokens", {"cost": 1, "level": 1.5}, "level must be a fraction between 0 and 1"),
        (3, {"cost": 1}, "an input is named by its dotted path"),
    ],
)
def test_invalid_arguments_are_rejected(path, target, reason):
    with pytest.raises(cm.InputError, match=reason):
        solve(scenario(), path, **target)


def test_path_is_not_a_scenario():
    with pytest.raises(cm.InputError, match="`scenario` must be a Scenario"):
        solve("run.toml", "cluster.count", cost=1)


def test_mutually_exclusive_inputs_have_no_solution():
    run = scenario(**{"recipe.batch_size": 512, "cluster.count": 64, "layout": cm.Layout(data=32, tensor=2)})
    with pytest.raises(cm.InputError, match=r"mfu: no estimate is possible .*mfu and layout are both given"):
        solve(run, "mfu", wall_time=400)


def test_missing_fact_raises_with_reason():
    own = {"name": "mine", "vendor": "me", "bf16": 500, "memory": 80, "memory_bandwidth": 3000}
    run = cm.Scenario({"total": "7B"}, cm.Pretraining(tokens="1T"), cm.Cluster(own, 64), mfu=0.4)
    with pytest.raises(cm.MissingFactError, match=r"cost is not known: .*price"):
        solve(run, "recipe.tokens", cost="1 MUSD")
    assert solve(run, "prices.price", cost="1 MUSD").reached.magnitude == pytest.approx(1e6)
    with pytest.raises(cm.MissingFactError, match="memory is not known"):
        solve(plain(), "recipe.tokens", memory=40)


# --- text --------------------------------------------------------------------------------------------------------


def test_text_of_a_solution():
    solution = solve(scenario(), "cluster.count", wall_time="30 days")
    assert isinstance(solution, Solution)
    first = str(solution).splitlines()[0]
    assert first.startswith(f"cluster.count = {solution.value:,} meets wall_time ≤ 30.0 days (")
    assert "; 80 % interval " in first and "days to " in first
    assert solution._repr_html_().startswith("<p>cluster.count")
    assert str(solve(plain(), "mfu", wall_time="10 days")).startswith("mfu = 0.")
    assert solution.estimate is solution.estimate
