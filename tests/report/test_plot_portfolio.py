"""The plots of a portfolio show its shares, and the price of independence."""

import pytest

import costmodel as cm


@pytest.fixture(scope="module")
def result():
    def option(name, usd, **fields):
        serving = cm.HostedAPI(name=name, usd_per_million_input=usd, usd_per_million_output=usd)
        return cm.PortfolioOption(serving=serving, provider=name, **fields)

    workloads = [
        cm.PortfolioWorkload(name=name, requests_per_month=volume, input_tokens=500, output_tokens=500)
        for name, volume in (("chat", 1e6), ("search", 3e6))
    ]
    constraints = cm.PortfolioConstraints(provider_cap=0.6)
    return cm.portfolio(
        workloads, [option("a", 1), option("b", 2)], constraints, shocks=cm.PortfolioShocks(scenarios=20)
    )


def test_bars_of_each_workload_add_up_to_all_requests(result):
    axes = cm.plot.portfolio(result)
    widths = {}
    for bar in axes.patches:
        widths.setdefault(round(bar.get_y(), 3), []).append(bar.get_width())
    assert [sum(each) for each in widths.values()] == pytest.approx([100, 100])
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {"a", "b"}
    assert any("search" in label.get_text() and "/month" in label.get_text() for label in axes.get_yticklabels())


def test_the_curve_shows_the_cost_per_month_in_its_unit(result):
    axes = cm.plot.portfolio(result.independence(values=[1, 0.8, 0.5], scenarios=20))
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    assert lines["prices of today"] == pytest.approx([4.0, 4.8, 6.0])
    assert set(lines) == {"prices of today", "expected, mean of 12 months", "dearest 5% (CVaR)"}
    assert axes.get_ylabel() == "cost per month (k$)"
    assert axes.xaxis_inverted()
    alone = cm.plot.portfolio(result.independence(values=[1, 0.5], scenarios=0))
    assert len(alone.lines) == 1


def test_places_are_points_with_their_names(result):
    axes = cm.plot.portfolio(result.independence("barred_seats", [(), "CN"], scenarios=0))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["none"]  # seats that are not known are barred
    assert axes.lines[0].get_linestyle() == "None"


def test_what_cannot_be_drawn_is_an_error(result):
    with pytest.raises(cm.MissingFactError, match="no value of the curve has a mix"):
        cm.plot.portfolio(result.independence(values=[0.1], scenarios=0))
    with pytest.raises(cm.InputError, match="must be of portfolio"):
        cm.plot.portfolio(3)
