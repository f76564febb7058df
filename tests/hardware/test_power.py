"""Power in training: measured, derived from the TDP, or missing."""

import math
import statistics

import pytest

import costmodel as cm
from costmodel.foundation.ranges import normal_quantile
from costmodel.foundation.tables import default, table
from costmodel.hardware.accelerator import load_accelerator
from costmodel.hardware.power import training_power

MEASURED = sorted({row["accelerator"] for row in table("facts/measured_power").rows})


def metered(name):
    return [float(row["watts_per_gpu"]) for row in table("facts/measured_power").rows if row["accelerator"] == name]


@pytest.mark.parametrize("name", MEASURED)
def test_measured_power_is_the_median_of_metered_runs(name):
    figure = training_power(load_accelerator(name))
    assert figure.value == pytest.approx(statistics.median(metered(name)))
    assert figure.provenance.kind == "fitted" and "mlcommons" in figure.provenance.source
    assert f"{len(metered(name))} metered runs" in figure.provenance.note


def test_the_spread_of_measured_power_is_that_of_all_metered_runs():
    residuals = [math.log(w / statistics.median(metered(name))) for name in MEASURED for w in metered(name)]
    sd = math.sqrt(sum(each**2 for each in residuals) / (len(residuals) - len(MEASURED)))
    figure = training_power(load_accelerator("H100-SXM"))
    assert figure.spread.high / figure.value == pytest.approx(math.exp(sd * normal_quantile(0.9)), rel=1e-6)


def test_metered_power_lies_near_the_design_power():
    for name in MEASURED:
        ratio = training_power(load_accelerator(name)).value / load_accelerator(name).tdp
        assert 0.9 < ratio < 1.8  # with its share of the server, below full load


@pytest.mark.parametrize(
    ("name", "watts"),
    [
        ("A100-80GB-SXM", 400 * 2.03125 * 0.75),  # a 6.5 kW server of eight at 75 % (Cottier et al. 2024)
        ("V100-16GB-SXM2", 300 * 1.666666667 * 0.75),
        ("K80", 300 * 1.8 * 0.75),
        ("TPU-v4", load_accelerator("TPU-v4").tdp * 1.56 * 0.43),
    ],
)
def test_power_by_design(name, watts):
    figure = training_power(load_accelerator(name))
    factor = default("server_power_factor")
    assert figure.value == pytest.approx(watts * factor.value)
    assert factor.value == pytest.approx(1, abs=0.01)
    assert figure.provenance.kind == "assumed" and "2405.21015" in figure.provenance.source
    assert figure.spread.low < figure.value < figure.spread.high and figure.spread.unit == "W"


def test_power_of_an_own_accelerator_follows_its_design_power():
    one, two = (training_power(cm.Accelerator("X", tdp=watts)).value for watts in (300, 600))
    assert two == pytest.approx(2 * one)


@pytest.mark.parametrize("tdp", ["300 to 400 W", {"shape": "triangular", "low": 300, "mode": 340, "high": 400}])
def test_a_design_power_with_a_range(tdp):
    figure = training_power(cm.Accelerator("X", tdp=tdp))
    own = cm.Accelerator("X", tdp=tdp).tdp
    assert figure.value == pytest.approx(1.8 * 0.75 * own.median())
    assert (figure.spread.low, figure.spread.high) == pytest.approx((405, 540))


def test_unknown_power_is_missing():
    with pytest.raises(cm.MissingFactError, match=r"no power of X is known, .*give cluster.site.power_per_gpu"):
        training_power(cm.Accelerator("X", bf16=500))


def test_every_accelerator_of_the_catalog_has_a_power_or_says_why_not():
    for row in cm.accelerators():
        gpu = load_accelerator(row["name"])
        if gpu.tdp is None and gpu.name not in MEASURED:
            with pytest.raises(cm.MissingFactError, match=r"site\.power_per_gpu"):
                training_power(gpu)
        else:
            assert 10 < training_power(gpu).value < 5000
