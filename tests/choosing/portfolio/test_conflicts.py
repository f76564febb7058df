"""Conflicts: an irreducible set of constraints, and changes that are enough."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm


def option(name, usd, **fields):
    serving = cm.HostedAPI(name=name, usd_per_million_input=usd, usd_per_million_output=usd)
    return cm.PortfolioOption(serving=serving, **({"provider": name} | fields))


def workload(**fields):
    return cm.PortfolioWorkload(
        **({"name": "chat", "requests_per_month": 1e6, "input_tokens": 500, "output_tokens": 100} | fields)
    )


def conflict(workloads, options, **constraints):
    with pytest.raises(cm.InfeasiblePortfolioError) as caught:
        cm.portfolio(workloads, options, cm.PortfolioConstraints(**constraints))
    return caught.value


def changes(error):
    return {each.name: each.change for each in error.relaxations}


def test_a_cap_conflicts_with_too_few_providers():
    error = conflict([workload()], [option("a", 1), option("b", 2)], provider_cap=0.4)
    assert error.conflict == ("provider_cap",)
    assert changes(error) == {"provider_cap": "provider_cap = 0.5"}


def test_the_places_and_the_floor_conflict():
    asked = [
        option("a", 1, location="EU", seat="FR", quality={"chat": 0.6}),
        option("b", 2, location="US", seat="US", quality={"chat": 0.9}),
        option("c", 3, location="CN", seat="CN", quality={"chat": 0.7}),
    ]
    error = conflict([workload(quality_floor=0.8)], asked, locations="EU", open_weights_share=0.0)
    assert set(error.conflict) == {"locations", "chat.quality_floor"}
    assert changes(error) == {"chat.quality_floor": "quality_floor = 0.6", "locations": "add US to locations"}
    assert "no mix meets all of them; these 2 conflict" in str(error)


def test_seats_and_capacity_name_their_nearest_change():
    asked = [option("a", 1, seat="US", capacity=4e5), option("b", 2, seat="CN")]
    error = conflict([workload()], asked, barred_seats=["CN", "RU"])
    assert set(error.conflict) == {"a.capacity", "barred_seats"}
    assert changes(error) == {"a.capacity": "capacity = 1,000,000", "barred_seats": "take CN out of barred_seats"}


def test_latency_and_mean_quality_name_their_nearest_change():
    asked = [
        option("a", 1, latency=0.5, quality={"chat": 0.6}),
        option("b", 2, latency=1.5, quality={"chat": 0.8}),
        option("c", 2, latency=9.0, quality={"chat": 0.9}),
    ]
    error = conflict([workload(latency_limit=1, mean_quality=0.75)], asked)
    assert changes(error) == {
        "chat.latency_limit": "latency_limit = 1.5",
        "chat.mean_quality": "mean_quality = 0.6",
    }


def test_replicas_that_are_too_few_are_counted():
    own = cm.SelfHosted(name="own", gpus_per_replica=1, requests_per_second=0.1, usd_per_gpu_hour=1, allowed_load=1)
    error = conflict([workload()], [cm.PortfolioOption(serving=own, most_replicas=2)])
    assert changes(error) == {"own.most_replicas": "most_replicas = 4"}


def test_the_smallest_of_several_conflicts_is_named():
    asked = [
        option("a", 1, seat="US", open_weights=False, quality={"chat": 0.6}),
        option("b", 1, seat="US", open_weights=False, quality={"chat": 0.7}),
    ]
    error = conflict([workload(quality_floor=0.65)], asked, provider_cap=0.8, open_weights_share=0.2)
    assert error.conflict == ("open_weights_share",)
    assert changes(error) == {"open_weights_share": "open_weights_share = 0"}
    assert not error.relaxations[0].enough  # the floor and the cap conflict too
    assert "open_weights_share = 0 (then others conflict)" in str(error)


@settings(max_examples=30)
@given(
    cap=st.sampled_from([0.3, 0.5, 0.8]),
    share=st.sampled_from([0.2, 0.6, 1.0]),
    floor=st.sampled_from([0.5, 0.75, 0.95]),
    qualities=st.lists(st.sampled_from([0.4, 0.6, 0.8]), min_size=3, max_size=3),
    opened=st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_a_conflict_is_irreducible_and_its_changes_are_enough(cap, share, floor, qualities, opened):
    asked = [
        option(name, 1, quality={"chat": quality}, open_weights=is_open)
        for name, quality, is_open in zip("abc", qualities, opened, strict=True)
    ]
    fields = {"provider_cap": cap, "open_weights_share": share, "chat.quality_floor": floor}

    def feasible(given):
        constraints = {name: value for name, value in given.items() if "." not in name}
        try:
            cm.portfolio(
                [workload(quality_floor=given.get("chat.quality_floor"))], asked, cm.PortfolioConstraints(**constraints)
            )
        except cm.InfeasiblePortfolioError as error:
            return error
        return None

    error = feasible(fields)
    if error is None:
        return
    alone = {name: fields[name] for name in error.conflict}
    assert feasible(alone) is not None
    for name in error.conflict:
        assert feasible({other: value for other, value in alone.items() if other != name}) is None
    for name, _, change, enough in error.relaxations:
        if " = " in change:
            assert feasible((fields if enough else alone) | {name: float(change.partition(" = ")[2])}) is None
        rest = {other: value for other, value in fields.items() if other != name}
        assert enough == (feasible(rest) is None)


def test_a_quality_or_a_latency_that_no_option_has_is_asked_for():
    chat = cm.PortfolioWorkload(
        name="chat", requests_per_month=1e6, input_tokens=1000, output_tokens=100, quality_floor=0.9
    )
    api = cm.HostedAPI(name="a", usd_per_million_input=1, usd_per_million_output=2)
    with pytest.raises(cm.InfeasiblePortfolioError) as error:
        cm.portfolio([chat], [api])
    assert [each.change for each in error.value.relaxations] == ["give an option a quality for chat"]
    with pytest.raises(cm.InfeasiblePortfolioError) as error:
        cm.portfolio([chat.replace(quality_floor=None, latency_limit=2)], [api])
    assert [each.change for each in error.value.relaxations] == ["give an option a latency"]
