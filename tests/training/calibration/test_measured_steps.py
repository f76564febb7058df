"""Rows of measured steps: what is read of them, and what is refused with a reason."""

import pytest

import costmodel as cm
from costmodel.foundation.tables import Table, table
from costmodel.training.calibration.measured_steps import NEEDED, read_steps

ROW = {
    "source": "mine 2026", "model": "llama-3.1-8b", "seq_len": "8192", "global_batch": "128", "accelerator": "H100-SXM",
    "n_gpus": "8", "tp": "1", "pp": "1", "cp": "1", "ep": "1", "dp_or_zero": "fsdp=8", "micro_batch": "1",
    "interleave": "", "recompute": "full", "precision": "bf16", "tflops_per_gpu": "", "flop_convention": "",
    "tokens_per_s_per_gpu": "", "step_time_s": "19.0", "memory_gib": "", "flag": "", "note": "",
}  # fmt: skip


def read(*rows):
    return read_steps(Table("steps", tuple({**ROW, **row} for row in rows), tuple(ROW), ""))


def step(**row):
    steps, skipped = read(row)
    assert not skipped, skipped
    return steps[0]


def test_a_row_is_read_whole():
    one = step()
    assert one.architecture.parameters.total == cm.load_architecture("llama-3.1-8b").parameters.total
    assert (one.sequence_length, one.batch_size, one.cluster.count, one.seconds) == (8192, 128, 8, 19.0)
    assert one.layout == cm.Layout(data=8, zero=3, recompute="full", loss="fused")
    assert not one.open and one.memory is None


def test_seconds_come_from_tokens_or_from_flops_where_they_are_not_given():
    assert step(step_time_s="", tokens_per_s_per_gpu="6898.5").seconds == pytest.approx(128 * 8192 / 8 / 6898.5)
    flops = cm.flops_per_token(cm.load_architecture("llama-3.1-8b"), 8192, "full") * 128 * 8192
    by_rate = step(step_time_s="", tflops_per_gpu="400", flop_convention="full: 6M + 12 L a h s")
    assert by_rate.seconds == pytest.approx(flops / (400e12 * 8))


def test_rounded_tokens_give_way_to_the_finer_flops():
    """Where a source rounds tokens per second to multiples of 16 its TFLOP/s are finer."""
    rounded = {"flag": "tokens/s rounded to multiples of 16: TFLOP/s is finer", "tflops_per_gpu": "400",
               "flop_convention": "causal, head in"}  # fmt: skip
    assert step(**rounded).seconds != 19.0


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"flag": "layout in doubt"}, "flagged: layout in doubt"),
        ({"step_time_s": ""}, "neither step time, tokens/s nor TFLOP/s"),
        ({"step_time_s": "nan"}, "step_time_s must be above 0 and finite"),
        ({"step_time_s": "fast"}, "step_time_s is a number; got 'fast'"),
        ({"memory_gib": "much"}, "memory_gib is a number; got 'much'"),
        ({"model": "gpt-99"}, "gpt-99"),
        ({"accelerator": "H900"}, "unknown accelerator 'H900'"),
        ({"tp": "3"}, "does not divide 8 accelerators"),
        ({"global_batch": "12"}, "does not divide the batch of 12"),
        ({"seq_len": ""}, "seq_len is not given"),
        ({"precision": "fp3"}, "unknown precision 'fp3'"),
        ({"ep": "16"}, "must divide tensor × context × data"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_row_that_cannot_be_used_says_why(row, reason):
    steps, skipped = read(row)
    assert not steps
    assert reason in next(iter(skipped.values()))


def test_a_table_without_its_columns_is_refused():
    with pytest.raises(cm.InputError, match="needs the columns"):
        read_steps(Table("steps", ({"model": "llama"},), ("model",), ""))
    assert set(NEEDED) <= set(table("measurements/step_times").columns)


def test_every_row_without_a_flag_is_read():
    steps, skipped = read_steps(table("measurements/step_times"))
    assert len(steps) + len(skipped) == len(table("measurements/step_times").rows)
    others = [reason for reason in skipped.values() if not reason.startswith("flagged")]
    assert others == [
        "expert × expert_tensor (64 × 1) must divide tensor × context × data (1 × 1 × 32)"  # as the source prints it
    ]


def test_what_a_source_leaves_open_is_open():
    assert step(recompute="").open == {"recompute"}
    assert step(micro_batch="", pp="2", source="mine 2026").open == {"micro_batch", "interleave"}


def test_the_network_of_a_row_is_read():
    one = step(note="800 Gb/s inter-node per node", n_gpus="16", global_batch="128")
    assert one.cluster.network == pytest.approx(800e9 / 8 / 8)


@pytest.mark.parametrize(
    ("written", "precision"),
    [
        ("FP8-CS", "fp8"), ("MXFP8", "mxfp8"), ("NVFP4", "nvfp4"), ("fp8 rowwise", "fp8-rowwise"),
        ("amp_bf16", "bf16"), ("", "bf16"),
    ],
)  # fmt: skip
def test_precisions_are_read_as_their_sources_write_them(written, precision):
    accelerator = "B200" if "4" in written else "H100-SXM"
    assert step(precision=written, accelerator=accelerator).precision == precision


def test_adapters_have_no_weight_gradients():
    one = step(source="Megatron-Bridge 26.06 NeMo Container LoRA Performance")
    assert one.numbers.backward == 1 and one.numbers.trained < 0.01


def test_releases_of_one_framework_on_one_accelerator_are_one_family():
    names = [f"Megatron-Bridge {release} NeMo Container Pre-Training Performance" for release in ("25.09", "26.02.01")]
    assert len({step(source=name).family for name in names}) == 1
