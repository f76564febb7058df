"""`costmodel fit`: a law from a file of runs, and what compute or dollars buy by it."""

import json

import numpy as np
import pytest

import costmodel as cm
from costmodel.scaling.laws.hoffmann import HoffmannLaw

LAW = HoffmannLaw(E=1.8, A=480, B=2100, alpha=0.35, beta=0.37)


@pytest.fixture
def runs(tmp_path):
    n, d = (each.ravel() for each in np.meshgrid(np.geomspace(1e8, 1e10, 6), np.geomspace(1e9, 1e12, 6)))
    lines = (f"{size},{tokens},{loss}" for size, tokens, loss in zip(n, d, LAW.loss(n, d), strict=True))
    path = tmp_path / "runs.csv"
    path.write_text("\n".join(["n_params,n_tokens,loss", *lines]), encoding="utf-8")
    return path


def test_a_file_is_fitted(costmodel, runs):
    printed = json.loads(costmodel("fit", runs, "--bootstrap", 20, "--holdout", 10, "--json").out)
    values = {row["coefficient"]: row["value"] for row in printed["fit"]["coefficients"]}
    assert values["alpha"] == pytest.approx(0.35, rel=1e-3) and values["E"] == pytest.approx(1.8, rel=1e-3)
    assert printed["fit"]["holdout"]["points"] > 2


def test_the_text_names_the_law_and_its_equation(costmodel, runs):
    fitted = costmodel("fit", runs, "--bootstrap", 0).out
    assert "law of Hoffmann et al. 2022, loss = E + A / N^alpha + B / D^beta" in fitted
    published = costmodel("fit", "--compute", "1e22").out
    assert "besiroglu-2024: Parametric loss of Hoffmann et al., E + A / N^alpha + B / D^beta." in published


def test_the_optimum_of_a_fit_has_an_interval(costmodel, runs):
    printed = json.loads(costmodel("fit", runs, "--bootstrap", 20, "--compute", "1e22", "--json").out)
    ends, best = printed["optimum_interval"], printed["optimum"]
    assert all(ends["low"][name] <= ends["high"][name] for name in ends["low"])
    assert ends["low"]["loss [nat/token]"] < best["loss [nat/token]"] < ends["high"]["loss [nat/token]"]
    assert "low, high: 80 % interval" in costmodel("fit", runs, "--bootstrap", 20, "--compute", "1e22").out


def test_compute_is_allocated(costmodel, runs):
    printed = json.loads(costmodel("fit", runs, "--bootstrap", 0, "--compute", "1e22", "--json").out)["optimum"]
    assert printed["parameters"] == pytest.approx(LAW.allocate(1e22).parameters, rel=1e-3)


def test_dollars_are_allocated_by_a_known_law(costmodel):
    bought = json.loads(costmodel("fit", "--allocate", "200 kUSD", "--gpus", 64, "--json").out)["bought"]
    law = cm.scaling_law("besiroglu-2024")
    assert bought["loss"] == pytest.approx(law.loss(bought["parameters"], bought["tokens"]))
    assert bought["interval"]["loss"][0] < bought["loss"] < bought["interval"]["loss"][1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give RUNS.csv to fit"),
        (("--compute", "lots"), "--compute must be a number of FLOPs"),
        (("--compute", "1e22", "--law", "besiroglu-2023"), "besiroglu-2024"),
        (("--allocate", "5 kg"), "--allocate: '5 kg' has the wrong dimension"),
    ],
)
def test_bad_input_is_told(costmodel, options, message):
    outcome = costmodel("fit", *options)
    assert outcome.code == 2 and message in outcome.err
