"""Greenhouse gases by scope: lines, totals, scopes of tenant and operator, factors, sentence; and BibTeX."""

import json
import re

import numpy as np
import pytest

import costmodel as cm
from costmodel.foundation.citations import Source, bibtex_key, citation, escaped
from costmodel.foundation.tables import table


def estimate(name="", **site):
    cluster = cm.Cluster("H100-SXM", 64, site=cm.Site(**site))
    recipe = cm.Pretraining(tokens="100B")
    return cm.estimate(
        cm.Scenario(
            architecture={"total": "7B"},
            recipe=recipe,
            cluster=cluster,
            gpu_hours=10_000,
            name=name,
            prices=cm.Rental(price=2),
        )
    )


def by_name(report):
    return {row["emission"]: row for row in report.rows()}


def test_lines_are_figures_of_the_estimate():
    result = estimate(region="FRA", yearly_matched=0.6)
    rows = by_name(result.ghg())
    figures = {"electricity_location": "carbon", "electricity_market": "market_carbon", "hardware": "embodied_carbon"}
    for line, figure in figures.items():
        assert rows[line]["kg"] == result.value(figure)
        assert (rows[line]["low"], rows[line]["high"]) == pytest.approx(result.bounds(figure))


@pytest.mark.parametrize("account", ["location", "market"])
def test_totals_add_one_account_of_the_electricity_and_the_hardware_in_every_draw(account):
    result = estimate(region="FRA", yearly_matched=0.6)
    rows = by_name(result.ghg())
    electricity = "carbon" if account == "location" else "market_carbon"
    total = rows[f"total_{account}"]
    assert total["kg"] == pytest.approx(rows[f"electricity_{account}"]["kg"] + rows["hardware"]["kg"])
    draws = result.draws(electricity) + result.draws("embodied_carbon")
    assert (total["low"], total["high"]) == pytest.approx(tuple(np.quantile(draws, (0.1, 0.9))))


def test_an_account_without_contracts_is_missing_with_the_reason_in_its_place():
    report = estimate(region="FRA").ghg()
    assert list(by_name(report)) == [
        "electricity_location",
        "electricity_market",
        "hardware",
        "total_location",
        "total_market",
    ]
    for line in ("electricity_market", "total_market"):
        row = by_name(report)[line]
        assert row["kg"] is None and "no contract given" in row["note"]
    assert "electricity, market-based: no contract given" in str(report)
    assert "market-based emissions are not stated (no contract given" in report.sentence


def test_hourly_matching_is_a_line_where_it_is_stated():
    assert "electricity_hourly" not in by_name(estimate(yearly_matched=0.6).ghg())
    rows = by_name(estimate(hourly_matched=0.25, yearly_matched=1, grid_intensity=0.4).ghg())
    assert rows["electricity_market"]["kg"] == 0
    assert rows["electricity_hourly"]["kg"] == pytest.approx(0.75 * rows["electricity_location"]["kg"])


def test_scopes_of_tenant_and_operator():
    rows = by_name(estimate(region="FRA").ghg())
    assert (rows["electricity_location"]["operator"], rows["electricity_location"]["tenant"]) == ("2", "3 (cat. 1)")
    assert (rows["hardware"]["operator"], rows["hardware"]["tenant"]) == ("3 (cat. 2)", "3 (cat. 1)")
    assert rows["total_location"]["operator"] == rows["total_location"]["tenant"] == ""
    assert "tenant" in str(estimate(region="FRA").ghg())


def test_owned_hardware_has_one_column_of_scopes():
    owned = cm.estimate(estimate(region="FRA").scenario.replace({"prices": cm.Ownership(purchase_price=30_000)}))
    rows = by_name(owned.ghg())
    assert {row["tenant"] for row in rows.values()} == {""}
    assert rows["hardware"]["operator"] == "3 (cat. 2)" and rows["electricity_market"]["operator"] == "2"
    assert "tenant" not in str(owned.ghg()) and not owned.ghg().rented


@pytest.mark.parametrize(
    ("region", "says"),
    [("FRA", "of the life cycle"), ("us-virginia", "of generation"), ("gcp:us-central1", "of generation")],
)
def test_boundary_and_source_of_each_factor(region, says):
    report = estimate(region=region, yearly_matched=0.5).ghg()
    factors = {row["input"]: row for row in report.factors()}
    key = {"FRA": "FRA", "us-virginia": "US-VA"}.get(region, region)
    row = max((row for row in table("facts/grid_intensity").rows if row["region"] == key), key=lambda row: row["year"])
    grid = factors["site.grid_intensity"]
    assert (grid["boundary"], grid["as_of"], grid["source"]) == (row["boundary"], row["year"], row["source"])
    assert grid["value"] == pytest.approx(float(row["kg_per_kwh"]))
    assert says in str(report) and row["boundary"] in " ".join(str(report).split())
    embodied = [name for name in factors if name.startswith("cluster.embodied.")]
    assert len(embodied) == 4 and all(factors[name]["source"] for name in embodied)
    assert factors["site.yearly_matched"]["kind"] == "given"


@pytest.mark.parametrize(
    ("region", "grid"),
    [("fra", "France"), ("us-virginia", "United States (Virginia)"), ("DE", "Germany"), ("Frankfurt", "Germany")],
)
def test_the_sentence_names_the_grid(region, grid):
    assert f"(grid of {grid})" in estimate(region=region).ghg().sentence


def test_the_sentence_states_amounts_as_the_table_does():
    report = estimate("our run", grid_intensity=0.4, pue=1, power_per_gpu=1000, market_intensity=0.1).ghg()
    assert report.sentence.startswith("our run: ")
    for part in ("10,000 GPU-hours", "10.0 MWh", "4.00 t CO2e location-based", "1.00 t CO2e market-based"):
        assert part in report.sentence
    assert str(report).replace("\n  ", " ").endswith(report.sentence)
    assert report.sentence in report._repr_html_().replace("×", "×")


