"""Keys of a config that no reader reads: which of them may change the counts.

`data/facts/config_keys.json` holds what one-key changes of every configuration class of Hugging Face transformers did
to the parameters of its models: keys that change none ("inert"), keys that change some ("shapes"), and defaults. Its
entry "*" holds the keys that are inert in general.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from costmodel.foundation.errors import InputError
from costmodel.foundation.limits import CONFIG_DEPTH, CONFIG_KEYS, CONFIG_VALUES, shown
from costmodel.foundation.tables import folder

INERT_WORDS = frozenset(
    {
        "beam",
        "beams",
        "bf16",
        "checkpointing",
        "dropout",
        "dtype",
        "eps",
        "epsilon",
        "flash",
        "fp16",
        "fp32",
        "generation",
        "implementation",
        "initializer",
        "jitter",
        "label",
        "layerdrop",
        "loss",
        "pdrop",
        "rotary",
        "softcapping",
        "temperature",
        "theta",
        "tokenizer",
        "torch",
        "transformers",
        "version",
    }
)
"""Words of keys that never change a count: no key with one of them shapes a type of the table."""
INERT_ENDS = ("_token_id", "_token_ids", "_token_index", "_act_fn")
"""Endings of such keys."""
WORK_WORDS = frozenset({"cycles", "loop", "loops", "recurrence", "repeat", "repeats", "window"})
"""Words of keys that change the operations of a model, if not its parameters, which alone the table holds."""
BOOKKEEPING = frozenset(
    {
        # generation, written into configs by transformers before version 5
        *("max_length", "min_length", "do_sample", "early_stopping", "num_beams", "num_beam_groups", "temperature"),
        *("diversity_penalty", "top_k", "top_p", "typical_p", "repetition_penalty", "length_penalty"),
        *("no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids", "num_return_sequences"),
        *("output_scores", "return_dict_in_generate", "remove_invalid_values", "exponential_decay_length_penalty"),
        *("suppress_tokens", "begin_suppress_tokens", "prefix", "max_new_tokens", "task_specific_params"),
        # loading, precision and origin
        *("architectures", "model_type", "auto_map", "custom_pipelines", "finetuning_task", "problem_type"),
        *("id2label", "label2id", "num_labels", "return_dict", "output_attentions", "output_hidden_states"),
        *(
            "use_bfloat16",
            "tf_legacy_loss",
            "torchscript",
            "name_or_path",
            "_from_model_config",
            "is_llama_config",
            "transformers.js_config",
        ),
        *("quantization_config", "compression_config", "chunk_size_feed_forward", "pruned_heads", "ignore_index"),
        # training and serving programs: their buffers and parallelism
        *("ep_size", "pretraining_tp", "tensor_parallel_size", "tensor_parallel_shards", "context_window_size"),
        *("prefill_chunk_size", "attention_sink_size", "initial_context_length"),
        # routing and objectives without weights
        *("scoring_func", "topk_method", "seq_aux", "indexer_rope_interleave", "num_negatives", "is_encoder_decoder"),
        *("unsloth_fixed", "unsloth_version", "use_unified_vision_chunk", "video_placeholder", "model_max_length"),
    }
)
"""Keys of tools and of the loading of checkpoints, which describe no weights."""
SYNONYMS = (
    ("hidden_size", "n_embd", "n_embed", "d_model", "dim", "model_dim"),
    ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    ("num_key_value_heads", "num_kv_heads", "n_kv_heads"),
    ("intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim", "d_ff"),
    ("head_dim", "attention_head_dim", "kv_channels", "d_kv"),
    ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"),
    ("num_experts_per_tok", "num_experts_per_token", "experts_per_token", "moe_topk", "moe_k"),
    ("sliding_window", "sliding_window_size", "attention_window_size"),
    ("num_shared_experts", "n_shared_experts", "moe_num_shared_experts"),
)
"""Names of one quantity in configs of different libraries."""
SWITCHES = {"use_sliding_window": ("sliding_window", "max_window_layers")}
"""Keys without effect where the switch in front of them is false."""
ACTIVATIONS = frozenset({"gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "relu2", "sigmoid", "silu", "swish", "tanh"})
"""Values that name an activation without parameters."""
LEARNED_ACTIVATIONS = frozenset({"prelu", "xielu"})
"""Values that name an activation with parameters of its own."""
_GATES = frozenset({"gated", "geglu", "glu", "swiglu"})
"""Words of keys that take a matrix out of a gated feed-forward block where they are false."""
_EVERY_LAYER = ("_freq", "_frequency", "_interval", "_step")
"""Endings of keys that choose each n-th layer; 1 chooses all layers, as a reader without the key does."""
UNKNOWN = "is not understood for this model_type and may change the counts"
_OFF: tuple[Any, ...] = (None, False, 0, -1, "", [], {})


class Finding(NamedTuple):
    """What an unread key may do."""

    key: str
    kind: Literal["contradicts", "shapes", "unknown"]
    text: str


class Facts(NamedTuple):
    """What is known of the keys of one type."""

    inert: frozenset[str]
    shapes: frozenset[str]
    defaults: Mapping[str, Any]
    aliases: Mapping[str, str]
    """Other names of keys, which configs are written with too."""


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder() / "facts" / "config_keys.json").read_bytes())
    return data


@lru_cache(maxsize=1)
def inert_keys() -> frozenset[str]:
    """Return the keys that are inert in general."""
    return frozenset(_table()["*"]["inert"])


@lru_cache(maxsize=1)
def shaping_words() -> frozenset[str]:
    """Return the words of all keys that shape a type, or may shape one."""
    listed = (key for entry in _table().values() for key in (*entry["shapes"], *entry["defaults"]))
    return frozenset(word for key in listed for word in key.lower().split("_"))


@lru_cache(maxsize=1024)
def facts_of(model_type: str) -> Facts:
    """Return what is known of the keys of a `model_type`; nothing of an unknown one."""
    entry = _table().get(model_type)
    if entry is None:
        return Facts(frozenset(), frozenset(), {}, {})
    same = {name: key for name, key in entry.get("aliases", {}).items() if key in _synonyms_of(name)}
    return Facts(frozenset(entry["inert"]), frozenset(entry["shapes"]), entry["defaults"], same)


def _contradiction(value: object, name: str, stated: object) -> str:
    return f"{shown(value)} contradicts {name}: {shown(stated)}"


def is_in_table(model_type: str) -> bool:
    """Tell whether the keys of a `model_type` are known."""
    return model_type in _table()


def is_inert(key: str) -> bool:
    """Tell whether a key changes no count of any type, as far as it is known.

    Parameters
    ----------
    key : str
        Key of a config.
    """
    return key in inert_keys() or key in BOOKKEEPING or key.endswith(INERT_ENDS)


def other_names(data: Mapping[str, Any], model_type: str, key: str) -> list[str]:
    """Return the other names of a key in a config, which libraries translate into each other for its type."""
    candidates = [name for name in _synonyms_of(key) if name != key and name in data]
    aliases = facts_of(model_type).aliases if candidates and model_type else {}
    return [name for name in candidates if aliases.get(key) == name or aliases.get(name) == key]


def _synonyms_of(key: str) -> tuple[str, ...]:
    return next((names for names in SYNONYMS if key in names), ())


def contradiction(data: Mapping[str, Any], keys: Sequence[str]) -> str:
    """Return how names of one quantity contradict each other in a config, or ""."""
    given = [key for key in keys if data.get(key) not in (None, *_OFF)]
    for other in given[1:]:
        if other in _synonyms_of(given[0]) and data[other] != data[given[0]]:
            return f"{other}: {_contradiction(data[other], given[0], data[given[0]])}"
    return ""


def find_unread(data: Mapping[Any, Any], read: set[str], model_type: str) -> list[Finding]:
    """Return the keys outside `read` that change the counts of a `model_type`, or may change them.

    Parameters
    ----------
    data : Mapping
        The config.
    read : set of str
        Keys that the reader read.
    model_type : str
        Type whose layout is read.
    """
    off = {key for switch, keys in SWITCHES.items() if data.get(switch) is False for key in keys}
    left = [key for key in data if key not in read and key not in off]
    if not left:
        return []
    facts, inert = facts_of(model_type), inert_keys()
    found = []
    for key in left:
        learned = isinstance(data[key], str) and data[key] in LEARNED_ACTIVATIONS
        if key in facts.inert and not _changes_work(key) and not learned:
            continue
        if not isinstance(key, str):
            found.append(Finding(shown(key), "unknown", UNKNOWN))
            continue
        if learned:
            found.append(Finding(key[:80], "unknown", UNKNOWN))
            continue
        general = key not in facts.shapes and (key in inert or key in BOOKKEEPING) and not _changes_work(key)
        if finding := _finding(key, data, read, facts, general):
            found.append(finding)
    return found


def _finding(key: str, data: Mapping[str, Any], read: set[str], facts: Facts, is_inert: bool) -> Finding | None:
    """Return what a key may do that its type does not ignore; `is_inert` if it changes no other type."""
    value = data[key]
    for name in _synonyms_of(key):
        stated = data.get(name, facts.defaults.get(name)) if name in read else None
        if stated is not None and value not in _OFF:
            return None if stated == value else Finding(key, "contradicts", _contradiction(value, name, stated))
    if is_inert or (key in facts.defaults and value == facts.defaults[key]):
        return None
    if key in facts.shapes:
        default = shown(facts.defaults.get(key))
        text = f"{shown(value)} changes the shape of this family; costmodel reads no model where it is not {default}"
        return Finding(key, "shapes", text)
    is_ungated = value is False and not _GATES.isdisjoint(key.lower().split("_"))
    if (value in _OFF and not is_ungated) or (value == 1 and key.endswith(_EVERY_LAYER)):
        return None
    if isinstance(value, str) and value in ACTIVATIONS:
        return None
    words = set(key.lower().split("_"))
    named = words & INERT_WORDS or key.endswith(INERT_ENDS) or key.startswith("rope_")
    if not _changes_work(key) and (named or not words & shaping_words()):
        return None
    return Finding(key[:80], "unknown", UNKNOWN)


def _changes_work(key: object) -> bool:
    return isinstance(key, str) and key not in BOOKKEEPING and not WORK_WORDS.isdisjoint(key.lower().split("_"))


def check_extent(config: Mapping[str, Any]) -> None:
    """Raise `InputError` for a config with more keys, values or levels than any config of a model has."""
    if len(config) > CONFIG_KEYS:
        raise InputError(f"a config has at most {CONFIG_KEYS:,} keys; got {len(config):,}")
    open_values: list[tuple[Any, int]] = [(config, 1)]
    values = 0
    while open_values:
        container, level = open_values.pop()
        values += len(container)
        if level > CONFIG_DEPTH:
            raise InputError(f"a config has at most {CONFIG_DEPTH} levels of lists and objects inside each other")
        if values > CONFIG_VALUES:
            raise InputError(f"a config has at most {CONFIG_VALUES:,} values, those inside lists and objects included")
        inside = container.values() if isinstance(container, Mapping) else container
        open_values += [(each, level + 1) for each in inside if isinstance(each, (Mapping, list, tuple)) and each]
