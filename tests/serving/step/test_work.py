"""Bytes and FLOPs of a decode step and of a prompt: values by hand."""

import pytest

import costmodel as cm
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.serving.step.formats import FORMATS, weight_bytes
from costmodel.serving.step.memory import largest_batch, replica_cache_bytes, replica_weight_bytes
from costmodel.serving.step.replica import Replica
from costmodel.serving.step.work import (
    Workload,
    cache_bytes,
    cache_elements,
    check_cache_precision,
    coverage,
    layer_equivalents,
    work_of,
)

BF16 = FORMATS["bf16"]
ALONE = Replica()
GIB = 2.0**30


def work(name, workload=None, replica=ALONE, stored=BF16, cache="bf16"):
    return work_of(cm.load_architecture(name), stored, cache, replica, workload or Workload(1000, 1000))


@pytest.mark.parametrize(
    ("name", "tokens", "expected"),
    [
        ("llama-2-7b", 1, 524_288),
        ("llama-3.1-8b", 1, 131_072),
        ("falcon-7b", 1, 8_192),
        ("deepseek-v3", 1, 70_272),
        ("gemma-3-12b-text", 8192, 872_415_232),
        ("qwen3-next-80b-a3b", 8192, 240_844_800),
    ],
    ids=["multi-head", "grouped", "multi-query", "latent", "windows", "linear"],
)
def test_kv_cache_of_each_kind_of_attention(name, tokens, expected):
    """2 bytes per value: 2 × layers × KV heads × head width; the latent of 512 + 64; a window of 1024 in 40 layers."""
    assert cache_bytes(cm.load_architecture(name), tokens) == expected


def test_an_fp8_cache_halves_keys_and_values_but_not_states():
    llama, hybrid = cm.load_architecture("llama-3.1-8b"), cm.load_architecture("qwen3-next-80b-a3b")
    assert cache_bytes(llama, 100, "fp8") == cache_bytes(llama, 100) / 2
    assert cache_bytes(hybrid, 8192, "fp8") == 201_326_592 / 2 + 39_518_208


def test_state_space_model_keeps_a_state_of_constant_size(catalog_config):
    mamba = cm.load_architecture("nemotron-nano-9b-v2")
    per_token = 4 * 2 * 8 * 128 * 2
    assert cache_bytes(mamba, 2000) - cache_bytes(mamba, 1000) == 1000 * per_token


def test_every_rank_reads_the_whole_latent():
    deepseek = cm.load_architecture("deepseek-v3")
    assert cache_bytes(deepseek, 1000, ranks=8) == cache_bytes(deepseek, 1000)
    assert replica_cache_bytes(deepseek, 1000, "bf16", Replica(8)) == 8 * cache_bytes(deepseek, 1000)
    own = Replica(8, expert=8, data_parallel_attention=True)
    assert replica_cache_bytes(deepseek, 1000, "bf16", own) == cache_bytes(deepseek, 1000)


def test_grouped_heads_are_copied_beyond_one_rank_each():
    llama = cm.load_architecture("llama-3.1-8b")
    assert cache_bytes(llama, 1000, ranks=8) == cache_bytes(llama, 1000) / 8 == cache_bytes(llama, 1000, ranks=16)


def test_share_of_experts_read_by_a_batch():
    """qwen3-30b-a3b, 8 sequences: 1 - (15/16)^8 = 0.4033; 2.460e9 + 0.4033 × 57.98e9 = 25.84e9 bytes."""
    moe = work("qwen3-30b-a3b")
    assert coverage(8 / 128, 8) == pytest.approx(0.4033, abs=5e-5)
    assert moe.dense_bytes == pytest.approx(2.460e9, rel=1e-3)
    assert moe.expert_bytes == pytest.approx(57.98e9, rel=1e-3)
    assert moe.dense_bytes + moe.expert_bytes * coverage(moe.expert_share, 8) == pytest.approx(25.84e9, rel=1e-3)


def test_a_dense_model_reads_all_weights_except_the_input_embedding():
    assert work("llama-3.1-8b").dense_bytes == 15_009_849_344


def test_a_tied_head_reads_the_embedding():
    assert work("llama-3.2-1b").dense_bytes == 2 * cm.load_architecture("llama-3.2-1b").parameters.total


def test_flops_of_a_prompt_are_those_of_a_forward_pass():
    dense = work("llama-3.1-8b")
    forward = dense.prompt_dense_flops + dense.prompt_expert_flops + dense.prompt_score_flops
    assert forward == pytest.approx(cm.count_flops("llama-3.1-8b", 1000).forward) == pytest.approx(15.2715e12, rel=1e-4)
    moe = work("qwen3-30b-a3b")
    assert moe.prompt_expert_flops == 1000 * 2 * 48 * 8 * 3 * 2048 * 768


