"""Consumer prices and the deflator."""

import numpy as np
import pytest

import costmodel as cm
from costmodel.market.inflation import deflator, price_index


@pytest.mark.parametrize(("year", "mean"), [(2017, 245.120), (2020, 258.811), (2022, 292.655), (2024, 313.689)])
def test_index_of_a_year_is_the_published_mean(year, mean):
    """US Bureau of Labor Statistics, CPI-U, all items, annual averages."""
    assert price_index()[year] == pytest.approx(mean, abs=0.002)


def test_a_deflator_is_one_in_the_base_year_and_chains():
    assert (deflator(2028, 2028, 100, 0) == 1.0).all()
    chained = deflator(2030, 2025, 200, 3) * deflator(2025, 2020, 200, 3)
    assert np.allclose(chained, deflator(2030, 2020, 200, 3), rtol=1e-12)
    assert np.allclose(deflator(2022, 2020, 5, 0), 292.655 / 258.811, rtol=1e-5)


def test_later_years_take_the_assumed_inflation():
    newest = max(price_index())
    yearly = deflator(newest + 1, newest, 20_000, 0) - 1
    assert np.quantile(yearly, [0.1, 0.9]) == pytest.approx([0.02, 0.033], rel=0.03)
    assert np.allclose(deflator(newest + 4, newest, 20_000, 0), (1 + yearly) ** 4)


def test_years_before_the_index_are_not_known():
    with pytest.raises(cm.MissingFactError, match="consumer prices are known from 2010 on; got 2005"):
        deflator(2005, 2020, 10, 0)
