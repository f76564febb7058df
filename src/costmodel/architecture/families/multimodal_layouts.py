"""Models whose parts are joined in ways of their own: two towers in a row, text at the top level, no tower, no LM head.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from costmodel.architecture.blocks.cross_attention import CrossAttention
from costmodel.architecture.families import FAMILIES, ocr_towers, projectors, staged_towers
from costmodel.architecture.families.classes import read_class
from costmodel.architecture.families.multimodal import (
    JOINS,
    Join,
    defaults_of,
    is_tied,
    joined,
    part_of,
    read_join,
    read_text,
    read_tower,
    tower_reader,
)
from costmodel.architecture.families.reading import Reader
from costmodel.architecture.families.towers import linear_on, norm_of, read_alone
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Stack
from costmodel.foundation.errors import unknown

_RETRIEVERS = ("ColPaliForRetrieval", "ColQwen2ForRetrieval")


def _retriever(config: Config, model_type: str) -> Architecture:
    """Read a retrieval model: a model of the row `model_type` whose head is a projection of each token."""
    read_class(config, _RETRIEVERS)
    part, named = part_of(config, "vlm_config", model_type)
    config.require(named in JOINS, f"vlm_config.model_type: {unknown('model', named, JOINS)}")
    part.skip("vocab_size")
    whole = read_join(part, JOINS.get(named, JOINS[model_type]))
    head = linear_on(whole.width, config.integer("embedding_dim", default=128), 1, bias=True, part="head")
    return whole.replace(head=False, extras=(*whole.extras, head.replace(rows=None)))


def _ocr(config: Config, kind: str, model_type: str) -> Architecture:
    """Read an OCR model: SAM, a second tower that reads its output, and one layer."""
    text = read_text(config, model_type)
    inside, named = part_of(config, "vision_config", kind)
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


_PHI4_KV_HEADS = {"num_key_value_heads": 8}
"""Default of Phi-4 multimodal."""


def _phi4(config: Config) -> Architecture:
    """Read Phi-4 multimodal: the text at the top level, and towers for images and for sound, two layers each."""
    config.skip("img_processor", "embd_layer", "speech_lora", "vision_lora")
    text = FAMILIES["phi3"](config if "num_key_value_heads" in config.data else config.changed(_PHI4_KV_HEADS))
    image, tower = read_tower(config, "phi4_multimodal_vision")
    image.skip("crop_size", "feature_layer")
    rows = max((tower.tokens or 1) // 4, 1)
    width = text.width
    layers = projectors.two_layers(tower.width, width, width, rows)
    model = joined(text, tower, *layers, norm_of(tower.width, bias=False, copies=2))
    audio, sound = read_tower(config, "phi4_multimodal_audio", "audio_config")
    rate = audio.integer("downsample_rate", default=1)
    tokens = max((sound.tokens or 1) // rate, 1)
    once = projectors.two_layers(sound.width * rate, width, width, tokens)
    other = projectors.two_layers(sound.width * rate, width, width, 0)  # for sound beside an image
    return joined(model, sound, *once, *other)


def _florence2(config: Config) -> Architecture:
    """Read Florence-2: an encoder and a decoder that read the image, projected to their width, before the text."""
    text, named = part_of(config, "text_config", "bart")
    text.data = {**defaults_of(named), **text.data, "architectures": ["BartForConditionalGeneration"]}
    apart = text.data.get("tie_word_embeddings") is False
    text.require(not apart, "tie_word_embeddings: only true is read, one embedding for encoder and decoder")
    text.data["tie_word_embeddings"] = is_tied(config, text, True, False)
    model = FAMILIES["bart"](text)
    text.require(named == "bart", f"model_type: only 'bart' is known here; got {named!r}")
    vision, _ = part_of(config, "vision_config", "florence_vision")
    stages = staged_towers.davit(vision)
    outputs, last = vision.integer("projection_dim", default=1024), stages[-1]
    blocks = staged_towers.florence_projector(vision, last.width, outputs, last.tokens or 1)
    last = last.replace(extras=(*last.extras, *blocks))
    return model.replace(stacks=(*model.stacks, *stages[:-1], last))


def _davit(config: Config) -> Architecture:
    """Read the tower of Florence-2 as a model of its own."""
    config.skip("architectures")
    stages = staged_towers.davit(config)
    return read_alone(stages[-1]).replace(stacks=tuple(stages[:-1]))


def _shieldgemma2(config: Config) -> Architecture:
    """Read ShieldGemma 2: Gemma 3 with its LM head, of which two tokens are read as classes."""
    read_class(config, ("ShieldGemma2ForImageClassification",))
    config.require(config.data.get("tie_word_embeddings") is not False, "tie_word_embeddings: only true is read")
    return read_join(config, JOINS["gemma3"])


def _fuyu(config: Config) -> Architecture:
    """Read Fuyu, which has no tower: a linear layer turns each patch into a token."""
    text = read_text(config, "persimmon")
    patch, image = config.integer("patch_size", default=30), config.integer("image_size", default=300)
    inputs = patch**2 * config.integer("num_channels", default=3)
    patches = max(image // patch, 1) ** 2
    stem = linear_on(inputs, text.width, patches, bias=True)
    return joined(text, Stack(name="vision", width=text.width, extras=(stem,), tokens=patches))


def _mllama(config: Config) -> Architecture:
    """Read Llama 3.2 Vision, whose text attends to all tiles of the image."""
    whole = read_join(config, _MLLAMA)
    tokens = whole.stacks[0].tokens
    layers = [
        layer.replace(mixer=layer.mixer.replace(source_tokens=tokens))
        if isinstance(layer.mixer, CrossAttention)
        else layer
        for layer in whole.layers
    ]
    return whole.replace(layers=tuple(layers))


_MLLAMA = Join("mllama_text_model", "mllama_vision_model", projectors.mllama)


READERS: dict[str, Reader] = {
    "colpali": lambda config: _retriever(config, "paligemma"),
    "colqwen2": lambda config: _retriever(config, "qwen2_vl"),
    "deepseek_ocr2": lambda config: _ocr(config, "deepseek_ocr2_vision", "deepseek_ocr2_text"),
    "deepseek_ocr2_encoder": tower_reader(ocr_towers.decoder_of_sam),
    "deepseek_ocr2_sam_vision_model": tower_reader(ocr_towers.sam_of_deepseek2),
    "deepseek_ocr2_vision": lambda config: _ocr_tower(config, "deepseek_ocr2_vision"),
    "florence2": _florence2,
    "florence_vision": _davit,
    "fuyu": _fuyu,
    "mllama": _mllama,
    "phi4_multimodal": _phi4,
    "shieldgemma2": _shieldgemma2,
    "unlimited_ocr": lambda config: _ocr(config, "unlimited_ocr_vision", "unlimited_ocr_text"),
    "unlimited_ocr_sam_vision_model": tower_reader(ocr_towers.sam_of_unlimited),
    "unlimited_ocr_vision": lambda config: _ocr_tower(config, "unlimited_ocr_vision"),
    "unlimited_ocr_vision_encoder": tower_reader(ocr_towers.clip_of_sam),
}
"""Readers by the `model_type` of a config."""
