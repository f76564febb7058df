"""Layout search against an exhaustive evaluation of every layout."""

import math
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import lru_cache
from itertools import product
from multiprocessing import get_context

import numpy as np
import pytest

import costmodel as cm
from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer
from costmodel.foundation.units import GIB
from costmodel.training.layouts.fitting import SAFE_PROBABILITY, below, most_memory
from costmodel.training.layouts.search import TOO_LARGE
from costmodel.training.step.efficiency import hardware_rates
from costmodel.training.step.layout import ATTENTION_KERNELS, Layout, layout_of, layouts


def decoder(feed_forward):
    """A model of 7 billion parameters in few layers: some layouts fit, some do not."""
    layer = Layer(mixer=Attention(heads=64, kv_heads=8, head_width=128), feed_forward=feed_forward, count=8)
    return Architecture(width=8192, layers=(layer,), vocabulary=32_000)


DENSE = decoder(FeedForward(inner_width=28_672, gated=True))
MIXTURE = decoder(Experts(experts=4, top_k=2, inner_width=7168))
RECIPE = cm.Pretraining(tokens="100B", sequence_length=4096, batch_size=8)
EIGHT = cm.Cluster("H100-SXM", 8)
TWO_NODES = cm.Cluster("H100-SXM", 8, gpus_per_node=4)
FIXED = {
    "context": (1, 2, 4, 8),
    "loss": "fused",
    "sequence_parallel": True,
    "overlap_tensor": False,
    "overlap_data": True,
    "offload_optimizer": False,
}
"""Options that the search does not vary unless a constraint names them."""
FLAGS = {"loss": ("whole", "fused"), **dict.fromkeys(("sequence_parallel", *list(FIXED)[3:]), (False, True))}
CASES = [
    (DENSE, EIGHT, FIXED),
    (DENSE, TWO_NODES, {**FIXED, "zero": (0, 3), "recompute": ("none", "full")}),
    (MIXTURE, EIGHT, {**FIXED, "zero": (1, 3), "recompute": ("selective", "full"), "context": 1}),
    (DENSE, cm.Cluster("H100-SXM", 6), {**FIXED, "zero": 1}),  # a count that is not a power of two
    (DENSE, EIGHT, {"tensor": 4, "micro_batch": 1, "recompute": "none", "zero": (0, 2), "data": 2, **FLAGS}),
    (DENSE, EIGHT, {**FIXED, "attention": ATTENTION_KERNELS, "tensor": (2, 8), "zero": 3, "shard": 2}),
]
DEGREES = ("data", "tensor", "pipeline", "context", "expert", "expert_tensor")
NAMES = ["dense", "two nodes", "mixture", "six", "flags", "kernels"]


@lru_cache(maxsize=8)
def search_result(case):
    architecture, cluster, constraints = CASES[case]
    return cm.search_layouts(architecture, cluster, RECIPE, **constraints)


@lru_cache(maxsize=8)
def everything(case):
    """The steps of all feasible layouts, enumerated independently of the search."""
    architecture, cluster, constraints = CASES[case]
    count, depth, batch = cluster.count, architecture.depth, RECIPE.batch_size
    factors = [split for split in range(1, count + 1) if count % split == 0 or split in {2, 4}]
    stages = sorted({*factors, 3})  # 8 layers: 3 stages have at most 3 layers each
    mixture = architecture is MIXTURE
    every = {
        "data": range(1, count + 1),
        "tensor": factors,
        "pipeline": stages,
        "context": factors,
        "expert": [1, 2, 4] if mixture else [1],
        "expert_tensor": factors if mixture else [1],
        "micro_batch": range(1, batch + 1),
        "interleave": range(1, depth + 1),
        "zero": range(4),
        "shard": [None, "node"],
        "recompute": ["none", "selective", "full"],
        "recompute_modules": ["", "layernorm+moe_act"] if mixture else [""],
        "attention": ["latest"],
        **{name: [value] for name, value in FIXED.items() if name != "context"},
        **{name: list(value) if isinstance(value, tuple) else [value] for name, value in constraints.items()},
    }
    degrees = [split for split in product(*(every[name] for name in DEGREES)) if math.prod(split[:4]) <= count]
    options = list(product(*(values for name, values in every.items() if name not in DEGREES)))
    steps = []
    for split, rest in product(degrees, options):
        given = dict(zip(every, (*split, *rest), strict=True))
        if wanted(given, cluster, constraints, depth):
            try:
                steps.append(cm.step_time(architecture, cluster, RECIPE, Layout(**given)))
            except cm.InputError:  # infeasible
                continue
    return steps


