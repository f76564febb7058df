"""Models that read images: a decoder, read as its own family, with a tower and a projector.

A sequence consists of the tokens of one image, after the projector, and of text; its length counts both. A further
model is a row of `JOINS`: the families of its text and its tower, its projector, and the default of a tied head.
Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from dataclasses import dataclass
from typing import Any, Literal

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.cross_attention import CrossAttention
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.families import FAMILIES, ocr_towers, projectors, query_transformers, unread_type
from costmodel.architecture.families.classes import class_names, read_class
from costmodel.architecture.families.image_towers import TOWERS, TowerReader, kimi
from costmodel.architecture.families.projectors import Parts, Projector
from costmodel.architecture.families.reading import Reader, grouped, read_depth
from costmodel.architecture.families.rotary import routed
from costmodel.architecture.families.sound_towers import SOUND_TOWERS
from costmodel.architecture.families.towers import NAME, linear_on, norm_of, read_alone
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
    tied: bool | Literal["text"] | None = False
    """Default of `tie_word_embeddings`; None if configs must say it, "text" if only `text_config` says it."""
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


def _part(config: Config, key: str, model_type: str, *, optional: bool = False) -> tuple[Config, str]:
    """Return the config at `key`, and its `model_type`, which defaults to the given one."""
    config.require(optional or config.data.get(key) is not None, f"{key}: is required and missing")
    part = config.inner(key)
    part.skip("is_composition")
    if key != "text_config":
        part.skip("tie_word_embeddings")
    named = str(part.data.get("model_type") or model_type)
    part.model_type = named if named != config.model_type else model_type  # towers once had the type of the model
    return part, named


def _tied(config: Config, text: Config, default: bool | None, either: bool) -> bool:
    """Return whether the LM head is tied.

    The top level decides. Without the key there, `text_config` must not contradict the default, because versions of
    the reference differ; with `either`, it may tie the head as well.
    """
    said = config.data.get("tie_word_embeddings") is not None
    if default is None:
        name = config.data.get("model_type")
        config.require(said, f"tie_word_embeddings: is required for {name}, whose configs and checkpoints differ")
    outside = config.flag("tie_word_embeddings", default=bool(default))
    inside = text.flag("tie_word_embeddings", default=outside)
    config.require(
        either or said or inside == outside,
        f"tie_word_embeddings: is {outside} here, but {inside} in text_config; say one",
    )
    return outside or (either and inside)


def read_text(
    config: Config,
    model_type: str,
    *,
    tied: bool | Literal["text"] | None = False,
    either: bool = False,
    reader: Reader | None = None,
) -> Architecture:
    """Read `text_config` with the reader of its family, or with `reader`.

    `model_type` is the family if the config names none. `tied` is the default of `tie_word_embeddings`; with
    `either`, `text_config` may set it too.
    """
    text, named = _part(config, "text_config", model_type)
    defaults = {name: value for name, value in defaults_of(named).items() if not text.has(name)}
    text.data = {**defaults, **text.data}
    if tied != "text":
        text.data["tie_word_embeddings"] = _tied(config, text, tied, either)
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
    inside, named = _part(config, key, model_type, optional=optional)
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
    return _read(config, JOINS[model_type])


def _read(config: Config, join: Join) -> Architecture:
    """Read a model of a row of `JOINS`."""
    if join.flat and config.data.get("text_config") is None:
        text = FAMILIES[join.flat](config)
    else:
        reader = FAMILIES[join.text] if join.only else None
        text = read_text(config, join.text, tied=join.tied, either=join.either, reader=reader)
    inside, tower = read_tower(config, join.tower, join.key, optional=join.optional)
    if join.width_key:
        _check_width(inside, join.width_key, text.width)
    config.skip("seconds_per_chunk", "position_id_per_seconds")
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


_RETRIEVERS = ("ColPaliForRetrieval", "ColQwen2ForRetrieval")


def _retriever(config: Config, model_type: str) -> Architecture:
    """Read a retrieval model: a model of the row `model_type` whose head is a projection of each token."""
    read_class(config, _RETRIEVERS)
    part, named = _part(config, "vlm_config", model_type)
    config.require(named in JOINS, f"vlm_config.model_type: {unknown('model', named, JOINS)}")
    part.skip("vocab_size")
    whole = _read(part, JOINS.get(named, JOINS[model_type]))
    head = linear_on(whole.width, config.integer("embedding_dim", default=128), 1, bias=True, part="head")
    return whole.replace(head=False, extras=(*whole.extras, head.replace(rows=None)))


def _ocr(config: Config, kind: str, model_type: str) -> Architecture:
    """Read an OCR model: SAM, a second tower that reads its output, and one layer."""
    text = read_text(config, model_type)
    inside, named = _part(config, "vision_config", kind)
    inside.require(named == kind, f"model_type: only {kind!r} is known here; got {named!r}")
    sam, second = ocr_towers.both(inside, kind)
    joins = kind == "unlimited_ocr_vision"
    inputs = second.width + (getattr(sam.extras[-1], "outputs", 0) if joins else 0)
    projector = linear_on(inputs, text.width, 256, bias=True)
    vectors = norm_of(text.width, bias=False, copies=2 if joins else 1)
    return joined(joined(text, sam), second, projector, vectors)


def _ocr_tower(config: Config, kind: str) -> Architecture:
    """Read both towers of an OCR model as a model of its own."""
    config.skip("architectures")
    sam, second = ocr_towers.both(config, kind)
    return read_alone(second).replace(stacks=(sam,))


def _phi4(config: Config) -> Architecture:
    """Read Phi-4 multimodal: the text at the top level, and towers for images and for sound, two layers each."""
    config.skip("img_processor", "embd_layer", "speech_lora", "vision_lora")
    text = FAMILIES["phi3"](config)
    image, tower = read_tower(config, "phi4_multimodal_vision")
    image.skip("crop_size", "feature_layer")
    rows = max((tower.tokens or 1) // 4, 1)
    width = text.width
    layers = projectors.two_layers(tower.width, width, width, rows)
    model = joined(text, tower, *layers, norm_of(tower.width, bias=False, copies=2))
    _, sound = read_tower(config, "phi4_multimodal_audio", "audio_config")
    tokens = sound.tokens or 1
    once = projectors.two_layers(sound.width, width, width, tokens)
    other = projectors.two_layers(sound.width, width, width, 0)  # for sound beside an image
    return joined(model, sound, *once, *other)


def _shieldgemma2(config: Config) -> Architecture:
    """Read ShieldGemma 2: Gemma 3 with its LM head, of which two tokens are read as classes."""
    read_class(config, ("ShieldGemma2ForImageClassification",))
    return _read(config, JOINS["gemma3"])


def _fuyu(config: Config) -> Architecture:
    """Read Fuyu, which has no tower: a linear layer turns each patch into a token."""
    text = read_text(config, "persimmon")
    patch, image = config.integer("patch_size", default=30), config.integer("image_size", default=300)
    inputs = patch**2 * config.integer("num_channels", default=3)
    patches = max(image // patch, 1) ** 2
    stem = linear_on(inputs, text.width, patches, bias=True)
    return joined(text, Stack(name="vision", width=text.width, extras=(stem,), tokens=patches))


def _llama4_text(config: Config) -> Architecture:
    config.skip("max_position_embeddings", "use_qk_norm", "attn_temperature_tuning")  # the norm has no weights
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    heads = config.integer("num_attention_heads")
    kv_heads = config.integer("num_key_value_heads", default=heads)
    config.require(heads % kv_heads == 0, f"num_key_value_heads: {kv_heads} does not divide the {heads} heads")
    bias = config.flag("attention_bias", default=False)
    full = Attention(
        heads=heads,
        kv_heads=min(kv_heads, heads),
        head_width=config.optional("head_dim") or max(width // heads, 1),
        qkv_bias=bias,
        output_bias=bias,
    )
    chunk = config.optional("attention_chunk_size", default=8192)
    chunked = full.replace(chunk=chunk) if chunk is not None else full
    return Architecture(
        width=width,
        layers=grouped(
            [chunked if is_chunked else full for is_chunked in _llama4_chunks(config, depth)],
            _llama4_blocks(config, depth),
        ),
        vocabulary=config.integer("vocab_size"),
        tied=config.flag("tie_word_embeddings", default=False),
    )


def _llama4_chunks(config: Config, depth: int) -> list[bool]:
    """Return which layers have chunked attention: those with rotary positions."""
    interval, rotary = config.integer("no_rope_layer_interval", default=4), config.numbers("no_rope_layers")
    config.require(len(rotary) in {0, depth}, f"no_rope_layers: must be {depth} of 0 and 1; got {len(rotary)}")
    if len(rotary) != depth:
        rotary = [int((index + 1) % interval != 0) for index in range(depth)]
    types = config.names("layer_types", depth, ("chunked_attention", "full_attention"))
    return [bool(flag) for flag in rotary] if types is None else [kind == "chunked_attention" for kind in types]


def _llama4_blocks(config: Config, depth: int) -> list[FeedForward | Experts]:
    inner = config.integer("intermediate_size")
    dense = FeedForward(inner_width=config.integer("intermediate_size_mlp"), gated=True)
    block = routed(
        config,
        config.integer("num_local_experts", default=16),
        config.integer("num_experts_per_tok", default=1),
        inner,
        shared=FeedForward(inner_width=inner, gated=True),
    )
    step, chosen = config.integer("interleave_moe_layer_step", default=1), config.numbers("moe_layers")
    if config.data.get("moe_layers") is None:
        chosen = list(range(step - 1, depth, step))
    return [block if index in chosen else dense for index in range(depth)]


def _mllama(config: Config) -> Architecture:
    """Read Llama 3.2 Vision, whose text attends to all tiles of the image."""
    whole = _read(config, _MLLAMA)
    tokens = whole.stacks[0].tokens
    layers = [
        layer.replace(mixer=layer.mixer.replace(source_tokens=tokens))
        if isinstance(layer.mixer, CrossAttention)
        else layer
        for layer in whole.layers
    ]
    return whole.replace(layers=tuple(layers))


_MLLAMA = Join("mllama_text_model", "mllama_vision_model", projectors.mllama)
_LLAVA = Join("llama", "clip_vision_model", projectors.llava, either=True)
_LLAVA_NEXT = Join("llama", "clip_vision_model", projectors.llava_next)
_QWEN2_VL_JOIN = Join("qwen2_vl_text", "qwen2_vl_vision", either=True, flat="qwen2", width_key="hidden_size")
_IDEFICS3 = Join("llama", "idefics3_vision", projectors.idefics3)
_GLM4V = Join("glm4v_text", "glm4v_vision", either=True)
_BLIP2 = Join("opt", "blip_2_vision_model", query_transformers.blip2, tied="text")
_INSTRUCT_BLIP = Join("opt", "instructblip_vision_model", query_transformers.instruct_blip, tied="text")
_AUDIO_FLAMINGO = Join("qwen2", "audioflamingo3_encoder", projectors.audio_layers, key="audio_config")
_MINICPM = Join("qwen3_5_text", "minicpmv4_6_vision", projectors.minicpm)
JOINS: dict[str, Join] = {
    "audioflamingo3": _AUDIO_FLAMINGO,
    "blip-2": _BLIP2,
    "glmasr": Join("llama", "glmasr_encoder", projectors.glm_asr, tied=True, key="audio_config"),
    "granite_speech": Join(
        "granite", "granite_speech_encoder", query_transformers.granite_speech, tied=True, key="encoder_config"
    ),
    "instructblip": _INSTRUCT_BLIP,
    "instructblipvideo": _INSTRUCT_BLIP,
    "kosmos-2": Join("kosmos_2_text_model", "kosmos_2_vision_model", query_transformers.kosmos2, tied="text"),
    "lighton_ocr": Join("qwen3", "pixtral", projectors.mistral3, tied=True),
    "mistral_large4": Join("mistral_large4_text", "pixtral", projectors.mistral3),
    "molmo2": Join("molmo2_text", "molmo2_vision", query_transformers.molmo2),
    "musicflamingo": _AUDIO_FLAMINGO,
    "qianfan_ocr": Join("qwen3", "qianfan_ocr_vision", projectors.internvl),
    "qwen2_5_omni_thinker": Join(
        "qwen2_5_omni_text",
        "qwen2_5_omni_vision_encoder",
        sound="qwen2_5_omni_audio_encoder",
        width_key="out_hidden_size",
    ),
    "qwen2_audio": Join("qwen2", "qwen2_audio_encoder", projectors.qwen2_audio, key="audio_config"),
    "qwen3_asr": Join("qwen3", "qwen3_asr_encoder", projectors.qwen3_asr, tied=True, key="audio_config"),
    "qwen3_omni_moe_thinker": Join(
        "qwen3_omni_moe_text",
        "qwen3_omni_moe_vision_encoder",
        sound="qwen3_omni_moe_audio_encoder",
        width_key="out_hidden_size",
    ),
    "video_llama_3": Join("qwen2", "video_llama_3_vision", projectors.video_llama3),
    "voxtral": Join("llama", "voxtral_encoder", projectors.voxtral, key="audio_config"),
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
    "llama4": Join("llama4_text", "llama4_vision_model", projectors.llama4, only=True, optional=True),
    "llava": _LLAVA,
    "llava_next": _LLAVA_NEXT,
    "llava_next_video": _LLAVA_NEXT,
    "llava_onevision": Join("qwen2", "siglip_vision_model", projectors.llava_next, either=True),
    "minicpm_ocr": Join("qwen3_5_text", "minicpmv4_6_vision", projectors.minicpm, tied=True),
    "minicpmv4_6": _MINICPM,
    "minicpmv4_7": _MINICPM,
    "minimax_m3_vl": Join("minimax_m3_vl_text", "minimax_m3_vl_vision", projectors.minimax_m3, either=True),
    "mistral3": Join("mistral", "pixtral", projectors.mistral3, tied=None, either=True),
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
    return lambda config: _read(config, join)


def _tower_reader(reader: TowerReader) -> Reader:
    """Return the reader of a tower that is a model of its own, whatever its class is called."""

    def read(config: Config) -> Architecture:
        if not any("For" in name for name in class_names(config)):
            config.skip("architectures")
        return read_alone(reader(config))

    return read


_PARTS: dict[str, TowerReader] = {
    "deepseek_ocr2_encoder": ocr_towers.decoder_of_sam,
    "deepseek_ocr2_sam_vision_model": ocr_towers.sam_of_deepseek2,
    "unlimited_ocr_sam_vision_model": ocr_towers.sam_of_unlimited,
    "unlimited_ocr_vision_encoder": ocr_towers.clip_of_sam,
}
"""Towers that are parts of others."""
READERS: dict[str, Reader] = {
    **{kind: _tower_reader(reader) for kind, reader in {**TOWERS, **SOUND_TOWERS, **_PARTS}.items()},
    "kimi_k25_vision": _tower_reader(lambda config: kimi(config, NAME)),
    **{name: _join_reader(join) for name, join in JOINS.items()},
    "shieldgemma2": _shieldgemma2,
    "colpali": lambda config: _retriever(config, "paligemma"),
    "colqwen2": lambda config: _retriever(config, "qwen2_vl"),
    "fuyu": _fuyu,
    "llama4_text": _llama4_text,
    "mllama": _mllama,
    "deepseek_ocr2": lambda config: _ocr(config, "deepseek_ocr2_vision", "deepseek_ocr2_text"),
    "deepseek_ocr2_vision": lambda config: _ocr_tower(config, "deepseek_ocr2_vision"),
    "unlimited_ocr": lambda config: _ocr(config, "unlimited_ocr_vision", "unlimited_ocr_text"),
    "unlimited_ocr_vision": lambda config: _ocr_tower(config, "unlimited_ocr_vision"),
    "phi4_multimodal": _phi4,
}
"""Readers by the `model_type` of a config."""
