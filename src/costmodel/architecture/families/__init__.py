"""Families of models: the reader of each `model_type` of a config.

A new family is a line of `MODULES` (or a name in `_BY_MODULE`), and a reader in the `READERS` of that module;
or an entry point of a package. Modules are loaded at their first use.
"""

from functools import partial
from pkgutil import resolve_name
from typing import Any

from costmodel.architecture.families.reading import Reader
from costmodel.architecture.sources.layouts import layout_types, read_layout
from costmodel.foundation.limits import shown
from costmodel.foundation.registry import Registry

_BY_MODULE: dict[str, str] = {
    "block_sparse": "minimax_m3 minimax_m3_vl_text",
    "compressed_attention": "deepseek_v4",
    "convolved_attention": "zaya",
    "fast_weights": "delta_net gated_deltanet gla hgrn2 linear_attn retnet",
    "latent_attention": (
        "axk1 axk2 deepseek_v2 deepseek_v3 deepseek_v32 dots3_note_text glm4_moe_lite glm_moe_dsa hy_v4 hy_v4_vl_text "
        "kimi_k2 mistral4 sarvam_mla"
    ),
    "linear_attention": (
        "bailing_hybrid kimi_linear lara_mini minimax olmo_hybrid qwen3_5_moe_text qwen3_5_text qwen3_next"
    ),
    "mamba_hybrids": "bamba granitemoehybrid zamba zamba2",
    "mixtures": (
        "afmoe aria_text beam cohere2_moe dots1 exaone_moe flex_olmo flint glm4_moe glm4v_moe_text granitemoe "
        "granitemoe_swa granitemoeshared hunyuan_v1_moe hy_v3 kolibri1 laguna mellum mimo_v2_flash "
        "openai_privacy_filter qwen2_moe qwen3_moe qwen3_omni_moe_text qwen3_vl_moe_text sarvam_moe solar_open "
        "step3p5 unlimited_ocr_text"
    ),
    "recurrences": "recurrent_gemma rwkv7 xlstm",
    "relative_attention": "inkling2_loop_text inkling2_text inkling_text",
    "shared_latents": "longcat_flash mistral_large4_text",
    "short_convolutions": "lfm2 lfm2_moe lfm3",
    "sparse": "bailing_moe bailing_moe_v2 dbrx ernie4_5_moe grok-1 jetmoe minimax_m2 olmoe phimoe",
    "state_space": "falcon_h1 falcon_mamba jamba mamba mamba2 nemotron_h rwkv",
}
"""Types of mixtures of experts, of latent and linear attention and of recurrent models, by their module."""

