"""KV cache per token as a paper prints it."""

import pytest

import costmodel as cm
from costmodel.serving.step.work import cache_bytes


@pytest.mark.golden(source="Zhao et al. 2025 (arXiv 2505.09343)", table="Table 1: KV cache per token in BF16")
@pytest.mark.parametrize(
    ("name", "kilobytes"), [("deepseek-v3", "70.272"), ("qwen2.5-72b", "327.680"), ("llama-3.1-405b", "516.096")]
)
def test_cache_per_token(name, kilobytes, golden):
    golden(f"KV cache per token of {name} [kB]", kilobytes, cache_bytes(cm.load_architecture(name), 1.0) / 1e3)
