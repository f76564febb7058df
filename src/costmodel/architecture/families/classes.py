"""Model class of a config (`architectures`) with its head, and its labels, attention and lengths."""

import re
from collections.abc import Sequence
from typing import Literal, get_args

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.pieces import Linear
from costmodel.architecture.families import ALIASES
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.foundation.limits import shown

Head = Literal["lm", "none", "sequence_classification", "token_classification", "question_answering", "reward"]
"""Heads of a decoder. "reward" is one score without a bias."""
SUFFIXES: dict[str, Head | None] = {
    "RewardModel": None,
    "ASRForTokenClassification": None,
    "ValueModel": None,
    "CriticModel": None,
    "CustomModel": None,
    "DoubleHeadsModel": None,
    "EncoderModel": None,
    "LMHeadModel": "lm",
    "ForCausalLM": "lm",
    "ForConditionalGeneration": "lm",
    "ForSequenceClassification": "sequence_classification",
    "ForTokenClassification": "token_classification",
    "ForQuestionAnswering": "question_answering",
    "Model": "none",
}
"""Head of a decoder by the ending of its class, the first that fits; None for classes of several layouts."""
CLASSES: dict[str, Head] = {
    "ChatGLMModel": "lm",
    "InternVLChatModel": "lm",
    "InternLM2ForRewardModel": "reward",
}
"""Heads of classes whose name says less, in the remote code of their checkpoints."""
_TOLD = (
    f"head='lm' (--head lm; or {', '.join(get_args(Head)[1:])}) counts the model with that head and marks the "
    "result as unverified"
)
TWO_LAYER_SCORES = {"Qwen2ForRewardModel": 1, "Qwen2ForProcessRewardModel": 2}
"""Scores of classes whose head is two linear layers, as in the remote code of Qwen2.5-Math-RM-72B and -PRM-7B."""
_ALIKE = 3
"""Letters that the name of a class and its `model_type` have in common at least [1]."""
_OTHER_PREFIXES = {"falcon": ("rw",), "refinedweb": ("rw",), "refinedwebmodel": ("rw",)}
"""Beginnings of classes that are not those of their `model_type`, by type without signs."""
TEXT_ONLY = frozenset(
    f"{name}ForCausalLM"
    for name in (
        "Apertus1p5Text",
        "AriaText",
        "CohereCompass",
        "Dots3Note",
        "Emu3",
        "Gemma3",
        "Gemma3n",
        "Gemma4",
        "Gemma4Unified",
        "Inkling",
        "Inkling2",
        "Inkling2Loop",
        "Kosmos2Text",
        "Kosmos2_5Text",
        "Llama4",
        "MiniMaxM3VL",
        "Mllama",
        "Qwen3_5",
        "Qwen3_5Moe",
        "Qwen4Exp",
    )
)
"""Classes of types with towers that hold the text model alone, as in Hugging Face transformers 5.24."""
_ENDINGS: dict[str, tuple[str, ...]] = {
    "lm": ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "ForMaskedLM"),
    "none": ("Model",),
    "sequence_classification": ("ForSequenceClassification", "ForImageClassification"),
    "token_classification": ("ForTokenClassification",),
    "question_answering": ("ForQuestionAnswering",),
    "reward": (),
}
"""Endings of the class that a head told by the caller means, in families whose readers choose by class."""


def read_class(config: Config, accepted: Sequence[str]) -> str:
    """Return the model class in `architectures`, which determines poolers and heads; one of the accepted classes."""
    listed = config.value("architectures")
    if config.head is not None:
        endings = _ENDINGS.get(config.head, ())
        chosen = next((name for ending in endings for name in accepted if name.endswith(ending)), None)
        config.require(chosen is not None, f"head: {config.head!r} is none of this family: {', '.join(accepted)}")
        if listed != [chosen]:
            config.doubt(_named_by_caller(config.head, listed))
        return chosen or accepted[0]
    name = listed[0] if isinstance(listed, list) and len(listed) == 1 else None
    problem = f"architectures: must be a list of one out of {tuple(accepted)}; got {shown(listed)}"
    config.require(name in accepted, problem)
    return str(name) if name in accepted else accepted[0]


def head_of(name: str) -> Head | None:
    """Return the head of a decoder by the name of its class; None if the name does not say it.

    >>> head_of("MistralModel"), head_of("LlamaForSequenceClassification"), head_of("LlamaForCausalLMEagle3")
    ('none', 'sequence_classification', None)
    """
    if name in CLASSES:
        return CLASSES[name]
    return next((head for ending, head in SUFFIXES.items() if name.endswith(ending)), None)


def class_names(config: Config) -> list[str]:
    """Return the names of classes in `architectures`, of whatever form it is."""
    listed = config.data.get("architectures")
    return [str(name) for name in (listed if isinstance(listed, list) else [] if listed is None else [listed])]


def class_head(config: Config) -> Head | None:
    """Return the head of a decoder: as the caller named it, or as its only class does; None if neither is known."""
    if config.head is not None:
        return next((head for head in get_args(Head) if head == config.head), None)
    listed = config.data.get("architectures")
    return head_of(str(listed[0])) if isinstance(listed, list) and len(listed) == 1 else None


