"""What do rows of measured fine-tunes say? Each is read by the settings of its source, or skipped with a reason."""

from dataclasses import replace

import pytest

import costmodel as cm
from costmodel.foundation.tables import Table, table
from costmodel.training.calibration.measured_finetunes import NEEDED, SOURCES, read_finetunes, row_id
from costmodel.training.step.layout import layouts
from costmodel.training.step.memory import GIB, default_held, memory
from costmodel.training.step.workload import workload

ROWS = table("measurements/finetunes").rows
KEPT, SKIPPED = read_finetunes(table("measurements/finetunes"))
TORCHTUNE = next(row for row in ROWS if "torchtune" in row["source"])


def of(text, source=""):
    """The fine-tunes whose names hold a text, from a source."""
    found = [one for one, row in zip(KEPT, ROWS, strict=True) if text in one.id and source in row["source"]]
    assert found
    return found


def read(row):
    """What becomes of a table of one row."""
    return read_finetunes(replace(table("measurements/finetunes"), rows=(row,)))


def test_all_rows_are_kept():
    assert len(KEPT) == len(ROWS) == 67
    assert SKIPPED == {}
    assert len({one.id for one in KEPT}) == 67
    assert all(row["accelerator"] and row["source"] for row in ROWS)


def test_what_is_no_measure_says_why():
    assert sum(one.seconds is not None for one in KEPT) == 64
    assert sum(one.memory is not None for one in KEPT) == 60
    untimed = {one.id: one.setup.untimed for one in KEPT if one.seconds is None}
    assert list(untimed) == [
        "48: full of Llama-3.1-8B at 2048", "50: LoRA of Llama-3.1-8B at 2048",
        "55: full baseline (padded) of Llama-3.2-3B at 4096",
    ]  # fmt: skip
    assert [reason.partition(":")[0] for reason in untimed.values()] == [
        "faster than the peak with the recomputation of its recipe",
        "faster than the peak with the recomputation of its recipe", "the length is a cap",
    ]  # fmt: skip
    unheld = [one for one in KEPT if one.memory is None]
    assert {one.id for one in unheld if one.setup.unheld} == set(untimed)
    # NVIDIA prints no memory
    assert all(one.cluster.accelerator.name == "H100-SXM" for one in unheld if not one.setup.unheld)
    assert len([one for one in unheld if not one.setup.unheld]) == 4


def test_two_rows_are_faster_than_their_device_can():
    """Six FLOPs for each weight and token, eight with the recomputation, on a peak of 155 TFLOP/s."""
    for row in ROWS[46:49:2]:
        assert row["accelerator"] == "RTX-A6000"
        size = cm.load_architecture("llama-3.1-8b").parameters.total - 128_256 * 4096
        times = 6 if row["method"] == "LoRA" else 8  # of adapters, forward, backward once, forward again
        peak = cm.load_accelerator("RTX-A6000").peak()
        assert float(row["tokens_per_s"]) * times * size > peak


def test_rows_of_qwen_are_read_by_its_scripts():
    one = of("2: LoRA of Qwen-1.8B at 256")[0]
    recipe, layout = one.setup.recipe, one.setup.layout
    assert isinstance(recipe, cm.LoRA) and recipe.rank == 64 and recipe.sequence_length == 256
    assert (layout.recompute, layout.eager, layout.zero, one.setup.accumulation) == ("full", True, 0, 8)
    assert one.seconds == 1.0 and one.memory == 6.7e9
    assert one.step.batch_size == 8
    assert of("LoRA (emb)")[0].setup.recipe.train_embeddings and not recipe.train_embeddings
    quantized = of("Q-LoRA")[0]
    assert quantized.setup.recipe.quantization == "gptq-int4" and quantized.setup.layout.loss == "half"
    full = of("Full-parameter of Qwen-7B")[0]
    assert isinstance(full.setup.recipe, cm.FullFineTuning) and full.setup.layout.zero == 3
    assert full.cluster.count == 2 and full.memory == 139.2e9 / 2  # printed as a sum
    nodes = of("LoRA (multinode)")[0]
    assert nodes.step.batch_size == 16 * 4 and nodes.setup.layout.zero == 2


