"""How does each family of models spell its shape? From the `model_type` of a config to its reader.

A new family is one line here, and a reader in the module that the line names; modules are loaded when
they are needed.
"""

from importlib import import_module

from costmodel.architecture.families.reading import Reader

FAMILIES: dict[str, str] = {
    "deepseek_v4": "compressed",
    "llama": "decoders",
    "mistral": "decoders",
    "mixtral": "decoders",
    "qwen2": "decoders",
    "qwen3": "decoders",
    "qwen3_moe": "decoders",
    "gemma": "decoders",
    "gemma2": "decoders",
    "gemma3_text": "decoders",
    "olmo2": "decoders",
    "phi3": "decoders",
    "gpt_oss": "decoders",
    "deepseek_v3": "decoders",
    "gpt2": "decoders",
    "gpt_neox": "decoders",
    "opt": "decoders",
    "starcoder2": "classic",
    "stablelm": "classic",
    "phi": "classic",
    "mpt": "classic",
    "gptj": "classic",
    "gpt_neo": "classic",
    "gpt_bigcode": "classic",
    "falcon": "classic",
    "cohere": "classic",
    "dbrx": "modern",
    "deepseek_v2": "modern",
    "deepseek_v32": "modern",
    "glm": "modern",
    "ernie4_5_moe": "modern",
    "glm4": "modern",
    "glm4_moe": "modern",
    "glm_moe_dsa": "modern",
    "minimax_m2": "modern",
    "ministral3": "modern",
    "olmo": "modern",
    "olmo3": "modern",
    "olmoe": "modern",
    "phimoe": "modern",
    "qwen2_moe": "modern",
    "smollm3": "modern",
    "internlm": "modern",
    "bloom": "classic",
    "llava": "multimodal",
    "gemma3": "multimodal",
    "qwen2_vl": "multimodal",
    "qwen3_vl": "multimodal",
    "qwen3_vl_moe": "multimodal",
    "kimi_k25": "multimodal",
    "llama4": "multimodal",
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
}


def reader_of(model_type: str) -> Reader:
    """Return the reader of a known `model_type`."""
    module = import_module(f"costmodel.architecture.families.{FAMILIES[model_type]}")
    reader: Reader = module.READERS[model_type]
    return reader