def wanted(given, cluster, constraints, depth):
    """Return whether a layout is in the search space, which has one of several equivalent layouts."""
    ranks, of_node = given["data"] * given["context"], cluster.node_size / given["tensor"]
    sequences = math.ceil(RECIPE.batch_size / given["data"])
    if given["micro_batch"] not in {math.ceil(sequences / parts) for parts in range(1, sequences + 1)}:
        return False
    if depth % given["interleave"] or given["expert_tensor"] not in {1, given["tensor"]}:
        return False
    if given["shard"] == "node":
        given["shard"] = int(of_node)
        if not 1 < of_node < ranks:
            return False
    open_zero = "zero" not in constraints and ranks == 1
    return not (open_zero and given["zero"])


def is_safe(step):
    """Whether a layout fits with the probability from which layouts are planned."""
    return step.fit_probability >= SAFE_PROBABILITY


def same(layout):
    """The layout as the search returns it: without the default sharding degree."""
    return layout_of(layouts(layout))


@pytest.mark.parametrize("case", range(len(CASES)), ids=NAMES)
def test_search_matches_exhaustive_evaluation(case):
    steps, result = everything(case), search_result(case)
    fitting = sorted((step for step in steps if is_safe(step)), key=lambda step: step.seconds)
    assert result.best.seconds == result.ranked[0].seconds == pytest.approx(fitting[0].seconds, rel=1e-12)
    assert result.evaluated == len(steps) > 30
    assert result.rejected.get(TOO_LARGE, 0) == len(steps) - len(fitting)
    assert result.considered == result.evaluated + sum(
        times for reason, times in result.rejected.items() if reason != TOO_LARGE
    )
    fastest = [step.seconds for step in fitting[:100]]
    assert [step.seconds for step in result.ranked] == pytest.approx(fastest, rel=1e-12)
    assert {step.layout for step in result.ranked} <= {same(step.layout) for step in fitting}


@pytest.mark.parametrize("case", range(len(CASES)), ids=NAMES)
def test_pareto_front_is_complete_and_not_dominated(case):
    frontier = search_result(case).pareto
    points = [(step.seconds, step.si.memory.total) for step in frontier]
    every = [(step.seconds, step.si.memory.total) for step in everything(case) if is_safe(step)]
    for seconds, peak in points:
        assert not any(time < seconds * (1 - 1e-9) and other <= peak for time, other in every)
        assert not any(time <= seconds and other < peak * (1 - 1e-9) for time, other in every)
    for seconds, peak in every:  # a point of the Pareto front is at least as fast with at most this memory
        assert any(time <= seconds * (1 + 1e-9) and other <= peak * (1 + 1e-9) for time, other in points)
    assert points == sorted(points)
    assert len({peak for _, peak in points}) == len(points)


def test_search_steps_match_step_time_of_their_layout():
    for step in search_result(0).ranked[::10]:
        assert cm.step_time(DENSE, EIGHT, RECIPE, step.layout) == step


def test_search_is_deterministic():
    architecture, cluster, constraints = CASES[0]
    assert cm.search_layouts(architecture, cluster, RECIPE, **constraints) == search_result(0)