def test_rows_of_torchtune_are_read_by_its_recipes():
    sharded = of("LoRA of Llama-3.1-70B")[0]
    assert (sharded.setup.layout.zero, sharded.setup.layout.micro_batch, sharded.cluster.count) == (3, 2, 8)
    assert sharded.seconds == pytest.approx(2048 * 2 * 8 / 3497) and sharded.memory == 27.6 * GIB
    assert not sharded.setup.layout.eager and sharded.setup.layout.loss == "chunked"
    away = of("full + CPU offload")[0].setup.layout
    assert away.offload_optimizer and away.offload_weights
    paged = of("47: full of Llama-3.1-8B")[0]
    assert paged.setup.paged and paged.setup.recipe.optimizer == "adamw-8bit" and paged.setup.layout.step_in_backward
    assert isinstance(of("QLoRA of Llama-3.1-405B")[0].setup.recipe, cm.QLoRA)


def test_flags_add_up():
    """Each line of the table adds one; adapters have all before them."""
    flags = {one.method: one.setup.layout for one in of("Llama-3.2-3B", "optimisation-flags")}
    eager = {method: layout.eager for method, layout in flags.items()}
    assert eager["+packed"] and not eager["+compile"] and not eager["+chunked CE"]
    assert flags["+compile"].loss == "whole" and flags["+chunked CE"].loss == "chunked"
    assert flags["+chunked CE"].recompute == "none" and flags["+act ckpt"].recompute == "full"
    assert not flags["+act ckpt"].step_in_backward and flags["+optim in bwd"].step_in_backward
    for method, layout in flags.items():
        if "LoRA" in method:
            assert layout.offload_activations and not layout.step_in_backward
            assert (layout.loss, layout.recompute, layout.eager) == ("chunked", "full", False)


def test_rows_of_nvidia_are_read_by_its_summary():
    for one in of("FP8"):
        assert one.setup.recipe.precision == "fp8" and one.memory is None
        assert one.step.batch_size == one.setup.recipe.batch_size == 32
        row = ROWS[KEPT.index(one)]
        assert one.seconds == pytest.approx(32 * 4096 / float(row["tokens_per_s"]))


@pytest.mark.parametrize("one", KEPT, ids=lambda one: one.id)
def test_every_row_fits_and_runs_below_the_peak(one):
    step = one.step
    work = workload(step.architecture, step.sequence_length, step.adapters)
    if one.memory is not None:
        assert one.memory <= one.cluster.accelerator.memory * GIB
        assert 0.5 < one.predicted_memory() / one.memory < 2
    if one.seconds is not None:
        peak = one.cluster.accelerator.peak(one.setup.recipe.precision) * one.cluster.count
        least = (1 + step.numbers.backward) * (work.dense.flops + work.grouped.flops) * step.batch_size
        assert least / peak < one.seconds


def test_what_a_source_counts_is_what_is_predicted():
    """The allocator alone, the context of the device too, or the buffers of the engine as well."""
    held = default_held()
    one = of("2: LoRA of Qwen-1.8B at 256")[0]
    step = one.step
    parts = memory(workload(step.architecture, 256, step.adapters), step.numbers, 8.0, layouts(step.layout))
    assert one.predicted_memory() == pytest.approx(parts.total - parts.framework + held.context)
    engine = one._replace(setup=one.setup._replace(counted="engine")).predicted_memory()
    assert engine - one.predicted_memory() == pytest.approx(held.engine)
    allocator = one._replace(setup=one.setup._replace(counted="allocator")).predicted_memory()
    assert one.predicted_memory() - allocator == pytest.approx(held.context - 0.3 * GIB)