def test_towers_do_not_run_for_text():
    """Llama 4 Scout has 17 G active parameters; the tower of images added 16 GFLOP per token at 64 tokens."""
    scout = work("llama-4-scout", Workload(64, 64))
    per_token = (scout.prompt_dense_flops + scout.prompt_expert_flops + scout.prompt_score_flops) / 64
    assert 30e9 < per_token < 34e9
    assert cm.count_flops("llama-4-scout", 64).forward / 64 > 45e9


def test_a_cached_prefix_leaves_the_products_of_new_tokens_and_their_scores():
    whole, cached = work("llama-3.1-8b"), work("llama-3.1-8b", Workload(1000, 1000, cached_share=0.75))
    assert cached.prompt_dense_flops == pytest.approx(whole.prompt_dense_flops / 4)
    assert cached.prompt_score_flops == pytest.approx(whole.prompt_score_flops * (1 - 0.75**2))
    assert cached.prompt_tokens == 250 and cached.cache_bytes == whole.cache_bytes


def test_layers_with_one_block_count_half():
    """Nemotron Nano 9B v2: 27 Mamba layers, 25 feed-forward layers and 4 attention layers."""
    assert layer_equivalents(cm.load_architecture("nemotron-nano-9b-v2")) == 28


def test_states_are_read_and_written_in_32_bits():
    """Nemotron Nano 9B v2: 27 layers with 128 heads of 80 × 128, and 3 inputs of a convolution of 12,288 channels."""
    elements = 27 * (128 * 80 * 128 + 3 * (128 * 80 + 2 * 8 * 128))
    assert cache_elements(cm.load_architecture("nemotron-nano-9b-v2"), 1000)[1] == elements
    assert work("nemotron-nano-9b-v2").state_bytes == 8 * elements
    assert work("nemotron-nano-9b-v2", replica=Replica(4)).state_bytes == 2 * elements
    assert work("llama-3.1-8b").state_bytes == 0


def test_data_parallel_attention_copies_the_dense_weights():
    model = cm.load_architecture("deepseek-v3")
    own = Replica(8, expert=8, data_parallel_attention=True)
    shared, copied = (replica_weight_bytes(model, BF16, layout) for layout in (Replica(8), own))
    assert shared == weight_bytes(model, BF16)
    dense = weight_bytes(model, BF16) - 58 * 256 * 3 * 7168 * 2048 * 2
    assert copied - shared == pytest.approx(7 * dense)
    assert work("deepseek-v3", replica=own).dense_bytes == 8 * work("deepseek-v3", replica=Replica(8)).dense_bytes


def test_largest_batch_fills_90_percent_of_the_memory():
    """(0.9 × 80 GiB - 16.06 GB) / (4096 × 131072 bytes) = 114.1."""
    llama = cm.load_architecture("llama-3.1-8b")
    fits = largest_batch(80 * GIB, weight_bytes(llama, BF16), cache_bytes(llama, 4096))
    assert fits == pytest.approx(114.1, abs=0.1)
    assert largest_batch(10e9, weights=16e9, cache=1e9) == 0


def test_layouts_that_do_nothing_are_refused():
    llama, moe = cm.load_architecture("llama-3.1-8b"), cm.load_architecture("qwen3-30b-a3b")
    for layout, reason in (
        (Replica(8, expert=8), "expert: llama-3.1-8b has no experts"),
        (Replica(1, data_parallel_attention=True), "data_parallel_attention: needs tensor above 1"),
        (Replica(2, data_parallel_attention=True), "llama-3.1-8b has no experts"),
        (Replica(1, 64), "pipeline: at most the number of layers, 32; got 64"),
        (Replica(0), "tensor: must be a whole number, at least 1; got 0"),
    ):
        with pytest.raises(InputError, match=reason):
            layout.check(llama)
    Replica(8, expert=8, data_parallel_attention=True).check(moe)
    Replica(8).check(llama)


def test_an_fp8_cache_of_a_model_without_attention_is_refused(catalog_config):
    config = catalog_config("nemotron-nano-9b-v2")
    config["hybrid_override_pattern"] = config["hybrid_override_pattern"].replace("*", "-")
    with pytest.raises(InputError, match="has no attention, so that fp8 does nothing"):
        check_cache_precision(cm.load_architecture(config), "fp8")
    check_cache_precision(cm.load_architecture("nemotron-nano-9b-v2"), "fp8")


def test_a_workload_names_all_problems():
    with pytest.raises(InputError) as caught:
        Workload(-1, 0, 1.5).check()
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "input_tokens", "output_tokens", "cached_share",
    ]  # fmt: skip
    Workload(0, 1).check()


def test_missing_shapes_raise_an_error():
    with pytest.raises(MissingFactError, match="only counts are known"):
        cache_bytes(cm.Architecture.from_counts("7B"), 100)
    with pytest.raises(MissingFactError, match="only counts are known"):
        work_of(cm.Architecture.from_counts("7B"), BF16, "bf16", ALONE, Workload(10, 10))