MODULES: dict[str, str] = {
    **{model_type: module for module, types in _BY_MODULE.items() for model_type in types.split()},
    "llama": "rotary",
    "mistral": "rotary",
    "mixtral": "rotary",
    "qwen2": "rotary",
    **dict.fromkeys(("qwen2_vl_text", "qwen2_5_vl_text", "qwen2_5_omni_text"), "rotary"),
    "qwen3": "rotary",
    "gemma": "rotary",
    "gemma2": "rotary",
    "gemma3_text": "rotary",
    "olmo2": "rotary",
    "phi3": "rotary",
    "gpt_oss": "rotary",
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
    "glm": "rotary",
    "glm4": "rotary",
    "ministral3": "rotary",
    "olmo": "rotary",
    "olmo3": "rotary",
    "smollm3": "rotary",
    "internlm": "rotary",
    **dict.fromkeys(
        (
            "apertus",
            "arcee",
            "bitnet",
            "cosmos3_edge_text",
            "cwm",
            "diffllama",
            "doge",
            "emu3_text_model",
            "ernie4_5",
            "exaone",
            "exaone4",
            "granite_docling_text",
            "granite_swa",
            "helium",
            "hunyuan_v1_dense",
            "hunyuan_vl_text",
            "hyperclovax",
            "internlm2",
            "internlm3",
            "iquestcoder",
            "jais2",
            "minicpm",
            "ministral",
            "muse_glimmer_text",
            "nanochat",
            "nemotron",
            "seed_oss",
            "vaultgemma",
        ),
        "rotary",
    ),
    **dict.fromkeys(("cohere2", "cohere_compass_text"), "parallel_blocks"),
    **dict.fromkeys(("biogpt", "openai-gpt"), "learned_positions"),
    **dict.fromkeys(("cpmant", "xlm", "xlnet"), "layer_norm"),
    **dict.fromkeys(("chatglm", "qwen"), "renamed_keys"),
    **dict.fromkeys(("mllama_text_model", "moshi", "musicgen_decoder", "musicgen_melody_decoder"), "codebooks"),
    **dict.fromkeys(("ctrl", "gpt_neox_japanese", "modernbert-decoder", "persimmon", "xglm"), "layer_norm"),
    **dict.fromkeys(("dory", "hrm_text"), "looped"),
    **dict.fromkeys(
        (
            "embedding_gemma2_text",
            "gemma3n_text",
            "gemma4_assistant",
            "gemma4_text",
            "gemma4_unified_assistant",
            "gemma4_unified_text",
        ),
        "gemma_text",
    ),
    **dict.fromkeys(("minicpm3", "youtu"), "dense_latent_attention"),
    "bloom": "layer_norm",
    **dict.fromkeys(
        (
            *("aria", "audioflamingo3", "audioflamingo3_encoder", "aya_vision", "blip-2", "blip_2_vision_model"),
            *("cohere2_vision", "deepseek_vl", "ernie4_5_vl_moe", "ernie4_5_vl_moe_vision", "exaone4_5"),
            *("exaone4_5_vision", "gemma3", "gemma3n_audio", "gemma4_audio", "glm46v", "glm4v", "glm4v_moe"),
            *("glm4v_moe_vision", "glm4v_vision", "glm_ocr", "glm_ocr_vision", "glmasr", "glmasr_encoder"),
            *("got_ocr2", "got_ocr2_vision", "granite_speech", "granite_speech_encoder", "granite_speech_plus"),
            *("granite_speech_plus_encoder", "hunyuan_vl", "hunyuan_vl_vision", "hyperclovax_vision_v2", "idefics2"),
            *("idefics2_vision", "idefics3", "idefics3_vision", "instructblip", "instructblip_vision_model"),
            *("instructblipvideo", "instructblipvideo_vision_model", "internvl", "internvl_vision"),
            *("janus_vision_model", "kimi_k25", "kimi_k25_vision", "kosmos-2", "kosmos_2_vision_model", "lfm2_vl"),
            *("lighton_ocr", "llama4", "llama4_vision_model", "llava", "llava_next", "llava_next_video"),
            *("llava_onevision", "minicpm_ocr", "minicpm_ocr_vision", "minicpmv4_6", "minicpmv4_6_vision"),
            *("minicpmv4_7", "minicpmv4_7_vision", "minimax_m3_vl", "minimax_m3_vl_vision", "mistral3"),
            *("mistral_large4", "mllama_vision_model", "molmo2", "molmo2_vision", "moss_transcribe_diarize"),
            *("moss_transcribe_diarize_audio", "musicflamingo", "ovis2", "ovis2_vision", "paddleocr_vl"),
            *("paddleocr_vl_vision", "paligemma", "phi4_multimodal_audio", "phi4_multimodal_vision", "pixtral"),
            *("qianfan_ocr", "qianfan_ocr_vision", "qwen2_5_omni_audio_encoder", "qwen2_5_omni_thinker"),
            *("qwen2_5_omni_vision_encoder", "qwen2_5_vl", "qwen2_5_vl_vision", "qwen2_audio", "qwen2_vl"),
            *("qwen2_vl_vision", "qwen3_5", "qwen3_5_moe", "qwen3_5_moe_vision", "qwen3_5_vision", "qwen3_asr"),
            *("qwen3_asr_encoder", "qwen3_omni_moe_audio_encoder", "qwen3_omni_moe_thinker"),
            *("qwen3_omni_moe_vision_encoder", "qwen3_vl", "qwen3_vl_moe", "qwen3_vl_moe_vision", "qwen3_vl_vision"),
            *("siglip2_vision_model", "smolvlm", "smolvlm_vision", "step3p5_vision", "step3p7", "video_llama_3"),
            *("video_llama_3_vision", "video_llava", "vipllava", "voxtral", "voxtral_realtime"),
            "voxtral_realtime_encoder",
        ),
        "multimodal",
    ),
    "ernie4_5_vl_moe_text": "image_texts",
    "glm4v_text": "image_texts",
    "glm_ocr_text": "image_texts",
    "hunyuan_vl_text": "image_texts",
    "kosmos_2_text_model": "image_texts",
    "molmo2_text": "image_texts",
    "voxtral_realtime_text": "image_texts",
    **dict.fromkeys(
        (
            *("colpali", "colqwen2", "deepseek_ocr2", "deepseek_ocr2_encoder", "deepseek_ocr2_sam_vision_model"),
            *("deepseek_ocr2_vision", "florence2", "florence_vision", "fuyu", "mllama", "phi4_multimodal"),
            *("shieldgemma2", "unlimited_ocr", "unlimited_ocr_sam_vision_model", "unlimited_ocr_vision"),
            "unlimited_ocr_vision_encoder",
        ),
        "multimodal_layouts",
    ),
    "llama4_text": "chunked_attention",
    **dict.fromkeys(
        (
            "qwen2_5_omni",
            "qwen2_5_omni_bigvgan",
            "qwen2_5_omni_dit",
            "qwen2_5_omni_talker",
            "qwen2_5_omni_token2wav",
        ),
        "omni",
    ),
    "gemma4": "gemma4",
    "gemma4_vision": "gemma4",
    "bert": "encoders",
    "roberta": "encoders",
    "xlm-roberta": "encoders",
    "camembert": "encoders",
    "data2vec-text": "encoders",
    "xlm-roberta-xl": "encoders",
    "roberta-prelayernorm": "encoders",
    "megatron-bert": "encoders",
    "bert-generation": "encoders",
    "ibert": "encoders",
    "distilbert": "encoders",
    "electra": "encoders",
    "splinter": "encoders",
    "mra": "encoders",
    "yoso": "encoders",
    "albert": "encoders",
    "rembert": "encoders",
    **dict.fromkeys(
        (
            *("align_text_model", "altclip_text_model", "bridgetower_text_model", "chinese_clip_text_model"),
            *("clap_text_model", "dpr", "flava_text_model"),
        ),
        "encoders",
    ),
    "bigbird_pegasus": "sequence_to_sequence",
    "layoutlmv3": "page_encoders",
    "flaubert": "layer_norm",
    "xmod": "encoders",
    **dict.fromkeys(("dpt", "timesformer"), "image_encoders"),
    **dict.fromkeys(("aimv2", "aimv2_text_model", "aimv2_vision_model"), "gated_contrastive"),
    "sew": "sound",
    **dict.fromkeys(("glmasr_encoder", "moonshine_streaming", "moonshine_streaming_encoder"), "mel_encoders"),
    "vitdet": "image_encoders",
    "t5gemma": "gemma_encoder_decoder",
    **dict.fromkeys(("sam_vision_model", "segformer"), "vision"),
    **dict.fromkeys(("blip_vision_model", "flava_image_model", "pixio", "tipsv2_vision_model"), "image_encoders"),
    **dict.fromkeys(
        (
            *("altclip_vision_model", "chinese_clip_vision_model", "git_vision_model"),
            *("groupvit_text_model", "xclip_text_model"),
        ),
        "contrastive",
    ),
    "ernie": "encoders",
    "roc_bert": "encoders",
    "layoutlm": "encoders",
    "lilt": "encoders",
    "bros": "encoders",
    "tapas": "encoders",
    "markuplm": "encoders",
    "visual_bert": "encoders",
    "luke": "encoders",
    "fnet": "encoders",
    "deberta": "attention_variants",
    "deberta-v2": "attention_variants",
    "esm": "attention_variants",
    "mpnet": "attention_variants",
    "longformer": "attention_variants",
    "big_bird": "attention_variants",
    "nystromformer": "attention_variants",
    "convbert": "attention_variants",
    "roformer": "attention_variants",
    "squeezebert": "attention_variants",
    "mobilebert": "attention_variants",
    "modernbert": "rotary_encoders",
    "nomic_bert": "rotary_encoders",
    "gte": "rotary_encoders",
    "jina_embeddings_v3": "rotary_encoders",
    "eurobert": "rotary_encoders",
    "esmc": "rotary_encoders",
    "ultrabert": "rotary_encoders",
    "bart": "sequence_to_sequence",
    "mvp": "sequence_to_sequence",
    "plbart": "sequence_to_sequence",
    "mbart": "sequence_to_sequence",
    "marian": "sequence_to_sequence",
    "pegasus": "sequence_to_sequence",
    "m2m_100": "sequence_to_sequence",
    "nllb-moe": "sequence_to_sequence",
    "blenderbot": "sequence_to_sequence",
    "blenderbot-small": "sequence_to_sequence",
    "pegasus_x": "sequence_to_sequence",
    "led": "sequence_to_sequence",
    "fsmt": "sequence_to_sequence",
    "trocr": "sequence_to_sequence",
    "whisper": "sequence_to_sequence",
    "speech_to_text": "sequence_to_sequence",
    "t5": "relative_bias",
    "mt5": "relative_bias",
    "umt5": "relative_bias",
    "longt5": "relative_bias",
    "switch_transformers": "relative_bias",
    "pop2piano": "relative_bias",
    **dict.fromkeys(
        (
            "audio-spectrogram-transformer",
            "beit",
            "data2vec-vision",
            "deit",
            "dinov2",
            "dinov2_with_registers",
            "dinov3_vit",
            "ijepa",
            "videomae",
            "vit",
            "vit_mae",
            "vit_msn",
            "vivit",
            "yolos",
        ),
        "image_encoders",
    ),
    **dict.fromkeys(
        (
            *("clip", "clipseg", "metaclip_2", "owlv2", "owlvit", "siglip", "siglip2"),
            *("clip_text_model", "clipseg_text_model", "metaclip_2_text_model", "owlv2_text_model"),
            *("owlvit_text_model", "siglip2_text_model", "siglip_text_model"),
            *("clip_vision_model", "clipseg_vision_model", "metaclip_2_vision_model", "owlv2_vision_model"),
            *("owlvit_vision_model", "siglip_vision_model"),
        ),
        "contrastive",
    ),
    **dict.fromkeys(("convnextv2", "dinov3_convnext", "donut-swin", "maskformer-swin", "resnet", "swinv2"), "vision"),
    "swin": "vision",
    "convnext": "vision",
    **dict.fromkeys(("data2vec-audio", "hubert", "unispeech", "unispeech-sat", "wav2vec2", "wavlm"), "sound"),
    **dict.fromkeys(
        ("lasr_ctc", "lasr_encoder", "parakeet_ctc", "parakeet_encoder", "wav2vec2-bert", "wav2vec2-conformer"),
        "conformers",
    ),
    **dict.fromkeys(("audioflamingo3_encoder", "moonshine", "qwen2_audio_encoder", "voxtral_encoder"), "mel_encoders"),
}
"""Module of this folder with the reader of each `model_type`."""
ALIASES = {
    "apertus1p5_text": "apertus",
    "baichuan": "llama",
    "RefinedWebModel": "falcon",
    "Yi": "llama",
    "codegen": "gptj",
    "gpt-sw3": "gpt2",
    "granite": "llama",
    "granite4_vision_text": "llama",
    "mimo": "qwen2",
    "deepseek_ocr2_text": "unlimited_ocr_text",
    "kimi_k2": "deepseek_v3",
    "paddleocr_vl_text": "ernie4_5",
    "stablelm_epoch": "stablelm",
    "qwen3_vl_text": "qwen3",
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


def reader_of(model_type: object) -> Reader | None:
    """Return the reader of a `model_type`: of its family, else of its learned layout; None if it has neither.

    Parameters
    ----------
    model_type : object
        Type of a config.
    """
    if not isinstance(model_type, str):
        return None
    if model_type in FAMILIES:
        return FAMILIES[model_type]
    return partial(read_layout, model_type=model_type) if model_type in layout_types() else None


def unread_type(key: str, model_type: object) -> str:
    """Return the message for a `model_type` without a reader: what can be done instead.

    It names no similar type, because types of similar names often have other layouts.

    Parameters
    ----------
    key : str
        Where the type is stated.
    model_type : object
        Value given.
    """
    count = len({*FAMILIES, *layout_types()})
    return (
        f"{key}: no reader is known for {shown(model_type)} ({count} types are read). Possible instead: "
        "a folder or file with its weights (safetensors or GGUF), whose tensors are counted; "
        "family='transformers' (--family transformers) with the extra hub, if Hugging Face transformers has the type; "
        "family=TYPE if you know that its layout is that of another type, which marks the result as unverified; "
        "or its counts: {'total': '7B', 'layers': 32, 'width': 4096}"
    )
