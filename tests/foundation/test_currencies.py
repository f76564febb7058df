"""Exchange rates, and results in another currency."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation.rendering import amount, currency
from costmodel.foundation.units import read

RUN = cm.Scenario(
    architecture={"total": "7B"},
    recipe=cm.Pretraining(tokens="2T"),
    cluster=cm.Cluster("A100-80GB-SXM", 512),
    prices=cm.Rental(price="1 to 3 USD/hour"),
    gpu_hours=180_000,
)


@pytest.mark.parametrize(
    ("code", "year", "published"),
    [("EUR", 2017, 1.1301), ("EUR", 2023, 1.0817), ("GBP", 2020, 1.2829), ("GBP", 2022, 1.2371),
     ("CNY", 2019, 1 / 6.9081), ("CNY", 2023, 1 / 7.0809)],
)  # fmt: skip
def test_months_average_to_the_annual_rates_of_the_federal_reserve(code, year, published):
    """Federal Reserve, releases G.5A of 2021-11-01 and 2024-02-01; means of months weigh days a little differently."""
    months = [cm.exchange_rate(code, on=dt.date(year, month, 15)).usd for month in range(1, 13)]
    assert sum(months) / 12 == pytest.approx(published, rel=2e-3)


def test_the_month_of_the_day_counts_and_the_newest_is_the_default():
    june = cm.exchange_rate("cny", on="2024-06-30")
    assert (june.currency, june.per_usd, june.month) == ("CNY", 7.2547, "2024-06")
    assert june.usd == 1 / 7.2547
    newest = cm.exchange_rate("EUR")
    assert newest == cm.exchange_rate("EUR", on="2049-01-01")
    assert newest.month >= "2026-06"
    assert "Federal Reserve" in newest.described() and newest.month in newest.described()
    assert cm.exchange_rate("USD").per_usd == 1.0
    assert cm.exchange_rate("EUR", rate="0.92").described() == "0.92 EUR/USD (given)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("JPY",), "currency: unknown currency 'JPY'; known: CNY, EUR, GBP, USD"),
        (("EUR", "soon"), "on: must be a date such as 2026-06-30; got 'soon'"),
        (("EUR", "2012-01-01"), "listed from 2017-01 on; got 2012-01"),
    ],
)
def test_what_is_not_known_is_named(arguments, message):
    with pytest.raises((cm.InputError, cm.MissingFactError), match=message):
        cm.exchange_rate(*arguments)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), "x", True])
def test_a_rate_is_positive(rate):
    with pytest.raises(cm.InputError, match="rate: must be a number above 0"):
        cm.exchange_rate("EUR", rate=rate)


def test_a_rate_and_a_date_exclude_each_other():
    with pytest.raises(cm.InputError, match="give at most one of rate and on"):
        cm.exchange_rate("EUR", "2026-01-01", rate=0.9)


@given(st.floats(0.01, 100))
def test_conversion_is_linear_and_leaves_other_figures(rate):
    estimate = cm.estimate(RUN)
    rows = {row["quantity"]: row for row in estimate.rows()}
    for row in estimate.in_currency("EUR", rate=rate).rows():
        usd = rows[row["quantity"]]
        factor = rate if usd["unit"] == "USD" else 1.0
        assert row["value"] == usd["value"] * factor
        assert (row["low"], row["high"]) == (usd["low"] * factor, usd["high"] * factor)
        assert row["unit"] == usd["unit"].replace("USD", "EUR")


def test_printed_amounts_are_converted_and_the_rate_is_named():
    text = str(cm.estimate(RUN).in_currency("GBP", rate=0.5))
    assert "156 k£" in text  # 180,000 x 3 ** 0.5 x 0.5
    assert "amounts in GBP: 0.5 GBP/USD (given)" in text
    assert "$" not in text.split("assumed", maxsplit=1)[0]
    assert "k$" in str(cm.estimate(RUN))  # the estimate itself stays in dollars
    bill = cm.estimate(RUN).bill().in_currency("EUR", rate=0.5)
    assert bill.rows()[-1]["eur"] == pytest.approx(0.5 * cm.estimate(RUN).value("cost"))
    assert bill.to_dict()["exchange_rate"]["per_usd"] == 0.5


def test_scales_follow_the_converted_amount():
    with currency("CNY", 7.0):
        assert (amount(1e6, "USD"), amount(10.0, "USD"), amount(10.0, "kg")) == ("7.00 M CNY", "70.0 CNY", "10.0 kg")
    assert amount(1e6, "USD") == "1.00 M$"


def test_amounts_with_a_date_are_read_at_the_listed_rate():
    rate = cm.exchange_rate("EUR", on="2024-06-01").usd
    assert read("8 EUR/hour on 2024-06-01", "USD/hour") == 8 * rate
    assert read("2 to 3 EUR on 2024-06-01", "USD").high == pytest.approx(3 * rate)
    scenario = RUN.replace({"prices.price": "2.5 EUR/hour on 2024-06-15"})
    assert scenario.prices.price == pytest.approx(2.5 * rate)


@pytest.mark.parametrize("text", ["2.5 EUR/hour", "€2.5", "EUR 2.5/hour", "£3 on 2024-06-01", "7 JPY on 2024-06-01"])
def test_amounts_without_a_known_rate_are_refused(text):
    with pytest.raises(cm.InputError, match="add the exchange rate and its date"):
        read(text, "USD/hour")


@given(st.floats(0.1, 10))
def test_a_budget_is_converted_as_a_whole(rate):
    project = cm.Project(
        name="p",
        data=[{"name": "labels", "quantity": 1000, "unit_price": "0.5 to 2 USD"}],
        actuals={"labels": {"spent": 300, "committed": 100, "done": 0.5}},
    )
    dollars = project.budget()
    budget = dollars.in_currency("EUR", rate=rate)
    assert (budget.currency, str(budget.total.units)) == ("EUR", "EUR")
    for name in ("base", "contingency", "expected", "p10", "p50", "p90"):
        assert budget.value(name) == pytest.approx(dollars.value(name) * rate, abs=0.011 * max(rate, 1))
    assert budget.probability_within(1000 * rate) == pytest.approx(dollars.probability_within(1000), abs=2e-3)
    ends = [driver.high for driver in budget.drivers()]
    assert ends == pytest.approx([driver.high * rate for driver in dollars.drivers()], abs=0.011 * max(rate, 1))
    outlook, in_dollars = cm.forecast(budget), cm.forecast(dollars)
    assert outlook.value("spent") == pytest.approx(300 * rate, abs=0.006 * max(rate, 1))
    assert outlook.completion.magnitude == pytest.approx(
        in_dollars.completion.magnitude * rate, abs=0.011 * max(rate, 1)
    )


def test_exports_of_a_budget_name_its_currency(tmp_path):
    budget = cm.Project(name="p", data=[{"name": "x", "unit_price": 2000}]).budget().in_currency("EUR", rate=0.5)
    for text in (budget.to_html(), budget.to_markdown(), str(budget)):
        assert "1,000.00" in text and "EUR" in text and "exchange rate: 0.5 EUR/USD (given)" in text
        assert " USD<" not in text
    budget.to_csv(tmp_path / "b.csv")
    assert "EUR of 2026" in (tmp_path / "b.csv").read_text(encoding="utf-8")
    openpyxl = pytest.importorskip("openpyxl")
    budget.to_xlsx(tmp_path / "b.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "b.xlsx")["Budget"]
    assert sheet["G4"].value == "Base [EUR]" and "EUR at 0.5 EUR/USD" in sheet["A2"].value


def test_costs_of_served_tokens_are_converted():
    chat = cm.Serving(
        "llama-3.1-8b",
        cm.Cluster("H100-SXM", 1),
        input_tokens=500,
        output_tokens=300,
        concurrency=8,
        prices=cm.Rental(price=2),
    )
    served = cm.estimate(chat)
    pounds = served.in_currency("GBP", rate=0.5)
    rows = {row["quantity"]: row for row in pounds.rows()}
    assert rows["output_cost"]["value"] == served.value("output_cost") / 2
    assert rows["output_cost"]["unit"] == "GBP per M tokens"
    assert rows["tpot"]["unit"] == "s"
    assert "£/Mtok" in str(pounds) and "$/Mtok" not in str(pounds)
    assert "$/Mtok" in str(served)
