"""Files with the arguments of Hugging Face trainers: Transformers, TRL, alignment-handbook, open-r1 and unsloth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from costmodel.estimation.trainers.keys import Keys
from costmodel.estimation.trainers.settings import (
    DOUBLE_QUANTIZED,
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
from costmodel.estimation.trainers.sharding import FSDP_SIGNS, read_deepspeed, read_fsdp

if TYPE_CHECKING:
    from costmodel.estimation.trainers.beside import Beside

_SIGNS = {
    "grpo": ("num_generations", "max_completion_length", "vllm_mode"),
    "kto": ("desirable_weight", "undesirable_weight"),
    "reward_model": ("center_rewards_coefficient",),
    "dpo": ("precompute_ref_log_probs", "rpo_alpha", "reference_free", "max_prompt_length", "dpo_alpha", "loss_type"),
}
"""Keys that only one method has, by the kind of its recipe."""
_SUPERVISED_LOSSES = ("nll", "dft", "chunked_nll")
"""Values of `loss_type` of supervised fine-tuning."""
_PARTS = ("model", "model_args", "training", "training_args", "trainer", "lora", "lora_config", "peft", "peft_config",
          "sft_config", "data", "training_arguments")  # fmt: skip
"""Parts of a file whose keys count as those of the file."""
UNSLOTH = ("use_gradient_checkpointing", "random_state", "fast_inference", "max_lora_rank", "full_finetuning")


def flattened(data: Mapping[str, object]) -> dict[str, object]:
    """Return the keys of a file together with those of its parts for model, training and adapters.

    Parameters
    ----------
    data : Mapping
        Plain data of the file.
    """
    flat: dict[str, object] = {}
    for key, value in data.items():
        if key in _PARTS and isinstance(value, Mapping):
            flat |= {str(name): inner for name, inner in value.items()}
        else:
            flat[key] = value
    return flat


def read(keys: Keys, beside: Beside) -> Settings:
    """Return what the arguments of a Hugging Face trainer say.

    Parameters
    ----------
    keys : Keys
        Keys of the file.
    beside : Beside
        Files that belong to it.
    """
    unsloth = keys.has(*UNSLOTH) or "unsloth" in keys.text("model_name", "model_name_or_path").lower()
    settings = Settings(software="unsloth" if unsloth else "TRL", model_key="model_name_or_path")
    settings.model = keys.text("model_name_or_path", "model_name", "model_id", "model") or None
    settings.kind = _kind(keys, settings, beside.method)
    read_training(keys, settings)
    read_16_bits(keys, settings)
    half = keys.text("torch_dtype", "dtype").rpartition(".")[2] in {"bfloat16", "float16", "bf16", "fp16", "half"}
    _lengths(keys, settings)
    _adapters(keys, settings, unsloth)
    read_kernel(keys.text("attn_implementation", default="flash_attention_2" if unsloth else ""), settings)
    _recompute(keys, settings, unsloth)
    if unsloth or keys.flag("use_liger_kernel", "use_liger", "use_liger_loss"):
        settings.layout["loss"] = "chunked"
    if keys.flag("torch_compile"):
        settings.layout["eager"] = False
    if settings.kind == "grpo":
        _rollouts(keys, settings)
    if settings.kind in {"dpo", "kto"} and keys.flag("precompute_ref_log_probs"):
        settings.recipe["precomputed_reference"] = True
    read_sharding(keys, settings, beside)
    settings.recipe["master_weights"] = settings.sharding in {"deepspeed", "fsdp"} or not (half or unsloth)
    if not (half or unsloth or settings.sharding in {"deepspeed", "fsdp"}) and settings.recipe.get("rank") is None:
        settings.assume("weights in fp32 with 16-bit matmuls: torch_dtype is not stated")
    if settings.kind in {"lora", "qlora"} or settings.recipe.get("rank"):
        settings.recipe["master_weights"] = True  # PEFT keeps adapters in fp32
    keys.skip("beta", "loss_type", "sync_ref_model", "use_rslora", "init_lora_weights", "max_steps")
    return settings


def read_training(keys: Keys, settings: Settings) -> None:
    """Read the keys of `TrainingArguments` that decide batch, length of the run and optimizer.

    Parameters
    ----------
    keys : Keys
        Keys of the file.
    settings : Settings
        What is known of the run; changed in place.
    """
    for field, default, names in (
        ("micro_batch", 8, ("per_device_train_batch_size", "per_gpu_train_batch_size")),
        ("accumulation", 1, ("gradient_accumulation_steps",)),
    ):
        stated = keys.whole(*names)
        if stated is None:
            settings.assume(f"{names[0]} {default}, the default of Transformers")
        setattr(settings, field, stated or default)
    settings.steps = keys.whole("max_steps")
    epochs = keys.number("num_train_epochs", "num_epochs", "epochs")
    if settings.steps is None and epochs is None:
        settings.assume("3 epochs, the default of Transformers")
    settings.recipe["epochs"] = 3.0 if epochs is None else epochs
    read_optimizer(keys, settings, "optim", "optimizer", default="adamw_torch")


def read_sharding(keys: Keys, settings: Settings, beside: Beside) -> None:
    """Read how ranks share the model: the keys deepspeed and fsdp, and the files beside.

    Parameters
    ----------
    keys : Keys
        Keys of the file.
    settings : Settings
        What is known of the run; changed in place.
    beside : Beside
        Files that belong to it.
    """
    beside.read_accelerate(settings)
    stated = keys.value("deepspeed")
    if (config := beside.deepspeed(stated, settings)) is not None:
        read_deepspeed(config, settings)
    words = tuple(word for word in keys.words("fsdp") if word.lower() not in {"false", "true"})
    config = keys.inner("fsdp_config")
    shards = words or config.has(*FSDP_SIGNS) or keys.has("fsdp_version")
    if shards and settings.sharding == "deepspeed":
        keys.refuse("deepspeed, fsdp: the file states both; a run shards with one of them")
    if shards:
        read_fsdp(words, config, settings)
    config.skip("min_num_params", "xla_fsdp_grad_ckpt")
    keys.skip("fsdp_version", "fsdp_min_num_params")
    settings.layout.setdefault("zero", 0)


def _kind(keys: Keys, settings: Settings, method: str) -> str:
    """Return the kind of recipe: told, or that whose keys are in the file."""
    if method:
        return method
    supervised = keys.data.get("loss_type") in _SUPERVISED_LOSSES
    for kind, signs in _SIGNS.items():
        if sign := next((sign for sign in signs if sign in keys.data and not (supervised and sign == "loss_type")), ""):
            settings.assume(f"method {kind}, since the file has {sign} (give --method for another)")
            return kind
    return "full_fine_tuning"


def _lengths(keys: Keys, settings: Settings) -> None:
    """Read the sequence length and packing."""
    stated = keys.whole("max_length", "max_seq_length", "max_seq_len", "sequence_length")
    if settings.kind == "grpo":
        prompt, answer = keys.whole("max_prompt_length"), keys.whole("max_completion_length")
        if prompt is None or answer is None:
            settings.assume("max_prompt_length 512 and max_completion_length 256 where they are not stated, as in TRL")
        settings.recipe["sequence_length"] = (prompt or 512) + (answer or 256)
    else:
        if stated is None:
            settings.assume("sequence length 1,024, the default of TRL")
        settings.recipe["sequence_length"] = stated or 1024
        keys.skip("max_prompt_length", "max_completion_length", "truncation_mode")
    settings.recipe["packing"] = settings.kind in SUPERVISED and keys.flag("packing")
    if settings.kind not in SUPERVISED:
        keys.skip("packing")
    keys.skip("packing_strategy", "pad_to_multiple_of", "completion_only_loss", "assistant_only_loss")
    read_padding(keys, settings, "group_by_length", "padding_free")


def _adapters(keys: Keys, settings: Settings, unsloth: bool) -> None:
    """Read LoRA and quantization of the frozen weights."""
    bits = 4 if keys.flag("load_in_4bit") else 8 if keys.flag("load_in_8bit") else 16
    if unsloth and keys.value("load_in_4bit") is None and not keys.flag("full_finetuning") and bits == 16:
        bits = 4
        settings.assume("load_in_4bit, the default of unsloth")
    rank = keys.whole("lora_r", "r", "lora_rank")
    wants = keys.flag("use_peft") or rank is not None or bits < 16 or (unsloth and not keys.flag("full_finetuning"))
    wants = wants and keys.value("use_peft") is not False
    targets = keys.words("lora_target_modules", "target_modules")
    keys.skip(
        "lora_alpha",
        "lora_dropout",
        "use_rslora",
        "lora_task_type",
        "bnb_4bit_quant_type",
        "loftq_config",
        "bnb_4bit_compute_dtype",
    )
    nested = keys.flag("use_bnb_nested_quant", "bnb_4bit_use_double_quant")
    if not wants:
        refuse_few_bits(keys, f"load_in_{bits}bit", bits)
        return
    if keys.value("use_peft") is None and not unsloth:
        settings.assume("adapters, since the file states their rank or bits below 16; use_peft is not stated")
    if bits == 4 and not (nested or unsloth):
        settings.assume(DOUBLE_QUANTIZED)
    if not targets:
        settings.assume("adapters on all linear layers: the file names no target modules")
    read_adapters(rank, targets, settings, default_rank=16, bits=bits)
    if keys.flag("use_dora"):
        settings.recipe["variant"] = "dora"
    read_whole_modules(keys, settings, "lora_modules_to_save", "modules_to_save")


def _recompute(keys: Keys, settings: Settings, unsloth: bool) -> None:
    """Read gradient checkpointing."""
    stated = keys.value("use_gradient_checkpointing", "gradient_checkpointing")
    if stated is None:
        on = unsloth
        settings.assume("gradient checkpointing of unsloth" if unsloth else "no gradient checkpointing")
    else:
        on = stated == "unsloth" or keys.flag("gradient_checkpointing" if not unsloth else "use_gradient_checkpointing")
    settings.layout["recompute"] = "full" if on else "none"
    if keys.flag("activation_offloading"):
        settings.layout["offload_activations"] = True
    if unsloth and on and stated in (None, "unsloth"):
        settings.layout["offload_activations"] = True


def _rollouts(keys: Keys, settings: Settings) -> None:
    """Read the keys of reinforcement learning: group, engine and reference."""
    group = keys.whole("num_generations")
    if group is None:
        settings.assume("8 generations per prompt, the default of TRL")
    settings.recipe["group_size"] = group or 8
    settings.recipe["iterations"] = keys.whole("num_iterations") or 1
    beta = keys.number("beta")
    if beta is None:
        settings.assume("no reference model: beta is 0 by default")
    settings.recipe["reference"] = bool(beta)
    mode, device = keys.text("vllm_mode"), keys.text("vllm_device")
    if keys.flag("use_vllm"):
        if mode == "server" or (device and not mode):
            settings.own_rollout_gpus = True
        elif not mode:
            settings.open["recipe.rollout_gpus"] = (
                "vllm_mode: the file does not say whether rollouts share the GPUs; state vllm_mode: colocate, or give "
                "--set recipe.rollout_gpus=NUMBER"
            )
            settings.own_rollout_gpus = True
        if share := keys.number("vllm_gpu_memory_utilization"):
            settings.recipe["gpu_memory_utilization"] = share
    settings.trained_on = keys.whole("num_processes")
    settings.assume("prompts of 256 tokens (--set recipe.prompt_length=NUMBER)")
    keys.skip("vllm_max_model_len", "vllm_dtype", "vllm_tensor_parallel_size", "steps_per_generation", "epsilon")
