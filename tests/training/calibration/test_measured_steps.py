"""Measured training steps: what each column means, the defaults of software, and the problems that are reported."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation.tables import Table, table
from costmodel.training.calibration.columns import FLAGS, HARMLESS, STEPS, UNTUNED, WRONG, sharding
from costmodel.training.calibration.measured_steps import READER, read_steps
from costmodel.training.calibration.software import year_of
from costmodel.training.step.adapters import adapter_parameters

ROW = {
    "model": "llama-3.1-8b",
    "sequence_length": "8192",
    "batch_size": "128",
    "accelerator": "H100-SXM",
    "count": "8",
    "tensor": "1",
    "pipeline": "1",
    "zero": "3",
    "micro_batch": "1",
    "recompute": "full",
    "precision": "bf16",
    "step_time": "19.0",
}
OLDER = {
    "source": "",
    "model": "llama-3.1-8b",
    "seq_len": "8192.0",
    "global_batch": "128.0",
    "accelerator": "H100-SXM",
    "n_gpus": "8",
    "tp": "1.0",
    "pp": "1.0",
    "cp": "1.0",
    "ep": "",
    "dp_or_zero": "fsdp=8",
    "micro_batch": "1.0",
    "interleave": "",
    "recompute": "full",
    "precision": "bf16",
    "tflops_per_gpu": "",
    "flop_convention": "",
    "tokens_per_s_per_gpu": "",
    "step_time_s": "19.0",
    "memory_gib": "",
    "flag": "",
    "note": "",
    "software": "",
    "software_version": "",
    "software_date": "",
    "dispatcher": "",
    "recipe": "",
}


def table_of(*rows):
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    return Table("steps", tuple({**dict.fromkeys(columns, ""), **row} for row in rows), columns, "")


def step(row=ROW, **cells):
    steps, skipped = read_steps(table_of({**row, **cells}))
    assert not skipped, skipped
    return steps[0]


def problems(row=ROW, **cells):
    (read,) = READER.rows(table_of({**row, **cells}))
    assert read.value is None
    return "; ".join(read.problems)


def test_every_column_sets_its_field():
    read = step()
    assert read.architecture.parameters.total == cm.load_architecture("llama-3.1-8b").parameters.total
    assert (read.sequence_length, read.batch_size, read.cluster.count, read.seconds) == (8192, 128, 8, 19.0)
    assert read.layout == cm.Layout(data=8, zero=3, recompute="full", loss="fused")
    assert not read.open and read.memory is None and not read.tuned
    words = {
        "attention": "flash-2",
        "loss": "whole",
        "overlap_tensor": "yes",
        "overlap_data": "no",
        "shard": "4",
        "sequence_parallel": "no",
        "recompute": "selective",
        "micro_batch": "2",
    }
    layout = step(**words).layout
    kernels = cm.Layout(recompute="selective", attention="flash-2", loss="whole", sequence_parallel=False)
    overlap = kernels.replace(overlap_tensor=True, overlap_data=False)
    assert layout == overlap.replace(data=8, zero=3, shard=4, micro_batch=2)
    read = step(network_bandwidth_gb_per_s="12.5", memory_gib="40", tuned="yes", family="ours", count="16")
    assert (read.cluster.network, read.memory, read.tuned, read.family) == (12.5e9, 40 * 2**30, True, "ours")


def test_older_column_names_are_read_through_the_same_columns():
    assert step(OLDER)._replace(id="") == step()._replace(id="")
    assert set(STEPS.older.values()) <= set(STEPS.columns)


@pytest.mark.parametrize(
    ("cell", "zero"),
    [
        ("dp32", None),
        ("ddp", None),
        ("fsdp=0", None),
        ("fsdp=64", 3),
        ("fsdp8", 3),
        ("fsdp FULL_SHARD", 3),
        ("fsdp shard_grad_op", 2),
        ("zero3", 3),
        ("ZeRO-1", 1),
        ("zero2", 2),
        ("dp8, zero1", 1),
        ("dp8+zero3", 3),
        ("dp8 zero1", 1),
        ("dp=4 distributed optimizer", 1),
        ("fsdp no_shard", None),
    ],
)
def test_sharding_notation_of_older_files(cell, zero):
    assert sharding(cell).get("zero") == (None if zero is None else str(zero))
    assert step(OLDER, dp_or_zero=cell).layout.zero == (1 if zero is None else zero)


def test_unsharded_weights_need_no_notation():
    """Without a distributed optimizer every replica has all optimizer states."""
    assert step(zero="", software="Megatron-LM", software_date="2021").layout.zero == 0
    assert step(zero="", software="Megatron-LM", software_date="2024").layout.zero == 1


@given(st.sampled_from(["source", "note", "url", "id"]), st.text(max_size=40))
def test_label_does_not_change_the_result(column, label):
    assert step(**{column: label}) == step()


@pytest.mark.parametrize(
    "label",
    [
        "exploration 2026",
        "8 May 2022 handbook",
        "Megatron LoRA 2020",
        "torchtitan 24.01",
        "llm-foundry, 400 Gbps node",
        "local batch 4, interleaved, AsyncTP",
    ],
)
def test_free_text_is_not_parsed(label):
    """Words in a label set no adapters, year, kernel or network."""
    for row in (ROW, OLDER):
        assert step(row, source=label, note=label) == step(row)


def test_missing_step_time_follows_from_tokens_or_flops():
    assert step(step_time="", tokens_per_second_per_gpu="6898.5").seconds == pytest.approx(128 * 8192 / 8 / 6898.5)
    architecture = cm.load_architecture("llama-3.1-8b")
    for convention, counted in (("model_full", "full"), ("llm_foundry", "llm-foundry"), ("model_causal", None)):
        arguments = (architecture, 8192) if counted is None else (architecture, 8192, counted)
        flops = cm.flops_per_token(*arguments) * 128 * 8192
        read = step(step_time="", tflops_per_gpu="400", flop_convention=convention)
        assert read.seconds == pytest.approx(flops / (400e12 * 8))


def test_gpt_conventions_count_four_and_three_passes():
    """96 and 72 B s L d² (arXiv 2104.04473, equation 3; arXiv 2205.05198, appendix A)."""
    shape = {"model": "GPT", "style": "gpt", "n_layers": "24", "d_model": "2304", "n_heads": "24", "vocab": "51200"}
    hardware, model = (
        step(**shape, sequence_length="2048", step_time="", tflops_per_gpu="137", flop_convention=convention).seconds
        for convention in ("hardware_full_recompute", "model_gpt")
    )
    tokens, layers, width = 128 * 2048, 24, 2304
    done = 96 * tokens * layers * width**2 * (1 + 2048 / (6 * width) + 51200 / (16 * layers * width))
    needed = 72 * tokens * layers * width**2 * (1 + 2048 / (6 * width) + 51200 / (12 * layers * width))
    assert hardware == pytest.approx(done / (137e12 * 8)) and model == pytest.approx(needed / (137e12 * 8))


def test_flops_have_precedence_over_rounded_tokens():
    finer = step(flag="rounded_tokens", tflops_per_gpu="400", flop_convention="model_causal")
    assert finer.seconds != 19.0


WRONG_ROWS = r"""
    flag=layout_in_doubt | flagged: layout_in_doubt
    flag=odd | flag: unknown word 'odd'; accepted: rounded_tokens
    step_time= | neither step_time, tokens_per_second_per_gpu, nor tflops_per_gpu
    step_time=nan | step_time must be above 0 and finite; got 'nan'
    step_time=19 min | step_time must be a number of s, without a unit; got '19 min'
    memory_gib=80 GB | memory_gib must be a number of GiB, without a unit; got '80 GB'
    model=gpt-99 | gpt-99
    architecture=llama-9 | unknown architecture 'llama-9'
    accelerator=H900 | unknown accelerator 'H900'
    tensor=3 | does not divide 8 accelerators
    batch_size=12 | does not divide the batch of 12
    sequence_length= | sequence_length is not given
    precision=fp3 | precision: unknown word 'fp3'; accepted: fp32, tf32, fp16, bf16, fp8
    recompute=some | recompute: unknown word 'some'; accepted: none, selective, full
    attention=flash | attention: unknown word 'flash'; accepted: unfused, flash-1, flash-2, latest
    loss=half-fused | loss: unknown word
    method=rlhf | method: unknown word 'rlhf'; accepted: pretraining, full_fine_tuning, lora
    zero=4 | zero
    zero=fsdp | zero must be a whole number
    overlap_data=some | overlap_data: unknown word 'some'; accepted: yes, no
    flop_convention=guessed | flop_convention: unknown word 'guessed'
    software_date=spring 2024 | software_date must be a date such as 2025, 2025-09
    expert=16 | must divide tensor × context × data
    dp_or_zero=sharded | dp_or_zero: unknown notation 'sharded'; accepted: dp32, ddp, fsdp=8
    dp_or_zero=zero1, fsdp | states more than one degree of sharding
