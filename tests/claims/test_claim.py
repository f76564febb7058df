"""Claims as data: fields, errors, and files."""

import json

import pytest

from costmodel.claims.claim import CostClaim, DeclineClaim, GroupClaim, QualityClaim, load_claims, read_claim
from costmodel.estimation.scenario import Scenario
from costmodel.foundation.errors import InputError
from costmodel.projection.capability import Capability

COST = {"kind": "cost", "text": "cheap", "reference": "GPT-4 class", "below": "1 MUSD", "by": 2027}
CAPABILITY = {"name": "a model", "cost": "1.3 to 2.6 MUSD", "date": "2023-03-30"}
RUN = {
    "architecture": {"total": "7B"},
    "recipe": {"kind": "pretraining", "tokens": "1T"},
    "mfu": 0.4,
    "goodput": 1.0,
    "cluster": {"accelerator": "H100-SXM", "count": 64},
}


def test_the_examples_are_read(root):
    claims = load_claims(root / "examples" / "claims.toml")
    assert [type(claim) for claim in claims] == [
        DeclineClaim,
        CostClaim,
        GroupClaim,
        GroupClaim,
        QualityClaim,
        QualityClaim,
    ]
    assert (claims[0].factor, claims[0].soonest, claims[0].latest) == (10.0, 2.0, 3.0)
    assert (claims[1].below, claims[1].by, claims[1].reference.date.year) == (1e6, 2027, 2023)
    assert (claims[2].cost_from, claims[2].count_from, claims[2].group) == (1e8, 10_000, "frontier")
    assert (claims[3].cost_from, claims[3].cost_to) == (5e6, 1e7)


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        ("GPT-4 class", str),
        (CAPABILITY, Capability),
        (Capability(**CAPABILITY), Capability),
        (RUN, Scenario),
        (Scenario.from_data(RUN), Scenario),
    ],
)
def test_a_reference_is_a_name_a_capability_or_a_scenario(reference, kind):
    claim = read_claim({**COST, "reference": reference})
    assert isinstance(claim.reference, kind)
    assert read_claim(json.loads(json.dumps(claim.to_data()))) == claim


def test_the_default_kind_is_cost_and_a_claim_is_returned_unchanged():
    claim = read_claim({key: value for key, value in COST.items() if key != "kind"})
    assert isinstance(claim, CostClaim)
    assert read_claim(claim) is claim


@pytest.mark.parametrize("kind", ["costs", None, 3, ["cost"], {"a": 1}])
def test_an_unknown_kind_raises_an_error(kind):
    with pytest.raises(InputError, match=r"^kind: unknown kind of claim"):
        read_claim({**COST, "kind": kind})


@pytest.mark.parametrize("value", ["a sentence", None, 4, [COST]])
def test_a_value_that_is_not_a_table_raises_an_error(value):
    with pytest.raises(InputError, match=r"^a claim must be a table with kind, text"):
        read_claim(value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"below": "-1 USD"}, r"below: must be a number in USD above 0"),
        ({"below": "1 to 2 MUSD"}, r"below: must be a number in USD, not a range"),
        ({"by": 1999}, r"by: .*2012"),
        ({"by": 2027.5}, r"by: "),
        ({"reference": {**CAPABILITY, "cost": 0}}, r"reference\.cost: must be a number in USD above 0"),
        ({"reference": {**CAPABILITY, "date": "2023-13-01"}}, r"reference\.date: must be a date"),
        ({"reference": {**RUN, "cluster": {"accelerator": "H100-SXM"}}}, r"reference\.cluster\.count: is required"),
        ({"reference": 5}, r"reference: "),
        ({"belwo": 1}, r"belwo: unknown field"),
    ],
)
def test_an_error_names_the_field(change, message):
    with pytest.raises(InputError, match=message):
        read_claim({**COST, **change})


def test_contradicting_or_missing_bounds_raise_an_error():
    with pytest.raises(InputError, match=r"soonest must not exceed latest; got 5 and 1 years"):
        DeclineClaim(text="x", soonest=5, latest=1)
    assert DeclineClaim(text="x", soonest=2, latest=2).latest == 2
    with pytest.raises(InputError, match=r"factor: should be greater than 1"):
        DeclineClaim(text="x", factor=1)
    with pytest.raises(InputError, match=r"at least one bound is required"):
        GroupClaim(text="x", group="frontier")
    with pytest.raises(InputError, match=r"cost_from must not exceed cost_to; count_from must not exceed count_to"):
        GroupClaim(text="x", group="frontier", cost_from=2, cost_to=1, count_from=5, count_to=4)
    with pytest.raises(InputError, match=r"group: .*'frontier' or 'low_cost'"):
        GroupClaim(text="x", group="cheap", cost_to=1)


def test_an_error_of_a_file_lists_all_problems_with_their_places(tmp_path):
    path = tmp_path / "claims.json"
    claims = [{**COST, "below": "-1 USD", "by": 1999}, COST, {"kind": "costs"}, "a sentence", {"kind": "decline"}]
    path.write_text(json.dumps({"claims": claims, "claim": []}), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_claims(path)
    starts = [
        "unknown field 'claim'; did you mean 'claims'",
        "claims.0.below: ",
        "claims.0.by: ",
        "claims.2.kind: ",
        "claims.3: a claim must be a table",
        "claims.4.text: is required",
    ]
    assert len(caught.value.problems) == len(starts)
    for problem, start in zip(caught.value.problems, starts, strict=True):
        assert problem.startswith(start)


def test_a_claim_of_a_file_names_the_file_of_its_run(tmp_path):
    Scenario.from_data(RUN).save(tmp_path / "run.toml")
    path = tmp_path / "claims.json"
    path.write_text(json.dumps({"claims": [{**COST, "reference": "run.toml"}]}), encoding="utf-8")
    (claim,) = load_claims(path)
    assert claim.reference == Scenario.from_data(RUN)
    path.write_text(json.dumps({"claims": [{**COST, "reference": "nowhere.toml"}]}), encoding="utf-8")
    with pytest.raises(InputError, match=r"claims\.0\.reference: .*nowhere\.toml"):
        load_claims(path)


@pytest.mark.parametrize("text", ["", "claims = []", "claims = 3", "[claims]\nkind = 'cost'"])
def test_a_file_without_claims_raises_an_error(tmp_path, text):
    path = tmp_path / "claims.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"claims\.toml: claims: must be a list of at least one table"):
        load_claims(path)


def test_a_missing_or_broken_file_raises_an_error(tmp_path):
    (tmp_path / "broken.toml").write_text("claims = [", encoding="utf-8")
    with pytest.raises(InputError, match=r"is not a TOML file"):
        load_claims(tmp_path / "broken.toml")
    with pytest.raises(InputError):
        load_claims(tmp_path / "missing.toml")


def test_toml_and_json_files_give_the_same_claims(tmp_path, root):
    claims = load_claims(root / "examples" / "claims.toml")
    path = tmp_path / "claims.json"
    path.write_text(json.dumps({"claims": [claim.to_data() for claim in claims]}), encoding="utf-8")
    assert load_claims(path) == claims
