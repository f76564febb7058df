"""Figures that papers compute from their scaling laws."""

import pytest

from costmodel.scaling.laws.equal_loss import compute_optimal_loss
from costmodel.scaling.laws.inference import serve_in_flops
from costmodel.scaling.laws.presets import scaling_law

TABLE_3 = {  # parameters [1e9]: FLOPs, tokens [1e9]
    "0.4": (1.92e19, "8.0"),
    "1": (1.21e20, "20.2"),
    "10": (1.23e22, "205.1"),
    "175": (3.85e24, "3700"),
    "280": (9.90e24, "5900"),
    "520": (3.43e25, "11000"),
    "1000": (1.27e26, "21200"),
    "10000": (1.30e28, "216200"),
}


@pytest.mark.golden(source="Hoffmann et al. 2022 (arXiv 2203.15556)", table="Table 3, from the FLOPs of each row")
@pytest.mark.parametrize("parameters", TABLE_3)
def test_compute_optimal_models_of_hoffmann(parameters, golden):
    """The coefficient of the law is fitted to the table: two digits agree in each row."""
    compute, tokens = TABLE_3[parameters]
    best = scaling_law("hoffmann-2022-approach-1").allocate(compute)
    golden(f"optimal parameters at {compute:.3g} FLOP [1e9]", parameters, best.parameters / 1e9, 1)
    golden(f"optimal tokens at {compute:.3g} FLOP [1e9]", tokens, best.tokens / 1e9, 2)


@pytest.mark.golden(source="Hoffmann et al. 2022 (arXiv 2203.15556)", table="Table 2: exponents of the parameters")
@pytest.mark.parametrize(("name", "exponent"), [("hoffmann-2022-approach-1", "0.50"), ("hoffmann-2022", "0.46")])
def test_exponents_of_hoffmann(name, exponent, golden):
    golden(f"exponent of parameters in compute, {name}", exponent, scaling_law(name).parameter_exponent)


@pytest.mark.golden(source="Besiroglu et al. 2024 (arXiv 2404.10102)", table="Section 4")
def test_tokens_per_parameter_of_besiroglu(golden):
    """The paper rounds to 20 tokens per parameter at the compute of Chinchilla, 5.76e23 FLOP."""
    best = scaling_law("besiroglu-2024").allocate(5.76e23)
    golden("tokens per parameter at 5.76e23 FLOP", "20", best.tokens_per_parameter, 1)


@pytest.mark.golden(source="Sardana et al. 2024 (arXiv 2401.00448)", table="Figure 1 and its caption")
def test_inference_demand_of_sardana(golden):
    law = scaling_law("sardana-2024-example")
    best = serve_in_flops(law, compute_optimal_loss(law, 13e9), 2e12)
    golden("size of 13B quality for 2T inference tokens [1e9]", "7", best.parameters / 1e9)
    golden("saved FLOPs [1e22]", "1.7", best.saving / 1e22)
    golden("saved share [%]", "17", 100 * best.saving_fraction)
    small = serve_in_flops(law, compute_optimal_loss(law, 7e9), 1e11)
    golden("size of 7B quality for 0.1T inference tokens [1e9]", "6", small.parameters / 1e9)
    golden("its tokens over those of the compute-optimal 7B", "1.18", small.tokens / small.baseline_tokens)


@pytest.mark.golden(source="Muennighoff et al. 2023 (arXiv 2305.16264)", table="Appendix A: U_N = 0.051 U_D")
def test_parameters_that_unique_tokens_justify(golden):
    golden("parameters per unique token", "0.051", scaling_law("muennighoff-2023").optimal_parameters(1.0))


@pytest.mark.golden(source="Kaplan et al. 2020 (arXiv 2001.08361)", table="Equations 1.1 to 1.4")
def test_scales_of_kaplan(golden):
    golden(
        "critical batch at a loss of 1 [1e8 token]",
        "2",
        scaling_law("kaplan-2020-critical-batch").batch_tokens(1.0) / 1e8,
    )
    golden("loss at 3.1e8 PF-days", "1.0", scaling_law("kaplan-2020-compute").loss(3.1e8 * 8.64e19))
    best = scaling_law("kaplan-2020-optimum").allocate(8.64e19)
    golden("optimal parameters at one PF-day [1e9]", "1.3", best.parameters / 1e9)


@pytest.mark.golden(source="DeepSeek-AI 2024, DeepSeek LLM (arXiv 2401.02954)", table="Equations 1 and 4")
def test_hyperparameters_of_deepseek(golden):
    """The product of the two coefficients is 1, because C = M D."""
    law = scaling_law("deepseek-2024")
    golden("product of both coefficients", "1.000", law.model_coefficient * law.tokens_coefficient)
    golden("sum of both exponents", "1.000", law.model_exponent + law.tokens_exponent)


@pytest.mark.golden(source="Grattafiori et al. 2024 (arXiv 2407.21783)", table="Section 3.2.1: 402B on 16.55T tokens")
def test_compute_optimal_llama_3(golden):
    """6 N D of the published pair is 5 % above its FLOPs: one digit agrees."""
    best = scaling_law("llama-3").allocate(3.8e25)
    golden("optimal tokens at 3.8e25 FLOP [1e12]", "16.55", best.tokens / 1e12, 1)
    golden("optimal parameters at 3.8e25 FLOP [1e9]", "402", best.parameters / 1e9, 1)