def test_thread_pool_gives_same_layouts():
    with ThreadPoolExecutor(2) as executor:
        assert cm.search_layouts(DENSE, EIGHT, RECIPE, **FIXED, executor=executor) == search_result(0)


def test_executor_gets_8_blocks_of_layouts_at_a_time():
    tasks = []

    class Recording(ThreadPoolExecutor):
        def map(self, function, jobs):
            tasks.extend(len(blocks) for _, blocks, *_ in jobs)
            return super().map(function, jobs)

    with Recording(1) as executor:
        cm.search_layouts(DENSE, cm.Cluster("H100-SXM", 64), RECIPE.replace(batch_size=64), **FIXED, executor=executor)
    assert len(tasks) > 1
    assert set(tasks[:-1]) == {8} and tasks[-1] <= 8


def test_process_pool_gives_same_layouts():
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        assert cm.search_layouts(DENSE, EIGHT, RECIPE, **FIXED, executor=executor) == search_result(0)


# Constraints


@pytest.mark.parametrize(
    "constraints",
    [
        {"tensor": 4},
        {"tensor": [2, 4], "zero": range(2)},
        {"recompute": "full"},
        {"micro_batch": {1, 2}},
        {"sequence_parallel": False},
        {"offload_optimizer": True, "pipeline": 2},
        {"shard": 2, "zero": 3},
    ],
)
def test_results_satisfy_constraints(constraints):
    result = cm.search_layouts(DENSE, EIGHT, RECIPE, **constraints)
    for step in (*result.ranked, *result.pareto):
        for name, allowed in constraints.items():
            value = getattr(step.layout, name)
            value = step.layout.data * step.layout.context if name == "shard" and value is None else value
            assert value in (allowed if isinstance(allowed, (list, range, set)) else [allowed])


def test_constraints_never_reduce_step_time():
    free = cm.search_layouts(DENSE, EIGHT, RECIPE)
    assert free.best.seconds <= search_result(0).best.seconds
    assert free.best.seconds == search_result(0).best.seconds, "the fixed options are the defaults"
    flags = cm.search_layouts(DENSE, EIGHT, RECIPE, overlap_tensor=(False, True))
    assert flags.considered > free.considered and flags.best.seconds <= free.best.seconds
    exact = {name: getattr(free.best.layout, name) for name in ("data", "tensor", "micro_batch", "zero", "recompute")}
    assert cm.search_layouts(DENSE, EIGHT, RECIPE, **exact).best.seconds == free.best.seconds


def test_all_invalid_constraints_are_reported_at_once():
    with pytest.raises(cm.InputError) as caught:
        cm.search_layouts(DENSE, EIGHT, RECIPE, tensr=4, recompute="some", micro_batch="two", zero=[], data=1.5)
    message = str(caught.value)
    assert "unknown field of a layout 'tensr'; did you mean 'tensor'?" in message
    assert "recompute must be one of none, selective, full; got 'some'" in message
    assert "micro_batch must be a whole number" in message
    assert "zero: needs at least one value" in message
    assert "data must be a whole number" in message


@pytest.mark.parametrize("constraint", [{"micro_batch": -1}, {"zero": 7}, {"shard": -8}], ids=str)
def test_invalid_numeric_constraints_are_rejected(constraint):
    with pytest.raises(cm.InputError, match=f"{next(iter(constraint))}.*got"):
        cm.search_layouts(DENSE, EIGHT, RECIPE, **constraint)


@pytest.mark.parametrize(
    "constraint", [{"micro_batch": 0}, {"interleave": 0}, {"shard": 0}, {"sequence_parallel": 2}], ids=str
)
def test_zero_and_boolean_constraints_are_validated(constraint):
    with pytest.raises(cm.InputError, match=f"{next(iter(constraint))}.*got"):
        cm.search_layouts(DENSE, EIGHT, RECIPE, **constraint)


