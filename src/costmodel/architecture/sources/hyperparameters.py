"""What tensors do not tell: heads, windows, experts per token and tied heads, from the keys of a config."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from costmodel.architecture.sources.keys import SYNONYMS

_SAME = {names[0]: names for names in SYNONYMS}
KEYS: dict[str, tuple[str, ...]] = {
    "width": _SAME["hidden_size"],
    "heads": (
        *_SAME["num_attention_heads"],
        "num_query_heads",
        "encoder_attention_heads",
        "decoder_attention_heads",
    ),
    "kv_heads": (*_SAME["num_key_value_heads"], "n_head_kv", "multi_query_group_num"),
    "head_width": _SAME["head_dim"],
    "window": (*_SAME["sliding_window"], "window_size"),
    "experts": (*_SAME["num_experts"], "num_moe_experts", "n_experts"),
    "top_k": (
        *_SAME["num_experts_per_tok"],
        "moe_top_k",
        "top_k_experts",
        "num_experts_per_topk",
        "num_selected_experts",
        "moe_router_topk",
        "n_activated_experts",
    ),
    "vocabulary": ("vocab_size", "n_vocab", "padded_vocab_size"),
    "layers": (*_SAME["num_hidden_layers"], "decoder_layers"),
    "context": ("max_position_embeddings", "n_positions", "max_target_positions", "max_seq_len", "seq_length"),
    "query_rank": ("q_lora_rank",),
    "kv_rank": ("kv_lora_rank",),
    "nope_width": ("qk_nope_head_dim",),
    "rope_width": ("qk_rope_head_dim",),
    "value_width": ("v_head_dim",),
    "index_heads": ("index_n_heads",),
    "index_width": ("index_head_dim",),
    "index_top_k": ("index_topk",),
    "image": ("image_size",),
    "patch": ("patch_size",),
    "prediction": ("num_nextn_predict_layers", "mtp_num_layers"),
}
"""Names of a figure in configs, the usual first; a list gives the value of each layer. Names beside the synonyms are
those of single families."""
_TEXT = ("text_config", "llm_config", "language_config", "thinker_config", "decoder", "text_model_config")
_PARTS = ("attn_config", "ffn_config")
"""Parts of a config whose keys are those of the whole."""
_OTHER_MIXERS = re.compile(r"linear|conv|mamba|recurrent|ssm")
_BESIDE = {
    "vision": ("vision_config", "vit_config", "visual", "vision_model_config"),
    "audio": ("audio_config", "speech_config", "encoder_config"),
}


class Latent(NamedTuple):
    """Ranks and widths of latent attention; 0 where the config states none [1]."""

    query_rank: int
    kv_rank: int
    nope_width: int
    rope_width: int
    value_width: int
    index_heads: int
    index_width: int
    index_top_k: int


class LayerShape(NamedTuple):
    """What a config states of a layer; 0 or None where it states nothing."""

    heads: int = 0
    kv_heads: int = 0
    head_width: int = 0
    window: int | None = None
    causal: bool = True
    experts: int = 0
    top_k: int = 0
    attends: bool = True
    """Whether the layer can have softmax attention: not where `layer_types` names another mixer."""
    latent: Latent | None = None


class Hyperparameters:
    """The figures of a config, or of one of its parts.

    Parameters
    ----------
    config : Mapping
        Keys of a Hugging Face config; unknown keys are ignored.
    causal : bool
        Whether attention is causal.
    """

    def __init__(self, config: Mapping[str, Any], causal: bool = True) -> None:
        self.config = config
        self.causal = causal

    def number(self, name: str, layer: int = 0) -> int:
        """Return a figure of `KEYS` for a layer; 0 if the config does not state it."""
        for key in KEYS[name]:
            value = self.config.get(key)
            if isinstance(value, list) and value:
                value = value[layer] if layer < len(value) else value[-1]
            if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 10**9:
                return value
        return 0

    def layer(self, index: int) -> LayerShape:
        """Return what the config states of a layer."""
        latent = Latent(*(self.number(name) for name in Latent._fields))
        heads = self.number("heads", index)
        return LayerShape(
            heads=heads,
            kv_heads=self.number("kv_heads", index) or heads,
            head_width=self.number("head_width", index),
            window=self._window(index),
            causal=self.causal,
            experts=self.number("experts", index),
            top_k=self.number("top_k", index),
            attends=not _OTHER_MIXERS.search(self._type(index)),
            latent=latent if all(latent[1:5]) else None,
        )

    def _type(self, index: int) -> str:
        """Return the type of a layer in `layer_types`; "" if the config does not list it."""
        types = self.config.get("layer_types")
        kind = types[index] if isinstance(types, list) and index < len(types) else ""
        return kind if isinstance(kind, str) else ""

    def _window(self, index: int) -> int | None:
        """Return the window of a layer: where `layer_types` or a pattern names it, or of all layers."""
        window, kind = self.number("window"), self._type(index)
        pattern = self.config.get("sliding_window_pattern")
        if not window or self.config.get("use_sliding_window") is False:
            return None
        if kind:
            return window if "sliding" in kind else None
        if isinstance(pattern, int) and pattern > 1:
            return window if (index + 1) % pattern else None
        return window

    @property
    def image_tokens(self) -> int | None:
        """Patches of an image [token]; None if the config does not state the sizes of image and patch."""
        image, patch = self.number("image"), self.number("patch")
        return (image // patch) ** 2 if 0 < patch <= image <= 10_000 else None

    @property
    def tied(self) -> bool | None:
        """Whether the head is tied to the embedding; None if the config does not say so."""
        value = self.config.get("tie_word_embeddings")
        return value if isinstance(value, bool) else None


def main_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a config that describes the language model, with the keys beside it as defaults."""
    for key in _TEXT:
        inner = config.get(key)
        if isinstance(inner, Mapping):
            outer = {name: config[name] for name in ("tie_word_embeddings", "architectures") if name in config}
            return {**main_config(inner), **outer}
    parts = [part for key in _PARTS if isinstance(part := config.get(key), Mapping)]
    return {key: value for mapping in (*parts, config) for key, value in mapping.items()} if parts else config


def tower_config(config: Mapping[str, Any], stack: str) -> Mapping[str, Any]:
    """Return the part of a config that describes a stack beside the main one; empty if there is none."""
    for word, keys in _BESIDE.items():
        for key in keys:
            inner = config.get(key)
            if word in stack and isinstance(inner, Mapping):
                return inner
    inner = config.get(f"{stack}_config") or config.get(stack)
    return inner if isinstance(inner, Mapping) else {}
