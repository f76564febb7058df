"""Embodied carbon of accelerators: published figures, the method for others, and the assumed life."""

import pytest

import costmodel as cm
from costmodel.foundation.tables import default, table
from costmodel.hardware.embodied import accelerator_emissions

ROWS = {row["item"]: row for row in table("facts/embodied_carbon").rows}
FIGURES = [row for row in ROWS.values() if row["kind"] == "accelerator"]


@pytest.mark.parametrize("row", FIGURES, ids=lambda row: row["item"])
def test_published_figure_of_an_accelerator(row):
    figure = accelerator_emissions(cm.load_accelerator(row["accelerator"]))
    assert figure.value == float(row["value"])
    assert figure.provenance.kind == "looked up" and figure.provenance.source == row["source"]
    assert row["boundary"] in figure.provenance.note and not figure.provenance.caution
    low, high = (figure.spread.quantile(p) for p in (0.1, 0.9))
    assert (low, high) == pytest.approx((0.68 * figure.value, 1.47 * figure.value), rel=1e-3)


def test_an_accelerator_has_one_figure():
    names = [row["accelerator"] for row in FIGURES]
    assert len(names) == len(set(names))


@pytest.mark.golden(source="NVIDIA HGX H100 product carbon footprint (via EcoLogits)", table="summary")
def test_constants_of_the_method_are_those_of_the_hgx_h100(golden):
    """546 kg of 1,191.8 kg are memory, for 8 × 80 GB; with assembly and transport the baseboard has 1,312 kg."""
    whole, parts, memory = 1312, 1191.8, 546
    assert float(ROWS["memory"]["value"]) == pytest.approx(memory / (8 * 80) * whole / parts, rel=1e-3)
    rest = ROWS["parts other than memory"]
    assert float(rest["value"]) == pytest.approx((parts - memory) / (8 * 700) * whole / parts, rel=2e-3)
    golden("kg per baseboard of eight", "1,312", 8 * float(ROWS["H100-SXM"]["value"]))


def test_the_method_gives_the_published_figure_of_b200_within_5_percent():
    card = cm.load_accelerator("B200")
    other = cm.Accelerator("other", bf16=card.bf16, memory=card.memory, tdp=card.tdp)
    assert accelerator_emissions(other).value == pytest.approx(284.25, rel=0.08)


def test_errors_of_the_method_are_within_the_stated_factor_for_most_figures():
    low, high = (default("embodied_estimate_factor").spread.quantile(p) for p in (0.1, 0.9))
    inside = 0
    nvidia = [row for row in FIGURES if not row["accelerator"].startswith("TPU")]
    for row in nvidia:
        card = cm.load_accelerator(row["accelerator"])
        other = cm.Accelerator("other", bf16=card.bf16, memory=card.memory, tdp=card.tdp)
        inside += low <= accelerator_emissions(other).value / float(row["value"]) <= high
    assert inside == len(nvidia) - 1  # the parametric figure of A100-40GB-PCIe is outside


def test_an_estimate_says_so():
    figure = accelerator_emissions(cm.load_accelerator("L40S"))
    assert figure.provenance.kind == "assumed"
    assert "L40S" in figure.provenance.caution and "factor of 2" in figure.provenance.caution
    assert figure.value == pytest.approx(0.939 * 48 + 0.127 * 350)
    assert figure.spread.quantile(0.9) / figure.spread.quantile(0.1) == pytest.approx(4)


def test_an_accelerator_without_memory_or_power_has_none():
    with pytest.raises(cm.MissingFactError, match="no manufacturing emissions of TPU-v5e are known"):
        accelerator_emissions(cm.load_accelerator("TPU-v5e"))


def test_range_of_the_server_holds_the_published_ones():
    low, high = (default("embodied_server").spread.quantile(p) for p in (0.1, 0.9))
    shares = [float(row["value"]) for row in ROWS.values() if row["kind"] == "server"]
    assert low <= min(shares) * 1.01 and max(shares) <= high * 1.01
    assert min(shares) < low * 1.01 and max(shares) > high / 1.01


@pytest.mark.parametrize(
    ("name", "published"),
    [("embodied_life", (6, 4, 6)), ("embodied_utilization", (0.85,))],  # BLOOM, OLMo, TPUs; BLOOM
)
def test_range_of_a_life_holds_the_published_ones(name, published):
    spread = default(name).spread
    assert spread.quantile(0.1) <= min(published) + 1e-9 and max(published) <= spread.quantile(0.9) + 1e-9


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"accelerator_emissions": -1}, "accelerator_emissions: must be a number in kg at least 0"),
        ({"accelerator_emissions": "0.15 t"}, None),
        ({"life": 0}, "life: must be a number in year above 0"),
        ({"life": "60 months"}, None),
        ({"utilization": 0}, "utilization: must be"),
        ({"utilization": 1.2}, "utilization: must be"),
        ({"server_emission": 3}, "did you mean 'server_emissions'"),
    ],
)
def test_fields(fields, message):
    if message is None:
        assert getattr(cm.Embodied(**fields), next(iter(fields))) > 0
        return
    with pytest.raises(cm.InputError, match=message):
        cm.Embodied(**fields)
