"""Energy, carbon and water of an estimate: published life-cycle figures, contracts, embodied carbon, idle energy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.estimation.chain import OUTPUTS, Missing
from costmodel.foundation.tables import table
from costmodel.hardware.site import grid_boundary, grid_intensity

MWH, TONNE = 3.6e9, 1e3
shares = st.floats(0, 1)
intensities = st.floats(0.001, 2)


def scenario(site=None, embodied=None, **fields):
    defaults = {"power_per_gpu": 700, "pue": 1.2, "grid_intensity": 0.4, "water_usage_effectiveness": 0.3}
    cluster = cm.Cluster(
        "H100-SXM",
        64,
        site=cm.Site(**(defaults | {"water_intensity": 3.0} | (site or {}))),
        embodied=cm.Embodied(**(embodied or {})),
    )
    base = {"architecture": {"total": "7B"}, "recipe": cm.Pretraining(tokens="100B"), "gpu_hours": 10_000}
    return cm.Scenario(cluster=cluster, **(base | fields))


def estimate(site=None, embodied=None, **fields):
    return cm.estimate(scenario(site, embodied, **fields))


# Published life cycles.


@pytest.mark.golden(source="Luccioni et al. 2023 (arXiv 2211.02001)", table="section 4.1, table 3")
def test_life_cycle_of_bloom(golden):
    """Hours, power, idle energy, server and GPU emissions, life and its use as the authors state them."""
    bloom = estimate(
        {"power_per_gpu": 400, "pue": 1, "grid_intensity": 0.057, "idle_energy": 256_646 / 433_196},
        {
            "accelerator_emissions": 150,
            "server_emissions": 2500 / 8,
            "life": "6 years",
            "utilization": 0.85,
        },
        gpu_hours=1_082_990,
        architecture={"total": "176B"},
        recipe=cm.Pretraining(tokens="366B"),
    )
    golden("energy, dynamic and idle [MWh]", "689.842", bloom.value("energy") / MWH, digits=5)
    golden("dynamic and idle emissions [t]", "39.3", bloom.value("carbon") / TONNE)
    golden("embodied emissions [t]", "11.2", bloom.value("embodied_carbon") / TONNE)
    total = (bloom.value("carbon") + bloom.value("embodied_carbon")) / TONNE
    golden("life cycle of the training [t]", "50.5", total)
    without = estimate(
        {"power_per_gpu": 400, "pue": 1, "grid_intensity": 0.057},
        gpu_hours=1_082_990,
        recipe=cm.Pretraining(tokens="366B"),
    )
    golden("dynamic emissions [t]", "24.69", without.value("carbon") / TONNE)


@pytest.mark.golden(source="Morrison et al. 2025 (arXiv 2503.05804)", table="section 4.1")
def test_embodied_carbon_of_olmo(golden):
    """3,700 kg for a server with eight H100s, 4 years, 1.65 M GPU-hours; all hours of the life count as used."""
    olmo = estimate(
        embodied={
            "accelerator_emissions": 164,
            "server_emissions": 3700 / 8 - 164,
            "life": "4 years",
            "utilization": 1,
        },
        gpu_hours="1.65M hours",
        recipe=cm.Pretraining(tokens="5T"),
    )
    golden("emissions of hardware manufacturing [t]", "22", olmo.value("embodied_carbon") / TONNE)
    golden("kg per GPU-hour", "0.013", olmo.value("embodied_carbon") / 1.65e6)


@pytest.mark.parametrize(
    ("accelerator", "gpu_hours", "tonnes", "within"),
    [("A100-80GB-SXM", 1_082_990, 11.2, 1.5), ("H100-SXM", 1.65e6, 22, 1.15)],  # BLOOM, OLMo
)
def test_published_embodied_carbon_is_within_the_interval_without_its_assumptions(
    accelerator, gpu_hours, tonnes, within
):
    run = cm.Scenario(
        architecture={"total": "7B"},
        recipe=cm.Pretraining(tokens="366B"),
        cluster=cm.Cluster(accelerator, 384),
        gpu_hours=gpu_hours,
    )
    result = cm.estimate(run)
    low, high = result.bounds("embodied_carbon")
    assert low <= tonnes * TONNE <= high
    assert 1 / within <= result.value("embodied_carbon") / (tonnes * TONNE) <= within


@pytest.mark.golden(source="Llama 3.1 model card", table="training greenhouse gas emissions")
def test_market_based_emissions_of_a_matched_fleet_are_zero(golden):
    llama = estimate(
        {"power_per_gpu": 700, "pue": 1, "grid_intensity": 0.414, "yearly_matched": 1},
        gpu_hours="39.3M hours",
        recipe=cm.Pretraining(tokens="15T"),
        architecture={"total": "405B"},
    )
    golden("market-based [t]", "0", llama.value("market_carbon") / TONNE)
    assert llama.value("carbon") > 0


# Factors of the tables.


@pytest.mark.parametrize(
    "row", table("facts/grid_intensity").rows[::7], ids=lambda row: f"{row['region']}-{row['year']}"
)
def test_tonnes_per_mwh_are_the_factor_of_the_table(row):
    result = cm.estimate(scenario().replace({"cluster.site": {"region": row["region"], "year": int(row["year"])}}))
    factor = result.value("carbon") / result.value("energy") * MWH / TONNE
    assert factor == pytest.approx(float(row["kg_per_kwh"]), rel=1e-12, abs=1e-15)
    entry = result.inputs["site.grid_intensity"].provenance
    assert row["boundary"] in entry.note and entry.as_of == row["year"]
    assert row["boundary"] in str(result.explain("carbon"))


def test_every_row_of_the_grid_table_is_the_intensity_of_its_region_and_year():
    for row in table("facts/grid_intensity").rows:
        figure = grid_intensity(row["region"], int(row["year"]))
        assert (figure.value, figure.provenance.as_of) == (float(row["kg_per_kwh"]), row["year"])
        assert grid_boundary(row["region"], int(row["year"])) == row["boundary"]
        assert row["boundary"] in figure.provenance.note and figure.provenance.source == row["source"]


# Market-based carbon.


def test_without_contracts_market_based_carbon_is_missing_in_its_place_with_the_reason():
    result = estimate()
    with pytest.raises(cm.MissingFactError, match="market_carbon is not known: no contract given"):
        result.market_carbon  # noqa: B018
    text = str(result)
    lines = [line.split("  ")[0] for line in text.splitlines()]
    start = lines.index("carbon (CO2e)")
    assert lines[start + 1 : start + 3] == ["carbon, market-based", "carbon, embodied"]
    assert text.count("no contract given (yearly_matched)") == 1
    assert "market_carbon" in result.to_dict()["missing"]


@settings(max_examples=40, deadline=None)
@given(shares, intensities, intensities)
def test_matched_share_scales_the_residual_mix(share, grid, residual):
    site = {"grid_intensity": grid, "residual_intensity": residual, "yearly_matched": share}
    result = estimate(site)
    expected = result.value("energy") / MWH * TONNE * residual * (1 - share)
    assert result.value("market_carbon") == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert result.value("carbon") == pytest.approx(result.value("energy") / MWH * TONNE * grid, rel=1e-9)


@pytest.mark.parametrize("field", ["hourly_matched", "yearly_matched"])
def test_matching_all_electricity_leaves_no_market_based_carbon(field):
    result = estimate({field: 1, "grid_intensity": "0.3 to 0.5"})
    assert result.value("market_carbon") == 0
    assert not result.draws("market_carbon").any() and result.draws("carbon").min() > 0
    assert not any("residual mix" in note for note in result.notes())


@pytest.mark.parametrize("site", [{"residual_intensity": 0.4}, {"yearly_matched": 0}, {"market_intensity": 0.4}])
def test_electricity_without_contract_has_the_residual_mix(site):
    result = estimate({"grid_intensity": 0.4, **site})
    assert result.value("market_carbon") == pytest.approx(result.value("carbon"), rel=1e-12)


def test_uncovered_electricity_has_the_intensity_of_the_grid_in_every_draw_with_a_caution():
    result = estimate({"yearly_matched": 0.25, "grid_intensity": "0.3 to 0.5"})
    assert result.draws("market_carbon") == pytest.approx(0.75 * result.draws("carbon"))
    assert sum("cluster.site.residual_intensity" in note for note in result.notes()) == 1


def test_the_larger_share_counts_and_the_hourly_one_is_a_step():
    result = estimate({"hourly_matched": "0.3 to 0.9", "yearly_matched": "0.5 to 0.7", "residual_intensity": 0.5})
    uncovered = result.draws("energy") / MWH * TONNE * 0.5
    hourly, yearly = result.draws("site.hourly_matched"), result.draws("site.yearly_matched")
    assert result.draws("market_carbon") == pytest.approx(uncovered * (1 - np.maximum(hourly, yearly)))
    assert result.draws("hourly_market_carbon") == pytest.approx(uncovered * (1 - hourly))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"market_intensity": 0.1, "yearly_matched": 0.5}, "market_intensity: .* not both"),
        ({"market_intensity": 0.1, "residual_intensity": 0.5}, "market_intensity: .* not both"),
        ({"hourly_matched": 0.9, "yearly_matched": 0.5}, r"yearly_matched: must be at least hourly_matched \(0.9\)"),
        ({"yearly_matched": 1.1}, "yearly_matched: must be a number at least 0 and at most 1"),
        ({"idle_energy": -1}, "idle_energy: must be a number at least 0"),
    ],
)
def test_contradictory_contracts_are_refused(fields, message):
    with pytest.raises(cm.InputError, match=message):
        cm.Site(**fields)


# Embodied carbon and idle energy.


@settings(max_examples=40, deadline=None)
@given(st.floats(1, 10), st.floats(0.05, 1), st.floats(1, 2000), st.floats(0, 2000), st.floats(1.1, 5))
def test_embodied_carbon_is_the_busy_share_of_the_life(years, used, card, server, factor):
    life = {"life": years, "utilization": used}
    made = {"accelerator_emissions": card, "server_emissions": server}
    value = estimate(embodied=life | made).value("embodied_carbon")
    assert value == pytest.approx(10_000 / (years * 365.25 * 24 * used) * (card + server), rel=1e-9)
    longer = estimate(embodied=life | made | {"life": factor * years})
    assert longer.value("embodied_carbon") == pytest.approx(value / factor, rel=1e-9)
    less_used = estimate(embodied=life | made | {"utilization": used / factor})
    assert less_used.value("embodied_carbon") == pytest.approx(value * factor, rel=1e-9)
    longer_job = estimate(embodied=life | made, gpu_hours=10_000 * factor)
    assert longer_job.value("embodied_carbon") == pytest.approx(value * factor, rel=1e-9)


def test_embodied_carbon_depends_on_no_electricity():
    base = estimate().value("embodied_carbon")
    for site in ({"grid_intensity": 1}, {"pue": 2}, {"power_per_gpu": 1}, {"idle_energy": 1}, {"yearly_matched": 1}):
        assert estimate(site).value("embodied_carbon") == base


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 3))
def test_idle_energy_is_on_top_of_that_of_the_job(idle):
    with_idle, without = estimate({"idle_energy": idle}), estimate()
    for name in ("energy", "carbon", "water", "electricity_cost"):
        assert with_idle.value(name) == pytest.approx((1 + idle) * without.value(name), rel=1e-9)
    assert with_idle.value("gpu_hours") == without.value("gpu_hours")


def test_an_accelerator_without_figure_has_no_embodied_carbon_but_everything_else():
    run = scenario().replace({"cluster.accelerator": "TPU-v5e"})
    result = cm.estimate(run)
    assert isinstance(result.value("embodied_carbon"), Missing)
    assert "cluster.embodied.accelerator_emissions: no manufacturing emissions of TPU-v5e" in str(result)
    assert result.value("carbon") > 0
    given_figure = cm.estimate(run.replace({"cluster.embodied.accelerator_emissions": 120}))
    assert given_figure.value("embodied_carbon") > 0


def test_owned_hardware_has_the_life_and_use_of_its_prices():
    own = cm.Ownership(purchase_price=30_000, life=5, utilization=0.8)
    made = {"accelerator_emissions": 164, "server_emissions": 300}
    value = estimate(embodied=made, prices=own).value("embodied_carbon")
    assert value == pytest.approx(10_000 / (5 * 365.25 * 24 * 0.8) * 464)
    stated = estimate(embodied=made | {"life": 10}, prices=own)
    assert stated.value("embodied_carbon") == pytest.approx(value / 2)


# Independence from prices, and formulas.


@settings(max_examples=20, deadline=None)
@given(st.floats(0.01, 100), st.floats(0.001, 5))
def test_energy_carbon_and_water_never_depend_on_price(price, electricity):
    site = {"yearly_matched": 0.5}
    base = estimate(site, prices={"price": 2})
    other = estimate(site | {"electricity": electricity}, prices={"price": price})
    for name in ("energy", "carbon", "market_carbon", "embodied_carbon", "water"):
        assert other.value(name) == base.value(name)
        assert np.array_equal(other.draws(name, 100), base.draws(name, 100))


def test_water_counts_the_energy_of_the_servers_once():
    """Energy of the servers × (WUE + PUE × water of the grid)."""
    servers = 10_000 * 0.7  # kWh
    assert estimate().value("water") == pytest.approx(servers * (0.3 + 1.2 * 3.0) / 1000)


def test_sums_have_all_carbon():
    one = estimate({"yearly_matched": 0.5})
    both = one + one
    for name in ("carbon", "market_carbon", "embodied_carbon"):
        assert OUTPUTS[name].additive and both.value(name) == pytest.approx(2 * one.value(name))
