"""Correction of predictions by measured rows of one's own stack."""

import math

import pytest

import costmodel as cm
from costmodel.foundation.columns import as_table
from costmodel.foundation.errors import InputError
from costmodel.refit.serving import scored_rows
from costmodel.serving.calibration.constants import default_constants
from costmodel.serving.calibration.measured import READER
from costmodel.serving.calibration.own_rows import DEFAULT_ENGINE, _too_fast, calibrate_serving, predicted_seconds

ROW = {
    "model": "llama-3.1-8b", "precision": "bf16", "accelerator": "H100-SXM", "count": 1, "concurrency": 64,
    "prompt_length": 1000, "output_length": 500, "engine": "vllm", "recipe": "default", "tokens_per_second": 3000,
}  # fmt: skip


def slower(factor, rows=1):
    """Return rows that are slower than predicted by a factor."""
    rate = 64 / predicted_seconds(READER.rows(as_table("own", [ROW]))[0].value, default_constants())
    return as_table("own", [{**ROW, "tokens_per_second": rate / factor}] * rows)


def test_the_interval_holds_the_factor_and_its_spread():
    own = calibrate_serving(slower(1.5))
    interval = own.interval.settled("lognormal")
    assert interval.median() == pytest.approx(own.factor)
    assert math.log(interval.quantile(0.9) / own.factor) == pytest.approx(1.2816 * own.spread, rel=1e-3)


def test_a_row_as_predicted_changes_nothing_but_the_spread():
    own = calibrate_serving(slower(1.0))
    assert own.factor == pytest.approx(1) and own.rows == 1
    spreads = default_constants().spreads
    assert own.spread < math.hypot(spreads["within"], spreads["between"])


def test_one_row_moves_the_prediction_a_part_of_the_way_and_many_the_whole_way():
    one, ten, many = (calibrate_serving(slower(1.5, rows)).factor for rows in (1, 10, 10_000))
    assert 1 < one < ten < many == pytest.approx(1.5, rel=1e-3)
    spreads = default_constants().spreads
    weight = spreads["between"] ** 2 / (spreads["between"] ** 2 + spreads["within"] ** 2)
    assert math.log(one) == pytest.approx(weight * math.log(1.5))


def test_a_rate_above_the_roofline_is_refused_with_the_limit():
    with pytest.raises(
        InputError, match=r"H100-SXM: tokens_per_second: must be at most [\d.]+ per replica.*got 9e\+06"
    ):
        calibrate_serving(as_table("own", [{**ROW, "tokens_per_second": 9e6}]))
    assert calibrate_serving(as_table("own", [{**ROW, "tokens_per_second": 9e6, "speculative": "yes"}])).factor < 1


def test_no_published_row_is_refused():
    assert not [_too_fast(row) for row in scored_rows() if _too_fast(row)]


def test_a_row_without_engine_has_that_of_a_scenario():
    bare = {name: value for name, value in ROW.items() if name not in ("engine", "recipe")}
    factor = calibrate_serving(as_table("own", [ROW])).factor
    assert calibrate_serving(as_table("own", [bare])).factor == factor
    assert calibrate_serving(as_table("own", [{**bare, "engine": "vLLM"}])).factor == factor
    assert calibrate_serving(as_table("own", [{**bare, "engine": "unknown"}])).factor != factor
    assert cm.Serving.model_fields["engine"].default == DEFAULT_ENGINE


def test_an_unknown_engine_is_refused():
    with pytest.raises(InputError, match=r"engine: must be one of .*vllm.*got 'vLLM 0\.11'"):
        calibrate_serving(as_table("own", [{**ROW, "engine": "vLLM 0.11"}]))


def test_rows_that_cannot_be_read_are_named():
    with pytest.raises(InputError, match="unknown architecture"):
        calibrate_serving(as_table("own", [{**ROW, "model": "nobody/Secret-9B"}]))
    with pytest.raises(InputError, match="at least one"):
        calibrate_serving(as_table("own", []))
