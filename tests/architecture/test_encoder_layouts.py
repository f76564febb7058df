"""Parameters of encoders and encoder-decoders equal those of the reference implementation.

Reference: Hugging Face transformers 5.24 on the meta device. `tests/data/reference_encoders.json`,
`reference_images.json` and `reference_sound.json` hold [config, total, active, embedding] of the default of each type,
of a small model, and of the classes of some types.
"""

import json
from pathlib import Path

import pytest

from costmodel.architecture.flops import count_flops
from costmodel.architecture.loading import load_architecture
from costmodel.foundation.errors import InputError

DATA = Path(__file__).parent.parent / "data"
ROWS = [
    row
    for name in ("encoders", "images", "sound")
    for row in json.loads((DATA / f"reference_{name}.json").read_text("utf-8"))
]
FORWARD = [
    ("electra", "ElectraForCausalLM", 5504256),
    ("distilbert", "DistilBertModel", 5031936),
    ("mpnet", "MPNetModel", 5050368),
    ("m2m_100", "M2M100ForConditionalGeneration", 10791936),
    ("mt5", "MT5ForConditionalGeneration", 10414080),
    ("vit", "ViTModel", 7834752),
    ("deit", "DeiTModel", 8280576),
    ("dinov2_with_registers", "Dinov2WithRegistersModel", 12710016),
    ("beit", "BeitModel", 7816320),
    ("vit_mae", "ViTMAEModel", 2646144),
    ("resnet", "ResNetModel", 106285312),
    ("segformer", "SegformerModel", 203463680),
    ("timesformer", "TimesformerModel", 48701952),
    ("clip_vision_model", "CLIPVisionModel", 2998080),
    ("siglip_vision_model", "SiglipVisionModel", 3224448),
    ("nomic_bert", "NomicBertModel", 6137856),
    ("eurobert", "EuroBertModel", 5114880),
    ("mobilebert", "MobileBertModel", 6626304),
    ("aimv2_vision_model", "Aimv2VisionModel", 3646080),
    ("hubert", "HubertModel", 6081344),
    ("wavlm", "WavLMModel", 6136640),
    ("data2vec-audio", "Data2VecAudioModel", 5952320),
    ("wav2vec2-conformer", "Wav2Vec2ConformerModel", 10970432),
    ("fnet", "FNetModel", 2451456),
    ("t5", "T5ForConditionalGeneration", 9262080),
    ("vivit", "VivitModel", 17013888),
    ("yolos", "YolosModel", 14105088),
]
"""Forward FLOPs over 12 tokens, or one image, of the smallest config of a class in the tables."""
SMALL = {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 96}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]['architectures'][0]}-{row[1]}")
def test_encoders_equal_the_reference(row):
    config, *expected = row
    architecture = load_architecture(config)
    assert list(architecture.parameters[:3]) == expected


def test_the_rows_cover_each_family_twice():
    types = [row[0]["model_type"] for row in ROWS]
    assert len(set(types)) >= 120
    assert min(types.count(name) for name in set(types)) >= 2


def read(model_type, name, **config):
    return load_architecture({"model_type": model_type, "architectures": [name], **config})


def test_albert_computes_every_layer_with_the_weights_of_one():
    one, twelve = (read("albert", "AlbertModel", **SMALL, num_hidden_layers=depth) for depth in (1, 12))
    assert one.parameters == twelve.parameters
    layer = 12 * 2 * (4 * 64 * 64 + 2 * 64 * 96) + 2 * 2 * 12 * 12 * 64  # matrices, and scores of 12 tokens
    assert count_flops(twelve, 12).forward - count_flops(one, 12).forward == 11 * layer


def test_windows_of_longformer_bound_its_attention():
    near, far = (read("longformer", "LongformerModel", **SMALL, attention_window=window) for window in (16, 512))
    assert near.parameters == far.parameters
    # 12 layers; a window of 17 reaches 8.5 tokens to each side, and 513 covers all 512 tokens but their ends
    scores = [2 * reach * 512 - reach * reach for reach in (17 / 2, 513 / 2)]
    assert count_flops(far, 512).forward - count_flops(near, 512).forward == 12 * 4 * 64 * (scores[1] - scores[0])


def test_a_causal_decoder_has_a_cross_attention_that_it_does_not_run():
    sides = {"d_model": 64, "decoder_layers": 1, "decoder_attention_heads": 4, "decoder_ffn_dim": 96, "vocab_size": 100}
    alone = read("bart", "BartForCausalLM", **sides)
    matrices = 4 * 64 * 64 + 2 * 64 * 96 + 64 * 100
    assert count_flops(alone, 1, attention="full").forward == 2 * matrices + 4 * 64
    assert alone.parameters.total > matrices + 4 * 64 * 64 + 1026 * 64


@pytest.mark.parametrize(("model_type", "name", "flops"), FORWARD)
def test_forward_flops_equal_the_reference(model_type, name, flops):
    configs = [row[0] for row in ROWS if row[0]["architectures"] == [name]]
    small = min(configs, key=lambda config: load_architecture(config).parameters.total)
    forward = count_flops(load_architecture(small), 12, attention="full").forward
    assert forward == flops


@pytest.mark.parametrize(
    ("model_type", "name", "changes", "message"),
    [
        ("albert", "AlbertModel", {"num_hidden_groups": 5}, "num_hidden_layers: 12 is not a multiple of the 5 groups"),
        ("deberta-v2", "DebertaV2Model", {"embedding_size": 7}, "embedding_size: 7 is not the width of the layers"),
        ("esm", "EsmModel", {"vocab_size": 33, "is_folding_model": True}, "is_folding_model"),
        ("longformer", "LongformerModel", {"attention_window": [8]}, "attention_window: must be a number above 0, or"),
        ("marian", "MarianModel", {"decoder_vocab_size": 7}, "decoder_vocab_size: 7 is not vocab_size"),
        (
            "moonshine",
            "MoonshineModel",
            {"decoder_num_attention_heads": 4},
            "decoder_num_attention_heads: the reference",
        ),
        (
            "moonshine",
            "MoonshineModel",
            {"decoder_num_key_value_heads": 1},
            "only equal ones are read; got 8 and 1, and",
        ),
        ("mvp", "MvpModel", {"use_prompt": True}, "use_prompt"),
        ("nystromformer", "NystromformerModel", {"num_landmarks": 8}, "num_landmarks"),
        ("xlm-roberta", "XLMRobertaForCausalLM", {"add_cross_attention": True}, "add_cross_attention"),
    ],
)
def test_layouts_that_are_not_known_are_refused(model_type, name, changes, message):
    with pytest.raises(InputError, match=message):
        read(model_type, name, **changes)
