"""Measured fine-tunes: recipe and layout by columns, the notation of older files, and the reported problems."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation.columns import as_table
from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import table
from costmodel.foundation.units import GIB
from costmodel.training.calibration.finetune_columns import FINE_TUNES, FLAGS, batch_cells, method_cells, time_cells
from costmodel.training.calibration.measured_finetunes import READER, read_finetunes
from costmodel.training.step.layout import layouts
from costmodel.training.step.memory import default_memory_constants, memory
from costmodel.training.step.workload import workload

SHIPPED = table("measurements/finetunes")
ROWS = SHIPPED.rows
TUNES, SKIPPED = read_finetunes(SHIPPED)
ROW = {
    "method": "lora",
    "model": "Llama-3.1-8B",
    "count": "1",
    "sequence_length": "2048",
    "micro_batch": "2",
    "tokens_per_second": "5000",
    "accelerator": "H100-SXM",
    "software": "eager",
}
OLDER = {
    "method": "LoRA",
    "model": "Qwen-14B",
    "gpu": "A100",
    "n_gpus": "1",
    "seq_len": "512.0",
    "batch": "1x ga8",
    "tokens_or_samples": "",
    "peak_memory_gb": "33.1",
    "tokens_per_s": "1500.0",
    "time": "2.7 s/it",
    "cost_usd": "",
    "source": "",
    "accelerator": "A100-80GB-SXM",
}


def labeled(text, source=""):
    """The shipped fine-tunes whose ids hold a text, from a source."""
    chosen = [tune for tune, row in zip(TUNES, ROWS, strict=True) if text in tune.id and source in row["source"]]
    assert chosen
    return chosen


def tune(row=ROW, **cells):
    (tuned,), skipped = read_finetunes(as_table("rows", [{**row, **cells}]))
    assert not skipped
    return tuned


def problems(row=ROW, **cells):
    (read,) = READER.rows(as_table("rows", [{**row, **cells}]))
    assert read.value is None
    return "; ".join(read.problems)


# The shipped table


def test_all_shipped_rows_are_read():
    assert len(TUNES) == len(ROWS) == 67
    assert SKIPPED == {}
    assert len({run.id for run in TUNES}) == 67
    assert all(row["accelerator"] and row["source"] for row in ROWS)
    assert set(SHIPPED.columns) <= set(FINE_TUNES.columns)


def test_flagged_rows_have_neither_time_nor_memory():
    assert sum(run.seconds is not None for run in TUNES) == 64
    assert sum(run.memory is not None for run in TUNES) == 60
    flagged = {run.id: run.setup.unused for run in TUNES if run.setup.unused}
    assert flagged == {
        "48: full of Llama-3.1-8B at 2048": FLAGS["misprinted"],
        "50: LoRA of Llama-3.1-8B at 2048": FLAGS["misprinted"],
        "55: full baseline (padded) of Llama-3.2-3B at 4096": FLAGS["padded"],
    }
    assert {run.id for run in TUNES if run.seconds is None} == set(flagged)
    without_memory = [run for run in TUNES if run.memory is None and not run.setup.unused]
    # NVIDIA prints no memory
    assert [run.cluster.accelerator.name for run in without_memory] == ["H100-SXM"] * 4


def test_two_flagged_rows_exceed_the_peak_of_their_accelerator():
    """Six FLOPs for each weight and token, eight with the recomputation, on a peak of 155 TFLOP/s."""
    misprinted = [row for row in ROWS if row["flag"] == "misprinted"]
    assert len(misprinted) == 2
    for row in misprinted:
        assert row["accelerator"] == "RTX-A6000"
        size = cm.load_architecture("llama-3.1-8b").parameters.total - 128_256 * 4096
        times = 6 if row["method"] == "lora" else 8  # adapters: forward, backward, recomputation
        peak = cm.load_accelerator("RTX-A6000").peak()
        assert float(row["tokens_per_second"]) * times * size > peak


def test_settings_of_the_qwen_scripts():
    """github.com/QwenLM/Qwen finetune/*.sh: rank 64, recomputation, DeepSpeed ZeRO-2 or 3."""
    run = labeled("2: LoRA of Qwen-1.8B at 256")[0]
    recipe, layout = run.setup.recipe, run.setup.layout
    assert isinstance(recipe, cm.LoRA) and recipe.rank == 64 and recipe.sequence_length == 256
    assert (layout.recompute, layout.eager, layout.zero, run.setup.accumulation) == ("full", True, 0, 8)
    assert run.seconds == 1.0 and run.memory == 6.7e9
    assert run.step.batch_size == 8
    assert labeled("LoRA (emb)")[0].setup.recipe.train_embeddings and not recipe.train_embeddings
    quantized = labeled("Q-LoRA")[0]
    assert quantized.setup.recipe.quantization == "gptq-int4" and quantized.setup.layout.loss == "half"
    full = labeled("Full-parameter of Qwen-7B")[0]
    assert isinstance(full.setup.recipe, cm.FullFineTuning) and full.setup.layout.zero == 3
    assert full.cluster.count == 2 and full.memory == 139.2e9 / 2  # the source prints the sum
    nodes = labeled("LoRA (multinode)")[0]
    assert nodes.step.batch_size == 16 * 4 and nodes.setup.layout.zero == 2


def test_settings_of_the_torchtune_recipes():
    sharded = labeled("LoRA of Llama-3.1-70B")[0]
    assert (sharded.setup.layout.zero, sharded.setup.layout.micro_batch, sharded.cluster.count) == (3, 2, 8)
    assert sharded.seconds == pytest.approx(2048 * 2 * 8 / 3497) and sharded.memory == 27.6 * GIB
    assert not sharded.setup.layout.eager and sharded.setup.layout.loss == "chunked"
    away = labeled("full + CPU offload")[0].setup.layout
    assert away.offload_optimizer and away.offload_weights
    paged = labeled("47: full of Llama-3.1-8B")[0].setup
    assert paged.paged and paged.recipe.optimizer == "adamw-8bit" and paged.layout.step_in_backward
    assert isinstance(labeled("QLoRA of Llama-3.1-405B")[0].setup.recipe, cm.QLoRA)


def test_rows_of_the_optimization_table_add_settings():
    """Each row of the torchtune table adds one setting; the adapter rows have all settings."""
    flags = {run.method: run.setup.layout for run in labeled("Llama-3.2-3B", "optimisation-flags")}
    eager = {method: layout.eager for method, layout in flags.items()}
    assert eager["+packed"] and not eager["+compile"] and not eager["+chunked CE"]
    assert flags["+compile"].loss == "whole" and flags["+chunked CE"].loss == "chunked"
    assert flags["+chunked CE"].recompute == "none" and flags["+act ckpt"].recompute == "full"
    assert not flags["+act ckpt"].step_in_backward and flags["+optim in bwd"].step_in_backward
    for method, layout in flags.items():
        if "LoRA" in method:
            assert layout.offload_activations and not layout.step_in_backward
            assert (layout.loss, layout.recompute, layout.eager) == ("chunked", "full", False)


def test_rows_of_nvidia_train_32_sequences_in_fp8():
    for run, row in zip(TUNES, ROWS, strict=True):
        if row["precision"] == "fp8":
            assert run.setup.recipe.precision == "fp8" and run.memory is None
            assert run.step.batch_size == run.setup.recipe.batch_size == 32
            assert run.seconds == pytest.approx(32 * 4096 / float(row["tokens_per_second"]))


@pytest.mark.parametrize("run", TUNES, ids=lambda run: run.id)
def test_every_row_fits_and_runs_below_the_peak(run):
    step = run.step
    work = workload(step.architecture, step.sequence_length, step.adapters)
    if run.memory is not None:
        assert run.memory <= run.cluster.accelerator.memory * GIB
        assert 0.5 < run.predicted_memory() / run.memory < 2
    if run.seconds is not None:
        peak = run.cluster.accelerator.peak(run.setup.recipe.precision) * run.cluster.count
        least = (1 + step.numbers.backward) * (work.dense.flops + work.grouped.flops) * step.batch_size
        assert least / peak < run.seconds


def test_predicted_memory_has_the_parts_of_the_measured_memory():
    """Allocator only, with CUDA context, or with buffers of the engine."""
    memory_constants = default_memory_constants()._replace(copied_logits=0.0)  # the scripts hold no copy
    run = labeled("2: LoRA of Qwen-1.8B at 256")[0]
    step = run.step
    work = workload(step.architecture, 256, step.adapters)
    parts = memory(work, step.numbers, 8.0, layouts(step.layout), memory_constants)
    assert run.predicted_memory() == pytest.approx(parts.total - parts.framework + memory_constants.context)
    engine = run._replace(setup=run.setup._replace(counts="engine")).predicted_memory()
    assert engine - run.predicted_memory() == pytest.approx(memory_constants.engine)
    allocator = run._replace(setup=run.setup._replace(counts="allocator")).predicted_memory()
    assert run.predicted_memory() - allocator == pytest.approx(memory_constants.context - 0.3 * GIB)


# Rows of other tables


def test_columns_set_recipe_and_layout():
    read = tune(
        rank="32",
        recompute="none",
        accumulation="4",
        zero="1",
        count="2",
        loss="half",
        overlap_data="no",
        memory_gib="40",
        memory_summed="yes",
        memory_counts="engine",
        train_embeddings="yes",
    )
    assert (read.setup.recipe.rank, read.setup.layout.eager, read.setup.layout.recompute) == (32, True, "none")
    assert read.setup.recipe.train_embeddings and read.setup.counts == "engine"
    assert (read.setup.layout.zero, read.setup.layout.loss, read.setup.layout.overlap_data) == (1, "half", False)
    assert read.seconds == pytest.approx(2048 * 2 * 2 * 4 / 5000) and read.memory == 20 * GIB
    assert tune(memory_gb="40").memory == 40e9
    fused = tune(software="fused").setup.layout
    assert (fused.eager, fused.loss, fused.recompute, fused.zero) == (False, "fused", "full", 0)
    assert tune(count="4").setup.layout.zero == 2 and tune(count="4", method="full_fine_tuning").setup.layout.zero == 3


def test_adapters_have_a_variant_and_frozen_weights_a_precision():
    assert tune(variant="dora").setup.recipe.variant == "dora"
    assert tune(quantization="int8").setup.recipe.quantization == "int8"
    assert tune(method="qlora").setup.recipe.quantization == "nf4"


def test_older_names_are_read_through_the_same_columns():
    older = {
        "method": "LoRA",
        "model": "Llama-3.1-8B",
        "n_gpus": "1",
        "seq_len": "2048",
        "batch": "2",
        "tokens_per_s": "5000",
        "accelerator": "H100-SXM",
        "software": "eager",
    }
    assert tune(older)._replace(id="", method="") == tune()._replace(id="", method="")


@given(st.sampled_from(["source", "note", "url", "label"]), st.text(max_size=40))
def test_label_does_not_change_the_result(column, label):
    assert tune(**{column: label})._replace(id="", method="") == tune()._replace(id="", method="")


@pytest.mark.parametrize("label", ["QwenLM/Qwen README", "torchtune", "nemo", "a blog"])
def test_free_text_is_not_parsed(label):
    assert tune(OLDER, source=label) == tune(OLDER)


def test_batch_notation_determines_the_training_script():
    """Older files have no column for the training script; its notation of the batch size tells it."""
    qwen = tune(OLDER)
    assert (qwen.setup.recipe.rank, qwen.setup.accumulation, qwen.setup.layout.eager, qwen.memory) == (
        64,
        8,
        True,
        33.1e9,
    )
    packed = tune(OLDER, batch="2 packed", time="", model="Llama-3.1-8B")
    assert (packed.setup.recipe.rank, packed.setup.layout.loss, packed.memory) == (8, "chunked", 33.1 * GIB)
    assert packed.setup.counts == "allocator"
    nemo = tune(
        OLDER,
        batch="GBS32",
        time="673 model TFLOP/s/GPU",
        model="Llama-2-7B",
        method="LoRA FP8",
        n_gpus="8",
        accelerator="H100-SXM",
    )
    assert (nemo.setup.recipe.rank, nemo.setup.recipe.precision, nemo.step.batch_size) == (32, "fp8", 32)


def test_zero3_shards_weights_over_data_parallel_ranks():
    read = tune(OLDER, method="LoRA + Deepspeed Zero3", model="Qwen-72B", n_gpus="4")
    assert (read.setup.layout.zero, read.setup.layout.data, read.setup.accumulation) == (3, 4, 8)
    assert read.predicted_memory() < 80 * GIB, "72B in 16 bits over four"


def test_model_too_large_for_data_parallelism_is_planned():
    read = tune(
        OLDER,
        method="SFT FP8",
        model="Llama-2-70B",
        n_gpus="16",
        seq_len="4096",
        batch="GBS32",
        time="",
        accelerator="H100-SXM",
    )
    assert read.setup.layout.accelerators == 16 and (read.setup.layout.data < 16 or read.setup.layout.zero == 3)
    assert read.setup.accumulation * read.setup.layout.data * read.setup.layout.micro_batch == 32


def test_row_equal_to_a_shipped_measurement_has_its_settings():
    """Older files do not state that these rows are misprinted, nor the settings of the last row."""
    shipped = [
        {
            "method": row["label"],
            "model": row["model"],
            "n_gpus": row["count"],
            "batch": "2",
            "seq_len": row["sequence_length"],
            "tokens_per_s": row["tokens_per_second"],
            "time": "",
            "peak_memory_gb": row["memory_gib"],
            "accelerator": row["accelerator"],
        }
        for row in ROWS
        if row["memory_gib"]
    ]
    again, skipped = read_finetunes(as_table("rows", shipped))
    assert not skipped
    ours = [run for run, row in zip(TUNES, ROWS, strict=True) if row["memory_gib"]]
    assert [run._replace(id="") for run in again] == [run._replace(id="") for run in ours]
    assert "software is not given" in problems({**shipped[-1], "tokens_per_s": "1"})


@pytest.mark.parametrize(
    ("cell", "cells"),
    [
        ("LoRA", {"method": "lora"}),
        ("Q-LoRA", {"method": "qlora"}),
        ("QLoRA r32", {"method": "qlora", "rank": "32"}),
        ("Full-parameter", {"method": "full_fine_tuning"}),
        ("SFT BF16", {"method": "full_fine_tuning", "precision": "bf16"}),
        ("LoRA (zero3)", {"method": "lora", "zero": "3"}),
        ("LoRA (emb)", {"method": "lora", "train_embeddings": "yes"}),
        ("DoRA", {"method": "lora", "variant": "dora"}),
        ("LoRA r8 4bit", {"method": "lora", "rank": "8", "quantization": "nf4"}),
        ("LoRA (max ctx)", {"method": "lora", "flag": "computed"}),
        ("full + CPU offload", {"method": "full_fine_tuning", "offload_optimizer": "yes", "offload_weights": "yes"}),
    ],
)
def test_notation_of_methods(cell, cells):
    assert method_cells(cell) == {"label": cell, **cells}


@pytest.mark.parametrize("cell", ["LoRAX", "GRPO", "full of hope", "LoRA (emb) twice", ""])
def test_other_methods_are_errors(cell):
    with pytest.raises(InputError, match=r"unknown (notation|setting)"):
        method_cells(cell)


def test_notation_of_batches_and_times():
    assert batch_cells("2 packed") == {"micro_batch": "2", "scripts": "torchtune"}
    assert batch_cells("4") == {"micro_batch": "4"} and batch_cells("GBS32")["batch_size"] == "32"
    assert time_cells("1.7 s/it") == {"step_time": "1.7"} and time_cells("0.5 it/s") == {"step_time": "2.0"}
    assert time_cells("198 h (~101K GPU-h)") == time_cells("30 min (4 GPU-h)") == time_cells("3800 GPU-h") == {}
    for read, cell in ((batch_cells, "many"), (time_cells, "soon")):
        with pytest.raises(InputError, match="unknown notation"):
            read(cell)


WRONG_ROWS = r"""
    accelerator= | accelerator is not given
    accelerator=H1000 | H1000
    sequence_length= | sequence_length is not given
    sequence_length=long | sequence_length must be a whole number of token, without a unit; got 'long'
    sequence_length=0.5 | sequence_length must be a whole number
    count= | count is not given
    count=-2 | count must be above 0
    flag=computed | a computed maximum of the sequence length
    flag=odd | flag: unknown word 'odd'; accepted: misprinted, padded, computed
    model=Qwen-7Z | Qwen-7Z
    memory_gb=nan | memory_gb must be
    memory_gb=80 GiB | memory_gb must be a number of GB, without a unit; got '80 GiB'
    memory_gb=80 & memory_gib=80 | memory is given twice
    software= | software is not given; accepted: eager, fused
    software=fast | software: unknown word 'fast'; accepted: eager, fused
    method=grpo | method: unknown notation 'grpo'; accepted: full_fine_tuning, lora or qlora
    batch=many | batch: unknown notation 'many'; accepted: 2, 2 packed, 1x ga8 or GBS32
    batch_size=3 & count=2 | does not divide the batch_size of 3
"""


@pytest.mark.parametrize("line", WRONG_ROWS.strip().splitlines(), ids=str.strip)
def test_invalid_row_is_reported_with_reason(line, check_problem):
    check_problem(line, problems)


def test_all_problems_of_a_row_are_reported_at_once():
    reported = problems(software="fast", count="x", sequence_length="", zero="y")
    assert all(name in reported for name in ("software", "count", "sequence_length", "zero"))


def test_row_without_time_and_memory_is_kept():
    read = tune(tokens_per_second="")
    assert (read.seconds, read.memory) == (None, None)


@pytest.mark.parametrize("column", FINE_TUNES.required)
def test_missing_columns_are_named(column):
    with pytest.raises(cm.InputError, match=f"missing: {column}$"):
        read_finetunes(replace(SHIPPED, columns=tuple(name for name in SHIPPED.columns if name != column)))


def test_unknown_columns_are_errors():
    with pytest.raises(cm.InputError, match=r"unknown column 'ranks' of measured fine-tunes; did you mean 'rank'"):
        read_finetunes(as_table("rows", [{**ROW, "ranks": "8"}]))


@given(st.sampled_from(sorted({*OLDER, "zero", "loss"})), st.text(max_size=12) | st.floats().map(str))
def test_any_cell_is_read_or_reported(column, cell):
    (read,) = READER.rows(as_table("rows", [{**OLDER, column: cell}]))
    assert (read.value is None) == bool(read.problems)