def test_idle_servers_are_named_where_they_are_left_out():
    assert "cluster.site.idle_energy" in estimate(region="FRA").ghg().notes()[-1]
    assert "idle_energy" not in estimate(region="FRA", idle_energy=0.3).ghg().notes()[-1]


def test_plain_data_round_trips_through_json():
    report = estimate(region="FRA").ghg()
    data = json.loads(json.dumps(report.to_dict()))
    assert data["emissions"] == report.rows() and data["sentence"] == report.sentence
    assert data["rented"] is True and data["data_hash"]


def test_text_fits_in_a_terminal():
    lines = str(estimate(region="FRA", hourly_matched=0.3, yearly_matched=0.6).ghg()).splitlines()
    assert max(map(len, lines[1:])) <= 82


def test_a_sum_has_the_gases_of_its_parts():
    one, other = estimate("a", region="FRA", yearly_matched=0.5), estimate("b", region="POL", yearly_matched=0.5)
    together = by_name((one + other).ghg())
    for line, row in together.items():
        assert row["kg"] == pytest.approx(by_name(one.ghg())[line]["kg"] + by_name(other.ghg())[line]["kg"])
    grids = [row for row in (one + other).ghg().factors() if row["input"] == "site.grid_intensity"]
    assert len(grids) == 2
    nested = by_name((one + other + one).ghg())
    assert nested["hardware"]["kg"] == pytest.approx(3 * by_name(one.ghg())["hardware"]["kg"])


def test_level_of_the_intervals_is_checked():
    report = estimate().ghg()
    assert report.rows(0.5)[0]["level"] == 0.5
    with pytest.raises(cm.InputError, match="level must be a fraction"):
        report.rows(2)


# Citations.

ENTRY = re.compile(r"@misc\{(\w+),\n((?:  \w+ = \{.*\},\n)+)\}")


def entries(text):
    """Return the fields of BibTeX entries by key; every character of the text belongs to an entry."""
    found = {match[1]: dict(re.findall(r"  (\w+) = \{(.*)\},\n", match[2])) for match in ENTRY.finditer(text)}
    assert ENTRY.sub("", text).strip() == ""
    assert len(found) == text.count("@misc{")
    return found


def test_bibtex_entries_are_valid_and_have_one_key_each():
    result = estimate(region="us-virginia", yearly_matched=0.5)
    found = entries(result.cite(format="bibtex"))
    assert next(iter(found)).startswith("costmodel_")
    for fields in found.values():
        for name, value in fields.items():
            assert value.count("{") - value.count(r"\{") == value.count("}") - value.count(r"\}"), (name, value)
            if name in {"title", "note"}:
                assert not re.search(r"(?<!\\)[&%$#_~^]", value.replace(r"$\times$", "")), value
    addresses = [fields["howpublished"] for fields in found.values() if "howpublished" in fields]
    assert r"\url{https://www.epa.gov/egrid/download-data}" in addresses
    egrid = next(fields for fields in found.values() if "egrid/download-data" in fields.get("howpublished", ""))
    assert egrid["year"] == "2023" and "2023" in egrid["note"]


def test_keys_are_stable_and_depend_on_the_source_alone():
    first = citation([Source("https://a.org/b_c"), Source("x 2024")], {"version": "1", "data_hash": "0"}, "bibtex")
    later = citation([Source("https://a.org/b_c", "2026-01-02")], {"version": "2", "data_hash": "1"}, "bibtex")
    key = bibtex_key("https://a.org/b_c")
    assert key in entries(first) and key in entries(later)
    assert entries(later)[key] == {
        "title": r"{https://a.org/b\_c}",
        "howpublished": r"\url{https://a.org/b_c}",
        "year": "2026",
        "note": "values of 2026-01-02",
    }


def test_one_entry_per_source_with_all_its_dates():
    sources = [Source("https://a.org", "2023"), Source("https://a.org", "2024")]
    found = entries(citation(sources, {"version": "1", "data_hash": "0"}, "bibtex"))
    assert found[bibtex_key("https://a.org")]["note"] == "values of 2023, 2024"


def test_papers_have_their_number():
    found = entries(
        citation([Source("Gu (arXiv 2312.00752v2), table 1")], {"version": "1", "data_hash": "0"}, "bibtex")
    )
    paper = next(fields for key, fields in found.items() if key.startswith("arxiv_2312_00752_"))
    assert (paper["eprint"], paper["archivePrefix"]) == ("2312.00752", "arXiv")


def test_special_characters_are_written_out():
    assert escaped(r"a_b & 5 % {x} ~ ^ \ #1 $2") == (
        r"a\_b \& 5 \% \{x\} \textasciitilde{} \textasciicircum{} \textbackslash{} \#1 \$2"
    )


def test_reasons_of_defaults_are_text_only():
    stamp = {"version": "1", "data_hash": "0"}
    assert "what is usual" in citation([Source("what is usual")], stamp)
    assert "what is usual" not in citation([Source("what is usual")], stamp, "bibtex")


def test_a_sum_cites_the_sources_of_its_parts():
    one, other = estimate(region="FRA"), estimate(region="us-virginia")
    keys = set(entries((one + other).cite("bibtex")))
    assert keys == set(entries(one.cite("bibtex"))) | set(entries(other.cite("bibtex")))
    assert set((one + other).cite().splitlines()) == {*one.cite().splitlines(), *other.cite().splitlines()}


def test_an_unknown_format_is_refused():
    with pytest.raises(cm.InputError, match=r"format: .*'bibtx'.*'bibtex'"):
        estimate().cite(format="bibtx")
