"""Probabilities of claims: the examples, certain and impossible claims, and the effect of assumptions."""

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
RUN = Scenario.from_data(
    {
        "architecture": {"total": "7B"},
        "recipe": {"kind": "pretraining", "tokens": "1T"},
        "mfu": 0.4,
        "goodput": 1.0,
        "cluster": {"accelerator": "H100-SXM", "count": 64},
    }
)


def by_assumptions(verdict, scope="final_run"):
    return {answer.assumptions: answer.probability for answer in verdict.answers if answer.scope == scope}


@pytest.fixture(scope="module")
def examples(root):
    return [check_claim(claim) for claim in load_claims(root / "examples" / "claims.toml")]


def test_every_example_has_answers_with_sources_and_prints(examples):
    for verdict in examples:
        assert verdict.probability == verdict.answers[0].probability
        assert all(0 <= answer.probability <= 1 for answer in verdict.answers)
        data = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
        assert data["probability"] == verdict.probability
        assert data["claim"]["text"] == verdict.claim.text
        assert len(data["answers"]) == len(verdict.rows()) == len(verdict.answers)
        assert data["sources"] and data["data_hash"]
        for shown in (str(verdict), repr(verdict), verdict._repr_html_()):
            assert verdict.answers[-1].assumptions.split(",")[0] in shown
        assert verdict.claim.text in str(verdict)


def test_hinges_on_lists_the_largest_difference_first(examples):
    for verdict in examples:
        distances = [abs(probability - verdict.probability) for _, probability in verdict.hinges_on]
        assert distances == sorted(distances, reverse=True)
        assert len(distances) == len(verdict.answers) - 1


def test_probability_of_a_tenfold_decline_in_two_to_three_years(examples):
    """Section 5 of the study: A .37 / .72, E for a new capability .49 / .72, slow factors .01 / .32 without fading."""
    final_run = by_assumptions(examples[0])
    assert final_run["end to end: any capability, history not known"] == pytest.approx(0.72, abs=0.01)
    assert final_run["end to end: a new capability"] == pytest.approx(0.72, abs=0.02)
    assert final_run["end to end: a capability 2 years old"] == pytest.approx(0.50, abs=0.02)
    assert final_run["factors, slow algorithms and hardware"] < 0.32  # in the study they do not fade
    assert final_run["factors, fast algorithms and hardware"] < 0.98
    two = {answer.assumptions: float(answer.note.split("2 years ")[1].split(",")[0]) for answer in examples[0].answers}
    assert two["end to end: any capability, history not known"] == pytest.approx(0.37, abs=0.015)
    assert two["end to end: a new capability"] == pytest.approx(0.49, abs=0.015)


def test_probability_of_a_professional_model_below_a_million_dollars(examples):
    """Section 5 of the study: hardware only .92, end to end .997; with all compute (2.2 times the final run) .36."""
    final_run = by_assumptions(examples[1])
    assert final_run["hardware price-performance only, no algorithmic progress"] == pytest.approx(0.92, abs=0.015)
    assert final_run["end to end, as other capabilities declined"] == pytest.approx(0.997, abs=0.002)
    assert examples[1].probability == final_run["end to end, as other capabilities declined"]
    assert examples[1].answers[0].scope == "final_run"
    development = by_assumptions(examples[1], "development")
    assert all(development[name] < final_run[name] for name in final_run)  # development costs more than its final run
    assert development["hardware price-performance only, no algorithmic progress"] < 0.36  # in the study without staff


def test_cost_of_all_compute_of_bloomberggpt_with_hardware_only():
    years = 4.756  # to the end of 2027
    falls = declines({"hardware": (factor("hardware"),)}, [years], 20_000, 0)["hardware"][:, 0]
    costs = 2.2 * BLOOMBERG.draws(20_000, 0) * np.exp(-falls)
    assert (costs <= 1e6).mean() == pytest.approx(0.36, abs=0.03)


def test_group_claims_average_over_the_runs(examples):
    frontier, low_cost = examples[2], examples[3]
    assert {answer.scope for answer in frontier.answers} == {"final_run", "development"}
    # most final runs of frontier models cost less than 100 M$, most developments cost more
    assert frontier.answers[0].probability < 0.5 < frontier.answers[1].probability
    assert "published" in frontier.answers[-1].note
    assert low_cost.probability < 0.25
    counts = [row.run.count for row in frontier_against_low_cost() if row.group == "low_cost" and row.run.count]
    assert low_cost.answers[-1].probability == sum(1000 <= count <= 2048 for count in counts) / len(counts)
    many = check_claim(GroupClaim(text="x", group="low_cost", count_from=max(counts) + 1))
    assert (many.probability, [answer.assumptions for answer in many.answers]) == (0.0, ["number of accelerators"])


