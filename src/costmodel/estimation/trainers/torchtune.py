"""Recipes of torchtune, whose parts name their builder with `_component_`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from costmodel.estimation.trainers.settings import Settings, read_adapters, read_optimizer

if TYPE_CHECKING:
    from costmodel.estimation.trainers.beside import Beside
    from costmodel.estimation.trainers.keys import Keys

_CHUNKED = ("CEWithChunkedOutputLoss", "LinearCrossEntropyLoss", "LinearCrossEntropy")
_SIZE = re.compile(r"^(?:q?lora_|qat_)?(?P<name>.+?)(?:_instruct|_base)?$")
_MODELS = {"llama4_scout_17b_16e": "llama-4-scout"}
"""Models of the catalog by builder, where the builder is not their name."""
_MATRICES = {"output_proj": "o_proj"}
"""Modules of torchtune whose matrices have another name."""


def read(keys: Keys, beside: Beside) -> Settings:
    """Return what a recipe of torchtune says.

    Parameters
    ----------
    keys : Keys
        Keys of the file.
    beside : Beside
        Files that belong to it.
    """
    compiled = keys.flag("compile")
    settings = Settings(software="torchtune" if compiled else "eager", model_key="model._component_")
    if not compiled:
        settings.assume("kernels launched one by one: compile is off")
    model = keys.inner("model")
    builder = model.text("_component_").rpartition(".")[2]
    name = _SIZE.sub(r"\g<name>", builder)
    settings.model = _MODELS.get(name, name) or None
    settings.kind = beside.method or _kind(keys)
    settings.micro_batch = keys.whole("batch_size") or 1
    settings.accumulation = keys.whole("gradient_accumulation_steps") or 1
    settings.recipe["epochs"] = keys.number("epochs") or 1.0
    if (most := keys.whole("max_steps_per_epoch")) is not None:
        settings.steps = round(most * (keys.number("epochs") or 1.0))
    _lengths(keys, settings)
    _adapters(model, builder, settings)
    _numbers(keys, settings)
    loss = keys.inner("loss").text("_component_").rpartition(".")[2]
    settings.layout |= {
        "attention": "flash-2",
        "recompute": "full" if keys.flag("enable_activation_checkpointing") else "none",
        "loss": "chunked" if loss in _CHUNKED else "whole",
        "offload_activations": keys.flag("enable_activation_offloading"),
        "step_in_backward": keys.flag("optimizer_in_bwd"),
    }
    _sharding(keys, settings)
    keys.inner("loss").skip("num_output_chunks", "ignore_index", "beta", "label_smoothing")
    keys.skip("batch_size_val", "ac_mode", "ac_option", "tasks", "enable_kv_cache")
    keys.inner("quantizer").skip("groupsize")
    keys.skip("profiler", "custom_sharded_layers", "metric_logger", "checkpointer", "max_steps_per_epoch", "epochs")
    return settings


def _kind(keys: Keys) -> str:
    loss = keys.inner("loss").text("_component_").lower()
    if "dpo" in loss or "rso" in loss:
        return "dpo"
    quantizer = keys.inner("quantizer").text("_component_").lower()
    if "qat" in quantizer:
        return "quantization_aware_training"
    if keys.has("kd_loss", "teacher_model"):
        keys.refuse("teacher_model: distillation of torchtune is not read; write a scenario file with its recipe")
    return "full_fine_tuning"


def _lengths(keys: Keys, settings: Settings) -> None:
    """Read the sequence length and packing, from tokenizer and dataset."""
    tokenizer, dataset = keys.inner("tokenizer"), keys.inner("dataset")
    length = tokenizer.whole("max_seq_len") or dataset.whole("max_seq_len")
    tokenizer.skip("path", "merges_file", "prompt_template", "_component_")
    dataset.skip("source", "column_map", "train_on_input", "conversation_column", "new_system_prompt", "data_files")
    packs = dataset.flag("packed") and settings.kind != "dpo"
    if length is not None:
        settings.recipe["sequence_length"] = length
    elif packs:
        settings.open["recipe.sequence_length"] = "tokenizer.max_seq_len: is null; give --sequence-length for packing"
    settings.recipe["packing"] = packs


def _adapters(model: Keys, builder: str, settings: Settings) -> None:
    """Read the adapters of a builder such as `lora_llama3_1_8b`."""
    model.skip("lora_alpha", "lora_dropout", "_component_")
    if not builder.startswith(("lora_", "qlora_")):
        return
    bits = 4 if builder.startswith("qlora_") or model.flag("quantize_base") else 16
    targets = [_MATRICES.get(name, name) for name in model.words("lora_attn_modules")]
    if model.flag("apply_lora_to_mlp"):
        targets += ["gate_proj", "up_proj", "down_proj"]
    if model.flag("apply_lora_to_output"):
        settings.assume("no adapter on the LM head, although apply_lora_to_output is on")
    read_adapters(model.whole("lora_rank"), targets, settings, default_rank=8, bits=bits)
    if model.flag("use_dora"):
        settings.recipe["variant"] = "dora"


def _numbers(keys: Keys, settings: Settings) -> None:
    """Read precision and optimizer: weights, gradients and states have the same format."""
    optimizer = keys.inner("optimizer")
    read_optimizer(optimizer, settings, "_component_", default="AdamW")
    optimizer.skip("fused", "lr", "weight_decay")
    word = keys.text("dtype", default="bf16")
    settings.recipe["precision"] = word if word in {"bf16", "fp16", "fp32"} else "bf16"
    settings.recipe["master_weights"] = word == "fp32"


def _sharding(keys: Keys, settings: Settings) -> None:
    """Read parallelism: FSDP of all weights, unless the run is on one accelerator."""
    settings.sharding = "fsdp"
    settings.layout["zero"] = 3
    if keys.value("fsdp_reshard_after_forward") is not None and not keys.flag("fsdp_reshard_after_forward"):
        settings.layout["zero"] = 2
    if keys.flag("fsdp_cpu_offload"):
        settings.layout |= {"offload_weights": True, "offload_optimizer": True}
    for name, field in (("tensor_parallel_dim", "tensor"), ("context_parallel_dim", "context")):
        if degree := keys.whole(name):
            settings.layout[field] = degree
    if (replicas := keys.whole("data_parallel_replicate_dim") or 1) > 1:
        settings.hybrid = True
        settings.assume(f"{replicas} replicas, each sharded within a node")
    keys.skip("data_parallel_shard_dim", "tensor_parallel_plan", "enable_async_checkpointing")
