"""Scores of wall power and of energies, and the columns of their rows."""

import math

import pytest

from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import Table, table
from costmodel.hardware.accelerator import load_accelerator
from costmodel.hardware.metered import benchmark_utilization, read_metered
from costmodel.hardware.power import PRIORS, folds, power_model
from costmodel.hardware.published_energy import hardware_cells, scope_cells
from costmodel.refit.power import RUNS, fit_all, residuals
from costmodel.validation.energy import validate_energy
from costmodel.validation.power import validate_power

SHARED_ROW = {
    "round": "mlp40",
    "org": "smc-ac-power",
    "system": "1xSMC-H100-SXM-80GB",
    "bench": "llama2_70b_lora",
    "accel": "NVIDIA H100-SXM5-80GB",
    "gpus_per_node": "8",
    "nodes_metered": "1",
    "nodes": "1",
    "runs": "10",
    "mean_minutes": "28.13",
    "mean_node_power_W": "7159",
    "energy_kwh_nodes": "3.357",
    "energy_kwh_switches": "0",
    "W_per_gpu_wall": "895",
    "accelerator": "H100-SXM",
}
ENERGY_ROW = {
    "model": "some",
    "hardware": "H100-80GB",
    "gpu_hours": "1000",
    "energy_mwh": "0.65",
    "scope": "GPU energy (secondary)",
    "tco2e": "",
    "gco2e_per_kwh": "",
    "water_kl": "",
    "source": "",
}


def of(*rows):
    return Table("some", rows, tuple(rows[0]), "")


@pytest.fixture(scope="module")
def scored():
    return validate_power(table(RUNS))


@pytest.fixture(scope="module")
def runs():
    return [run for run in read_metered(table(RUNS))[0] if run.workload == "language" and run.meter == "AC"]


def test_metered_language_models_are_predicted_within_8_percent(scored):
    assert scored["scored"] == 17
    assert scored["mape"] < 0.081
    assert 0.72 <= scored["coverage"]["0.8"] <= 0.9


def test_metered_runs_of_mlperf_are_predicted_within_6_percent(scored):
    """Node meters of three submitters, each left out of the fit."""
    rows = [row for row in scored["rows"] if "XE9680" in row["id"] or "SXM" in row["id"]]
    assert len(rows) == 10
    assert sum(abs(row["predicted"] / row["measured"] - 1) for row in rows) / 10 < 0.06


def test_other_workloads_are_scored_apart(scored):
    other = scored["other_workloads"]
    assert (scored["cases"], other["scored"]) == (17, 16)
    assert other["mape"] > scored["mape"]


def test_published_watts_of_tpus_are_within_a_factor(scored):
    for row in scored["rows"]:
        if "Google" in row["id"]:
            assert abs(math.log(row["predicted"] / row["measured"])) < 0.25


def test_a_row_with_older_names_is_predicted_without_its_submitter():
    (row,) = validate_power(of(SHARED_ROW))["rows"]
    (run,) = read_metered(of(SHARED_ROW))[0]
    assert (run.group, run.cooling) == ("Sustainable Metal Cloud", "liquid")
    assert row["predicted"] == run.predicted(folds()["Sustainable Metal Cloud"]) != run.predicted(power_model())
    assert row["measured"] == 895


def test_a_run_of_an_unknown_system_has_the_cooling_of_the_reference_server():
    (own,) = read_metered(of(SHARED_ROW))[0]
    (new,) = read_metered(of({**SHARED_ROW, "system": "mine"}))[0]
    assert (new.group, new.cooling) == ("", None)
    assert new.predicted(power_model()) > own.predicted(power_model())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"W_per_gpu_wall": "0"}, "watts_per_gpu must be above 0 and finite"),
        ({"accelerator": "H1000"}, "unknown accelerator 'H1000'"),
        ({"accelerator": "Trainium3"}, "no design power of Trainium3 is known"),
        ({"bench": "chess"}, "benchmark 'chess' is not known; give language or other"),
        ({"mean_minutes": "2"}, "utilization: must be at most 1"),
    ],
)
def test_a_row_that_cannot_be_scored_says_why(changed, message):
    (row,) = validate_power(of({**SHARED_ROW, **changed}))["rows"]
    assert message in row["skipped"]


