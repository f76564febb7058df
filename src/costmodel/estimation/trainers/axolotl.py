"""Files of axolotl."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.estimation.trainers.hugging_face import read_sharding
from costmodel.estimation.trainers.keys import EMPTY
from costmodel.estimation.trainers.settings import (
    SUPERVISED,
    Settings,
    read_16_bits,
    read_adapters,
    read_kernel,
    read_optimizer,
    read_padding,
    read_whole_modules,
    refuse_few_bits,
)

if TYPE_CHECKING:
    from costmodel.estimation.trainers.beside import Beside
    from costmodel.estimation.trainers.keys import Keys

_METHODS = {"dpo": "dpo", "ipo": "dpo", "kto": "kto", "orpo": "orpo", "simpo": "simpo", "grpo": "grpo"}


def read(keys: Keys, beside: Beside) -> Settings:
    """Return what a file of axolotl says.

    Parameters
    ----------
    keys : Keys
        Keys of the file.
    beside : Beside
        Files that belong to it.
    """
    settings = Settings(software="axolotl", model_key="base_model")
    settings.model = keys.text("base_model") or None
    settings.kind = beside.method or _kind(keys)
    _amounts(keys, settings)
    read_16_bits(keys, settings)
    _adapters(keys, settings)
    _kernels(keys, settings)
    read_sharding(keys, settings, beside)
    adapters = settings.recipe.get("rank") is not None
    sharded = settings.sharding in {"deepspeed", "fsdp"} and not settings.full_16_bits
    settings.recipe["master_weights"] = adapters or sharded
    if settings.kind == "grpo":
        settings.open["recipe.kind"] = (
            "rl: grpo of axolotl is not read; write its arguments as a TRL file, or a scenario file"
        )
    return settings


def _kind(keys: Keys) -> str:
    if keys.flag("reward_model"):
        return "reward_model"
    stated = keys.text("rl").lower()
    if stated and stated not in _METHODS:
        keys.refuse(f"rl: must be one of {', '.join(_METHODS)}; got {stated!r}")
    return _METHODS.get(stated, "full_fine_tuning")


def _amounts(keys: Keys, settings: Settings) -> None:
    """Read batch, length of the run, lengths and packing."""
    settings.micro_batch = keys.whole("micro_batch_size") or 1
    settings.accumulation = keys.whole("gradient_accumulation_steps") or 1
    if not keys.has("gradient_accumulation_steps") and keys.has("batch_size"):
        settings.accumulation = max((keys.whole("batch_size") or 1) // settings.micro_batch, 1)
    settings.steps = keys.whole("max_steps")
    epochs = keys.number("num_epochs")
    if epochs is None and settings.steps is None:
        settings.assume("1 epoch, the default of axolotl")
    settings.recipe["epochs"] = 1.0 if epochs is None else epochs
    length = keys.whole("sequence_len")
    if length is None:
        settings.assume("sequence length 512, the default of axolotl")
    settings.recipe["sequence_length"] = length or 512
    settings.recipe["packing"] = keys.flag("sample_packing") and settings.kind in SUPERVISED
    pads = keys.flag("pad_to_sequence_len", "pad_to_sequence_length")
    settings.padded_to_length = pads and not settings.recipe["packing"] and settings.kind in SUPERVISED
    read_padding(keys, settings, "group_by_length", "batch_flattening")
    settings.held_out = max(keys.number("val_set_size") or 0.0, 0.0)
    read_optimizer(keys, settings, "optimizer", default="adamw_torch_fused")
    for name, field in (("sequence_parallel_degree", "context"), ("context_parallel_size", "context"),
                        ("tensor_parallel_size", "tensor"), ("expert_parallel_size", "expert")):  # fmt: skip
        if degree := keys.whole(name):
            settings.layout[field] = degree
    keys.skip(
        "eval_sample_packing",
        "sample_packing_eff_est",
        "pad_to_sequence_len",
        "dpo_beta",
        "multipack_real_batches",
        "sample_packing_group_size",
        "sample_packing_bin_size",
        "dpo_use_weighting",
        "train_on_split",
        "rl_beta",
        "kto_desirable_weight",
        "kto_undesirable_weight",
        "orpo_alpha",
        "processor_type",
        "eot_tokens",
        "model_quantization_config",
        "sample_packing_sequentially",
        "curriculum_sampling",
        "device_map",
        "type_of_model",
    )


def _adapters(keys: Keys, settings: Settings) -> None:
    """Read the adapter and the quantization of the frozen weights."""
    adapter = keys.text("adapter").lower()
    bits = 4 if keys.flag("load_in_4bit") else 8 if keys.flag("load_in_8bit") else 16
    targets = keys.words("lora_target_modules", "peft_target_modules")
    linear = keys.flag("lora_target_linear")
    rank = keys.whole("lora_r")
    keys.skip(
        "lora_alpha",
        "lora_dropout",
        "lora_fan_in_fan_out",
        "peft_use_rslora",
        "lora_model_dir",
        "loraplus_lr_ratio",
        "lora_qkv_kernel",
        "lora_o_kernel",
        "lora_mlp_kernel",
        "bnb_config_kwargs",
        "lora_task_type",
    )
    if adapter not in {"lora", "qlora"}:
        if adapter:
            keys.refuse(f"adapter: must be lora or qlora; got {adapter!r}")
        else:
            refuse_few_bits(keys, f"load_in_{bits}bit", bits)
        return
    if adapter == "qlora" and bits == 16:
        bits = 4
        settings.assume("4-bit weights, since the adapter is qlora")
    read_adapters(rank, ("all-linear",) if linear or not targets else targets, settings, default_rank=8, bits=bits)
    if keys.flag("peft_use_dora"):
        settings.recipe["variant"] = "dora"
    read_whole_modules(keys, settings, "lora_modules_to_save", "peft_modules_to_save")


def _kernels(keys: Keys, settings: Settings) -> None:
    """Read attention, recomputation and the loss."""
    if keys.flag("flash_attention") or keys.flag("flash_attn"):
        settings.layout["attention"] = "flash-2"
        keys.skip("sdp_attention", "xformers_attention", "attn_implementation")
    elif keys.flag("sdp_attention") or keys.flag("xformers_attention"):
        settings.layout["attention"] = "flash-2"
    else:
        read_kernel(keys.text("attn_implementation"), settings)
    stated = keys.value("gradient_checkpointing")
    if stated is None:
        settings.assume("no gradient checkpointing")
    on = stated in ("unsloth", "offload") or (not isinstance(stated, str) and bool(stated)) or stated == "true"
    settings.layout["recompute"] = "full" if on else "none"
    if stated in ("unsloth", "offload") or keys.value("activation_offloading") not in EMPTY:
        settings.layout["offload_activations"] = True
    fused = (
        keys.flag("liger_fused_linear_cross_entropy"),
        keys.flag("cut_cross_entropy"),
        keys.flag("chunked_cross_entropy"),
    )
    if any(fused):
        settings.layout["loss"] = "chunked"
    if keys.flag("torch_compile"):
        settings.layout["eager"] = False
    keys.skip(
        "plugins",
        "liger_rope",
        "liger_rms_norm",
        "liger_glu_activation",
        "liger_layer_norm",
        "liger_swiglu",
        "flash_attn_rms_norm",
        "flash_attn_cross_entropy",
        "flash_attn_fuse_mlp",
        "flash_attn_fuse_qkv",
        "unsloth_cross_entropy_loss",
        "liger_rms_norm_gated",
        "torch_compile_mode",
        "fused_attn_kernel",
        "use_kernels",
        "torch_compile_backend",
    )