def with_head(config: Config, decoder: Architecture) -> Architecture:
    """Return a decoder with the head of its class instead of the LM head.

    Parameters
    ----------
    config : Config
        Its `architectures` names the class; a config without it is a language model.
    decoder : Architecture
        The model with its LM head.
    """
    told, listed, names = config.head, config.data.get("architectures"), class_names(config)
    if told is not None and told not in get_args(Head):
        config.require(False, f"head: must be one of {', '.join(get_args(Head))}; got {shown(told)}")
        return decoder
    if told is None and names and names[0] in TWO_LAYER_SCORES:
        config.skip("architectures")
        width = decoder.width
        hidden = Linear(inputs=width, outputs=width, bias=True, belongs_to="head")
        return _without_lm_head(decoder, hidden, _score(width, TWO_LAYER_SCORES[names[0]], bias=True))
    heads = {head_of(name) for name in names} or {"lm"}
    belongs = not names or _is_class_of(names[0], config.data.get("model_type"))
    own = heads.pop() if len(heads) == 1 and belongs else None
    if told is not None and told != own:
        config.doubt(_named_by_caller(told, listed))
    head = own if told is None else told
    of_other = f"{shown(listed)} is no class of model_type {shown(config.data.get('model_type'))}; {_TOLD}"
    unknown = f"the head of {shown(listed)} is not known; known: {_known()}"
    config.require(head is not None, f"architectures: {unknown if belongs else of_other}")
    if told is None and names and names[0] in TEXT_ONLY:
        config.skip("architectures")
        return decoder.replace(stacks=())
    if head in (None, "lm"):
        return decoder
    config.skip("architectures")
    return _headed(config, decoder, str(head))


def _is_class_of(name: str, model_type: object) -> bool:
    """Tell whether a class belongs to a type or to the type whose layout it has: they begin alike.

    The class of another family, or of a draft model (`EagleLlamaForCausalLM`), has another layout.
    """
    if not isinstance(model_type, str) or name in CLASSES:
        return True
    ending = next((ending for ending in SUFFIXES if name.endswith(ending)), "")
    begins = _plain(name.removesuffix(ending))[:_ALIKE]
    types = [_plain(each) for each in (model_type, ALIASES.get(model_type, model_type))]
    accepted = [start for each in types for start in (each, *_OTHER_PREFIXES.get(each, ()))]
    return begins in ("", "aut") or any(start.startswith(begins) for start in accepted)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _named_by_caller(head: str, listed: object) -> str:
    return f"architectures: the head {head!r} was named by the caller; the config says {shown(listed)}"


def _known() -> str:
    endings = [f"*{ending}" for ending, head in SUFFIXES.items() if head is not None]
    return f"{', '.join([*endings, *CLASSES, *TWO_LAYER_SCORES])}; {_TOLD}"


def _headed(config: Config, decoder: Architecture, head: str) -> Architecture:
    """Return a decoder with a head other than the LM head."""
    width = decoder.embedding_width or decoder.width
    if head == "sequence_classification":
        return _without_lm_head(decoder, _score(width, count_labels(config), rows=1))
    if head == "token_classification":
        return _without_lm_head(decoder, _score(width, count_labels(config), bias=True))
    if head == "question_answering":
        return _without_lm_head(decoder, _score(width, 2, bias=True))
    return _without_lm_head(decoder, *([_score(width, 1, rows=1)] if head == "reward" else []))


def _score(width: int, outputs: int, *, bias: bool = False, rows: int | None = None) -> Linear:
    return Linear(inputs=width, outputs=outputs, bias=bias, rows=rows, belongs_to="head")


def _without_lm_head(decoder: Architecture, *extras: Block) -> Architecture:
    return decoder.replace(head=False, head_bias=False, extras=(*decoder.extras, *extras))


def count_labels(config: Config, default: int = 2) -> int:
    """Return the number of classes of a classifier: `num_labels`, or the entries of `id2label`."""
    named = config.value("id2label")
    listed = len(named) if isinstance(named, dict) and named else None
    given = config.optional("num_labels")
    config.require(given is None or listed in (None, given), f"num_labels: {given} but id2label names {listed}")
    return given or listed or default


def full_attention(
    config: Config, width: int, heads: int, *, qkv_bias: bool = True, key_bias: bool = True, causal: bool = False
) -> Attention:
    """Return multi-head attention whose heads divide the hidden size."""
    config.require(width % heads == 0, f"hidden size: {width} is not a multiple of the {heads} heads")
    return Attention(
        heads=heads,
        kv_heads=heads,
        head_width=max(width // heads, 1),
        qkv_bias=qkv_bias,
        key_bias=key_bias,
        output_bias=True,
        causal=causal,
    )


def read_lengths(config: Config, key: str, default: Sequence[int], length: int | None = None) -> list[int]:
    """Return the list of numbers above 0 at `key`, `length` of them if it is given."""
    listed = config.numbers(key) or list(default)
    valid = min(listed) > 0 and len(listed) <= 1000 and length in (None, len(listed))
    config.require(valid, f"{key}: must list {length or 'up to 1000'} numbers above 0; got {listed}")
    return listed if valid else [1] * (length or 1)


def read_number(config: Config, key: str, default: float, *, least: float, most: float) -> float:
    """Return the number at `key`, from `least` to `most`."""
    value = config.value(key)
    if value is None:
        return default
    valid = isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most
    config.require(valid, f"{key}: must be a number from {least:g} to {most:g}; got {value!r}")
    return float(value) if valid else default
