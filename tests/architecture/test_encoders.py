"""Encoders of text, and encoders with a decoder: counts by Hugging Face transformers 5.24, of small configs.

Totals are unique parameters; FLOPs are those of `FlopCounterMode` over a forward pass of 12 tokens.
"""

import pytest

from costmodel.architecture.blocks.block import read_block
from costmodel.architecture.blocks.cross_attention import CrossAttention
from costmodel.architecture.flops import count_decode_flops, count_flops
from costmodel.architecture.listing import operations_by_part
from costmodel.architecture.loading import load_architecture
from costmodel.foundation.errors import InputError

SIZE = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}
SIDES = {
    "d_model": 64,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 96,
    "decoder_ffn_dim": 128,
    "vocab_size": 200,
}
T5 = {"d_model": 64, "d_kv": 24, "d_ff": 96, "num_layers": 2, "num_heads": 4, "vocab_size": 200}
COUNTED = [
    ("bert", "BertModel", SIZE, 2049280, 1458176),
    ("bert", "BertForMaskedLM", SIZE, 2079930, 48430080),
    ("bert", "BertForPreTraining", SIZE, 2084220, 48438528),
    ("bert", "BertForSequenceClassification", SIZE | {"num_labels": 5}, 2049605, 1458816),
    ("bert", "BertForTokenClassification", SIZE | {"type_vocab_size": 3}, 2045314, 1453056),
    ("bert", "BertForQuestionAnswering", SIZE, 2045250, 1453056),
    ("roberta", "RobertaForMaskedLM", SIZE, 3363225, 78755328),
    ("roberta", "RobertaForSequenceClassification", SIZE, 3312962, 1458432),
    ("modernbert", "ModernBertModel", SIZE, 3293504, 1744896),
    (
        "modernbert",
        "ModernBertForMaskedLM",
        SIZE | {"norm_bias": True, "attention_bias": True, "mlp_bias": True, "classifier_bias": True},
        3349504,
        79208448,
    ),
    (
        "modernbert",
        "ModernBertForMaskedLM",
        SIZE | {"tie_word_embeddings": False, "decoder_bias": False},
        6521216,
        79208448,
    ),
    ("bart", "BartModel", SIDES, 353792, 5210112),
    ("bart", "BartForConditionalGeneration", SIDES, 353792, 5517312),
    ("bart", "BartForSequenceClassification", SIDES, 358147, 5218688),
    ("t5", "T5Model", T5, 210432, 5050368),
    (
        "t5",
        "T5ForConditionalGeneration",
        T5 | {"num_decoder_layers": 3, "feed_forward_proj": "gated-gelu", "relative_attention_num_buckets": 16},
        302656,
        7680000,
    ),
    (
        "whisper",
        "WhisperForConditionalGeneration",
        SIDES | {"max_source_positions": 20, "num_mel_bins": 10},
        266240,
        7677952,
    ),
    ("whisper", "WhisperModel", SIDES | {"max_source_positions": 20, "max_target_positions": 30}, 252928, 8445952),
]


def read(model_type, name, config, **changes):
    return load_architecture({"model_type": model_type, "architectures": [name], **config, **changes})


@pytest.mark.parametrize(("model_type", "name", "config", "total", "flops"), COUNTED)
def test_small_configs_are_exact_and_read_back(exact, model_type, name, config, total, flops):
    exact(model_type, name, config, total, flops)


def test_an_untied_t5_has_a_head_of_its_own():
    tied, apart = (read("t5", "T5ForConditionalGeneration", T5, tie_word_embeddings=tie) for tie in (True, False))
    assert apart.parameters.total - tied.parameters.total == 200 * 64
    assert count_flops(apart, 12) == count_flops(tied, 12)


def test_both_sides_grow_with_the_sequence_but_not_whispers_encoder():
    bart = read("bart", "BartModel", SIDES)
    whisper = read("whisper", "WhisperModel", SIDES)
    for architecture, grows in ((bart, True), (whisper, False)):
        encoder = dict.fromkeys((10, 20), 0.0)
        for tokens in encoder:
            for part, copies, operations in operations_by_part(architecture, tokens, tokens):
                if part == "encoder":
                    encoder[tokens] += copies * sum(one.m * one.n * one.k * one.copies for one in operations)
        assert encoder[10] > 0
        assert (encoder[20] > encoder[10]) is grows


def test_heads_know_their_labels():
    sizes = [
        read("bert", "BertForSequenceClassification", SIZE, **labels).parameters.total
        for labels in ({}, {"num_labels": 2}, {"id2label": {"0": "a", "1": "b", "2": "c"}}, {"num_labels": 3})
    ]
    assert sizes[0] == sizes[1]
    assert sizes[2] == sizes[3] == sizes[0] + 64 + 1


@pytest.mark.parametrize(
    ("model_type", "name", "config", "changes", "named"),
    [
        ("bert", "BertForSomething", SIZE, {}, "architectures"),
        ("bert", "RobertaModel", SIZE, {}, "architectures"),
        ("bert", "BertModel", SIZE, {"architectures": None}, "architectures"),
        ("bert", "BertModel", SIZE, {"is_decoder": True}, "is_decoder"),
        ("bert", "BertModel", SIZE, {"add_cross_attention": True}, "add_cross_attention"),
        ("bert", "BertModel", SIZE, {"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ("bert", "BertModel", SIZE, {"num_attention_heads": 5}, "64 is not a multiple of the 5 heads"),
        ("bert", "BertForMaskedLM", SIZE, {"tie_word_embeddings": False}, "tie_word_embeddings"),
        ("roberta", "RobertaForPreTraining", SIZE, {}, "architectures"),
        ("roberta", "RobertaForTokenClassification", SIZE, {"num_labels": 3, "id2label": {"0": "a"}}, "num_labels"),
        ("modernbert", "ModernBertForMaskedLM", SIZE, {"sparse_prediction": True}, "sparse_prediction"),
        ("bart", "BartModel", SIDES, {"normalize_before": True}, "normalize_before"),
        ("t5", "T5Model", T5, {"feed_forward_proj": "gated-gelu", "is_gated_act": False}, "is_gated_act"),
        ("t5", "T5Stack", T5, {}, "architectures"),
        ("whisper", "WhisperForAudioClassification", SIDES, {}, "architectures"),
    ],
)
def test_what_is_not_known_is_refused(model_type, name, config, changes, named):
    with pytest.raises(InputError, match=named):
        read(model_type, name, config, **changes)


def test_cross_attention_reads_its_source():
    block = read_block(
        {"kind": "cross_attention", "heads": 4, "kv_heads": 2, "head_width": 8, "source_tokens": 50, "source_width": 20}
    )
    assert isinstance(block, CrossAttention)
    assert sum(weight.size for weight in block.weights(32)) == 32 * 32 + 2 * 20 * 16 + 32 * 32
    rows = {one.name: (one.m, one.n, one.k) for one in block.operations(32, 10.0, 10.0)}
    assert rows["key"] == rows["value"] == (50.0, 16, 20)
    assert rows["query"] == rows["output"] == (10.0, 32, 32)
    assert rows["score"] == rows["attend"] == (10.0, 50.0, 8)
    assert block.cache(10) == block.cache(1000) == 2 * 2 * 8 * 50


def test_decoding_leaves_the_source_alone():
    whisper = read("whisper", "WhisperForConditionalGeneration", SIDES)
    own = 4 * 64 * 64 + 2 * 30 * 64
    across = 2 * 64 * 64 + 2 * 1500 * 64
    assert count_decode_flops(whisper, 30) == 2 * (3 * (own + across + 2 * 64 * 128) + 64 * 200)
