"""How far sentences hold: the examples, certain and impossible ones, and what they hinge on."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.claims.check import check_claim
from costmodel.claims.claim import CostClaim, DeclineClaim, GroupClaim, load_claims
from costmodel.comparison.frontier import frontier_against_low_cost
from costmodel.estimation.scenario import Scenario
from costmodel.foundation.errors import InputError, MissingFactError, UnknownNameError
from costmodel.projection.capability import Capability
from costmodel.projection.decline.factors import declines, factor
from costmodel.projection.project import project_cost

BLOOMBERG = Capability(name="a model of finance", cost="1.3 to 2.6 MUSD", date="2023-03-30")
RUN = Scenario.from_data({
    "architecture": {"total": "7B"}, "recipe": {"kind": "pretraining", "tokens": "1T"}, "mfu": 0.4, "goodput": 1.0,
    "cluster": {"accelerator": "H100-SXM", "count": 64},
})  # fmt: skip


def by_assumptions(verdict, scope="final_run"):
    return {one.assumptions: one.probability for one in verdict.answers if one.scope == scope}


@pytest.fixture(scope="module")
def examples(root):
    return [check_claim(claim) for claim in load_claims(root / "examples" / "claims.toml")]


def test_every_example_has_an_answer_that_explains_itself(examples):
    for verdict in examples:
        assert verdict.probability == verdict.answers[0].probability
        assert all(0 <= one.probability <= 1 for one in verdict.answers)
        data = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
        assert data["probability"] == verdict.probability
        assert data["claim"]["text"] == verdict.claim.text
        assert len(data["answers"]) == len(verdict.rows()) == len(verdict.answers)
        assert data["sources"] and data["data_hash"]
        for shown in (str(verdict), repr(verdict), verdict._repr_html_()):
            assert verdict.answers[-1].assumptions.split(",")[0] in shown
        assert verdict.claim.text in str(verdict)


def test_what_it_hinges_on_comes_farthest_first(examples):
    for verdict in examples:
        distances = [abs(probability - verdict.probability) for _, probability in verdict.hinges_on]
        assert distances == sorted(distances, reverse=True)
        assert len(distances) == len(verdict.answers) - 1


def test_an_order_of_magnitude_in_two_to_three_years(examples):
    """Section 5 of the study: A .37 / .72, E for a new capability .49 / .72, slow factors .01 / .32 unfaded."""
    found = by_assumptions(examples[0])
    assert found["end to end: any capability, history not known"] == pytest.approx(0.72, abs=0.01)
    assert found["end to end: a new capability"] == pytest.approx(0.72, abs=0.02)
    assert found["end to end: a capability 2 years old"] == pytest.approx(0.50, abs=0.02)
    assert found["factors, slow algorithms and hardware"] < 0.32  # there they do not fade
    assert found["factors, fast algorithms and hardware"] < 0.98
    two = {one.assumptions: float(one.note.split("2 years ")[1].split(",")[0]) for one in examples[0].answers}
    assert two["end to end: any capability, history not known"] == pytest.approx(0.37, abs=0.015)
    assert two["end to end: a new capability"] == pytest.approx(0.49, abs=0.015)


def test_a_model_of_a_profession_below_a_million(examples):
    """Section 5 of the study: on hardware alone .92, end to end .997; with all compute, 2.2 times the run, .36."""
    found = by_assumptions(examples[1])
    assert found["hardware price-performance only, no algorithmic progress"] == pytest.approx(0.92, abs=0.015)
    assert found["end to end, as other capabilities declined"] == pytest.approx(0.997, abs=0.002)
    assert examples[1].probability == found["end to end, as other capabilities declined"]
    assert examples[1].answers[0].scope == "final_run"
    developed = by_assumptions(examples[1], "development")
    assert all(developed[name] < found[name] for name in found)  # development costs more than its final run
    assert developed["hardware price-performance only, no algorithmic progress"] < 0.36  # there without staff


def test_all_compute_of_that_model_on_hardware_alone():
    years = 4.756  # to the end of 2027
    falls = declines({"hardware": (factor("hardware"),)}, [years], 20_000, 0)["hardware"][:, 0]
    costs = 2.2 * BLOOMBERG.draws(20_000, 0) * np.exp(-falls)
    assert (costs <= 1e6).mean() == pytest.approx(0.36, abs=0.03)


def test_groups_of_runs(examples):
    frontier, cheap = examples[2], examples[3]
    assert {one.scope for one in frontier.answers} == {"final_run", "development"}
    # by their final runs the dear ones are mostly no 100 million, by their development they are
    assert frontier.answers[0].probability < 0.5 < frontier.answers[1].probability
    assert "published" in frontier.answers[-1].note
    assert cheap.probability < 0.25
    counts = [one.run.count for one in frontier_against_low_cost() if one.group == "low_cost" and one.run.count]
    assert cheap.answers[-1].probability == sum(1000 <= one <= 2048 for one in counts) / len(counts)
    many = check_claim(GroupClaim(text="x", group="low_cost", count_from=max(counts) + 1))
    assert (many.probability, [one.assumptions for one in many.answers]) == (0.0, ["number of accelerators"])


def test_certain_and_impossible_claims():
    sure = CostClaim(text="x", reference=BLOOMBERG, below="1e12 USD", by=2027)
    assert {one.probability for one in check_claim(sure).answers} == {1.0}
    never = CostClaim(text="x", reference=BLOOMBERG, below="0.000001 USD", by=2027)
    assert {one.probability for one in check_claim(never).answers} == {0.0}
    assert {p for _, p in check_claim(never).hinges_on} == {0.0}
    assert check_claim(DeclineClaim(text="x", factor=1e6, soonest=0.001, latest=0.001)).probability == 0.0
    assert check_claim(DeclineClaim(text="x", factor=1.0001, soonest=49, latest=50)).probability == 1.0
    assert check_claim(GroupClaim(text="x", group="frontier", cost_from=1, count_from=1)).probability == 1.0
    assert check_claim(GroupClaim(text="x", group="frontier", cost_from=1e15)).probability == 0.0


@settings(max_examples=10, deadline=None)
@given(st.floats(1e4, 1e7), st.floats(1.0, 5.0), st.integers(2026, 2034))
def test_more_money_and_more_time_make_a_claim_likelier(below, more, by):
    def answers(**fields):
        claim = CostClaim(text="x", reference="GPT-4 class", **fields)
        return [one.probability for one in check_claim(claim, paths=500).answers]

    found = answers(below=below, by=by)
    assert all(one <= other for one, other in zip(found, answers(below=below * more, by=by), strict=True))
    assert all(one <= other for one, other in zip(found, answers(below=below, by=by + 1), strict=True))


def test_the_first_answer_is_that_of_the_projection():
    claim = CostClaim(text="x", reference="GPT-4 class", below="1 MUSD", by=2027)
    expected = project_cost("GPT-4 class", [2027], seed=4).probability("cost <= 1 MUSD", by=2027)
    assert check_claim(claim, seed=4).probability == expected
    assert check_claim(claim, seed=4).to_dict() == check_claim(claim, seed=4).to_dict()
    assert check_claim(claim, seed=5).probability != expected


def test_regimes_and_hardware_are_in_order():
    found = by_assumptions(check_claim(CostClaim(text="x", reference="GPT-4 class", below="1 MUSD", by=2027)))
    fast, slow = (next(value for name, value in found.items() if each in name) for each in ("fast", "slow"))
    assert fast > slow > found["hardware price-performance only, no algorithmic progress"]


def test_a_run_as_reference_is_that_of_its_capability():
    verdict = check_claim(CostClaim(text="x", reference=RUN, below="50 kUSD", by=2030), paths=500)
    assert {one.scope for one in verdict.answers} == {"final_run", "development"}
    expected = project_cost(RUN, [2030], question="capability", paths=500).draws(2030)
    assert verdict.probability == (expected <= 5e4).mean()
    whole = RUN.replace(scope="development")
    told = check_claim(CostClaim(text="x", reference=whole, below="50 kUSD", by=2030), paths=500)
    assert {one.scope for one in told.answers} == {"development"}  # no second conversion
    assert json.dumps(verdict.to_dict(), allow_nan=False)


def test_data_will_do_for_a_claim_and_mistakes_are_said():
    said = {"kind": "decline", "text": "x", "factor": 10}
    assert check_claim(said, paths=500).claim == DeclineClaim(text="x", factor=10)
    with pytest.raises(InputError) as caught:
        check_claim(said, paths=5, seed=-1)
    assert len(caught.value.problems) == 2
    with pytest.raises(InputError, match=r"paths must be a whole number from 100"):
        check_claim(said, paths=1000.5)
    with pytest.raises(InputError, match=r"a claim is a table with kind, text"):
        check_claim("cheap soon")
    with pytest.raises(UnknownNameError, match=r"unknown capability 'GPT-7'"):
        check_claim(CostClaim(text="x", reference="GPT-7", below=1, by=2027))
    with pytest.raises(MissingFactError, match=r"no run that reached the capability by 2020-12-31 is known"):
        check_claim(CostClaim(text="x", reference=BLOOMBERG, below=1e6, by=2020))


def test_a_fall_within_equal_spans_is_one_probability():
    verdict = check_claim(DeclineClaim(text="x", factor=math.e, soonest=1, latest=1))
    for one in verdict.answers:
        assert one.note == f"within 1 years {one.probability:.2f}, within 1 years {one.probability:.2f}"


def test_a_year_that_is_past_has_one_cost_under_every_account():
    """By the end of 2023 the one run known of the class of GPT-4 had cost 40.7 MUSD."""
    for below, expected in (("41 MUSD", 1.0), ("40 MUSD", 0.0)):
        verdict = check_claim(CostClaim(text="x", reference="GPT-4 class", below=below, by=2023), paths=500)
        assert set(by_assumptions(verdict).values()) == {expected}
