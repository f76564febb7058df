"""Families of models: the reader of each `model_type` of a config.

A new family is a line of `MODULES`, and a reader in the `READERS` of the module that the line names; or an entry point
of a package. Modules are loaded at their first use.
"""

from pkgutil import resolve_name
from typing import Any

from costmodel.architecture.families.reading import Reader
from costmodel.foundation.registry import Registry

MODULES: dict[str, str] = {
    "deepseek_v4": "compressed_attention",
    "llama": "rotary",
    "mistral": "rotary",
    "mixtral": "rotary",
    "qwen2": "rotary",
    "qwen3": "rotary",
    "qwen3_moe": "mixtures",
    "gemma": "rotary",
    "gemma2": "rotary",
    "gemma3_text": "rotary",
    "olmo2": "rotary",
    "phi3": "rotary",
    "gpt_oss": "rotary",
    "deepseek_v3": "latent_attention",
    "gpt2": "learned_positions",
    "gpt_neox": "learned_positions",
    "opt": "learned_positions",
    "starcoder2": "layer_norm",
    "stablelm": "parallel_blocks",
    "phi": "parallel_blocks",
    "mpt": "layer_norm",
    "gptj": "parallel_blocks",
    "gpt_neo": "layer_norm",
    "gpt_bigcode": "learned_positions",
    "falcon": "parallel_blocks",
    "cohere": "parallel_blocks",
    "dbrx": "sparse",
    "deepseek_v2": "latent_attention",
    "deepseek_v32": "latent_attention",
    "glm": "rotary",
    "ernie4_5_moe": "sparse",
    "glm4": "rotary",
    "glm4_moe": "mixtures",
    "glm_moe_dsa": "latent_attention",
    "minimax_m2": "sparse",
    "ministral3": "rotary",
    "olmo": "rotary",
    "olmo3": "rotary",
    "olmoe": "sparse",
    "phimoe": "sparse",
    "qwen2_moe": "mixtures",
    "smollm3": "rotary",
    "internlm": "rotary",
    **dict.fromkeys(
        (
            "apertus",
            "arcee",
            "bitnet",
            "cwm",
            "diffllama",
            "doge",
            "emu3_text_model",
            "ernie4_5",
            "exaone",
            "exaone4",
            "granite_swa",
            "helium",
            "hunyuan_v1_dense",
            "hyperclovax",
            "internlm2",
            "internlm3",
            "iquestcoder",
            "jais2",
            "ministral",
            "nanochat",
            "nemotron",
            "seed_oss",
            "vaultgemma",
        ),
        "rotary",
    ),
    **dict.fromkeys(("cohere2", "cohere_compass_text"), "parallel_blocks"),
    **dict.fromkeys(("biogpt", "openai-gpt"), "learned_positions"),
    **dict.fromkeys(("ctrl", "gpt_neox_japanese", "modernbert-decoder", "persimmon", "xglm"), "layer_norm"),
    **dict.fromkeys(("dory", "hrm_text"), "looped"),
    **dict.fromkeys(("minicpm3", "youtu"), "dense_latent_attention"),
    "bloom": "layer_norm",
    "llava": "multimodal",
    "gemma3": "multimodal",
    "qwen2_vl": "multimodal",
    "qwen3_vl": "multimodal",
    "qwen3_vl_moe": "multimodal",
    "kimi_k25": "multimodal",
    "llama4": "multimodal",
    "llama4_text": "multimodal",
    "mistral3": "multimodal",
    "gemma4": "gemma4",
    "bert": "encoders",
    "roberta": "encoders",
    "modernbert": "encoders",
    "bart": "encoders",
    "t5": "encoders",
    "whisper": "encoders",
    "vit": "vision",
    "dinov2": "vision",
    "clip": "vision",
    "siglip": "vision",
    "swin": "vision",
    "convnext": "vision",
    "wav2vec2": "sound",
    "mamba": "state_space",
    "mamba2": "state_space",
    "rwkv": "state_space",
    "jamba": "state_space",
    "falcon_h1": "state_space",
    "nemotron_h": "state_space",
    "qwen3_next": "linear_attention",
    "qwen3_5": "linear_attention",
    "qwen3_5_moe": "linear_attention",
    "minimax": "linear_attention",
    "kimi_linear": "linear_attention",
    "unlimited_ocr_text": "mixtures",
    "step3p5": "mixtures",
    "solar_open": "mixtures",
    "sarvam_moe": "mixtures",
    "qwen3_vl_moe_text": "mixtures",
    "qwen3_omni_moe_text": "mixtures",
    "openai_privacy_filter": "mixtures",
    "mimo_v2_flash": "mixtures",
    "mellum": "mixtures",
    "laguna": "mixtures",
    "kolibri1": "mixtures",
    "hy_v3": "mixtures",
    "hunyuan_v1_moe": "mixtures",
    "granitemoe_swa": "mixtures",
    "granitemoeshared": "mixtures",
    "granitemoe": "mixtures",
    "glm4v_moe_text": "mixtures",
    "flint": "mixtures",
    "flex_olmo": "mixtures",
    "exaone_moe": "mixtures",
    "dots1": "mixtures",
    "cohere2_moe": "mixtures",
    "beam": "mixtures",
    "aria_text": "mixtures",
    "afmoe": "mixtures",
}
"""Module of this folder with the reader of each `model_type`."""

ALIASES = {
    "apertus1p5_text": "apertus",
    "baichuan": "llama",
    "codegen": "gptj",
    "gpt-sw3": "gpt2",
    "granite": "llama",
}
"""Families whose layout and defaults are those of another, by `model_type`."""
MODULES |= {alias: MODULES[model_type] for alias, model_type in ALIASES.items()}


def _reader(model_type: str) -> Reader:
    readers: dict[str, Reader] = resolve_name(f"costmodel.architecture.families.{MODULES[model_type]}:READERS")
    return readers[ALIASES.get(model_type, model_type)]


def _problem(_: str, value: Any) -> str:
    """Return what is wrong with a reader of a package, or ""."""
    return "" if callable(value) else f"must be a function of a Config that returns an Architecture; got {value!r}"


FAMILIES: Registry[Reader] = Registry("model family", "costmodel.families", MODULES, _reader, _problem)
"""Readers of configs by `model_type`."""
