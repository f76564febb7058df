"""Estimates of published runs: independent of their outcome, near the published figures, scored without arithmetic."""

import datetime as dt

import pytest

import costmodel as cm
from costmodel.comparison.rates import rental
from costmodel.comparison.reestimation import COMPARED, reestimate, reestimates, scenario_of
from costmodel.comparison.runs import PublishedRun, published_runs
from costmodel.foundation.errors import InputError


@pytest.fixture(scope="module")
def results():
    return reestimates()


def changed(id, **cells):
    run = published_runs()[id]
    return PublishedRun({**run.row, **cells}, run.costs)


@pytest.mark.parametrize("id", ["llama3.1-405b", "llama1-7b", "deepseek-v3", "gpt-4", "dbrx"])
def test_the_estimate_does_not_depend_on_the_outcome_of_the_run(id):
    """Ten times the GPU-hours, energy, carbon and cost in the row do not change the estimate."""
    columns = ("chip_hours", "energy_mwh", "tco2e", "cost_usd", "mfu_reported", "power_w_per_chip", "wall_days")
    run = published_runs()[id]
    other = changed(id, **{name: repr(10 * float(run.row[name])) for name in columns if run.row[name]})
    assert scenario_of(other) == scenario_of(run)
    assert reestimate(other).estimate.value("gpu_hours") == reestimate(run).estimate.value("gpu_hours")


def test_the_scenario_has_the_published_inputs():
    run, _ = scenario_of(published_runs()["llama3.1-405b"])
    assert run.architecture.name == "llama-3.1-405b" and not run.architecture.is_aggregate
    assert (run.recipe.tokens, run.recipe.sequence_length, run.cluster.count) == (15.6e12, 8192, 16384)
    assert run.gpu_hours is None and run.mfu is None and str(run.prices.on) == "2024-07-01"
    eight_bit, _ = scenario_of(published_runs()["deepseek-v3"])
    assert eight_bit.recipe.precision == "fp8"
    energy, _ = scenario_of(published_runs()["llama1-7b"])
    assert (energy.cluster.site.pue, energy.cluster.site.grid_intensity) == (1.1, 0.385)


def test_rows_hold_published_figure_estimate_and_interval(results):
    for row in results.rows():
        assert row["figure"] in COMPARED
        if row["estimated"] is None:
            assert row["note"] and row["inside"] is None
            continue
        assert row["low"] <= row["estimated"] <= row["high"]
        assert row["ratio"] == pytest.approx(row["estimated"] / row["claimed"])
        assert row["inside"] == (row["low"] <= row["claimed"] <= row["high"] if row["low"] < row["high"] else None)


def test_rows_are_in_the_unit_of_the_published_figure(results):
    result = results["llama3.1-405b"]
    hours = next(row for row in result.rows() if row["figure"] == "gpu_hours")
    carbon = next(row for row in result.rows() if row["figure"] == "carbon")
    assert hours["claimed"] == 30.84e6 and hours["estimated"] == pytest.approx(result.estimate.gpu_hours.to("hour").m)
    assert carbon["claimed"] == 8930 and carbon["arithmetic"]
    assert carbon["estimated"] == pytest.approx(result.estimate.carbon.to("tonne").m)


def test_every_run_has_an_estimate_or_a_reason(results):
    assert {result.run.id for result in results} | set(results.skipped) == {run.id for run in published_runs()}
    assert len(results) > 40 and all(results.skipped.values())
    assert "throughput" in results.skipped["bloom-176b-step"] and "published_finetunes" in results.skipped["alpaca-7b"]


def test_estimates_are_near_the_published_figures(results):
    """Half of the GPU-hours are within a factor 1.4, nine in ten within 2, most inside the interval."""
    scores = {row["figure"]: row for row in results.scores()}
    hours = scores["gpu_hours"]
    assert hours["runs"] >= 28 and hours["median_factor"] < 1.4
    assert hours["within_factor_2"] >= 0.9 and 0.65 <= hours["inside"] <= 0.95
    assert scores["flops"]["median_factor"] < 1.15
    assert scores["energy"]["within_factor_2"] == 1


def test_scores_exclude_arithmetic_speculative_and_reference_runs(results):
    counted = [
        row
        for result in results
        if not result.run.speculative and not result.run.reference
        for row in result.rows()
        if row["figure"] == "cost" and row["ratio"] is not None and not row["arithmetic"]
    ]
    assert {row["run"] for row in counted} == {"smollm2-1.7b", "bloom-176b", "gpt3-175b", "opt-175b"}
    assert next(row for row in results.scores() if row["figure"] == "cost")["runs"] == 3  # the cost of BLOOM is a grant


def test_a_published_rental_cost_is_preferred_for_the_comparison(results):
    row = next(row for row in results["gpt-4"].rows() if row["figure"] == "cost")
    assert row["claimed"] == 78.6e6 and "amortized" not in row["note"]