def test_certain_claims_have_probability_1_and_impossible_claims_0():
    sure = CostClaim(text="x", reference=BLOOMBERG, below="1e12 USD", by=2027)
    assert {answer.probability for answer in check_claim(sure).answers} == {1.0}
    never = CostClaim(text="x", reference=BLOOMBERG, below="0.000001 USD", by=2027)
    assert {answer.probability for answer in check_claim(never).answers} == {0.0}
    assert {p for _, p in check_claim(never).hinges_on} == {0.0}
    assert check_claim(DeclineClaim(text="x", factor=1e6, soonest=0.001, latest=0.001)).probability == 0.0
    assert check_claim(DeclineClaim(text="x", factor=1.0001, soonest=49, latest=50)).probability == 1.0
    assert check_claim(GroupClaim(text="x", group="frontier", cost_from=1, count_from=1)).probability == 1.0
    assert check_claim(GroupClaim(text="x", group="frontier", cost_from=1e15)).probability == 0.0


@settings(max_examples=10, deadline=None)
@given(st.floats(1e4, 1e7), st.floats(1.0, 5.0), st.integers(2026, 2034))
def test_a_higher_bound_and_a_later_year_raise_the_probability(below, more, by):
    def answers(**fields):
        claim = CostClaim(text="x", reference="GPT-4 class", **fields)
        return [answer.probability for answer in check_claim(claim, paths=500).answers]

    base = answers(below=below, by=by)
    assert all(earlier <= later for earlier, later in zip(base, answers(below=below * more, by=by), strict=True))
    assert all(earlier <= later for earlier, later in zip(base, answers(below=below, by=by + 1), strict=True))


def test_the_first_answer_matches_the_projection():
    claim = CostClaim(text="x", reference="GPT-4 class", below="1 MUSD", by=2027)
    expected = project_cost("GPT-4 class", [2027], seed=4).probability("cost <= 1 MUSD", by=2027)
    assert check_claim(claim, seed=4).probability == expected
    assert check_claim(claim, seed=4).to_dict() == check_claim(claim, seed=4).to_dict()
    assert check_claim(claim, seed=5).probability != expected


def test_faster_algorithms_raise_the_probability():
    final_run = by_assumptions(check_claim(CostClaim(text="x", reference="GPT-4 class", below="1 MUSD", by=2027)))
    fast, slow = (next(value for name, value in final_run.items() if regime in name) for regime in ("fast", "slow"))
    assert fast > slow > final_run["hardware price-performance only, no algorithmic progress"]


def test_a_scenario_as_reference_uses_its_capability_projection():
    verdict = check_claim(CostClaim(text="x", reference=RUN, below="50 kUSD", by=2030), paths=500)
    assert {answer.scope for answer in verdict.answers} == {"final_run", "development"}
    expected = project_cost(RUN, [2030], question="capability", paths=500).draws(2030)
    assert verdict.probability == (expected <= 5e4).mean()
    development = RUN.replace(scope="development")
    other = check_claim(CostClaim(text="x", reference=development, below="50 kUSD", by=2030), paths=500)
    assert {answer.scope for answer in other.answers} == {"development"}  # no second conversion
    assert json.dumps(verdict.to_dict(), allow_nan=False)


def test_a_claim_may_be_a_mapping_and_errors_name_the_field():
    data = {"kind": "decline", "text": "x", "factor": 10}
    assert check_claim(data, paths=500).claim == DeclineClaim(text="x", factor=10)
    with pytest.raises(InputError) as caught:
        check_claim(data, paths=5, seed=-1)
    assert len(caught.value.problems) == 2
    with pytest.raises(InputError, match=r"paths must be a whole number from 100"):
        check_claim(data, paths=1000.5)
    with pytest.raises(InputError, match=r"a claim must be a table with kind, text"):
        check_claim("cheap soon")
    with pytest.raises(UnknownNameError, match=r"unknown capability 'GPT-7'"):
        check_claim(CostClaim(text="x", reference="GPT-7", below=1, by=2027))
    with pytest.raises(MissingFactError, match=r"no run that reached the capability by 2020-12-31 is known"):
        check_claim(CostClaim(text="x", reference=BLOOMBERG, below=1e6, by=2020))


def test_equal_spans_have_equal_probabilities():
    verdict = check_claim(DeclineClaim(text="x", factor=math.e, soonest=1, latest=1))
    for answer in verdict.answers:
        assert answer.note == f"within 1 years {answer.probability:.2f}, within 1 years {answer.probability:.2f}"


def test_a_past_year_has_the_same_probability_under_all_assumptions():
    """By the end of 2023 the only known run of GPT-4 class cost 40.7 M$."""
    for below, expected in (("41 MUSD", 1.0), ("40 MUSD", 0.0)):
        verdict = check_claim(CostClaim(text="x", reference="GPT-4 class", below=below, by=2023), paths=500)
        assert set(by_assumptions(verdict).values()) == {expected}
