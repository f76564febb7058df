"""Bytes of weights in the storage formats of weights."""

import pytest

import costmodel as cm
from costmodel.foundation.errors import InputError
from costmodel.serving.step.formats import (
    FORMATS,
    cache_value_bytes,
    format_of,
    own_format,
    stored_weights,
    weight_bytes,
)

BF16 = FORMATS["bf16"]
LLAMA = cm.load_architecture("llama-3.1-8b")
TABLE = 128256 * 4096
NORMS = 65 * 4096
MATRICES = 8030261248 - 2 * TABLE - NORMS


@pytest.mark.parametrize(
    ("precision", "bits"),
    [("bf16", 16), ("fp8", 8), ("nvfp4", 4.5), ("mxfp4", 4.25), ("int4", 4.125), ("awq", 4.125), ("gptq", 4.125)],
)
def test_a_format_shrinks_the_matrices_except_embedding_and_head(precision, bits):
    stored = format_of(LLAMA, precision)
    assert weight_bytes(LLAMA, stored) == MATRICES * bits / 8 + 2 * (2 * TABLE + NORMS)


def test_mxfp4_weights_match_the_published_size_of_gpt_oss():
    """The checkpoint of gpt-oss-20b holds 13.76 GB: its experts have 4.25 bits, the rest 16."""
    model = cm.load_architecture("gpt-oss-20b")
    assert weight_bytes(model, format_of(model, "mxfp4")) == pytest.approx(13.76e9, rel=0.01)


def test_nvfp4_quantizes_attention_too():
    model = cm.load_architecture("gpt-oss-20b")
    experts_only = format_of(model, "mxfp4")._replace(bits=4.5)
    matrices = sum(
        copies * weight.size
        for part, copies, weight in stored_weights(model)
        if weight.role == "matrix" and part != "head" and len(weight.shape) > 1
    )
    difference = weight_bytes(model, experts_only) - weight_bytes(model, format_of(model, "nvfp4"))
    assert difference == pytest.approx(matrices * (16 - 4.5) / 8)


def test_a_smaller_checkpoint_keeps_its_format(catalog_config):
    config = catalog_config("deepseek-v3")
    quantized = cm.load_architecture({**config, "quantization_config": {"quant_method": "fp8"}})
    assert own_format(quantized).bits == pytest.approx(8)
    assert format_of(quantized, "bf16").product == "fp8"
    assert weight_bytes(quantized, format_of(quantized, "bf16")) == pytest.approx(quantized.stored_bytes)
    assert format_of(LLAMA, "bf16") == BF16


@pytest.mark.parametrize(("group", "product"), [(128, "fp8"), (16, "bf16")])
def test_a_checkpoint_of_8_bits_with_few_scales_runs_in_fp8(catalog_config, group, product):
    settings = {"quant_method": "gptq", "bits": 8, "group_size": group}
    stored = own_format(cm.load_architecture({**catalog_config("llama-3.1-8b"), "quantization_config": settings}))
    assert stored.bits == pytest.approx(8 + 16 / group) and stored.product == product


@pytest.mark.parametrize(("precision", "size"), [("bf16", 2), ("fp16", 2), ("fp8", 1)])
def test_bytes_of_a_cached_value(precision, size):
    assert cache_value_bytes(precision) == size


def test_an_unknown_precision_names_what_is_accepted():
    with pytest.raises(InputError, match=r"precision: unknown precision 'fp9'; did you mean 'fp8'"):
        format_of(LLAMA, "fp9")
    with pytest.raises(InputError, match=r"cache_precision: .*'int3'"):
        cache_value_bytes("int3")
