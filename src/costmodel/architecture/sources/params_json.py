"""`params.json` files of Meta and Mistral, and model arguments of torchtitan, as Hugging Face configs.

The keys are `dim`, `n_layers`, `n_heads` and so on. Each file becomes the config of the same model, which a reader of
families counts.
"""

from __future__ import annotations

from collections.abc import Mapping

from costmodel.architecture.sources.arguments import Arguments
from costmodel.foundation.errors import unknown

_COMMON = ("dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size", "norm_eps", "rope_theta", "max_seq_len",
           "max_batch_size", "head_dim", "hidden_dim", "dropout", "model_type", "name")  # fmt: skip
_META = (*_COMMON, "multiple_of", "ffn_dim_multiplier", "use_scaled_rope", "rope_scaling_factor", "depth_init",
         "use_flex_attn", "attn_mask_type", "eos_id", "high_freq_factor", "rope_scale_factor", "rope_scaling_args",
         "quantization_args", "lora_args", "attn_type")  # fmt: skip
_MISTRAL = (*_COMMON, "sliding_window", "moe", "tied_embeddings", "vision_encoder", "max_position_embeddings",
            "max_seqlen", "qk_norm", "enable_weight_tying", "causal", "yarn", "llama_4_scaling", "use_flex_attn",
            "attn_mask_type", "eos_id", "depth_init", "quantization", "moe_enabled")  # fmt: skip
_TIED_LLAMAS = {(2048, 16), (3072, 28)}
"""Width and layers of Llama 3.2 1B and 3B, whose LM head shares the weights of the embedding."""
LLAMA_3_VOCABULARY = 128_256
"""Vocabulary size of Llama 3 [1]."""
_TOWER = {
    "hidden_size": "hidden_size",
    "intermediate_size": "intermediate_size",
    "num_hidden_layers": "num_hidden_layers",
    "num_attention_heads": "num_attention_heads",
    "num_channels": "num_channels",
    "patch_size": "patch_size",
    "image_size": "image_size",
}
_TOWER_INERT = ("rope_theta", "image_token_id", "image_break_token_id", "image_end_token_id", "max_image_size",
                "adapter_bias", "spatial_merge_size", "mm_projector_id", "add_pre_mm_projector_layer_norm")  # fmt: skip


