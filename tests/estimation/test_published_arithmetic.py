"""Figures that their authors computed from stated inputs: they test the arithmetic, not the accuracy."""

import pytest

import costmodel as cm


def run(**fields):
    defaults = {
        "architecture": {"total": "7B"},
        "recipe": cm.Pretraining(tokens="1B"),
        "cluster": cm.Cluster("A100-80GB-SXM", 8),
    }
    return cm.estimate(cm.Scenario(**(defaults | fields)))


def measured(accelerator, count, hours, **site):
    """Return the estimate of a run with known GPU-hours, power, PUE and grid intensity."""
    return run(gpu_hours=hours, cluster=cm.Cluster(accelerator, count, site=cm.Site(**site)))


@pytest.mark.golden(source="DeepSeek-AI 2024 (arXiv 2412.19437)", table="Table 1, at 2 USD per H800-hour")
def test_deepseek_v3_three_stages(root, golden):
    est = cm.estimate(cm.Scenario.load(root / "examples" / "stages.toml"))
    golden("H800-hours of DeepSeek-V3 [1000 h]", "2788", est.gpu_hours.to("hour").magnitude / 1e3)
    golden("cost of DeepSeek-V3 [M$]", "5.576", est.cost.to("MUSD").magnitude)
    assert est.interval("cost") == (est.cost, est.cost)


@pytest.mark.golden(source="DeepSeek-AI 2024 (arXiv 2412.19437)", table="Table 1, at 2 USD per H800-hour")
def test_deepseek_v3_stages_add_up_as_estimates(golden):
    stages = [
        run(cluster=cm.Cluster("H800-SXM", 2048), prices=cm.Rental(price=2), gpu_hours=hours)
        for hours in ("2664K", "119K", "5K")
    ]
    for name, published, stage in zip(
        ("pre-training", "context extension", "post-training"), ("5.328", "0.238", "0.01"), stages, strict=True
    ):
        golden(f"cost of DeepSeek-V3, {name} [M$]", published, stage.cost.to("MUSD").magnitude)
    assert sum(stages).cost.to("USD").magnitude == pytest.approx(5_576_000, rel=1e-12)


@pytest.mark.golden(source="Luccioni et al. 2022 (arXiv 2211.02001)", table="Table 3: 1,082,990 A100-hours at 400 W")
def test_bloom_energy(golden):
    est = measured("A100-80GB-SXM", 384, 1_082_990, power_per_gpu="400 W", pue=1, grid_intensity="57 g/kWh")
    golden("energy of BLOOM [kWh]", "433,196", est.energy.to("kWh").magnitude)
    golden("carbon of BLOOM, dynamic consumption [t]", "24.69", est.carbon.to("tonne").magnitude)
    golden("days of BLOOM on 384 GPUs", "118", est.wall_time.to("day").magnitude)


LLAMA_1 = {  # A100-hours, MWh, tonnes of CO2
    "OPT-175B": (809_472, "356", "137"),
    "BLOOM-175B": (1_082_880, "475", "183"),
    "LLaMA-7B": (82_432, "36", "14"),
    "LLaMA-13B": (135_168, "59", "23"),
    "LLaMA-33B": (530_432, "233", "90"),
    "LLaMA-65B": (1_022_362, "449", "173"),
}


@pytest.mark.golden(
    source="Touvron et al. 2023, LLaMA (arXiv 2302.13971)", table="Table 15: 400 W, PUE 1.1, 0.385 kg/kWh"
)
@pytest.mark.parametrize("model", LLAMA_1)
def test_energy_and_carbon_of_llama_1(model, golden):
    """The energies of BLOOM and LLaMA-65B differ by one in the third digit: 476.5 and 449.8 MWh by the rule."""
    hours, energy, carbon = LLAMA_1[model]
    est = measured("A100-80GB-SXM", 2048, hours, power_per_gpu=400, pue=1.1, grid_intensity=0.385)
    golden(f"energy of {model} [MWh]", energy, est.energy.to("MWh").magnitude, 2)
    golden(f"carbon of {model} [t]", carbon, est.carbon.to("tonne").magnitude)


LLAMA_2 = {
    "7B": (184_320, 400, "31.22"),
    "13B": (368_640, 400, "62.44"),
    "34B": (1_038_336, 350, "153.90"),
    "70B": (1_720_320, 400, "291.42"),
}  # A100-hours, W, tonnes of CO2


