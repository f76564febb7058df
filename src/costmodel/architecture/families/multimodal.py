"""Models that read images: a decoder, read as its own family, with a tower and a projector.

A sequence consists of the tokens of one image, after the projector, and of text; its length counts both. A further
model is a row of `JOINS`: the families of its text and its tower, its projector, and the default of a tied head.
Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from dataclasses import dataclass
from typing import Any, Literal

from costmodel.architecture.blocks.block import Block
from costmodel.architecture.families import (
    FAMILIES,
    projectors,
    query_transformers,
    unread_type,
)
from costmodel.architecture.families.classes import class_names
from costmodel.architecture.families.image_towers import TOWERS, TowerReader
from costmodel.architecture.families.projectors import Parts, Projector
from costmodel.architecture.families.reading import Reader
from costmodel.architecture.families.sound_towers import SOUND_TOWERS
from costmodel.architecture.families.towers import read_alone
from costmodel.architecture.sources.config import Config
from costmodel.architecture.sources.keys import facts_of
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Stack
from costmodel.foundation.errors import InputError, unknown


def defaults_of(model_type: str) -> dict[str, Any]:
    """Return the defaults of a class of `text_config`, where they follow from no other key.

    Nested configs leave out keys that equal them. Lists by layer follow from the depth; KV heads and head widths that
    are those of plain attention may follow from the heads, and are left to the reader.
    """
    defaults = facts_of(model_type).defaults
    width, heads = defaults.get("hidden_size"), defaults.get("num_attention_heads")
    followed = {"num_key_value_heads": heads, "head_dim": width // heads if width and heads else None}
    return {
        key: value
        for key, value in defaults.items()
        if isinstance(value, (int, float, str))
        and value != followed.get(key, _NOTHING)
        and key != "tie_word_embeddings"
    }


_NOTHING = object()


@dataclass(frozen=True, slots=True)
class Join:
    """Row of the table of models: what they join, and how."""

    text: str
    """Family of `text_config`, unless it names one."""
    tower: str
    """Kind of the config of the tower, unless it names one."""
    projector: Projector = projectors.none
    tied: bool | Literal["text", "never"] | None = False
    """Default of `tie_word_embeddings`; None if configs must say it, "text" if only `text_config` says it, "never" if
    nothing ties the head."""
    either: bool = False
    """Whether `text_config` may tie the LM head too."""
    flat: str = ""
    """Family of configs without `text_config`, whose keys of the text are at the top level."""
    only: bool = False
    """Whether the text must be of the family `text`."""
    optional: bool = False
    """Whether a missing config of the tower stands for the default tower."""
    copies: int = 1
    """Number of equal towers."""
    key: str = "vision_config"
    """Key of the config of the tower."""
    sound: str = ""
    """Kind of a second tower at `audio_config`; none by default."""
    width_key: str = ""
    """Key of the tower with the width of its outputs, which must be that of the text."""


def part_of(config: Config, key: str, model_type: str, *, optional: bool = False) -> tuple[Config, str]:
    """Return the config at `key`, and its `model_type`, which defaults to the given one."""
    config.require(optional or config.data.get(key) is not None, f"{key}: is required and missing")
    part = config.inner(key)
    part.skip("is_composition")
    if key != "text_config":
        part.skip("tie_word_embeddings")
    named = str(part.data.get("model_type") or model_type)
    part.model_type = named if named != config.model_type else model_type  # towers once had the type of the model
    return part, named


def is_tied(config: Config, text: Config, default: bool | None, either: bool) -> bool:
    """Return whether the LM head is tied.

    The top level decides. Without the key there, `text_config` must not contradict the default, because versions of
    the reference differ; with `either`, it may tie the head as well.
    """
    said = config.data.get("tie_word_embeddings") is not None
    if default is None:
        name = config.data.get("model_type")
        config.require(said, f"tie_word_embeddings: is required for {name}, whose configs and checkpoints differ")
    outside = config.flag("tie_word_embeddings", default=bool(default))
    usual = bool(facts_of(text.model_type).defaults.get("tie_word_embeddings", False)) if either else outside
    inside = text.flag("tie_word_embeddings", default=usual)
    config.require(
        either or said or inside == outside,
        f"tie_word_embeddings: is {outside} here, but {inside} in text_config; say one",
    )
    return outside or (either and inside)


def read_text(
    config: Config,
    model_type: str,
    *,
    tied: bool | Literal["text", "never"] | None = False,
    either: bool = False,
    reader: Reader | None = None,
) -> Architecture:
    """Read `text_config` with the reader of its family, or with `reader`.

    `model_type` is the family if the config names none. `tied` is the default of `tie_word_embeddings`; with
    `either`, `text_config` may set it too.
    """
    text, named = part_of(config, "text_config", model_type)
    defaults = {name: value for name, value in defaults_of(named).items() if not text.has(name)}
    text.data = {**defaults, **text.data}
    if tied == "never":
        text.data["tie_word_embeddings"] = False
    elif tied != "text":
        text.data["tie_word_embeddings"] = is_tied(config, text, tied, either)
    config.skip("tie_word_embeddings")
    if reader is None:
        if named not in FAMILIES:
            raise InputError(unread_type("text_config.model_type", named))
        return FAMILIES[named](text)
    text.require(named == model_type, f"model_type: only {model_type!r} is known here; got {named!r}")
    return reader(text)


def read_tower(
    config: Config, model_type: str, key: str = "vision_config", *, optional: bool = False
) -> tuple[Config, Stack]:
    """Read the config at `key` as the kind of tower that it names (`model_type` unless it names one).

    An `optional` config that is missing stands for the defaults.
    """
    inside, named = part_of(config, key, model_type, optional=optional)
    towers = TOWERS if key == "vision_config" else SOUND_TOWERS
    if named not in towers:
        raise InputError(f"{key}.model_type: {unknown('tower', named, towers)}")
    return inside, towers[named](inside)


def joined(text: Architecture, tower: Stack, *projector: Block | Stack) -> Architecture:
    """Return the text model with a further tower and its projector, which are parts of the model."""
    blocks = [part for part in projector if isinstance(part, Block)]
    stacks = [part for part in projector if isinstance(part, Stack)]
    return text.replace(stacks=(*text.stacks, tower.replace(extras=(*tower.extras, *blocks)), *stacks))


def read_model(config: Config, model_type: str) -> Architecture:
    """Read a model of the row `model_type` of `JOINS`."""
    return read_join(config, JOINS[model_type])


def read_join(config: Config, join: Join) -> Architecture:
    """Read a model of a row of `JOINS`."""
    if join.flat and config.data.get("text_config") is None:
        text = FAMILIES[join.flat](config)
    else:
        reader = FAMILIES[join.text] if join.only else None
        text = read_text(config, join.text, tied=join.tied, either=join.either, reader=reader)
    inside, tower = read_tower(config, join.tower, join.key, optional=join.optional)
    if join.width_key:
        _check_width(inside, join.width_key, text.width)
    config.skip("seconds_per_chunk", "position_id_per_seconds", "im_start_id", "im_end_id", "im_newline_id")
    if join.sound:
        text = joined(text, read_tower(config, join.sound, "audio_config")[1])
    for _ in range(join.copies - 1):
        text = joined(text, tower)
    return joined(text, tower, *join.projector(Parts(config, inside, tower, text)))


def _check_width(tower: Config, key: str, width: int) -> None:
    """Note a problem if the outputs of a tower have not the width of the text; an absent key is not checked."""
    outputs = tower.optional(key)
    usual = outputs in (None, width, _USUAL_OUTPUTS)
    tower.require(usual, f"{key}: {outputs} is not the hidden_size of the text ({width})")


_USUAL_OUTPUTS = 3584
"""Width of the outputs of the default towers of Qwen, which differs from that of their default texts."""


_LLAVA = Join("llama", "clip_vision_model", projectors.llava, either=True)
_LLAVA_NEXT = Join("llama", "clip_vision_model", projectors.llava_next)
_QWEN2_VL_JOIN = Join("qwen2_vl_text", "qwen2_vl_vision", either=True, flat="qwen2", width_key="hidden_size")
_IDEFICS3 = Join("llama", "idefics3_vision", projectors.idefics3)
_GLM4V = Join("glm4v_text", "glm4v_vision", either=True)
_BLIP2 = Join("opt", "blip_2_vision_model", query_transformers.blip2, tied="text")
_INSTRUCT_BLIP = Join("opt", "instructblip_vision_model", query_transformers.instruct_blip, tied="text")
_AUDIO_FLAMINGO = Join("qwen2", "audioflamingo3_encoder", projectors.audio_layers, tied="never", key="audio_config")
_MINICPM = Join("qwen3_5_text", "minicpmv4_6_vision", projectors.minicpm)
_GRANITE_SPEECH = Join(
    "granite", "granite_speech_encoder", query_transformers.granite_speech, tied=True, key="encoder_config"
)
JOINS: dict[str, Join] = {
    "audioflamingo3": _AUDIO_FLAMINGO,
    "blip-2": _BLIP2,
    "glmasr": Join("llama", "glmasr_encoder", projectors.glm_asr, tied=True, key="audio_config"),
    "granite_speech": _GRANITE_SPEECH,
    "granite_speech_plus": _GRANITE_SPEECH,
    "hunyuan_vl": Join("hunyuan_vl_text", "hunyuan_vl_vision", tied=True, either=True),
    "instructblip": _INSTRUCT_BLIP,
    "instructblipvideo": _INSTRUCT_BLIP,
    "kosmos-2": Join(
        "kosmos_2_text_model", "kosmos_2_vision_model", query_transformers.kosmos2, tied=True, either=True
    ),
    "lighton_ocr": Join("qwen3", "pixtral", projectors.mistral3, tied=True),
    "mistral_large4": Join("mistral_large4_text", "pixtral", projectors.mistral3),
    "molmo2": Join("molmo2_text", "molmo2_vision", query_transformers.molmo2, tied="never"),
    "moss_transcribe_diarize": Join(
        "qwen3", "moss_transcribe_diarize_audio", projectors.moss, tied=True, key="audio_config"
    ),
    "musicflamingo": _AUDIO_FLAMINGO,
    "qianfan_ocr": Join("qwen3", "qianfan_ocr_vision", projectors.internvl),
    "qwen2_5_omni_thinker": Join(
        "qwen2_5_omni_text",
        "qwen2_5_omni_vision_encoder",
        sound="qwen2_5_omni_audio_encoder",
        width_key="out_hidden_size",
    ),
    "qwen2_audio": Join("qwen2", "qwen2_audio_encoder", projectors.qwen2_audio, tied="never", key="audio_config"),
    "qwen3_5": Join("qwen3_5_text", "qwen3_5_vision", width_key="out_hidden_size"),
    "qwen3_5_moe": Join("qwen3_5_moe_text", "qwen3_5_moe_vision", width_key="out_hidden_size"),
    "qwen3_asr": Join("qwen3", "qwen3_asr_encoder", projectors.qwen3_asr, tied=True, key="audio_config"),
    "qwen3_omni_moe_thinker": Join(
        "qwen3_omni_moe_text",
        "qwen3_omni_moe_vision_encoder",
        sound="qwen3_omni_moe_audio_encoder",
        width_key="out_hidden_size",
    ),
    "video_llama_3": Join("qwen2", "video_llama_3_vision", projectors.video_llama3),
    "voxtral": Join("llama", "voxtral_encoder", projectors.voxtral, tied="never", key="audio_config"),
    "voxtral_realtime": Join(
        "voxtral_realtime_text", "voxtral_realtime_encoder", projectors.voxtral, tied=True, key="audio_config"
    ),
    "aria": Join("aria_text", "idefics3_vision", query_transformers.aria),
    "aya_vision": Join("cohere2", "siglip_vision_model", projectors.aya_vision, tied=True),
    "cohere2_vision": Join("cohere2", "siglip_vision_model", projectors.cohere2_vision, tied=True),
    "deepseek_vl": Join("llama", "siglip_vision_model", projectors.deepseek_vl, tied=True),
    "ernie4_5_vl_moe": Join("ernie4_5_vl_moe_text", "ernie4_5_vl_moe_vision", projectors.ernie4_5_vl, tied=True),
    "exaone4_5": Join("exaone4", "exaone4_5_vision", width_key="out_hidden_size"),
    "gemma3": Join("gemma3_text", "siglip_vision_model", projectors.gemma3, tied=True),
    "glm46v": _GLM4V,
    "glm4v": _GLM4V,
    "glm4v_moe": Join("glm4v_moe_text", "glm4v_moe_vision", either=True),
    "glm_ocr": Join("glm_ocr_text", "glm_ocr_vision", either=True),
    "got_ocr2": Join("qwen2", "got_ocr2_vision", projectors.got_ocr2, tied=True),
    "hyperclovax_vision_v2": Join("hyperclovax", "qwen2_5_vl_vision", projectors.linear_after, tied=True),
    "idefics2": Join("mistral", "idefics2_vision", projectors.idefics2),
    "idefics3": _IDEFICS3,
    "internvl": Join("qwen2", "internvl_vision", projectors.internvl, tied=True),
    "kimi_k25": Join("deepseek_v3", "kimi_k25_vision", projectors.kimi, tied=True),
    "lfm2_vl": Join("lfm2", "siglip2_vision_model", projectors.lfm2_vl, tied=True),
    "llama4": Join("llama4_text", "llama4_vision_model", projectors.llama4, tied="text", only=True, optional=True),
    "llava": _LLAVA,
    "llava_next": _LLAVA_NEXT,
    "llava_next_video": _LLAVA_NEXT,
    "llava_onevision": Join("qwen2", "siglip_vision_model", projectors.llava_next, either=True),
    "minicpm_ocr": Join("qwen3_5_text", "minicpmv4_6_vision", projectors.minicpm, tied=True),
    "minicpmv4_6": _MINICPM,
    "minicpmv4_7": _MINICPM,
    "minimax_m3_vl": Join("minimax_m3_vl_text", "minimax_m3_vl_vision", projectors.minimax_m3, either=True),
    "mistral3": Join("mistral", "pixtral", projectors.mistral3, tied=None),
    "ovis2": Join("qwen2", "ovis2_vision", projectors.ovis2, tied=True),
    "paddleocr_vl": Join("paddleocr_vl_text", "paddleocr_vl_vision", projectors.paddleocr_vl, tied=True, either=True),
    "paligemma": Join("gemma", "siglip_vision_model", projectors.paligemma, tied=True),
    "qwen2_5_vl": Join("qwen2_5_vl_text", "qwen2_5_vl_vision", either=True, flat="qwen2", width_key="out_hidden_size"),
    "qwen2_vl": _QWEN2_VL_JOIN,
    "qwen3_vl": Join("qwen3_vl_text", "qwen3_vl_vision", width_key="out_hidden_size"),
    "qwen3_vl_moe": Join("qwen3_vl_moe_text", "qwen3_vl_moe_vision", width_key="out_hidden_size"),
    "smolvlm": _IDEFICS3,
    "step3p7": Join("step3p5", "step3p5_vision", projectors.step3p7),
    "video_llava": Join("llama", "clip_vision_model", projectors.llava, copies=2),
    "vipllava": Join("llama", "clip_vision_model", projectors.vipllava),
}
"""Models with one kind of image tower, by the `model_type` of a config."""


def _join_reader(join: Join) -> Reader:
    return lambda config: read_join(config, join)


def tower_reader(reader: TowerReader) -> Reader:
    """Return the reader of a tower that is a model of its own, whatever its class is called."""

    def read(config: Config) -> Architecture:
        if not any("For" in name for name in class_names(config)):
            config.skip("architectures")
        return read_alone(reader(config))

    return read


READERS: dict[str, Reader] = {
    **{kind: tower_reader(reader) for kind, reader in {**TOWERS, **SOUND_TOWERS}.items()},
    **{name: _join_reader(join) for name, join in JOINS.items()},
}
"""Readers by the `model_type` of a config."""
