"""Rows of measured serving: batches, replicas and the words of older files."""

import pytest

from costmodel.foundation.columns import as_table
from costmodel.serving.calibration.measured import READER, architecture_of, shape_of

ROW = {
    "model": "meta-llama/Llama-3.1-8B-Instruct", "precision": "bf16", "accelerator": "H100-SXM", "count": 1,
    "concurrency": 64, "prompt_length": 1000, "output_length": 500, "tokens_per_second": 3200,
}  # fmt: skip


def read(**cells):
    (row,) = READER.rows(as_table("some", [{**ROW, **cells}]))
    assert row.value is not None, row.problems
    return row.value


def test_the_time_per_token_is_that_of_a_request():
    assert read().seconds == pytest.approx(64 / 3200)
    assert read(count=4, tensor=2).seconds == pytest.approx(32 * 2 / 3200) and read(count=4, tensor=2).batch == 32


def test_stalled_rows_are_read_by_their_latencies():
    row = read(use="check_rate", tpot_ms=10, ttft_s=0.5)
    assert row.seconds == pytest.approx(0.010 + 0.5 / 500)


def test_requests_beyond_the_memory_wait():
    """(0.9 × 79.11 GiB - 16.06 GB) / (1250 tokens × 131072 bytes) = 368.6 sequences."""
    assert read(concurrency=5000).batch == pytest.approx(368.6, abs=0.1)


@pytest.mark.parametrize(("cells", "batch"), [
    ({"prompt_length": 10, "output_length": 20, "accelerator": "B200"}, 2048),
    ({"model": "Qwen/Qwen3-30B-A3B", "prompt_length": 10, "output_length": 20, "accelerator": "B200", "count": 4,
      "tensor": 4, "expert": 4, "data_parallel_attention": "yes"}, 8192),
])  # fmt: skip
def test_maximum_load_has_as_many_requests_as_engines_batch(cells, batch):
    row = read(use="fit_max", concurrency="", **cells)
    assert row.batch == batch and not row.batch_known


@pytest.mark.parametrize(("task", "tokens"), [("gpqa", 250), ("lm-arena-chat", 200), ("sourcegraph-fim", 2000)])
def test_a_task_implies_prompt_length_and_engine(task, tokens):
    row = read(task=task, prompt_length="")
    assert row.work.prompt_tokens == tokens
    assert row.stack.recipe.name == "vllm default 2025" and row.benchmark == "mlenergy"


def test_the_source_of_older_files_implies_the_recipe():
    assert read(source_kind="inferencemax", engine="sglang", date="2026-01").stack.recipe.name == "sglang tuned 2025"
    assert read(source_kind="somebody", engine="vllm").stack.recipe.recipe == "unknown"
    assert read(source_kind="argonne", engine="vllm", date="2024-06").stack.recipe.period == "2024"


@pytest.mark.parametrize(
    ("first", "second"),
    [("meta-llama/Meta-Llama-3-70B", "meta-llama/Llama-2-70b-hf"), ("DeepSeek-R1-0528", "deepseek-ai/DeepSeek-V3.1")],
)
def test_models_of_one_shape_are_left_out_together(first, second):
    assert shape_of(architecture_of(first)) == shape_of(architecture_of(second))