"""


@pytest.mark.parametrize("line", WRONG_ROWS.strip().splitlines(), ids=str.strip)
def test_invalid_row_is_reported_with_reason(line, check_problem):
    check_problem(line, problems)


def test_all_problems_of_a_row_are_reported_at_once():
    reported = problems(precision="fp3", recompute="some", step_time="fast", count="")
    for name in ("precision", "recompute", "step_time", "count"):
        assert name in reported


def test_unknown_missing_and_repeated_columns_are_rejected():
    with pytest.raises(cm.InputError) as caught:
        READER.rows(table_of({**ROW, "micro_bach": "1", "seq_len": "8192"} | {"tensr": "1"}))
    assert len(caught.value.problems) == 3
    assert "unknown column 'micro_bach' of measured steps; did you mean 'micro_batch'?" in str(caught.value)
    assert "sequence_length is given under two names: sequence_length, seq_len" in str(caught.value)
    with pytest.raises(cm.InputError, match=r"need the columns model, sequence_length.*; missing: sequence_length"):
        read_steps(Table("steps", ({"model": "llama"},), ("model",), ""))


def test_invalid_user_rows_raise():
    bad_row = {**ROW, "precision": "fp3"}
    with pytest.raises(cm.InputError, match=r"2 problems:(?s:.*)row 2: (?s:.*)fp3(?s:.*)row 3: (?s:.*)'soon'"):
        cm.calibrate([ROW, bad_row, {**ROW, "step_time": "soon"}])
    with pytest.raises(cm.InputError, match="unknown column 'stage'"):
        cm.calibrate([{**ROW, "stage": 2}])


def test_shipped_rows_without_a_flag_are_read():
    shipped = table("measurements/step_times")
    assert set(shipped.columns) <= set(STEPS.columns)
    rows = READER.rows(shipped)
    assert len(rows) == len(shipped.rows) == 515
    assert sum(row.value is not None for row in rows) == 494
    others = [row.problems for row in rows if row.value is None and not row.flagged]
    assert others == [  # as the source prints it
        ("expert × expert_tensor (64 × 1) must divide tensor × context × data (1 × 1 × 32)",)
    ]


def test_shipped_rows_need_no_default_of_their_software():
    """A change of the defaults must not change what the constants are fitted on."""
    shipped = table("measurements/step_times")
    plain = tuple({**row, "software": "", "model": ""} for row in shipped.rows if not row["flag"])
    with_model = tuple({**row, "software": ""} for row in shipped.rows if not row["flag"])
    unnamed, named, whole = (
        read_steps(Table("steps", rows, shipped.columns, ""))[0]
        for rows in (
            with_model,
            tuple({**row, "model": "x"} for row in plain),
            tuple(row for row in shipped.rows if not row["flag"]),
        )
    )
    for read in (unnamed, named):
        assert [
            (measured.layout, measured.precision, measured.seconds, measured.year, measured.open) for measured in read
        ] == [
            (measured.layout, measured.precision, measured.seconds, measured.year, measured.open) for measured in whole
        ]
        assert [measured.architecture.parameters for measured in read] == [
            measured.architecture.parameters for measured in whole
        ]


def test_flags_are_codes():
    codes = {*HARMLESS, *WRONG, UNTUNED}
    assert set(FLAGS.values()) == codes
    assert {row["flag"] for row in table("measurements/step_times").rows} - {""} <= codes


def test_unstated_settings_stay_open():
    assert step(recompute="").open == {"recompute"}
    assert step(micro_batch="", pipeline="2").open == {"micro_batch", "interleave"}


# Defaults of software


def test_defaults_follow_the_software_and_its_date():
    early = step(software="Megatron-LM", software_date="2020", recompute="", zero="").layout
    assert (early.attention, early.recompute, early.zero, early.sequence_parallel, early.overlap_data) == (
        "unfused",
        "full",
        0,
        False,
        False,
    )
    titan = step(software="torchtitan", micro_batch="", loss="", batch_size="32")
    assert (titan.layout.micro_batch, titan.layout.loss, titan.layout.attention) == (4, "whole", "flash-2")
    assert not titan.open
    bridge = step(software="Megatron-Bridge", software_date="2026-06", precision="")
    assert (bridge.precision, bridge.layout.overlap_tensor, bridge.layout.attention) == ("fp8", True, "latest")
    assert step(software="ours").layout == step().layout


@pytest.mark.parametrize(
    ("date", "software", "generation", "year"),
    [
        ("2025-09", "", "hopper", 2025 + 8.5 / 12),
        ("2025-09-30", "", "hopper", 2025 + 8.5 / 12),
        ("2021", "Megatron-LM", "ampere", 2021.5),
        ("", "Megatron-LM", "ampere", 2022.5),
        ("", "megatron-lm", "hopper", 2024.5),
        ("", "llm-foundry", "hopper", 2023.5),
        ("", "ours", "hopper", 2026.63),
    ],
)
def test_dates_of_software(date, software, generation, year):
    assert year_of(date, software, generation) == pytest.approx(year)


@pytest.mark.parametrize(
    ("written", "precision"),
    [
        ("FP8-CS", "fp8"),
        ("MXFP8", "mxfp8"),
        ("NVFP4", "nvfp4"),
        ("fp8 rowwise", "fp8-rowwise"),
        ("amp_bf16", "bf16"),
        ("", "bf16"),
        ("alternative-fp8", "fp8-rowwise"),
    ],
)
def test_precisions_as_frameworks_write_them(written, precision):
    accelerator = "B200" if "4" in written else "H100-SXM"
    assert step(precision=written, accelerator=accelerator).precision == precision


def test_block_scaled_fp8_format_depends_on_accelerator():
    assert step(precision="alternative-fp8", accelerator="B200").precision == "mxfp8"


def test_bf16_is_replaced_by_fp16_on_accelerators_without_it():
    assert step(accelerator="V100-32GB-SXM2", model="gpt3-1.3b").precision == "fp16"


def test_adapters_have_no_weight_gradients():
    read = step(method="lora")
    assert read.numbers.backward == 1 and read.numbers.trained < 0.01
    llama = cm.load_architecture("llama-2-7b")
    adapters = adapter_parameters(llama, cm.LoRA(tokens=1, rank=8).adapters)
    assert read.numbers.trained == pytest.approx(adapters / llama.parameters.total, rel=0.05)
    assert step(method="full_fine_tuning").numbers == step().numbers


def test_published_rates_show_that_adapters_were_trained():
    """Four FLOPs per weight and token in place of six: the rates of one row disagree with training all weights."""
    flops = cm.flops_per_token(cm.load_architecture("llama-3.1-8b"), 8192)
    for share, backward in ((1.0, 2), (0.67, 1)):
        rates = {"tflops_per_gpu": "400", "tokens_per_second_per_gpu": str(400e12 / flops / share)}
        assert step(**rates, flop_convention="model_causal").numbers.backward == backward
    adapters = [row for row in table("measurements/step_times").rows if row["method"] == "lora"]
    assert len(adapters) == 5
    shipped = table("measurements/step_times")
    silent = Table("silent", tuple({**row, "method": ""} for row in shipped.rows), shipped.columns, "")
    for stated, derived in zip(read_steps(shipped)[0], read_steps(silent)[0], strict=True):
        assert stated.numbers == derived.numbers


def test_a_family_is_one_software_on_one_accelerator():
    assert step(software="ours").family == "ours H100-SXM"
    assert step(software="ours", model="mixtral-8x7b").family == "ours H100-SXM MoE"


@given(st.sampled_from(sorted({*ROW, *STEPS.columns})), st.text(max_size=12) | st.floats().map(str))
def test_any_cell_is_read_or_reported(column, cell):
    """A row of a further file is read, or skipped with its problems; it never stops the others."""
    (read,) = READER.rows(table_of({**ROW, column: cell}))
    assert (read.value is None) == bool(read.problems)
