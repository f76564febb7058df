"""Bytes, FLOPs and time of a decode step: values by hand and monotonicity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.units import GIB
from costmodel.serving.decode import (
    PRECISIONS,
    Constants,
    Machine,
    cache_bytes,
    coverage,
    decode_step,
    largest_batch,
    machine,
    own_precision,
    precision_of,
    prefill,
    time_per_token,
    touched_bytes,
    weight_bytes,
    work,
)

BF16 = PRECISIONS["bf16"]
LLAMA = cm.load_architecture("llama-3.1-8b")
MOE = cm.load_architecture("qwen3-30b-a3b")
H100 = Machine(peak=989.4e12, bandwidth=3.35e12, link=450e9, memory=80 * GIB, accelerators=1.0)
CONSTANTS = Constants(mfu=0.6, bandwidth=0.8, layer=5e-5, exchange=9e-5, sequence=6e-5)


def test_kv_cache_of_grouped_query_attention():
    """2 (keys, values) × 32 layers × 8 heads × 128 × 2 bytes = 131072 bytes for a token."""
    assert cache_bytes(LLAMA, 4096) == 4096 * 131072


def test_kv_cache_of_latent_attention():
    """61 layers × (512 + 64) × 2 bytes for a token."""
    assert cache_bytes(cm.load_architecture("deepseek-v3"), 1000) == 1000 * 61 * 576 * 2


def test_kv_cache_of_sliding_windows_stays_constant_beyond_the_window():
    """gpt-oss-20b: 12 of 24 layers see 128 tokens, 8 heads of 64."""
    model, token = cm.load_architecture("gpt-oss-20b"), 2 * 8 * 64 * 2
    assert cache_bytes(model, 4096) == 12 * token * (4096 + 128)


def test_state_space_model_keeps_a_state_of_constant_size():
    mamba = cm.load_architecture(
        {
            "model_type": "mamba2",
            "hidden_size": 2560,
            "num_hidden_layers": 64,
            "vocab_size": 50288,
            "num_heads": 80,
            "head_dim": 64,
            "state_size": 128,
            "n_groups": 1,
            "tie_word_embeddings": True,
        }
    )
    assert cache_bytes(mamba, 100_000) == cache_bytes(mamba, 100) > 0


def test_share_of_experts_read_by_a_batch():
    """128 experts, 8 active per token: 16 tokens read the share 1 - (120/128)^16 = 0.643926."""
    assert coverage(8 / 128, 16) == pytest.approx(1 - (120 / 128) ** 16) == pytest.approx(0.643926, abs=1e-6)
    experts = 48 * 128 * 3 * 2048 * 768 * 2
    rest = weight_bytes(MOE, BF16) - experts - 151936 * 2048 * 2  # the input embedding is not read
    assert touched_bytes(MOE, BF16, 16) == pytest.approx(rest + experts * 0.643926, rel=1e-6)


def test_a_dense_model_reads_all_weights_except_the_input_embedding():
    assert touched_bytes(LLAMA, BF16, 5) == 2 * (8030261248 - 128256 * 4096)


def test_a_tied_head_reads_the_embedding():
    tied = cm.load_architecture("llama-3.2-1b")
    assert touched_bytes(tied, BF16, 1) == weight_bytes(tied, BF16) == 2 * tied.parameters.total


def test_largest_batch_fills_90_percent_of_the_memory():
    """(0.9 × 80 GiB - 16.06 GB) / (4096 × 131072 bytes) = 114.1."""
    fits = largest_batch(80 * GIB, weight_bytes(LLAMA, BF16), cache_bytes(LLAMA, 4096))
    assert fits == pytest.approx((0.9 * 80 * 1024**3 - 16060522496) / (4096 * 131072)) == pytest.approx(114.1, abs=0.1)
    assert largest_batch(10e9, weights=16e9, cache=1e9) == 0


def test_fp8_halves_the_matrices_except_embedding_and_head():
    table = 128256 * 4096
    norms = 65 * 4096
    matrices = 8030261248 - 2 * table - norms
    assert weight_bytes(LLAMA, PRECISIONS["fp8"]) == matrices + 2 * (2 * table + norms)


def test_mxfp4_weights_match_the_published_size_of_gpt_oss():
    """The checkpoint of gpt-oss-20b holds 13.76 GB."""
    assert weight_bytes(cm.load_architecture("gpt-oss-20b"), PRECISIONS["mxfp4"]) == pytest.approx(13.76e9, rel=0.01)


def test_a_smaller_checkpoint_keeps_its_precision(catalog_config):
    config = catalog_config("deepseek-v3")
    quantized = cm.load_architecture({**config, "quantization_config": {"quant_method": "fp8"}})
    assert own_precision(quantized).bits == pytest.approx(8)
    assert precision_of(quantized, "bf16").peak == "fp8"
    assert weight_bytes(quantized, precision_of(quantized, "bf16")) == pytest.approx(quantized.stored_bytes)
    assert precision_of(LLAMA, "bf16") == BF16


def test_decode_step_of_one_sequence_by_hand():
    """One sequence at 1000 tokens reads 15.0 GB of weights and 0.131 GB of KV cache at 2.68 TB/s."""
    seconds = decode_step(work(LLAMA, BF16, 1, prompt=1000, output=1e-9), H100, CONSTANTS)
    read = 2 * (8030261248 - 128256 * 4096) + 1000 * 131072
    assert seconds == pytest.approx(read / (0.8 * 3.35e12) + 32 * 5e-5 + 6e-5)


def test_tensor_parallelism_divides_the_bytes_and_adds_communication():
    step_work = work(LLAMA, BF16, 64, prompt=500, output=500)
    single, four = (decode_step(step_work, H100._replace(accelerators=float(count)), CONSTANTS) for count in (1, 4))
    read = (step_work.weights + step_work.cache) / (0.8 * 3.35e12)
    sent = 64 * 32 * 2 * 2 * 4096 * 2 * (3 / 4) / (0.8 * 450e9)
    assert single - four == pytest.approx(read * 3 / 4 - sent - 32 * 9e-5)


def test_time_per_token_includes_prefills():
    step_work = work(LLAMA, BF16, 64, prompt=2000, output=100)
    prefill_time = time_per_token(step_work, H100, CONSTANTS) - decode_step(step_work, H100, CONSTANTS)
    assert prefill_time == pytest.approx(64 * prefill(step_work, H100, CONSTANTS) / 100)
    assert prefill(step_work, H100, CONSTANTS) == pytest.approx(cm.count_flops(LLAMA, 2000).forward / (0.6 * 989.4e12))


models = st.sampled_from([LLAMA, MOE, cm.load_architecture("gpt-oss-20b"), cm.load_architecture("deepseek-v3")])


@given(models, st.integers(1, 2000), st.integers(1, 2000), st.integers(16, 60_000))
def test_a_larger_batch_takes_longer_and_has_higher_throughput(model, batch, more, prompt):
    few, many = (work(model, BF16, size, prompt, 500) for size in (batch, batch + more))
    assert decode_step(few, H100, CONSTANTS) < decode_step(many, H100, CONSTANTS)
    rates = [load.batch / time_per_token(load, H100, CONSTANTS) for load in (few, many)]
    assert rates[0] <= rates[1] * (1 + 1e-12)


@given(models, st.integers(1, 500), st.integers(16, 60_000), st.integers(1, 60_000))
def test_a_longer_context_is_not_faster(model, batch, prompt, more):
    short, long = (work(model, BF16, batch, length, 500) for length in (prompt, prompt + more))
    assert decode_step(short, H100, CONSTANTS) <= decode_step(long, H100, CONSTANTS)


@given(models, st.integers(1, 500), st.integers(1, 64), st.integers(1, 64))
def test_more_accelerators_without_communication_are_not_slower(model, batch, count, more):
    without_exchange = CONSTANTS._replace(exchange=0.0)
    step_work = work(model, BF16, batch, 1000, 500)._replace(exchanged=0.0)
    few, many = (
        decode_step(step_work, H100._replace(accelerators=float(number)), without_exchange)
        for number in (count, count + more)
    )
    assert many <= few


def test_batches_broadcast_over_arrays():
    batches = np.array([1.0, 8.0, 64.0])
    vectorized = time_per_token(work(MOE, BF16, batches, 500, 500), H100, CONSTANTS)
    single = [time_per_token(work(MOE, BF16, float(size), 500, 500), H100, CONSTANTS) for size in batches]
    assert vectorized == pytest.approx(single, rel=1e-12)


def test_missing_shapes_and_facts_raise_an_error():
    with pytest.raises(MissingFactError, match="only counts are known"):
        cache_bytes(cm.Architecture.from_counts("7B"), 100)
    bare = cm.Cluster(cm.Accelerator("My-chip", bf16=500), 8)
    with pytest.raises(MissingFactError, match=r"My-chip lacks memory, memory_bandwidth"):
        machine(bare, 1, "bf16")
    with pytest.raises(MissingFactError, match="link_bandwidth"):
        machine(bare, 2, "bf16")
    with pytest.raises(InputError, match=r"unknown precision 'fp9'; did you mean 'fp8'"):
        precision_of(LLAMA, "fp9")


def test_a_precision_without_a_peak_runs_at_the_bf16_peak():
    assert machine(cm.Cluster("A100-80GB-SXM", 8), 1, "fp8").peak == cm.load_accelerator("A100-80GB-SXM").peak("bf16")
