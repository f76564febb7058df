"""Files of LLaMA-Factory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.estimation.trainers.hugging_face import read_sharding, read_training
from costmodel.estimation.trainers.settings import (
    DOUBLE_QUANTIZED,
    SUPERVISED,
    Settings,
    read_16_bits,
    read_adapters,
    read_kernel,
    read_padding,
    read_whole_modules,
    refuse_few_bits,
)

if TYPE_CHECKING:
    from costmodel.estimation.trainers.beside import Beside
    from costmodel.estimation.trainers.keys import Keys

_STAGES = {"sft": "full_fine_tuning", "pt": "full_fine_tuning", "rm": "reward_model", "dpo": "dpo", "kto": "kto"}
_LOSSES = {"orpo": "orpo", "simpo": "simpo"}
_DPO_LOSSES = ("sigmoid", "hinge", "ipo", "kto_pair")


def read(keys: Keys, beside: Beside) -> Settings:
    """Return what a file of LLaMA-Factory says.

    Parameters
    ----------
    keys : Keys
        Keys of the file.
    beside : Beside
        Files that belong to it.
    """
    settings = Settings(software="LLaMA-Factory", model_key="model_name_or_path")
    settings.model = keys.text("model_name_or_path") or None
    stage = keys.text("stage", default="sft")
    if stage not in _STAGES:
        keys.refuse(f"stage: must be one of {', '.join(_STAGES)}; got {stage!r}")
    loss = keys.text("pref_loss", default="sigmoid")
    if stage == "dpo" and loss not in (*_LOSSES, *_DPO_LOSSES):
        keys.refuse(f"pref_loss: must be one of {', '.join((*_LOSSES, *_DPO_LOSSES))}; got {loss!r}")
    settings.kind = beside.method or _LOSSES.get(loss, _STAGES.get(stage, "full_fine_tuning"))
    read_training(keys, settings)
    read_16_bits(keys, settings)
    _lengths(keys, settings, stage)
    _weights(keys, settings)
    kernel = keys.text("flash_attn")
    read_kernel("" if kernel == "auto" else kernel, settings)
    off = keys.flag("disable_gradient_checkpointing")
    settings.layout["recompute"] = "none" if off else "full"
    if keys.value("gradient_checkpointing") is None and not off:
        settings.assume("gradient checkpointing, the default of LLaMA-Factory")
    if keys.flag("enable_liger_kernel"):
        settings.layout["loss"] = "chunked"
    if keys.flag("use_unsloth"):
        settings.software = "unsloth"
        settings.layout["loss"] = "chunked"
    read_sharding(keys, settings, beside)
    settings.recipe["master_weights"] = not keys.flag("pure_bf16")
    keys.skip(
        "do_train",
        "pref_beta",
        "pref_ftx",
        "upcast_layernorm",
        "use_rslora",
        "mask_history",
        "train_on_prompt",
        "ref_model",
        "quantization_method",
        "quantization_type",
        "rope_scaling",
    )
    return settings


def _lengths(keys: Keys, settings: Settings, stage: str) -> None:
    """Read lengths, packing and how many examples are read."""
    length = keys.whole("cutoff_len")
    if length is None:
        settings.assume("sequence length 2,048, the default of LLaMA-Factory")
    settings.recipe["sequence_length"] = length or 2048
    packing = keys.value("packing")
    packs = keys.flag("packing") or keys.flag("neat_packing") or (packing is None and stage == "pt")
    settings.recipe["packing"] = packs and settings.kind in SUPERVISED
    settings.held_out = max(keys.number("val_size") or 0.0, 0.0)
    if (most := keys.whole("max_samples")) is not None:
        settings.most_examples = most * max(len(keys.words("dataset")), 1)
    read_padding(keys, settings, "group_by_length")


def _weights(keys: Keys, settings: Settings) -> None:
    """Read which weights are trained, and in how many bits the others are stored."""
    kind = keys.text("finetuning_type", default="lora")
    bits = keys.whole("quantization_bit") or 16
    targets = keys.words("lora_target")
    rank = keys.whole("lora_rank")
    keys.skip(
        "lora_alpha",
        "lora_dropout",
        "additional_target_",
        "freeze_vision_tower",
        "loraplus_lr_ratio",
        "freeze_multi_modal_projector",
        "create_new_adapter",
        "pissa_init",
    )
    if kind == "full":
        refuse_few_bits(keys, "quantization_bit", bits)
        return
    if kind != "lora":
        keys.refuse(f"finetuning_type: must be lora or full; got {kind!r}")
        return
    if bits not in {4, 8, 16}:
        keys.refuse(f"quantization_bit: must be 4 or 8; got {bits}")
        return
    if bits == 4 and not keys.flag("double_quantization", default=True):
        settings.assume(DOUBLE_QUANTIZED)
    read_adapters(rank, targets or ("all",), settings, default_rank=8, bits=bits)
    if keys.flag("use_dora"):
        settings.recipe["variant"] = "dora"
    read_whole_modules(keys, settings, "additional_target")
