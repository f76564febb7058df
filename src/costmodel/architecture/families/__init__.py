"""How does each family of models spell its shape? From the `model_type` of a config to its reader.

A new family is one line here, and a reader in the module that the line names; modules are loaded when
they are needed.
"""

from importlib import import_module

from costmodel.architecture.families.reading import Reader

FAMILIES: dict[str, str] = {
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
}


def reader_of(model_type: str) -> Reader:
    """Return the reader of a known `model_type`."""
    module = import_module(f"costmodel.architecture.families.{FAMILIES[model_type]}")
    reader: Reader = module.READERS[model_type]
    return reader