def meta_config(data: Mapping[str, object]) -> dict[str, object]:
    """Return the config of a `params.json` of Meta, whose feed-forward width follows from a rule.

    Parameters
    ----------
    data : Mapping
        Contents of the file; `multiple_of` is in it.

    Raises
    ------
    InputError
        With every key that is missing, wrong or not known.
    """
    reader = Arguments(data)
    _refuse_unknown(reader, _META)
    width, depth, vocabulary = reader.whole("dim"), reader.whole("n_layers"), _vocabulary(reader)
    heads = reader.whole("n_heads")
    multiple, factor = reader.whole("multiple_of", default=256), reader.number("ffn_dim_multiplier") or 1.0
    inner = int(factor * int(8 * width / 3))
    tied = vocabulary == LLAMA_3_VOCABULARY and (width, depth) in _TIED_LLAMAS
    config: dict[str, object] = {
        "model_type": "llama",
        "hidden_size": width,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "num_key_value_heads": reader.whole("n_kv_heads", default=heads),
        "intermediate_size": reader.whole("hidden_dim", default=-(-inner // multiple) * multiple),
        "vocab_size": vocabulary,
        "tie_word_embeddings": tied,
    }
    reader.finish()
    return config


def mistral_config(data: Mapping[str, object]) -> dict[str, object]:
    """Return the config of a `params.json` of Mistral, with experts or a vision encoder.

    Parameters
    ----------
    data : Mapping
        Contents of the file; `hidden_dim` is in it.

    Raises
    ------
    InputError
        With every key that is missing, wrong or not known.
    """
    reader = Arguments(data)
    _refuse_unknown(reader, _MISTRAL)
    heads, width = reader.whole("n_heads"), reader.whole("dim")
    tied = reader.flag("tied_embeddings") or reader.flag("enable_weight_tying")
    config: dict[str, object] = {
        "model_type": "qwen3" if reader.flag("qk_norm") else "mistral",
        "hidden_size": width,
        "num_hidden_layers": reader.whole("n_layers"),
        "num_attention_heads": heads,
        "num_key_value_heads": reader.whole("n_kv_heads", default=heads),
        "head_dim": reader.whole("head_dim", default=max(width // heads, 1)),
        "intermediate_size": reader.whole("hidden_dim"),
        "vocab_size": _vocabulary(reader),
        "tie_word_embeddings": tied,
    }
    window = reader.value("sliding_window")
    if config["model_type"] == "mistral":
        config["sliding_window"] = reader.whole("sliding_window") if isinstance(window, int) else None
    experts, tower = data.get("moe"), data.get("vision_encoder")
    if isinstance(experts, Mapping):
        config |= _experts(experts, reader)
    if isinstance(tower, Mapping):
        config = _with_tower(config, tower, reader)
    reader.finish()
    return config


def _experts(experts: Mapping[str, object], reader: Arguments) -> dict[str, object]:
    """Return the keys of a mixture of experts."""
    inner = Arguments(experts)
    for key in experts:
        if key not in {"num_experts", "num_experts_per_tok"}:
            reader.problem(f"moe.{key}: is not known; experts of this kind are not read")
    fields: dict[str, object] = {
        "model_type": "mixtral",
        "num_local_experts": inner.whole("num_experts"),
        "num_experts_per_tok": inner.whole("num_experts_per_tok"),
    }
    inner.report_to(reader, "moe")
    return fields


def _with_tower(text: dict[str, object], tower: Mapping[str, object], reader: Arguments) -> dict[str, object]:
    """Return the config of a text model with a vision encoder and a projector."""
    inner = Arguments(tower)
    for key in tower:
        if key not in _TOWER and key not in _TOWER_INERT:
            reader.problem(f"vision_encoder.{unknown('key', key, [*_TOWER, *_TOWER_INERT])}")
    vision: dict[str, object] = {name: inner.whole(key) for key, name in _TOWER.items() if key != "image_size"}
    vision |= {"model_type": "pixtral", "image_size": inner.whole("image_size", "max_image_size", default=1024)}
    vision["head_dim"] = max(inner.whole("hidden_size") // inner.whole("num_attention_heads"), 1)
    merges = inner.text("mm_projector_id") == "patch_merge"
    config: dict[str, object] = {
        "model_type": "mistral3" if merges else "llava",
        "text_config": {key: value for key, value in text.items() if key != "tie_word_embeddings"}
        | {"tie_word_embeddings": text["tie_word_embeddings"]},
        "vision_config": vision,
        "multimodal_projector_bias": inner.flag("adapter_bias", default=not merges),
        "vision_feature_layer": -1,
        "tie_word_embeddings": text["tie_word_embeddings"],
    }
    if merges:
        config["spatial_merge_size"] = inner.whole("spatial_merge_size", default=2)
    else:
        config |= {"vision_feature_select_strategy": "full", "vocab_size": text["vocab_size"]}
    inner.report_to(reader, "vision_encoder")
    return config


def _vocabulary(reader: Arguments) -> int:
    if reader.value("vocab_size") == -1:
        reader.problem(
            "vocab_size: is -1, so the tokenizer tells it; write the number into the file (Llama 1 and 2 have 32000)"
        )
        return 1
    return reader.whole("vocab_size")


def _refuse_unknown(reader: Arguments, known: tuple[str, ...]) -> None:
    """Note each key that is not known and sets something: it may change the counts."""
    for key in reader.values:
        if key not in known and reader.stated(key):
            reader.problem(f"{key}: is not known in a params.json, and may change the counts")