@pytest.mark.golden(source="Touvron et al. 2023, Llama 2 (arXiv 2307.09288)", table="Table 2, at one grid intensity")
@pytest.mark.parametrize("size", LLAMA_2)
def test_carbon_of_llama_2(size, golden):
    """The paper prints no grid intensity: 0.42348 kg/kWh gives the four rows to four digits."""
    hours, watts, carbon = LLAMA_2[size]
    est = measured("A100-80GB-SXM", 2048, hours, power_per_gpu=watts, pue=1, grid_intensity=0.42348)
    golden(f"carbon of Llama 2 {size} [t]", carbon, est.carbon.to("tonne").magnitude, 4)


@pytest.mark.golden(source="Llama 3.1 model card (huggingface.co/meta-llama)", table="Location-based emissions, 700 W")
@pytest.mark.parametrize(
    ("size", "hours", "tonnes"), [("8B", 1.46e6, "420"), ("70B", 7.0e6, "2,040"), ("405B", 30.84e6, "8,930")]
)
def test_carbon_of_llama_3_1(size, hours, tonnes, golden):
    """The card prints no grid intensity: one of 0.4137 kg/kWh gives the three rows within their rounding."""
    est = measured("H100-SXM", 16_384, hours, power_per_gpu=700, pue=1, grid_intensity=0.4137)
    golden(f"carbon of Llama 3.1 {size} [t]", tonnes, est.carbon.to("tonne").magnitude, 2)


@pytest.mark.golden(
    source="Patterson et al. 2021 (arXiv 2104.10350)",
    table="Table 4: 10,000 V100 at 24.6 TFLOP/s and 330 W, PUE 1.10, 0.429 kg/kWh",
)
def test_gpt_3_of_patterson(golden):
    est = run(
        architecture={"total": "175B"},
        recipe=cm.Pretraining(tokens="299B", precision="fp16"),  # 3.14e23 FLOPs
        cluster=cm.Cluster(
            "V100-32GB-SXM2", 10_000, site=cm.Site(power_per_gpu=330, pue=1.10, grid_intensity="0.429 kg/kWh")
        ),
        mfu=24.6 / 125,
        goodput=1,
    )
    golden("days of GPT-3", "14.8", est.wall_time.to("day").magnitude)
    golden("energy of GPT-3 [MWh]", "1287", est.energy.to("MWh").magnitude, 3)
    golden("carbon of GPT-3 [t]", "552.1", est.carbon.to("tonne").magnitude, 3)


@pytest.mark.golden(source="Narayanan et al. 2021 (arXiv 2104.04473)", table="Section 5.1: 8 T P / (n X)")
@pytest.mark.parametrize(
    ("name", "tokens", "gpus", "teraflops", "days"),
    [("gpt3-175b-megatron", "300B", 1024, 140, "34"), ("megatron-gpt-1t", "450B", 3072, 163, "84")],
)
def test_days_of_megatron_runs(name, tokens, gpus, teraflops, days, golden):
    """The throughput there includes the recomputed forward pass: 6 of 8 parts are model FLOPs."""
    est = run(
        architecture={"total": cm.load_architecture(name).parameters.total},
        recipe=cm.Pretraining(tokens=tokens),
        cluster=cm.Cluster("A100-80GB-SXM", gpus),
        mfu=teraflops / 312 * 6 / 8,
        goodput=1,
    )
    golden(f"days of {name} on {gpus} A100", days, est.wall_time.to("day").magnitude)


@pytest.mark.golden(source="karpathy/llm.c (github.com, scripts/run_gpt2_1558M.sh)", table="24 h of 8 H100 at 28 USD/h")
def test_cost_of_gpt_2_in_2024(golden):
    est = run(cluster=cm.Cluster("H100-SXM", 8), prices=cm.Rental(price=28 / 8), gpu_hours=8 * 24)
    golden("cost of GPT-2 1558M [USD]", "672", est.cost.to("USD").magnitude)


@pytest.mark.golden(source="karpathy/nanochat (github.com, dev/LEADERBOARD.md)", table="168 h of 32 TPU v3 at 8 USD/h")
def test_cost_of_gpt_2_in_2019(golden):
    est = run(cluster=cm.Cluster("TPU-v3", 32), prices=cm.Rental(price=8), gpu_hours=32 * 168)
    golden("cost of GPT-2 in 2019 [USD]", "43,008", est.cost.to("USD").magnitude)


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
