"""List prices against size, training compute and age: exact fits, errors, data, and words."""

import datetime as dt
import math

import numpy as np
import pytest

import costmodel as cm
from costmodel.choosing.models import model_named
from costmodel.choosing.price_regression import FITS, PricedModel, fitted, priced_models
from costmodel.foundation.tables import table
from costmodel.market.api_prices import api_models

TERMS = FITS[2]


def made(count=60, size=0.7, training=0.1, yearly=-0.3, noise=0.0, seed=3):
    """Models whose price follows a law: active^size x compute^training x exp(yearly x years)."""
    generator = np.random.default_rng(seed)
    models = []
    for place in range(count):
        active, tokens = np.exp(generator.uniform(math.log(1e9), math.log(4e11))), np.exp(generator.uniform(28, 31))
        day = dt.date(2023, 1, 1) + dt.timedelta(days=int(generator.uniform(0, 1200)))
        years = (day - dt.date(2024, 1, 1)).days / 365.25
        price = 1e-8 * active**size * (6 * active * tokens) ** training * math.exp(yearly * years)
        price *= math.exp(generator.normal(0, noise)) if noise else 1.0
        models.append(PricedModel(f"m{place}", f"o{place % 6}", ("m",), 1, active, day, tokens, price, 4 * price))
    return models


def test_fit_recovers_an_exact_law():
    fit = fitted(made(), TERMS, "blended", bootstrap=200)
    assert fit.slope("active parameters").value == pytest.approx(0.7)
    assert fit.slope("training compute").value == pytest.approx(0.1)
    assert fit.slope("years").value == pytest.approx(-0.3)
    assert (fit.r_squared, fit.n, fit.organizations) == (pytest.approx(1), 60, 6)
    assert fit.held_out_error == pytest.approx(0, abs=1e-9)
    assert fit.mean_error > 0.5


def test_blended_and_output_price_differ_by_a_constant_if_their_ratio_is_one():
    models = made(noise=0.2)
    blended, output = (fitted(models, TERMS, price, bootstrap=200) for price in ("blended", "output"))
    assert [slope.value for slope in blended.slopes] == pytest.approx([slope.value for slope in output.slopes])
    assert [slope.low for slope in blended.slopes] == pytest.approx([slope.low for slope in output.slopes])


def test_intervals_contain_the_law_and_errors_the_noise():
    fit = fitted(made(count=240, noise=0.4), TERMS, "blended", bootstrap=500)
    for slope, true in zip(fit.slopes, (0.7, 0.1, -0.3), strict=True):
        assert slope.low - 0.1 < true < slope.high + 0.1
    assert fit.held_out_error == pytest.approx(0.4, rel=0.15)


def test_factor_is_of_ten_times_more_and_of_a_year():
    fit = fitted(made(), TERMS, "blended", bootstrap=100)
    assert fit.slope("active parameters").factor == pytest.approx(10**0.7)
    assert fit.slope("years").factor == pytest.approx(math.exp(-0.3))


def test_held_out_error_by_hand():
    """Two organizations whose prices differ by e at the same size: each predicts the other off by 1."""
    sizes = (1e9, 1e10, 1e11)
    models = [
        PricedModel(f"{name}{size}", name, ("m",), 1, size, dt.date(2024, 1, 1), None, price, price)
        for name, price in (("a", 1.0), ("b", math.e))
        for size in sizes
    ]
    fit = fitted(models, ("active parameters",), "blended", bootstrap=100)
    assert fit.held_out_error == pytest.approx(1)
    assert fit.slope("active parameters").value == pytest.approx(0, abs=1e-9)


def test_models_without_a_term_are_left_out_of_its_fit_and_named():
    result = cm.price_regression(bootstrap=100)
    counts = {each.name: each.n for each in result.fits if each.price == "blended"}
    dated = [model for model in result.models if model.released is not None]
    trained = [model for model in dated if model.tokens is not None]
    assert counts["active parameters + years"] == len(dated) >= 40
    assert counts["training compute + years"] == len(trained) >= 25
    assert set(result.left_out) == {model.architecture for model in result.models} - {m.architecture for m in trained}


def test_every_priced_architecture_has_a_row_of_its_training():
    priced = {model_named(name).architecture for name in api_models()} - {None}
    assert priced == {row["architecture"] for row in table("facts/model_training").rows}


def test_training_tokens_agree_with_the_published_runs():
    published = {
        architecture: run.row["tokens"]
        for run in cm.published_runs()
        if run.kind == "pretrain" and run.row["tokens"] and (architecture := model_named(run.model).architecture)
    }
    checked = [model for model in priced_models() if model.architecture in published and model.tokens]
    assert len(checked) >= 8
    for model in checked:
        assert model.tokens == pytest.approx(float(published[model.architecture])), model.architecture


def test_price_is_the_median_over_models_of_the_median_over_providers():
    model = next(model for model in priced_models() if model.architecture == "qwen3-32b")
    prices = [cm.api_price("qwen3-32b", name) for name in ("bedrock", "cerebras", "deepinfra")]
    assert model.models == ("qwen3-32b",)
    assert min(price.usd_per_million_input for price in prices) <= model.usd_per_million_input
    assert model.usd_per_million_input <= max(price.usd_per_million_input for price in prices)


def test_conclusion_says_what_holds_with_n_and_intervals():
    result = cm.price_regression(bootstrap=500)
    alone = result.fit("training compute", "years")
    both = result.fit("active parameters", "training compute", "years")
    assert alone.slope("training compute").low > 0
    assert both.slope("training compute").low < 0 < both.slope("active parameters").low
    assert f"{alone.n} models of {alone.organizations} organizations" in result.conclusion
    assert "both follow the active parameters" in result.conclusion


def test_result_prints_within_80_columns_and_repeats_by_seed():
    first, again, other = (cm.price_regression(bootstrap=200, seed=seed) for seed in (0, 0, 1))
    assert max(map(len, str(first).splitlines())) <= 80
    assert first.rows() == again.rows()
    assert first.rows() != other.rows()
    assert len(first.to_frame()) == len(first.to_dict()["fits"]) == 14


def test_arguments_are_checked_at_once():
    with pytest.raises(cm.InputError) as error:
        cm.price_regression(2, bootstrap=1)
    assert "output_share" in str(error.value)
    assert "bootstrap" in str(error.value)
    with pytest.raises(cm.InputError, match="no fit of the blended price with years"):
        cm.price_regression(bootstrap=100).fit("years")
