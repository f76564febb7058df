"""Bytes per parameter of number formats and optimizers, against published values."""

import pytest

import costmodel as cm
from costmodel.training.step.numerics import (
    FORWARD,
    MOMENTS,
    OPERAND_BYTES,
    Numerics,
    numerics,
    optimizer_bytes_per_parameter,
)


def per_parameter(*args, matrix_share=1.0, **given):
    numbers = numerics(*args, **given)
    return numbers.weight + numbers.gradient + optimizer_bytes_per_parameter(numbers, matrix_share)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"precision": "fp32"}, 4 + 4 + 8),
        ({"precision": "tf32"}, 4 + 4 + 8),
        ({"precision": "bf16"}, 2 + 4 + 4 + 8),  # 32-bit gradients as in Megatron-LM
        ({"precision": "fp16"}, 2 + 4 + 4 + 8),
        ({"precision": "fp8"}, 2 + 4 + 4 + 8),  # weights stay in 16 bits
        ({"precision": "nvfp4"}, 2 + 4 + 4 + 8),
        ({"master_weights": False}, 2 + 2 + 4),
        ({"optimizer": "adamw-bf16"}, 2 + 4 + 4 + 4),
        ({"optimizer": "adamw-bf16", "master_weights": False}, 2 + 2 + 4),
        ({"optimizer": "adamw-8bit"}, 2 + 4 + 4 + 2.03125),
        ({"optimizer": "adamw-8bit", "master_weights": False}, 2 + 2 + 2.03125),
        ({"optimizer": "muon"}, 2 + 4 + 4 + 4),
        ({"optimizer": "sgd"}, 2 + 4 + 4 + 4),
        ({"optimizer": "adafactor"}, 2 + 4 + 4),
        ({"optimizer": "sgd", "master_weights": False}, 2 + 2 + 2),
        ({"precision": "fp32", "master_weights": False}, 16),  # no master copy
    ],
)
def test_bytes_per_parameter(given, expected):
    assert per_parameter(**given) == expected


def test_default_is_mixed_precision_with_adam():
    """18 bytes per parameter, and a backward pass of two forward passes (Kaplan et al. 2020, arXiv 2001.08361)."""
    assert Numerics() == numerics("bf16", "adamw")
    assert (Numerics().backward, Numerics().adapter_operand) == (2.0, 2.0)
    assert (Numerics().trained, Numerics().embedding_trained) == (1.0, 1.0)
    assert Numerics().embedding_weight == 2.0


def test_forward_pass_holds_weights_and_operands_of_16_bits():
    assert (FORWARD.weight, FORWARD.operand, FORWARD.embedding_weight) == (2.0, 2.0, 2.0)


def test_16_bit_gradients_give_16_bytes_with_adam_and_10_with_8_bit_adam():
    """Rajbhandari et al. 2020, section 3.1: 2 + 2 + 12; bitsandbytes 0.44: two moments of 1 + 4/256 bytes."""
    for optimizer, expected in (("adamw", 16), ("adamw-8bit", 10.03125)):
        numbers = numerics(optimizer=optimizer)._replace(gradient=2.0)
        assert numbers.weight + numbers.gradient + optimizer_bytes_per_parameter(numbers, 1.0) == expected


def test_muon_has_one_moment_for_matrices_and_two_for_other_parameters():
    assert per_parameter(optimizer="muon", matrix_share=0.0) == per_parameter(optimizer="adamw") == 18
    assert per_parameter(optimizer="muon", matrix_share=0.75) == 2 + 4 + 4 + 0.75 * 4 + 0.25 * 8


def test_operand_bytes_include_block_scales():
    assert OPERAND_BYTES["fp32"] > OPERAND_BYTES["bf16"] > OPERAND_BYTES["mxfp8"] > OPERAND_BYTES["fp8"]
    assert [OPERAND_BYTES[name] for name in ("fp16", "fp8", "fp8-rowwise")] == [2, 1, 1]
    assert numerics("mxfp8").operand == 1 + 1 / 32  # a byte of scale for 32 elements
    assert numerics("fp4").operand == numerics("nvfp4").operand == 0.5 + 1 / 16  # a byte of scale for 16 elements


def test_no_optimizer_needs_more_memory_than_adam():
    assert all(per_parameter(optimizer=name) <= per_parameter(optimizer="adamw") for name in MOMENTS)


def test_all_unknown_names_are_reported_at_once():
    with pytest.raises(cm.InputError) as caught:
        numerics("bf17", "adam")
    assert "unknown precision 'bf17'" in str(caught.value)
    assert "unknown optimizer 'adam'" in str(caught.value)
    assert "'bf16'" in str(caught.value)  # the nearest name


@pytest.mark.parametrize(("given", "message"), [(("BF16",), "precision 'BF16'"), (("bf16", ""), "optimizer ''")])
def test_single_unknown_name_is_reported_alone(given, message):
    with pytest.raises(cm.InputError, match=f"^unknown {message}"):
        numerics(*given)
