"""Sites: spellings of regions, and grid intensity, water and electricity prices."""

import pytest

import costmodel as cm
from costmodel.foundation.tables import table
from costmodel.hardware.site import country, electricity_price, grid_intensity, resolve_region, water_intensity


@pytest.mark.parametrize(
    ("region", "key"),
    [
        ("us-virginia", "US-VA"), ("US-VA", "US-VA"), ("us virginia", "US-VA"), ("usa-virginia", "US-VA"),
        ("United States (Virginia)", "US-VA"), ("FRA", "FRA"), ("fra", "FRA"), ("France", "FRA"), ("france ", "FRA"),
        ("USA", "USA"), ("United States", "USA"), ("gcp:us-central1", "gcp:us-central1"),
        ("GCP:US-Central1", "gcp:us-central1"), ("aws:us-east-1", "US-VA"), ("AWS:us-east-1", "US-VA"),
        ("azure:eastus", "US-VA"), ("oci:us-ashburn-1", "US-VA"), ("us-new-york", "US-NY"), ("Georgia", "GEO"),
        ("us-georgia", "US-GA"), ("SE3", "SE3"), ("United Kingdom", "GBR"), ("South Korea", "KOR"),
        ("US", "USA"), ("de", "DEU"), ("GB", "GBR"), ("UK", "GBR"), ("EU", "EU"), ("Frankfurt", "DEU"),
        ("us-east-1", "US-VA"), ("us-east1", "gcp:us-east1"), ("us-west-1", "US-CA"), ("us-west1", "gcp:us-west1"),
        ("westeurope", "NLD"), ("eu-central-1", "DEU"), ("us-central1", "gcp:us-central1"), ("CA", "CAN"),
    ],
)  # fmt: skip
def test_a_region_in_many_spellings(region, key):
    assert resolve_region(region) == key


@pytest.mark.parametrize(
    ("region", "suggestion"),
    [("us-virgina", "US-VA"), ("gcp:us-central", "gcp:us-central1"), ("us-central2", "gcp:us-central1"),
     ("Franse", "FRA")],
)  # fmt: skip
def test_an_unknown_region_gets_a_suggestion(region, suggestion):
    with pytest.raises(cm.UnknownNameError) as raised:
        grid_intensity(region)
    message = str(raised.value)
    assert message.startswith(f"unknown region {region!r}; did you mean") and repr(suggestion) in message
    assert message.endswith("A country, a US state, a cloud region or a city; 'costmodel regions' lists them.")


@pytest.mark.parametrize("region", ["", "Atlantis", "aws:mars-1"])
def test_nonexistent_region_is_refused(region):
    with pytest.raises(cm.UnknownNameError, match="unknown region"):
        resolve_region(region)


@pytest.mark.parametrize(
    ("region", "kg_per_kwh", "source"),
    [
        ("us-virginia", 0.2448, "eGRID"),  # 2023, output emission rate of the state
        ("gcp:us-central1", 0.430, ""),  # as Google prints it for Iowa, 2023
        ("aws:us-east-1", 0.2448, "eGRID"),
    ],
)
def test_grid_intensity_as_its_source_prints_it(region, kg_per_kwh, source):
    figure = grid_intensity(region)
    assert figure.value == pytest.approx(kg_per_kwh, rel=1e-3)
    assert figure.provenance.kind == "looked up" and figure.provenance.as_of == "2023"
    assert source.lower() in f"{figure.provenance.source} {figure.provenance.note}".lower()


def test_the_newest_year_not_after_the_one_asked_for():
    years = {int(row["year"]) for row in table("facts/grid_intensity").rows if row["region"] == "USA"}
    assert grid_intensity("USA").provenance.as_of == str(max(years))
    assert grid_intensity("USA", max(years) + 20) == grid_intensity("USA")
    assert grid_intensity("USA", min(years)).provenance.as_of == str(min(years))


def test_year_before_the_table_is_refused():
    with pytest.raises(cm.MissingFactError, match="no grid intensity of FRA is known for 1800 or before"):
        grid_intensity("FRA", 1800)


def test_every_region_of_the_table_is_found_by_its_key():
    for row in table("facts/grid_intensity").rows:
        assert resolve_region(row["region"]) == row["region"]
        assert 0 < grid_intensity(row["region"]).value < 1.5


def test_every_cloud_region_leads_to_a_grid():
    for row in table("facts/cloud_regions").rows:
        assert grid_intensity(f"{row['cloud']}:{row['region']}").value > 0


@pytest.mark.parametrize(
    ("key", "code"), [("US-VA", "USA"), ("FRA", "FRA"), ("gcp:us-central1", "USA"), ("gcp:europe-west9", "FRA")]
)
def test_the_country_of_a_region(key, code):
    assert country(key) == code


def test_every_region_of_google_lies_in_a_country():
    keys = {row["region"] for row in table("facts/grid_intensity").rows if row["region"].startswith("gcp:")}
    assert sorted(key for key in keys if country(key) == key) == []


def test_water_is_that_of_the_country():
    assert water_intensity("us-virginia") == water_intensity("USA")
    assert water_intensity("gcp:europe-west9").value == water_intensity("France").value
    assert water_intensity("FRA").provenance.kind == "looked up" and water_intensity("FRA").provenance.source


def test_electricity_prices():
    figure = electricity_price("us-virginia")
    assert figure.value == 0.0892 and "eia.gov" in figure.provenance.source and figure.provenance.as_of == "2023"
    with pytest.raises(cm.MissingFactError, match=r"price of ABW is known; give cluster.site.electricity"):
        electricity_price("Aruba")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pue": 0.9}, "pue: must be a number at least 1"),
        ({"pue": "110 %"}, None),
        ({"pue": "0.9 to 1.2"}, "pue: the low end of a range must be above 1"),
        ({"grid_intensity": "400 g/kWh"}, None),
        ({"grid_intensity": "400"}, "grid_intensity: must be a number in kg/kWh at least 0 and at most 5"),
        ({"grid_intensity": -0.1}, "grid_intensity: must be"),
        ({"electricity": "80 USD/MWh"}, None),
        ({"electricity": "0.08 EUR/kWh"}, "electricity: .* is in EUR"),
        ({"water_intensity": "1.8 L/kWh"}, None),
        ({"power_per_gpu": "0.7 kW"}, None),
        ({"power_per_gpu": 0}, "power_per_gpu: must be a number in W above 0"),
        ({"power_per_gpu": "700 kWh"}, "power_per_gpu: '700 kWh' has the wrong dimension"),
        ({"regoin": "FRA"}, "did you mean 'region'"),
        ({"year": "2023.5"}, "year: "),
    ],
)
def test_fields_of_a_site(fields, message):
    if message is None:
        assert getattr(cm.Site(**fields), next(iter(fields))) > 0
        return
    with pytest.raises(cm.InputError, match=message):
        cm.Site(**fields)


def test_an_estimate_elsewhere_has_the_carbon_of_that_grid():
    def carbon(region):
        run = cm.Scenario(
            architecture={"total": "7B"}, recipe=cm.Pretraining(tokens="10B"), gpu_hours="1k",
            cluster=cm.Cluster("H100-SXM", 64, site=cm.Site(region=region, pue=1.1)),
        )  # fmt: skip
        return cm.estimate(run).value("carbon")

    ratio = grid_intensity("Poland").value / grid_intensity("France").value
    assert carbon("Poland") == pytest.approx(ratio * carbon("France"))
