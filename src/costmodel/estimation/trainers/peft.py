"""The configuration of a saved adapter (`adapter_config.json` of PEFT): the recipe and its model, without a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.estimation.trainers.settings import Settings, read_adapters, read_whole_modules

if TYPE_CHECKING:
    from costmodel.estimation.trainers.beside import Beside
    from costmodel.estimation.trainers.keys import Keys

_TUNED = {"PROMPT_TUNING": False, "PREFIX_TUNING": True}
"""Methods that train virtual tokens, and whether these are keys and values of every layer."""


def read(keys: Keys, beside: Beside) -> Settings:
    """Return what the configuration of an adapter says.

    Parameters
    ----------
    keys : Keys
        Keys of the file.
    beside : Beside
        Files that belong to it; none here.
    """
    settings = Settings(software="fused", model_key="base_model_name_or_path", plans=True)
    settings.model = keys.text("base_model_name_or_path") or None
    kind = keys.text("peft_type").upper()
    if kind in _TUNED:
        settings.kind = "prompt_tuning"
        settings.recipe |= {"virtual_tokens": keys.whole("num_virtual_tokens") or 20, "prefix": _TUNED[kind]}
        return settings
    if kind != "LORA":
        keys.refuse(f"peft_type: must be LORA, PROMPT_TUNING or PREFIX_TUNING; got {kind!r}")
        return settings
    settings.kind = beside.method if beside.method in {"lora", "qlora"} else "lora"
    targets = keys.words("target_modules") or ("all-linear",)
    read_adapters(keys.whole("r"), targets, settings, default_rank=8, bits=4 if settings.kind == "qlora" else 16)
    settings.recipe["variant"] = "dora" if keys.flag("use_dora") else "rslora" if keys.flag("use_rslora") else "lora"
    read_whole_modules(keys, settings, "modules_to_save")
    if keys.has("rank_pattern"):
        settings.assume(f"rank {settings.recipe['rank']} of all adapters, although rank_pattern differs")
        keys.skip("rank_pattern")
    keys.skip(
        "alpha_pattern",
        "inference_mode",
        "auto_mapping",
        "init_lora_weights",
        "megatron_core",
        "base_model_class",
        "parent_library",
        "qalora_group_size",
        "corda_config",
        "eva_config",
    )
    return settings
