"""Rent against own: break-even utilization, years to pay back, curves, and published calculators."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.planning.break_even import annuity, levelized_rent

SIMPLE = {
    "includes": "server",
    "server_factor": 1.6,
    "network_share": 0.0,
    "storage_share": 0.0,
    "residual_share": 0.0,
    "cost_of_capital": 0.0,
    "idle_power_share": 0.0,
    "data_center_capital": 0.0,
    "data_center_life": 15,
    "support_share": 0.0,
}
FREE = cm.Site(power_per_gpu=1000, pue=1.0, electricity=0.0)
YEAR = 8766
"""Hours of a year."""


def dict_of(result):
    return {row["figure"]: row["value"] for row in result.rows()}


def fleet(count=8, site=FREE, accelerator="H100-SXM"):
    return cm.Cluster(accelerator, count, site=site)


def own(**fields):
    return cm.Ownership(**{**SIMPLE, "purchase_price": 30_000, "life": 4, "utilization": 0.7, "staff": 0.0, **fields})


@pytest.mark.golden(
    source="https://www.legitlads.com/hub/tools/ai/ai-hardware/accelerator-roi-calculator/ (2026)",
    table="64 accelerators, 1.92 M$, 728,681 $ of energy and operation in 4 years, 70 %, 3,139,584 $ of rent",
)
def test_calculator_of_accelerator_roi(golden):
    rent = 3_139_584 / (64 * 4 * 8760 * 0.7)
    result = cm.rent_or_own(fleet(64), rent=cm.Rental(price=rent), own=own(staff=728_681 / 4 / 64))
    golden("break-even utilization [%]", "59", 100 * result.break_even_utilization)
    golden("payback [year]", "3.2", result.break_even_years)
    hours = 64 * 4 * 8760 * 0.7
    assert result.value("owned") * hours == pytest.approx(2_648_681, rel=0.01)
    assert result.value("rented") * hours == pytest.approx(3_139_584, rel=0.01)


@pytest.mark.golden(
    source="Lenovo Press LP2225, On-Premise vs Cloud: Generative AI Total Cost of Ownership (2025)",
    table="SR675 V3 with 8 H100 NVL, 833,806 USD, 0.87 USD/h, against AWS p5.48xlarge: break-even [hour]",
)
@pytest.mark.parametrize(("rent", "hours"), [(98.32, "8556"), (77.43, "10890"), (53.95, "15710")])
def test_break_even_of_the_lenovo_report(golden, rent, hours):
    ownership = own(purchase_price=833_806 / 8, life=5, utilization=1.0, staff=0.87 / 8 * YEAR)
    result = cm.rent_or_own(fleet(accelerator="H100-NVL"), rent=cm.Rental(price=rent / 8), own=ownership)
    golden(f"at {rent} USD/h", hours, result.break_even_years * YEAR, 3)


def test_break_even_of_the_book_on_distributed_training():
    """ttsugriy/distributed-training-book, docs/foundations/05-economics-of-compute.md: 30,000 USD / 4 USD/h."""
    result = cm.rent_or_own(fleet(), rent=cm.Rental(price=4), own=own(utilization=1.0))
    assert result.break_even_years * YEAR == pytest.approx(7500, rel=0.001)
    assert result.break_even_years * 12 == pytest.approx(10.4, rel=0.02)


def test_monthly_costs_of_a_calculator_with_power_and_space():
    """randomcalculators.com, on-prem vs cloud GPU: 8 × 35,000 USD and 40 % of infrastructure over 4 years, 0.7 kW, PUE
    1.4, 0.12 USD/kWh, 400 hours and 3,000 USD a month, 4.50 USD/h: its formulas give 11,543 and 14,400 USD a month."""
    site = cm.Site(power_per_gpu=700, pue=1.4, electricity=0.12)
    ownership = own(purchase_price=35_000 * 1.4, utilization=400 / 730.5, staff=3000 * 12 / 8)
    result = cm.rent_or_own(fleet(site=site), rent=cm.Rental(price=4.5), own=ownership)
    assert result.value("owned") * 8 * 400 == pytest.approx(8166.67 + 376.32 + 3000, rel=1e-3)
    assert result.value("rented") * 8 * 400 == pytest.approx(14_400)


@given(st.floats(0.5, 10), st.floats(0, 0.2), st.floats(0, 0.5), st.floats(0, 0.2))
def test_at_the_break_even_utilization_both_hours_cost_the_same(rent, interest, idle, electricity):
    site = cm.Site(power_per_gpu=1000, pue=1.2, electricity=electricity)
    ownership = own(cost_of_capital=interest, idle_power_share=idle, staff=500)
    result = cm.rent_or_own(fleet(site=site), rent=cm.Rental(price=rent), own=ownership)
    utilization = result.break_even_utilization
    if utilization > 1:
        assert result.curve(at=[1.0])[0]["owned"] > result.value("rented") * (1 - 1e-9)
    else:
        (row,) = result.curve(at=[utilization])
        assert row["owned"] == pytest.approx(row["rented"], rel=1e-9)


def test_the_payback_earns_the_interest():
    ownership = own(cost_of_capital=0.1, utilization=1.0)
    result = cm.rent_or_own(fleet(), rent=cm.Rental(price=2), own=ownership)
    years, growth = result.break_even_years, np.log(1.1)
    assert 2 * YEAR * (1 - np.exp(-growth * years)) / growth == pytest.approx(30_000)


def test_a_falling_rent_delays_or_prevents_the_payback():
    steady, falling, steep = (
        cm.rent_or_own(fleet(), rent=cm.Rental(price=2), own=own(staff=1000), rent_decline=decline)
        for decline in (0.0, 0.2, 0.6)
    )
    assert steady.break_even_years < falling.break_even_years < np.inf == steep.break_even_years
    assert steady.break_even_utilization < falling.break_even_utilization < steep.break_even_utilization
    assert "never" in str(steep) and dict_of(steep)["break_even_years"] is None


def test_an_uncertain_decline_of_the_rent_widens_the_interval():
    certain, uncertain = (
        cm.rent_or_own(fleet(), rent=cm.Rental(price=3), own=own(), rent_decline=decline).interval("rented")
        for decline in (0.2, "0.1 to 0.3")
    )
    assert uncertain[0] < certain[0] == certain[1] < uncertain[1]


def test_formulas_of_present_values():
    assert annuity(0.0, 3.0) == pytest.approx(3.0)
    assert annuity(0.1, 1e6) == pytest.approx(10.0)
    assert levelized_rent(np.array(2.0), np.array(0.0), np.array(0.1), np.array(5.0)) == pytest.approx(2.0)
    mean = 2 * (1 - np.exp(-1.0)) / 1.0  # 20 % a year over 5 years
    assert levelized_rent(np.array(2.0), np.array(0.2), np.array(0.0), np.array(5.0)) == pytest.approx(mean)


def test_defaults_have_intervals_and_a_probability():
    result = cm.rent_or_own(cm.Cluster("H100-SXM", 512))
    for name in ("rented", "owned", "break_even_utilization", "break_even_years"):
        low, high = result.interval(name)
        assert low < result.value(name) < high
    assert 0.02 < result.probability_own < 0.98
    frame = result.to_frame("utilization")
    assert frame["owned"].is_monotonic_decreasing and (frame["owned_low"] < frame["owned_high"]).all()
    assert result.to_frame("years")["owned"].is_monotonic_decreasing
    assert result.to_frame().loc["owned", "unit"] == "USD/hour"
    assert "<table>" in result._repr_html_() and max(map(len, str(result).splitlines()[:8])) <= 80
    data = result.to_dict()
    assert data["curves"]["years"] and data["inputs"]["prices.purchase_price"]["source"]


def test_a_break_even_utilization_is_no_probability():
    rent = cm.Ownership(purchase_price=30_000, utilization=0.996).levelized("H100-SXM").usd_per_hour
    own = cm.Ownership(purchase_price=30_000)
    result = cm.rent_or_own(cm.Cluster("H100-SXM", 8), rent=cm.Rental(price=rent), own=own)
    assert result.break_even_utilization == pytest.approx(0.996)
    (line,) = (line for line in str(result).splitlines() if line.startswith("break-even utilization"))
    assert line.split()[2] == "100" and ">" not in line


def test_a_run_is_shown_in_three_conventions():
    run = cm.Scenario(
        architecture={"total": "7B"},
        recipe=cm.Pretraining(tokens="2T"),
        cluster=cm.Cluster("H100-SXM", 512),
        prices=cm.Rental(price=2.5),
        mfu=0.4,
    )
    result = cm.rent_or_own(run)
    rows = {row["figure"]: row["value"] for row in result.rows()}
    assert rows["rented"] == 2.5
    assert rows["run_rented"] == pytest.approx(cm.estimate(run).cost.to("USD").magnitude)
    assert rows["run_amortized"] == pytest.approx(
        cm.estimate(run.replace(prices=cm.Ownership())).cost.to("USD").magnitude
    )
    assert rows["run_acquisition"] > 10e6
    hours = cm.estimate(run).gpu_hours.to("hour").magnitude
    assert rows["run_amortized"] == pytest.approx(rows["owned"] * hours)


def test_a_year_and_the_purchase_of_a_fleet_by_hand():
    prices = own(network_share=0.2, storage_share=0.05)
    result = cm.rent_or_own(fleet(64), rent=cm.Rental(price=2.5), own=prices)
    assert result.value("year_rented") == pytest.approx(64 * 0.7 * YEAR * 2.5)
    assert result.value("year_owned") == pytest.approx(64 * 0.7 * YEAR * result.value("owned"))
    assert result.value("purchase") == pytest.approx(64 * 30_000 / 0.75)
    whole = cm.rent_or_own(fleet(1), rent=cm.Rental(price=2.5), own=prices)
    assert whole.value("purchase") * 64 == pytest.approx(result.value("purchase"))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"of": "H100-SXM"}, "of"),
        ({"rent": 2.5}, "rent"),
        ({"own": 30_000}, "own"),
        ({"rent_decline": "fast"}, "rent_decline"),
        ({"rent_decline": -1e9}, "rent_decline"),
        ({"seed": -1}, "seed"),
        ({"own": {"life": -1}}, "life"),
    ],
)
def test_bad_input_names_the_argument(arguments, problem):
    with pytest.raises(cm.InputError, match=problem):
        cm.rent_or_own(**{"of": fleet(), **arguments})


def test_bad_curves_are_refused():
    result = cm.rent_or_own(fleet(), rent=cm.Rental(price=2), own=own())
    with pytest.raises(cm.InputError, match="at: must be above 0 and at most 1"):
        result.curve(at=[1.5])
    with pytest.raises(cm.InputError, match="over"):
        result.curve("price")
    for at in ("abc", True, [None], ["1"]):
        with pytest.raises(cm.InputError, match="at: must be"):
            result.curve(at=at)
    with pytest.raises(cm.InputError, match="unknown figure"):
        result.value([])
    decline = cm.Ownership(purchase_price=30_000, depreciation="price_performance")
    with pytest.raises(cm.InputError, match="straight_line"):
        cm.rent_or_own(fleet(), rent=cm.Rental(price=2), own=decline).curve("years")


def test_amounts_are_converted_and_years_and_shares_are_not():
    result = cm.rent_or_own(fleet(64), rent=cm.Rental(price=2.5), own=own())
    rows = {row["figure"]: row for row in result.in_currency("EUR", rate=0.5).rows()}
    for name, value in dict_of(result).items():
        factor = 0.5 if name in {"rented", "owned", "year_rented", "year_owned", "purchase"} else 1.0
        assert rows[name]["value"] == value * factor
    assert rows["rented"]["unit"] == "EUR/hour" and rows["purchase"]["unit"] == "EUR"
    assert "1.25 EUR/hour" in str(result.in_currency("EUR", rate=0.5))
    hour = result.owned.in_currency("EUR", rate=0.5)
    assert hour.rows()[-1]["eur"] == pytest.approx(0.5 * result.value("owned"))


def test_the_plot_shows_both_curves():
    result = cm.rent_or_own(fleet(), rent=cm.Rental(price=2.5), own=cm.Ownership(purchase_price=30_000))
    axes = cm.plot.rent_or_own(result)
    assert [line.get_label() for line in axes.get_lines()][:2] == ["owned, 80 % interval", "rented, 80 % interval"]
    assert cm.plot.rent_or_own(result, "years").get_xlabel() == "years of life"