# What cannot be used


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"accelerator": ""}, "the accelerator is not known"),
        ({"accelerator": "H1000"}, "H1000"),
        ({"seq_len": ""}, "the sequence length is not known"),
        ({"seq_len": "long"}, "seq_len must be a number; got 'long'"),
        ({"seq_len": "0.5"}, "seq_len must be a whole number"),
        ({"n_gpus": ""}, "n_gpus must be a whole number"),
        ({"n_gpus": "-2"}, "n_gpus must be above 0"),
        ({"method": "LoRA (max ctx)"}, "a maximum of the context"),
        ({"model": "Qwen-7Z"}, "Qwen-7Z"),
        ({"peak_memory_gb": "nan"}, "peak_memory_gb must be"),
        ({"peak_memory_gb": "much"}, "peak_memory_gb must be a number; got 'much'"),
        ({**TORCHTUNE, "source": "a blog"}, "the settings of its source are not known"),
        ({**TORCHTUNE, "batch": "many"}, "batch cannot be read; got 'many'"),
        ({**TORCHTUNE, "batch": ""}, "batch cannot be read; got ''"),
    ],
)
def test_a_row_that_cannot_be_used_says_why(cells, reason):
    row = {**ROWS[0], **cells}
    kept, skipped = read(row)
    assert kept == []
    assert list(skipped) == [row_id(2, row)]
    assert reason in skipped[row_id(2, row)]


def test_a_row_without_time_and_memory_is_kept_without_them():
    kept, skipped = read({**ROWS[0], "time": "", "tokens_per_s": "", "peak_memory_gb": ""})
    assert skipped == {} and (kept[0].seconds, kept[0].memory) == (None, None)


@pytest.mark.parametrize("column", NEEDED)
def test_a_column_that_is_needed_is_named(column):
    found = table("measurements/finetunes")
    with pytest.raises(cm.InputError, match=f"missing: {column}$"):
        read_finetunes(replace(found, columns=tuple(name for name in found.columns if name != column)))


def test_every_source_has_a_reader():
    assert list(SOURCES)[-1] == ""  # the last takes what no other does, and refuses it


# Rows that are not in the shipped table


def a_row(**cells):
    row = dict.fromkeys(NEEDED, "") | {
        "method": "LoRA", "model": "Llama-3.1-8B", "n_gpus": "1", "seq_len": "2048", "batch": "2",
        "tokens_per_s": "5000", "source": "our own", "accelerator": "H100-SXM",
    }  # fmt: skip
    row |= {name: str(value) for name, value in cells.items()}
    return Table("rows", (row,), tuple(row), "")


def test_a_source_of_ones_own_says_what_runs_it():
    found, skipped = read_finetunes(a_row())
    assert not found and "a column 'software'" in next(iter(skipped.values()))
    (one,), _ = read_finetunes(a_row(software="eager", rank=32, recompute="none", accumulation=4))
    assert (one.setup.recipe.rank, one.setup.layout.eager, one.setup.layout.recompute) == (32, True, "none")
    assert one.seconds == pytest.approx(2048 * 2 * 4 / 5000)
    (fused,), _ = read_finetunes(a_row(software="fused"))
    assert (fused.setup.layout.eager, fused.setup.layout.loss) == (False, "fused")


def test_weights_that_are_shared_over_ranks_are_read_as_that():
    (one,), _ = read_finetunes(a_row(method="LoRA + Deepspeed Zero3", model="Qwen-72B", n_gpus=4, batch="1x ga8",
                                     source="QwenLM/Qwen README", accelerator="A100-80GB-SXM"))  # fmt: skip
    assert (one.setup.layout.zero, one.setup.layout.data, one.setup.accumulation) == (3, 4, 8)
    assert one.predicted_memory() < 80 * GIB, "72B in 16 bits over four"


def test_a_model_that_fits_on_no_replica_is_planned():
    (one,), _ = read_finetunes(a_row(method="SFT FP8", model="Llama-2-70B", n_gpus=16, seq_len=4096, batch="GBS32",
                                     source="nemo", accelerator="H100-SXM"))  # fmt: skip
    assert one.setup.layout.accelerators == 16 and one.setup.layout.data < 16
    assert one.setup.accumulation * one.setup.layout.data * one.setup.layout.micro_batch == 32
