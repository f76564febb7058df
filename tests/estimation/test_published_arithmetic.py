"""Published figures that their authors computed: they test the arithmetic, not the accuracy."""

import pytest

import costmodel as cm


def run(**fields):
    defaults = {
        "architecture": {"total": "7B"},
        "recipe": cm.Pretraining(tokens="1B"),
        "cluster": cm.Cluster("A100-80GB-SXM", 8),
    }
    return cm.estimate(cm.Scenario(**(defaults | fields)))


def test_deepseek_v3_three_stages(root):
    """DeepSeek-AI 2024 (arXiv 2412.19437), Table 1: 2,664K + 119K + 5K H800-hours at 2 USD = 5.576 MUSD."""
    est = cm.estimate(cm.Scenario.load(root / "examples" / "stages.toml"))
    assert est.gpu_hours.to("hour").magnitude == pytest.approx(2_788_000, rel=1e-12)
    assert est.cost.to("MUSD").magnitude == pytest.approx(5.576, rel=1e-12)
    assert est.interval("cost") == (est.cost, est.cost)


def test_deepseek_v3_stages_add_up_as_estimates():
    stages = [
        run(cluster=cm.Cluster("H800-SXM", 2048), prices=cm.Rental(price=2), gpu_hours=hours)
        for hours in ("2664K", "119K", "5K")
    ]
    assert sum(stages).cost.to("USD").magnitude == pytest.approx(5_576_000, rel=1e-12)


def test_bloom_energy():
    """Luccioni et al. 2022 (arXiv 2211.02001): 1,082,990 A100-hours at 400 W = 433,196 kWh."""
    site = cm.Site(power_per_gpu="400 W", pue=1, grid_intensity="57 g/kWh")
    est = run(gpu_hours=1_082_990, cluster=cm.Cluster("A100-80GB-SXM", 384, site=site))
    assert est.energy.to("MWh").magnitude == pytest.approx(433.196, rel=1e-12)
    assert est.carbon.to("tonne").magnitude == pytest.approx(24.69, rel=1e-3)
    assert est.wall_time.to("day").magnitude == pytest.approx(117.5, rel=1e-3)


@pytest.mark.parametrize(("hours", "tonnes"), [(1.46e6, 420), (30.84e6, 8930)])
def test_llama_3_1_carbon_at_one_factor(hours, tonnes):
    """Llama 3.1 model card: location-based CO2e of the 8B and 405B are hours × 700 W × one factor (circular)."""
    site = cm.Site(power_per_gpu=700, pue=1, grid_intensity="0.4124 kg/kWh")
    est = run(gpu_hours=hours, cluster=cm.Cluster("H100-SXM", 16_384, site=site))
    assert est.carbon.to("tonne").magnitude == pytest.approx(tonnes, rel=0.015)


def test_gpt_3_of_patterson():
    """Patterson et al. 2021 (arXiv 2104.10350), Table 4: 10,000 V100 at 24.6 TFLOP/s, 14.8 days, 330 W, PUE 1.10."""
    site = cm.Site(power_per_gpu=330, pue=1.10, grid_intensity="0.429 kg/kWh")
    est = run(
        architecture={"total": "175B"},
        recipe=cm.Pretraining(tokens="300B"),
        cluster=cm.Cluster("V100-32GB-SXM2", 10_000, site=site),
        mfu=24.6 / 125,
        goodput=1,
    )
    assert est.wall_time.to("day").magnitude == pytest.approx(14.8, rel=0.01)
    assert est.energy.to("MWh").magnitude == pytest.approx(1287, rel=0.01)
    assert est.carbon.to("tonne").magnitude == pytest.approx(552.1, rel=0.01)


def test_water_counts_the_energy_of_the_machines_once():
    """Water = machine energy × (WUE + PUE × water of the grid): not PUE on both."""
    site = cm.Site(power_per_gpu=1000, pue=1.2, water_usage_effectiveness=0.5, water_intensity=3)
    est = run(gpu_hours=1000, cluster=cm.Cluster("A100-80GB-SXM", 8, site=site))
    assert est.water.to("liter").magnitude == pytest.approx(1000 * (0.5 + 1.2 * 3), rel=1e-12)


def test_utilization_refers_to_the_bf16_peak_whatever_the_precision():
    bf16, fp8 = (
        run(recipe=cm.Pretraining(tokens="1T", precision=precision), cluster=cm.Cluster("H100-SXM", 8), mfu=0.4)
        for precision in ("bf16", "fp8")
    )
    assert bf16.gpu_hours == fp8.gpu_hours
