"""The question and the result: wrong input, tables, the price of independence, files."""

import json

import pytest

import costmodel as cm
from costmodel.choosing.portfolio.portfolio import read_portfolio
from costmodel.choosing.portfolio.question import PortfolioRequest


def option(name, usd, **fields):
    serving = cm.HostedAPI(name=name, usd_per_million_input=usd, usd_per_million_output=usd)
    return cm.PortfolioOption(serving=serving, **({"provider": name} | fields))


CHAT = cm.PortfolioWorkload(name="chat", requests_per_month=1e6, input_tokens=500, output_tokens=500)
OPTIONS = [option("a", 1), option("b", 2, open_weights=True), option("c", 3, open_weights=True)]
FEW = cm.PortfolioShocks(scenarios=30)


def problems(*arguments, **fields):
    with pytest.raises(cm.InputError) as caught:
        cm.portfolio(*arguments, **fields)
    return caught.value.problems


def test_wrong_arguments_are_all_named():
    found = problems([], "models", {"provider_cap": 0.5}, shocks=3, scores=[0.5])
    assert len(found) == 5
    assert found[0].startswith("workloads: must be a list of PortfolioWorkload")
    assert found[2] == "constraints: must be PortfolioConstraints; got dict"
    assert found[4] == "scores: must be Score; got float"


def test_names_are_distinct_and_known():
    found = problems([CHAT, CHAT], [option("a", 1), option("a", 2, quality={"chta": 0.5})])
    assert found == (
        "workloads: two are named 'chat'; give each a name",
        "options: two are named 'a'; give each a name",
        "a.quality: no workload is named 'chta'; known: chat",
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cm.PortfolioConstraints(provider_cap=1.2), "provider_cap"),
        (lambda: cm.PortfolioConstraints(locations=["Europe"]), "codes of countries or regions"),
        (lambda: cm.PortfolioShocks(price_factors=[0]), "price_factors"),
        (lambda: cm.PortfolioShocks(level=1), "level"),
        (lambda: option("a", 1, most_replicas=3), "most_replicas"),
        (lambda: option("a", 1, seat="France"), "codes of countries or regions"),
        (lambda: option("a", 1, quality={"chat": 80}), "quality"),
        (lambda: option("a", 1, quality=0.8), "quality: must name the workload"),
        (lambda: option("a", 1, quality={"model": "a", "value": 0.8, "n": 300}), "quality: must name the workload"),
    ],
)
def test_wrong_fields_are_named(make, message):
    with pytest.raises(cm.InputError, match=message):
        make()


def test_rows_frames_and_plain_data_agree():
    result = cm.portfolio([CHAT], OPTIONS, cm.PortfolioConstraints(open_weights_share=0.25), shocks=FEW)
    assert [(row["option"], round(row["share"], 6)) for row in result.rows()] == [("a", 0.75), ("b", 0.25)]
    assert result.to_frame()["usd_per_month"].sum() == pytest.approx(result.usd_per_month)
    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert data["price_of_constraints"] == pytest.approx({"open_weights_share": 250})
    assert data["expected_usd"] >= 0 and data["scenarios"] == 30
    assert all(len(line) <= 80 for line in str(result).splitlines())
    assert result.provider_shares() == pytest.approx({"a": 0.75, "b": 0.25})


def test_the_price_of_independence_is_the_cost_above_no_cap():
    result = cm.portfolio([CHAT], OPTIONS, shocks=FEW)
    curve = result.independence(values=[1, 0.6, 0.5, 0.4, 0.2])
    prices = [row["price_usd_per_month"] for row in curve.rows()]
    assert prices[:4] == pytest.approx([0, 400, 500, 800])
    assert prices[4] is None
    assert "20%: no mix: conflict: provider_cap" in str(curve)
    assert "30 scenarios; the cap is a share of requests" in " ".join(str(curve).split())
    assert all(len(line) <= 80 for line in str(curve).splitlines())
    assert curve.to_frame().loc[0.5, "usd_per_month"] == pytest.approx(1500)
    costs = [row["usd_per_month"] for row in curve.rows()[:4]]
    assert costs == sorted(costs)
    assert [row["largest_share"] for row in curve.rows()[:4]] == pytest.approx([1, 0.6, 0.5, 0.4])


def test_the_price_of_open_weights_rises_with_their_share():
    curve = cm.portfolio([CHAT], OPTIONS, shocks=FEW).independence("open_weights_share", scenarios=0)
    assert [row["price_usd_per_month"] for row in curve.rows()] == pytest.approx([0, 200, 400, 600, 800, 1000])
    assert {row["expected_usd"] for row in curve.rows()} == {None}
    assert "scenarios" not in str(curve)  # none was computed
    with pytest.raises(cm.InputError, match="must be one of provider_cap, open_weights_share, locations"):
        cm.portfolio([CHAT], OPTIONS, shocks=FEW).independence("price")


def test_the_price_of_places_is_the_cost_above_any_place():
    options = [option("a", 1, location="US", seat="US"), option("b", 2, location="DE", seat="DE")]
    result = cm.portfolio([CHAT], options, cm.PortfolioConstraints(locations="EU"), shocks=FEW)
    curve = result.independence("locations")
    assert [row["price_usd_per_month"] for row in curve.rows()] == pytest.approx([0, 1000])
    assert [row["value"] for row in curve.rows()] == ["none", "EU"]
    assert result.price_of_constraints() == pytest.approx({"locations": 1000})
    seats = result.independence("seats", [(), "DE", "US", ["DE", "US"]], scenarios=0)
    assert [row["usd_per_month"] for row in seats.rows()] == pytest.approx([2000, 2000, None, 2000])
    assert "US: no mix: conflict: " in str(seats)
    with pytest.raises(cm.InputError, match="the question has no seats"):
        result.independence("seats")


def test_the_example_is_read_and_solved(root):
    changes = {"shocks.scenarios": 20}
    result = read_portfolio(root / "examples" / "support-desk.toml", changes)
    assert {row["location"] for row in result.rows()} == {"EU"}
    assert max(result.provider_shares().values()) <= 0.5 + 1e-6
    assert len(result.question.offers.options) == 5
    loose = read_portfolio(root / "examples" / "support-desk.toml", changes | {"constraints.provider_cap": 0.9})
    assert loose.usd_per_month < result.usd_per_month
    with pytest.raises(cm.InfeasiblePortfolioError, match=r"escalations\.quality_floor"):
        read_portfolio(root / "examples" / "support-desk.toml", changes | {"constraints.seats": ["DE"]})


def test_the_example_is_that_of_the_page(root):
    page = (root / "docs" / "how-to" / "choose.md").read_text(encoding="utf-8")
    example = (root / "examples" / "support-desk.toml").read_text(encoding="utf-8")
    without_comments = "\n".join(line for line in example.splitlines() if not line.startswith("#")).strip()
    assert without_comments in page


def test_a_workload_with_a_wrong_field_is_not_reported_as_missing_too():
    given = {"name": "chat", "requests_per_month": -1, "input_tokens": 1, "output_tokens": 1}
    with pytest.raises(cm.InputError) as error:
        PortfolioRequest(workload=[given], option=[], constraints={"locations": "Europe"})
    assert list(error.value.problems) == [
        "workload.0.requests_per_month: must be a number above 0 and at most 1e+40; got -1",
        "option: must have at least 1 item; got 0",
        "constraints.locations: must be codes of countries or regions, such as EU or US; got 'Europe'",
    ]
