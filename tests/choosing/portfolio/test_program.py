"""The program finds the cheapest mix: as brute force over vertices and replicas does, and never less when tighter."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm

HALVES = st.sampled_from([0.25, 0.5, 0.75])


@st.composite
def cases(draw):
    """Draw a small question: workloads and options as plain numbers."""
    workloads, options = draw(st.integers(1, 2)), draw(st.integers(2, 3))
    cents = st.integers(1, 40).map(lambda value: value / 4)
    return {
        "volumes": [draw(st.sampled_from([1e5, 2e5, 5e5])) for _ in range(workloads)],
        "usd": [draw(cents) for _ in range(options)],  # per thousand requests
        "quality": [
            [draw(st.sampled_from([0.5, 0.6, 0.7, 0.8, 0.9])) for _ in range(options)] for _ in range(workloads)
        ],
        "provider": [draw(st.sampled_from("ab")) for _ in range(options)],
        "open": [draw(st.booleans()) for _ in range(options)],
        "own": draw(st.booleans()),
        "rate": draw(st.sampled_from([0.03, 0.06, 0.2])),  # requests per second of a replica
        "hour": draw(st.sampled_from([0.2, 0.6, 1.5])),
        "fixed": draw(st.sampled_from([0.0, 150.0])),
        "floor": draw(st.none() | st.sampled_from([0.55, 0.65])),
        "mean": draw(st.none() | st.sampled_from([0.6, 0.7, 0.8])),
        "cap": draw(st.none() | HALVES),
        "cap_of": draw(st.sampled_from(["requests", "cost"])),
        "open_share": draw(st.none() | HALVES),
        "capacity": draw(st.none() | st.sampled_from([5e4, 2e5])),
    }


def asked(case):
    """Return the arguments of `portfolio` for a case: requests of 1,000 input tokens."""
    workloads = [
        cm.PortfolioWorkload(
            name=f"w{row}", requests_per_month=volume, input_tokens=1000, output_tokens=1,
            quality_floor=case["floor"] if row == 0 else None, mean_quality=case["mean"] if row == 0 else None,
        )
        for row, volume in enumerate(case["volumes"])
    ]  # fmt: skip
    options = []
    for place, usd in enumerate(case["usd"]):
        quality = {f"w{row}": values[place] for row, values in enumerate(case["quality"])}
        shared = {"quality": quality, "open_weights": case["open"][place]}
        if place == 0 and case["own"]:
            serving = cm.SelfHosted(
                name="own", gpus_per_replica=1, requests_per_second=case["rate"], usd_per_gpu_hour=case["hour"],
                fixed_usd_per_month=case["fixed"], allowed_load=1,
            )  # fmt: skip
            options.append(cm.PortfolioOption(serving=serving, **shared))
        else:
            serving = cm.HostedAPI(name=f"o{place}", usd_per_million_input=usd, usd_per_million_output=0)
            capacity = case["capacity"] if place == 1 else None
            options.append(
                cm.PortfolioOption(serving=serving, provider=case["provider"][place], capacity=capacity, **shared)
            )
    constraints = cm.PortfolioConstraints(
        provider_cap=case["cap"], cap_of=case["cap_of"], open_weights_share=case["open_share"]
    )
    return workloads, options, constraints


def lowest_vertex(cost, equal, rows, limits):
    """Return the least cost over all vertices of {x ≥ 0, equal x = 1, rows x ≤ limits}, or None."""
    count = len(cost)
    sides = np.vstack([rows, -np.eye(count)]) if len(rows) else -np.eye(count)
    bounds = np.concatenate([limits, np.zeros(count)])
    chosen = np.array(list(itertools.combinations(range(len(sides)), count - len(equal))), dtype=int)
    systems = np.concatenate([np.broadcast_to(equal, (len(chosen), *equal.shape)), sides[chosen]], axis=1)
    right = np.concatenate([np.ones((len(chosen), len(equal))), bounds[chosen]], axis=1)
    regular = np.abs(np.linalg.det(systems)) > 1e-9
    if not regular.any():
        return None
    points = np.linalg.solve(systems[regular], right[regular][..., None])[..., 0]
    inside = (points @ sides.T <= bounds + 1e-7).all(axis=1)
    return float((points[inside] @ cost).min()) if inside.any() else None


def by_brute_force(case):
    """Return the cheapest cost per month over all vertices and numbers of replicas, or None."""
    volumes, own = np.array(case["volumes"]), case["own"]
    rows, columns = len(volumes), len(case["usd"])
    quality = np.array(case["quality"])
    pairs = [
        (row, place)
        for row in range(rows)
        for place in range(columns)
        if not (row == 0 and case["floor"] and quality[row, place] < case["floor"])
    ]
    if len({row for row, _ in pairs}) < rows:
        return None
    seconds = 365.25 * 24 * 3600 / 12
    usd = [0.0 if own and place == 0 else case["usd"][place] / 1e3 for place in range(columns)]
    provider = ["" if own and place == 0 else name for place, name in enumerate(case["provider"])]
    cost = np.array([volumes[row] * usd[place] for row, place in pairs])
    equal = np.array([[float(pair[0] == row) for pair in pairs] for row in range(rows)])
    best = None
    full = volumes / (case["rate"] * seconds)
    for replicas in range(int(np.ceil(full.sum() - 1e-9)) + 1 if own else 1):
        reserved = replicas * case["hour"] * seconds / 3600 + (case["fixed"] if replicas else 0.0)
        sides, limits = [], []
        for name in "ab":
            if case["cap"] is None or name not in provider:
                continue
            mine = np.array([float(provider[place] == name) for _, place in pairs])
            if case["cap_of"] == "requests":
                sides.append(volumes[[row for row, _ in pairs]] * mine)
                limits.append(case["cap"] * volumes.sum())
            else:
                sides.append(cost * (mine - case["cap"]))
                limits.append(case["cap"] * reserved)
        if case["open_share"] is not None:
            sides.append(np.array([-volumes[row] * case["open"][place] for row, place in pairs]))
            limits.append(-case["open_share"] * volumes.sum())
        if case["mean"] is not None:
            sides.append(np.array([-quality[row, place] * (row == 0) for row, place in pairs]))
            limits.append(-case["mean"])
        if case["capacity"] is not None:
            sides.append(np.array([volumes[row] * (place == 1) for row, place in pairs]))
            limits.append(case["capacity"])
        if own:
            sides.append(np.array([full[row] * (place == 0) for row, place in pairs]))
            limits.append(replicas)
            if case["cap"] is not None and case["cap_of"] == "cost":  # no idle replicas
                sides.append(-sides[-1])
                limits.append(1 - 1e-4 - replicas)
        scale = [max(np.abs(side).max(), 1e-12) for side in sides]
        tidy = np.array([side / size for side, size in zip(sides, scale, strict=True)])
        found = lowest_vertex(cost, equal, tidy, np.array(limits) / scale if scale else np.zeros(0))
        if found is not None and (best is None or found + reserved < best):
            best = found + reserved
    return best


def cheapest(case):
    try:
        return cm.portfolio(*asked(case)).usd_per_month
    except cm.InfeasiblePortfolioError:
        return None


@settings(max_examples=200)
@given(cases())
def test_the_mix_is_as_cheap_as_by_brute_force(case):
    expected, found = by_brute_force(case), cheapest(case)
    if expected is None or found is None:
        assert found is expected
    else:
        assert found == pytest.approx(expected, rel=1e-5, abs=0.01)


@settings(max_examples=60)
@given(cases(), st.sampled_from(["floor", "mean", "cap", "open_share", "capacity"]))
def test_a_constraint_never_lowers_the_cost(case, name):
    free, bound = cheapest(case | {name: None}), cheapest(case)
    assert bound is None or (free is not None and free <= bound * (1 + 1e-7) + 1e-4)


@settings(max_examples=60)
@given(cases())
def test_the_mix_meets_its_constraints(case):
    workloads, options, constraints = asked(case)
    try:
        result = cm.portfolio(workloads, options, constraints)
    except cm.InfeasiblePortfolioError:
        return
    rows = result.rows()
    for row, workload in enumerate(workloads):
        own = [each for each in rows if each["workload"] == workload.name]
        assert sum(each["share"] for each in own) == pytest.approx(1)
        if row == 0 and case["floor"]:
            assert min(each["quality"] for each in own) >= case["floor"]
        if row == 0 and case["mean"]:
            assert sum(each["share"] * each["quality"] for each in own) >= case["mean"] - 1e-6
    assert sum(each["usd_per_month"] for each in rows) == pytest.approx(result.usd_per_month, abs=0.01)
    requests = sum(each["requests_per_month"] for each in rows)
    if case["open_share"] is not None:
        assert (
            sum(each["requests_per_month"] for each in rows if each["open_weights"])
            >= case["open_share"] * requests - 1
        )
    if case["cap"] is not None:
        key = "requests_per_month" if case["cap_of"] == "requests" else "usd_per_month"
        whole = sum(each[key] for each in rows)
        for name in "ab":
            assert sum(each[key] for each in rows if each["provider"] == name) <= case["cap"] * whole + 1


def test_replicas_are_whole_and_shared_by_workloads():
    own = cm.SelfHosted(name="own", gpus_per_replica=1, requests_per_second=1, usd_per_gpu_hour=1, allowed_load=1)
    volume = 0.75 * 365.25 * 24 * 3600 / 12
    workloads = [
        cm.PortfolioWorkload(name=name, requests_per_month=volume, input_tokens=1000, output_tokens=100)
        for name in ("a", "b")
    ]
    result = cm.portfolio(workloads, [own])
    assert result.mix.replicas.tolist() == [2.0]
    assert result.usd_per_month == pytest.approx(2 * 730.5)


def test_spare_replicas_and_fixed_cost_are_paid_once_an_option_is_used():
    own = cm.SelfHosted(
        name="own",
        gpus_per_replica=2,
        requests_per_second=5,
        usd_per_gpu_hour=1,
        spare_replicas=1,
        fixed_usd_per_month=100,
    )
    chat = cm.PortfolioWorkload(name="chat", requests_per_month=1e5, input_tokens=1000, output_tokens=100)
    alone = cm.compare_serving(chat.served, [own])["own"].usd_per_month
    assert cm.portfolio([chat], [own]).usd_per_month == pytest.approx(alone)


def test_a_cap_by_cost_is_not_met_by_paying_for_what_is_idle():
    own = cm.SelfHosted(
        name="own",
        gpus_per_replica=1,
        requests_per_second=1,
        usd_per_gpu_hour=1,
        fixed_usd_per_month=100,
        allowed_load=1,
    )
    api = cm.HostedAPI(name="api", usd_per_million_input=1, usd_per_million_output=1)
    chat = cm.PortfolioWorkload(
        name="chat", requests_per_month=1e5, input_tokens=500, output_tokens=500, quality_floor=0.5
    )
    options = [cm.PortfolioOption(serving=api, provider="a", quality={"chat": 0.9}), cm.PortfolioOption(serving=own)]
    with pytest.raises(cm.InfeasiblePortfolioError, match="provider_cap"):
        cm.portfolio([chat], options, cm.PortfolioConstraints(provider_cap=0.3, cap_of="cost"))
