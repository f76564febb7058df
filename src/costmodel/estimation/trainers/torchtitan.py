"""Configurations of torchtitan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.estimation.trainers.settings import Settings, read_optimizer

if TYPE_CHECKING:
    from costmodel.estimation.trainers.beside import Beside
    from costmodel.estimation.trainers.keys import Keys

_FLAVORS = {
    ("llama3", "405b"): "llama-3.1-405b",
    ("deepseek_v3", "671b"): "deepseek-v3",
    ("llama4", "17bx16e"): "llama-4-scout",
    ("qwen3", "30b-a3b"): "qwen3-30b-a3b",
    ("gpt_oss", "20b"): "gpt-oss-20b",
    ("gpt_oss", "120b"): "gpt-oss-120b",
}
"""Models of the catalog by name and flavor, where the two together are not its name."""
_DEGREES = {
    "tensor": ("tensor_parallel_degree",),
    "pipeline": ("pipeline_parallel_degree",),
    "context": ("context_parallel_degree",),
    "expert": ("expert_parallel_degree",),
    "expert_tensor": ("expert_tensor_parallel_degree",),
}


def read(keys: Keys, beside: Beside) -> Settings:
    """Return what a configuration of torchtitan says.

    Parameters
    ----------
    keys : Keys
        Keys of the file.
    beside : Beside
        Files that belong to it; none here.
    """
    settings = Settings(software="torchtitan", kind="pretraining", model_key="model.flavor")
    model, training = keys.inner("model"), keys.inner("training")
    settings.model = _model(model)
    settings.recipe["sequence_length"] = training.whole("seq_len") or 2048
    settings.micro_batch = training.whole("local_batch_size", "batch_size") or 1
    settings.batch_size = training.whole("global_batch_size")
    settings.accumulation = training.whole("gradient_accumulation_steps") or 1
    settings.steps = training.whole("steps")
    optimizer = keys.inner("optimizer")
    read_optimizer(optimizer, settings, "name", default="AdamW")
    if optimizer.flag("early_step_in_backward"):
        settings.layout["step_in_backward"] = True
    optimizer.skip("implementation", "fused", "eps")
    _numbers(keys, model, training, settings)
    _parallelism(keys, training, settings)
    mode = keys.inner("activation_checkpoint").text("mode", default="selective")
    if mode not in {"none", "selective", "full"}:
        settings.assume(f"full recomputation for activation_checkpoint.mode {mode}")
    settings.layout["recompute"] = mode if mode in {"none", "selective"} else "full"
    keys.inner("activation_checkpoint").skip(
        "selective_ac_option", "per_op_sac_force_recompute_mm_shapes_by_fqns", "early_stop"
    )
    compiled = training.flag("compile") or keys.inner("compile").flag("enable")
    settings.layout |= {"attention": "flash-2", "loss": "fused" if compiled else "whole"}
    keys.inner("compile").skip("components", "backend")
    training.skip("max_norm", "gc_freq", "deterministic", "data_parallel_type", "enable_cpu_offload_")
    keys.skip(
        "quantize",
        "job",
        "metrics",
        "profiling",
        "checkpoint",
        "lr_scheduler",
        "comm",
        "validation",
        "fault_tolerance",
        "debug",
        "memory_estimation",
        "float8",
    )
    return settings


def _model(model: Keys) -> str | None:
    """Return the catalog name of a model and its flavor."""
    name, flavor = model.text("name"), model.text("flavor")
    model.skip("hf_assets_path", "tokenizer_path", "norm_type", "print_after_conversion")
    if not name or not flavor:
        return name or None
    return _FLAVORS.get((name.lower(), flavor.lower()), f"{name}-{flavor}")


def _numbers(keys: Keys, model: Keys, training: Keys, settings: Settings) -> None:
    """Read the precision: mixed with fp32 weights, in 8 bits with a converter."""
    stated = training.text("mixed_precision_param", default="bfloat16")
    precision = {"bfloat16": "bf16", "float32": "fp32"}.get(stated, "bf16")
    converters = model.words("converters") or keys.inner("quantize").words("converters")
    for converter in converters:
        word = converter.rpartition(".")[2].lower()
        if word in {"float8", "mx", "mxfp8"}:
            precision = "fp8" if word == "float8" else "mxfp8"
        else:
            settings.assume(f"the converter {converter} changes no figure")
    if precision == "fp8":
        part = keys.inner("float8")
        precision = "fp8-rowwise" if part.text("recipe_name") == "rowwise" else "fp8"
        part.skip("enable_fsdp_float8_all_gather", "precompute_float8_dynamic_scale_for_fsdp", "filter_fqns", "emulate")
    settings.recipe["precision"] = precision
    if training.text("dtype", default="float32") == "bfloat16":
        settings.recipe["master_weights"] = False
    training.skip("mixed_precision_reduce")


def _parallelism(keys: Keys, training: Keys, settings: Settings) -> None:
    """Read the degrees of parallelism; older files have them in other parts."""
    part, older = keys.inner("parallelism"), keys.inner("experimental")
    for field, names in _DEGREES.items():
        degree = part.whole(*names) or older.whole(*names) or training.whole(*names)
        if degree is not None and degree > 1:
            settings.layout[field] = degree
    replicate = part.whole("data_parallel_replicate_degree") or training.whole("data_parallel_replicate_degree") or 1
    shard = part.whole("data_parallel_shard_degree") or training.whole(
        "data_parallel_shard_degree", "data_parallel_degree"
    )
    reshard = part.text("fsdp_reshard_after_forward", default="default")
    settings.sharding = "fsdp"
    keeps = reshard == "never" or (reshard == "default" and "pipeline" in settings.layout)
    settings.layout["zero"] = 0 if shard == 1 else 2 if keeps else 3
    if shard is not None:
        settings.replicas = replicate * shard
        if replicate > 1 and shard > 1:
            settings.layout["shard"] = shard
    elif replicate > 1:
        settings.open["layout.shard"] = (
            "parallelism.data_parallel_shard_degree: is open; with several replicas give --set layout.shard=NUMBER"
        )
    if part.flag("enable_async_tensor_parallel") or older.flag("enable_async_tensor_parallel"):
        settings.layout["overlap_tensor"] = True
    settings.layout["sequence_parallel"] = not part.flag("disable_sequence_parallel")
    if training.flag("enable_cpu_offload"):
        settings.layout |= {"offload_weights": True, "offload_optimizer": True}
    schedule = part.text("pipeline_parallel_schedule") or older.text("pipeline_parallel_schedule")
    if "interleaved" in schedule.lower() and "pipeline" in settings.layout:
        settings.layout["interleave"] = 2
        settings.assume("2 chunks of layers per pipeline stage (--set layout.interleave=NUMBER)")
    if micro := part.whole("pipeline_parallel_microbatch_size"):
        settings.accumulation *= max(settings.micro_batch // micro, 1)
        settings.micro_batch = micro
    part.skip(
        "enable_loss_parallel",
        "pipeline_parallel_layers_per_stage",
        "context_parallel_rotate_method",
        "pipeline_parallel_split_points",
        "module_fqns_per_model_part",
        "enable_compiled_autograd",
    )