def test_a_published_cost_of_another_scope_is_not_compared():
    run = changed("deepseek-v3")
    development = PublishedRun(
        run.row, tuple(cost.__class__(cost.usd, "development", by=cost.by) for cost in run.costs)
    )
    row = next(row for row in reestimate(development).rows() if row["figure"] == "cost")
    assert row["ratio"] is None and row["estimated"] is None and "not compared" in row["note"]


def test_a_missing_price_is_noted(results):
    assert "not known" in results["switch-1.5t"].price  # the date 2019-2021 has no day
    priced = rental("H100-SXM", dt.date(2010, 1, 1), 8)
    assert "the first" in priced[1] or "no on_demand price of H100-SXM" in priced[1]


def test_a_proxy_is_named(results):
    row = next(row for row in results["mpt-7b"].rows() if row["figure"] == "cost")
    assert row["estimated"] > 0 and "proxy from A100-40GB-SXM: its price of" in row["note"]
    prices, price_source = rental("H800-SXM", dt.date(2024, 12, 1), 2048)
    assert price_source.startswith("proxy from H100-SXM, ")
    figure = prices.figure("H800-SXM", 2048, 8)
    same_chip = cm.gpu_price("H100-SXM", on="2024-12-01").usd_per_gpu_hour
    assert figure.spread.low < same_chip < figure.spread.high
    tpu, price_source = rental("TPU-v4", dt.date(2023, 5, 10), 4096)
    assert "list price of gcp" in price_source and "3.22 USD/h" in price_source
    assert tpu.figure("TPU-v4", 4096, 4).value == pytest.approx(3.22)


def test_a_run_is_priced_by_its_own_publication(results):
    row = published_runs()["deepseek-v3"].row
    prices, price_source = rental("H800-SXM", dt.date(2024, 12, 1), 2048, "published", row)
    assert prices.price == 2.0 and price_source == "published (deepseek-v3, DeepSeek at $2/H800-h): 2.00 USD/h"
    assert "no price of a GPU-hour" in rental("H100-SXM", None, 8, "published", published_runs()["phi-4"].row)[1]
    published = reestimate("deepseek-v3", "published")
    hours = published.estimate.gpu_hours.to("hour").magnitude
    assert published.estimate.value("cost") == pytest.approx(2 * hours)
    with pytest.raises(cm.InputError, match=r"unknown price convention 'contracts'; did you mean 'contract'"):
        reestimates(published_runs(organization="DeepSeek"), "contracts")


def test_published_arithmetic_of_llama_1_is_reproduced():
    """LLaMA Table 15: energy = hours × 400 W × 1.1, carbon = energy × 0.385 kg/kWh; to the printed digits."""
    for id in ("llama1-7b", "llama1-13b", "llama1-65b"):
        run = published_runs()[id]
        scenario, _ = scenario_of(run)
        with_hours = scenario.replace({"gpu_hours": run.published("gpu_hours"), "cluster.site.power_per_gpu": 400})
        result = cm.estimate(with_hours)
        assert result.energy.to("MWh").m == pytest.approx(run.published("energy"), rel=0.015)
        assert result.carbon.to("tonne").m == pytest.approx(run.published("carbon"), rel=0.015)


def test_unit_costs_follow_from_cost_and_counts(results):
    rows = {row["per"]: row for row in results["deepseek-v3"].unit_costs()}
    result = results["deepseek-v3"].estimate
    assert rows["USD/million tokens"]["claimed"] == pytest.approx(5.576e6 / 14.8e6)
    assert rows["USD/EFLOP"]["estimated"] == pytest.approx(result.value("cost") / result.value("flops") * 1e18)
    assert rows["USD/parameter"]["low"] < rows["USD/parameter"]["estimated"] < rows["USD/parameter"]["high"]
    assert rows["USD/EFLOP"]["arithmetic"]
    assert [row["per"] for row in results["gpt-4"].unit_costs()] == ["USD/EFLOP"]  # only its FLOPs are known


def test_rows_with_too_few_facts_raise_an_error():
    with pytest.raises(InputError, match=r"tokens is not known"):
        reestimate("bert-large")
    with pytest.raises(InputError, match=r"reinforcement learning"):
        reestimate("deepseek-r1")


def test_an_unknown_run_suggests_a_name_or_gives_the_reason(results):
    with pytest.raises(cm.UnknownNameError, match=r"did you mean 'deepseek-v3'"):
        _ = results["deepseek-v4"]
    with pytest.raises(cm.UnknownNameError, match=r"tokens is not known"):
        _ = results["bert-large"]


def test_estimates_print_as_text_html_and_data_frame(results):
    assert "deepseek-v3" in str(results) and "<table>" in results._repr_html_()
    assert "5,580,000 USD*" in str(results["deepseek-v3"]) and "fit" in str(results["deepseek-v3"])
    pandas = pytest.importorskip("pandas")
    assert isinstance(results.to_frame(), pandas.DataFrame)
