"""How data-parallel ranks share the model: keys of DeepSpeed, of FSDP and of accelerate."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from costmodel.estimation.trainers.keys import Keys
    from costmodel.estimation.trainers.settings import Settings

_STRATEGIES = {"full_shard": 3, "shard_grad_op": 2, "no_shard": 0, "hybrid_shard": 3, "hybrid_shard_zero2": 2}
_ACCUMULATION = "gradient_accumulation_steps"
FSDP_SIGNS = tuple(
    f"{prefix}{name}"
    for prefix in ("", "fsdp_")
    for name in ("sharding_strategy", "reshard_after_forward", "offload_params", "activation_checkpointing", "version")
)
"""Keys that only a configuration of FSDP in use has."""
_FSDP_INERT = (
    "fsdp_version", "version", "fsdp_transformer_layer_cls_to_wrap", "transformer_layer_cls_to_wrap", "xla",
    "xla_fsdp_v2", "state_dict_type", "final_state_dict_type", "fsdp_cpu_ram_efficient_loading",
    "mixed_precision_policy",
)  # fmt: skip
"""Keys of FSDP that change no figure, beside those that `Keys` knows."""
_NUMBERED = {"1": "full_shard", "2": "shard_grad_op", "3": "no_shard", "4": "hybrid_shard", "5": "hybrid_shard_zero2"}


def read_deepspeed(keys: Keys, settings: Settings) -> None:
    """Read a DeepSpeed configuration: ZeRO stage, offloading, batch and precision, where they are not "auto".

    Parameters
    ----------
    keys : Keys
        The configuration.
    settings : Settings
        What is known of the run; changed in place.
    """
    settings.sharding = "deepspeed"
    zero = keys.inner("zero_optimization")
    stage = zero.whole("stage", least=0)
    settings.layout["zero"] = stage or 0
    zero.skip("allgather_partitions", "reduce_scatter", "ignore_unused_parameters", "elastic_checkpoint")
    if zero.flag("overlap_comm", default=True) is False:
        settings.layout["overlap_data"] = False
    for name, field in (("offload_optimizer", "offload_optimizer"), ("offload_param", "offload_weights")):
        device = zero.inner(name).text("device")
        if device == "nvme":
            settings.assume(f"{name} to NVMe counts as offloading to host memory")
        if device in {"cpu", "nvme"}:
            settings.layout[field] = True
        for other in ("pin_memory", "ratio", "buffer_count", "fast_init", "buffer_size", "max_in_cpu"):
            zero.inner(name).skip(other)
    for field, name in (("micro_batch", "train_micro_batch_size_per_gpu"), ("accumulation", _ACCUMULATION)):
        before, stated = getattr(settings, field), keys.whole(name)
        if stated is not None and stated != before:
            settings.assume(f"{name} {stated} of the DeepSpeed configuration, not {before}")
            setattr(settings, field, stated)
    if (batch := keys.whole("train_batch_size")) is not None:
        settings.batch_size = batch
        settings.assume(f"train_batch_size {batch:,} of the DeepSpeed configuration is the batch of a step")
    for name in ("bf16", "fp16"):
        if keys.inner(name).data.get("enabled") is True:
            settings.recipe["precision"] = name
        keys.inner(name).skip("enabled", "auto_cast")
    keys.skip("zero_force_ds_cpu_optimizer", "prescale_gradients", "communication_data_type")
    keys.skip("optimizer", "scheduler", "activation_checkpointing", "comms_config", "monitor_config", "flops_profiler")


def read_fsdp(fsdp: tuple[str, ...], config: Keys, settings: Settings) -> None:
    """Read the FSDP keys of Hugging Face trainers: strategy, offloading and recomputation.

    Parameters
    ----------
    fsdp : tuple of str
        Words of the key `fsdp`.
    config : Keys
        Part `fsdp_config`, whose keys may begin with "fsdp_".
    settings : Settings
        What is known of the run; changed in place.
    """
    settings.sharding = "fsdp"
    named = [word for word in fsdp if word in _STRATEGIES]
    stated = config.text("fsdp_sharding_strategy", "sharding_strategy").lower()
    stated = _NUMBERED.get(stated, stated)
    reshard = str(config.value("fsdp_reshard_after_forward", "reshard_after_forward")).lower()
    strategy = stated or (named[0] if named else "") or (reshard if reshard in _STRATEGIES else "")
    if strategy and strategy not in _STRATEGIES:
        config.refuse(f"fsdp_sharding_strategy: must be one of {', '.join(_STRATEGIES)}; got {strategy!r}")
    if strategy not in _STRATEGIES:
        strategy = "shard_grad_op" if reshard == "false" else "full_shard"
    settings.layout["zero"] = _STRATEGIES[strategy]
    settings.hybrid = strategy.startswith("hybrid")
    if "offload" in fsdp or config.flag("fsdp_offload_params", "offload_params", "cpu_offload"):
        settings.layout |= {"offload_weights": True, "offload_optimizer": True}
    if config.flag("fsdp_activation_checkpointing", "activation_checkpointing"):
        settings.layout["recompute"] = "full"
    config.skip(*_FSDP_INERT)


def read_accelerate(keys: Keys, settings: Settings) -> None:
    """Read an accelerate configuration: number of processes, precision, and DeepSpeed or FSDP.

    Parameters
    ----------
    keys : Keys
        The configuration.
    settings : Settings
        What is known of the run; changed in place.
    """
    processes = keys.whole("num_processes")
    if processes is not None:
        settings.trained_on = processes
        if not settings.own_rollout_gpus:
            settings.count = processes
    precision = keys.text("mixed_precision").lower()
    if precision in {"bf16", "fp16", "fp8"}:
        settings.recipe["precision"] = precision
    kind = keys.text("distributed_type").upper()
    if kind == "FSDP":
        read_fsdp((), keys.inner("fsdp_config"), settings)
    elif kind == "DEEPSPEED":
        part = keys.inner("deepspeed_config")
        settings.sharding = "deepspeed"
        if part.has("zero_stage"):
            settings.layout["zero"] = part.whole("zero_stage", least=0) or 0
        if part.text("offload_optimizer_device") in {"cpu", "nvme"}:
            settings.layout["offload_optimizer"] = True
        if part.text("offload_param_device") in {"cpu", "nvme"}:
            settings.layout["offload_weights"] = True
        settings.accumulation = part.whole("gradient_accumulation_steps") or settings.accumulation
        part.skip("zero3_init_flag", "zero3_save_16bit_model", "deepspeed_multinode_launcher")
    elif kind == "MULTI_GPU":
        settings.sharding = "ddp"
    keys.skip("gpu_ids", "dynamo_config", "enable_cpu_affinity", "debug")
