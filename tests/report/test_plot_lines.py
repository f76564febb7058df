"""The plots of a bill, an owned hour, a development cost and greenhouse gases show their lines and intervals."""

import pytest

import costmodel as cm
from costmodel.report.style import title_of


def run(**fields):
    cluster = cm.Cluster(fields.pop("gpu", "H100-SXM"), 64, site=fields.pop("site", cm.Site(region="DE")))
    return cm.Scenario("llama-3.1-8b", cm.Pretraining(tokens="1T"), cluster, **fields)


def bars(axes):
    """Return the widths of the bars, and the intervals, by label of the row."""
    names = {
        round(place): label.get_text() for place, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
    }
    widths = {names[round(bar.get_y() + bar.get_height() / 2)]: bar.get_width() for bar in axes.patches}
    ends = {names[round(line.get_ydata()[0] + 0.38)]: tuple(line.get_xdata()) for line in axes.lines}
    return widths, ends


@pytest.mark.parametrize(
    "result",
    [
        lambda: cm.estimate(run(prices=cm.Ownership())).bill(),
        lambda: cm.Ownership().levelized("H100-SXM"),
        lambda: cm.development_cost(cm.estimate(run(prices=cm.Rental(price="2 to 4 USD/hour")))),
    ],
    ids=["bill", "levelized", "development"],
)
def test_bars_and_intervals_are_those_of_the_lines(result):
    lines = result()
    axes = cm.plot.cost_lines(lines)
    size = 1.0 if "USD" in axes.get_xlabel() else 1e3
    widths, ends = bars(axes)
    for row in lines.rows():
        title = row.get("title") or row["part"]
        assert widths[title] * size == pytest.approx(row["usd"])
        assert [end * size for end in ends[title]] == pytest.approx([row["low"], row["high"]])
    assert all(high <= axes.get_xlim()[1] for _, high in ends.values())


def test_the_title_of_a_bill_names_its_largest_line():
    bill = cm.estimate(run(prices=cm.Ownership())).bill()
    largest = max(bill.rows()[:-1], key=lambda row: row["usd"])
    assert f"The largest line is {largest['title']}: " in title_of(cm.plot.cost_lines(bill))
    rented = cm.estimate(run(prices=cm.Rental(price=2))).bill()
    assert title_of(cm.plot.cost_lines(rented)).startswith("The cost is rent alone: ")


def test_a_price_without_an_interval_has_no_line_for_it():
    bill = cm.estimate(run(prices=cm.Rental(price=2), gpu_hours=20_000)).bill()
    axes = cm.plot.cost_lines(bill)
    assert not axes.lines
    assert [text.get_text() for text in axes.texts] == [r"40.0 k\$, 100 %", r"40.0 k\$"]


def test_a_bill_that_is_not_known_says_why():
    accelerator = cm.load_accelerator("H100-SXM").replace(name="unpriced")
    bill = cm.estimate(run(gpu=accelerator, gpu_hours=20_000)).bill()
    reasons = {row["note"] for row in bill.rows()}
    with pytest.raises(cm.MissingFactError) as error:
        cm.plot.cost_lines(bill)
    assert all(reason in str(error.value) for reason in reasons)


def test_emissions_are_drawn_with_the_totals_in_the_title():
    report = cm.estimate(run(site=cm.Site(region="DE", yearly_matched=0.5, hourly_matched=0.2))).ghg()
    axes = cm.plot.emissions(report)
    widths, ends = bars(axes)
    assert axes.get_xlabel() == "greenhouse gases [t CO2e]"
    rows = report.rows()
    assert len(rows) == 6
    for row in rows:
        title = row["title"].replace(", ", "\n")
        assert widths[title] * 1e3 == pytest.approx(row["kg"])
        assert [end * 1e3 for end in ends[title]] == pytest.approx([row["low"], row["high"]])
    assert "location-based" in title_of(axes) and "market-based" in title_of(axes)