@pytest.mark.parametrize("constraint", [float("nan"), float("inf")])
def test_non_numeric_constraints_are_rejected(constraint):
    with pytest.raises(cm.InputError, match=r"data must be a whole number.*got"):
        cm.search_layouts(DENSE, EIGHT, RECIPE, data=constraint)


def test_infeasible_constraints_raise_with_reasons():
    with pytest.raises(cm.InputError, match=r"none of 8 H100-SXM.* is possible: the constraints allow none"):
        cm.search_layouts(DENSE, EIGHT, RECIPE, tensor=3)
    with pytest.raises(cm.InputError, match=r"micro_batch exceeds the sequences of a data-parallel replica \(\d"):
        cm.search_layouts(DENSE, EIGHT, RECIPE, micro_batch=9)


# Memory


def test_error_gives_smallest_memory_if_no_layout_fits():
    limit = 2 * GIB
    least = min(step.si.memory.total for step in everything(0))
    with pytest.raises(cm.InputError, match="the model fits on no layout of 8 H100-SXM") as caught:
        cm.search_layouts(DENSE, EIGHT, RECIPE, memory_limit=limit, **FIXED)
    assert f"the smallest needs {least / GIB:.1f} GiB per accelerator" in str(caught.value)


def test_memory_limit_is_met_and_increases_step_time():
    free = search_result(0)
    limit = sorted(step.si.memory.total for step in free.pareto)[len(free.pareto) // 2]
    limited = cm.search_layouts(DENSE, EIGHT, RECIPE, memory_limit=limit, **FIXED)
    fitting = [step.seconds for step in everything(0) if step.si.memory.total <= limit]
    assert max(step.si.memory.total for step in (*limited.ranked, *limited.pareto)) <= limit
    assert free.best.seconds < limited.best.seconds == pytest.approx(min(fitting))
    assert limited.rejected[TOO_LARGE] == limited.evaluated - len(fitting)


def test_memory_limit_above_capacity_has_no_effect():
    assert cm.search_layouts(DENSE, EIGHT, RECIPE, memory_limit=1e15, **FIXED) == search_result(0)


def test_search_results_fit_in_memory():
    assert all(
        is_safe(step)
        for case in range(len(CASES))
        for step in (*search_result(case).ranked, *search_result(case).pareto)
    )
    assert search_result(0).best.si.memory.total <= hardware_rates(EIGHT, "bf16").memory
    assert search_result(0).caution == ""


def with_usable(memory):
    """Return 8 accelerators with another usable memory [byte]."""
    return cm.Cluster(cm.load_accelerator("H100-SXM").replace(memory=None, usable_memory=memory), 8)


def test_lower_probability_to_fit_allows_faster_layouts_of_more_memory():
    steps = everything(0)
    front = search_result(0).pareto
    cluster = with_usable(1.02 * front[len(front) // 3].si.memory.total)
    times = []
    for least in (0.5, 0.9, 0.999):
        result = cm.search_layouts(DENSE, cluster, RECIPE, fit_probability=least, **FIXED)
        limit = most_memory(cluster.accelerator.usable_memory, least)
        fitting = [step.seconds for step in steps if step.si.memory.total <= limit]
        assert result.best.seconds == pytest.approx(min(fitting)) and result.best.fit_probability >= least
        assert result.rejected[TOO_LARGE] == len(steps) - len(fitting) and result.caution == ""
        times.append(result.best.seconds)
    assert times[0] < times[1] < times[2]


def test_layout_of_least_memory_is_found_with_a_caution_if_none_fits_safely():
    least = min(everything(0), key=lambda step: step.si.memory.total)
    tight = with_usable(1.02 * least.si.memory.total)
    result = cm.search_layouts(DENSE, tight, RECIPE, **FIXED)
    assert [step.si.memory.total for step in result.ranked] == [least.si.memory.total]
    assert result.best is result.ranked[0] is result.pareto[0] is result.by_count[8]
    assert 0.5 < result.best.fit_probability < SAFE_PROBABILITY
    fits = below(float(result.best.fit_probability), SAFE_PROBABILITY)
    assert result.caution == (
        f"no layout of this search fits with a probability of 90 %; the one that needs least memory fits with {fits}"
    )
    assert result.caution in str(result)
    with pytest.raises(cm.InputError, match=r"fits on no layout of 8 H100-SXM \(\d+\.\d GiB usable\)"):
        cm.search_layouts(DENSE, tight, RECIPE, memory_limit=0.99 * least.si.memory.total, **FIXED)


@pytest.mark.parametrize("probability", [0, 1, -0.5])
def test_probability_to_fit_is_validated(probability):
    with pytest.raises(cm.InputError, match=f"fit_probability: must be above 0 and below 1; got {probability}"):
        cm.search_layouts(DENSE, EIGHT, RECIPE, fit_probability=probability)


def test_probability_to_fit_is_a_finite_number():
    with pytest.raises(cm.InputError, match="fit_probability: must be a finite number; got nan"):
        cm.search_layouts(DENSE, EIGHT, RECIPE, fit_probability=float("nan"))


def test_wrong_limits_of_a_search_are_reported_together():
    with pytest.raises(cm.InputError) as caught:
        cm.search_layouts(DENSE, EIGHT, RECIPE, counts=[], memory_limit=-5, fit_probability=2)
    assert caught.value.problems == (
        "counts: must have one number of accelerators or more; got []",
        "fit_probability: must be above 0 and below 1; got 2",
        "memory_limit: must be above 0 byte; got -5",
    )


def test_counts_may_be_an_array():
    given = cm.search_layouts(DENSE, EIGHT, RECIPE, counts=[8, 16], **FIXED)
    assert cm.search_layouts(DENSE, EIGHT, RECIPE, counts=np.array([8, 16]), **FIXED) == given


def test_a_limit_below_all_layouts_is_named():
    with pytest.raises(cm.InputError, match=r"no layout of 8 .* within the memory_limit of 0\.9 GiB; the smallest"):
        cm.search_layouts(DENSE, EIGHT, RECIPE, memory_limit=1e9, **FIXED)


# Several counts


def test_search_over_counts_gives_time_and_cost():
    counts = (4, 8, 16)
    result = cm.search_layouts(DENSE, EIGHT, RECIPE, counts=counts, **FIXED)
    alone = {count: cm.search_layouts(DENSE, EIGHT.replace(count=count), RECIPE, **FIXED) for count in counts}
    assert {count: step.seconds for count, step in result.by_count.items()} == {
        count: search.best.seconds for count, search in alone.items()
    }
    curve = result.curve()
    assert [row["accelerators"] for row in curve] == list(counts)
    for row in curve:
        assert row["gpu_seconds"] == row["seconds"] * row["accelerators"]
        assert row["data"] * row["tensor"] * row["pipeline"] * row["context"] == row["accelerators"]
    assert result.best == min(result.by_count.values(), key=lambda step: step.seconds)
    assert result.evaluated == sum(search.evaluated for search in alone.values())


def test_infeasible_count_is_skipped():
    result = cm.search_layouts("llama-3.1-70b", EIGHT, RECIPE, counts=(8, 64), **FIXED)
    assert list(result.by_count) == [64]


def test_pareto_front_covers_several_counts():
    points = [
        (step.seconds, step.si.memory.total)
        for step in cm.search_layouts(DENSE, EIGHT, RECIPE, counts=(4, 8), **FIXED).pareto
    ]
    assert not any(time < seconds and other < peak for seconds, peak in points for time, other in points)


def test_rows_are_in_order_of_step_time():
    rows = search_result(0).rows(5)
    assert [row["seconds"] for row in rows] == [step.seconds for step in search_result(0).ranked[:5]]
    assert all({"tensor", "mfu", "memory_gib", "recompute"} <= set(row) for row in rows)