def test_an_unknown_column_is_an_error():
    with pytest.raises(InputError, match="unknown column 'watt' of metered runs"):
        validate_power(of({**SHARED_ROW, "watt": "1"}))


def test_the_utilization_of_a_benchmark_follows_from_its_duration():
    """Llama 2 70B LoRA: 25.5 million tokens × 307 GFLOP, on 8 H100 at 1,979 TFLOP/s for 28.13 minutes."""
    accelerator = load_accelerator("H100-SXM")
    share = benchmark_utilization("llama2_70b_lora", accelerator, 8, 1687.8)
    assert share == pytest.approx(2.55e7 * 3.07e11 / (8 * 1687.8 * 1979e12), rel=1e-3)
    assert benchmark_utilization("llama2_70b_lora", accelerator, 8, 1687.8, "bf16") == pytest.approx(
        2 * share, rel=1e-3
    )
    assert benchmark_utilization("llama2_70b_lora", accelerator, 512, 1687.8) > share / 64  # larger steps, more tokens
    assert benchmark_utilization("resnet", accelerator, 8, 600) is None


def test_the_fit_is_better_inside_than_left_out_and_near_its_priors(runs):
    fitted = fit_all(runs)
    assert abs(fitted.inside).mean() < abs(fitted.left_out).mean()
    for name, prior in PRIORS.items():
        assert abs(math.log(fitted.values[name] / prior.value)) < 2 * prior.spread
    assert residuals(runs, fitted.values) == pytest.approx(fitted.inside)


def test_a_fit_without_a_group_does_not_see_it(runs):
    changed = [run._replace(watts=run.watts * 2) if run.group == "Dell" else run for run in runs]
    assert fit_all(changed).folds["Dell"] == pytest.approx(fit_all(runs).folds["Dell"])


def test_published_energies_are_predicted_within_15_percent():
    scored = validate_energy(table("measurements/energy"))
    assert scored["scored"] == 7
    assert scored["median_ape"] < 0.15
    assert sum("design power" in (row["skipped"] or "") for row in scored["rows"]) == 6


def test_energy_is_hours_times_power_within_its_boundary():
    model, accelerator = power_model(), load_accelerator("H100-SXM")
    busy, server = model.values["busy"], model.values["server:air"] * (10_200 / 8 / 700 - 1)
    for scope, share in (
        ("GPU energy", busy),
        ("AC node energy 1 J", busy + server),
        ("PUE 1.2", (busy + server) * 1.2),
    ):
        (row,) = validate_energy(of({**ENERGY_ROW, "scope": scope}))["rows"]
        assert row["predicted"] == pytest.approx(1000 * accelerator.tdp * share / 1e6, rel=1e-4)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"scope": "same"}, "'same' names no boundary; give the column boundary: gpu, node, facility"),
        ({"gpu_hours": ""}, "gpu_hours is not given"),
        ({"hardware": "cluster idle"}, "unknown accelerator 'cluster idle'"),
        ({"hardware": "Trainium3"}, "no design power of Trainium3 is known"),
    ],
)
def test_an_energy_that_cannot_be_scored_says_why(changed, message):
    (row,) = validate_energy(of({**ENERGY_ROW, **changed}))["rows"]
    assert message in row["skipped"]


def test_older_notations_of_energies():
    assert scope_cells("PUE 1.1; the repo itself uses more") == {"boundary": "facility", "pue": "1.1"}
    assert hardware_cells("TPUv3 x512") == {"accelerator": "TPUv3"}
    assert hardware_cells("A100 (0.4 kW)") == {"accelerator": "A100-80GB-SXM"}
    assert hardware_cells("H100 x8") == {"accelerator": "H100-SXM"}


def test_the_shared_tables_are_scored(shared):
    from costmodel.foundation.tables import read_csv

    power = validate_power(read_csv(shared / "measurements/measured_power.csv"))
    energy = validate_energy(read_csv(shared / "measurements/energy.csv"))
    assert (power["scored"], energy["scored"]) == (10, 4)
    assert power["mape"] < 0.08
    assert energy["median_ape"] < 0.15
