"""The plot of a trend shows the values, the forecast and its interval."""

import pytest

import costmodel as cm
from costmodel.report.style import title_of

DATES, VALUES = [2020.0, 2021.0, 2022.0, 2023.0], [8.0, 4.0, 2.5, 1.0]


@pytest.mark.parametrize("level", [0.5, 0.8])
def test_the_forecast_of_a_fitted_trend_starts_at_the_last_value(level):
    fitted = cm.fit_trend(DATES, VALUES)
    axes = cm.plot.trend(fitted, level)
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert lines["values"] == [pytest.approx(pair) for pair in zip(DATES, VALUES, strict=True)]
    assert lines["median"][0] == pytest.approx([2023, fitted.level])
    assert lines["median"][-1] == pytest.approx([2028, fitted.value(5.0)])
    corners = axes.collections[0].get_paths()[0].vertices
    last = corners[corners[:, 0] == corners[:, 0].max()][:, 1]
    ends = [fitted.level * end for end in fitted.interval(5.0, level)]
    assert (last.min(), last.max()) == pytest.approx(ends)
    assert axes.get_ylim()[0] < min(ends) and axes.get_ylim()[1] > max(VALUES)


def test_a_given_trend_is_drawn_as_a_factor_from_now():
    axes = cm.plot.trend(cm.Trend(rate="1.2 to 1.4", per="year", quantity="price-performance"))
    assert axes.get_xlabel() == "years from now [year]"
    assert axes.get_ylabel() == "price-performance / value now [1]"
    assert axes.lines[0].get_xydata()[0].tolist() == [0, 1]
    assert title_of(axes) == "Price-performance: × 1.30 (1.20 to 1.40) in the first year"


def test_an_exact_trend_has_no_interval_in_its_title():
    assert title_of(cm.plot.trend(cm.Trend(rate=2.0))) == "Value: × 2.00 in the first year"
