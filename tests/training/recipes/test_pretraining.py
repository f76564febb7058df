"""Pretraining: the default batch size against published runs."""

import pytest

import costmodel as cm


@pytest.mark.parametrize(
    ("tokens", "length", "count", "sequences"),
    [
        # Llama 2 and 3 start with 4 million tokens per step: 1,024 sequences of 4,096 (arXiv 2307.09288, 2407.21783)
        ("2T", 4096, 512, 1024),
        ("2T", 3300, 512, 1024),  # 1,271, rounded to a power of two
        # Llama 3 405B: 16 million tokens per step on 16,384 accelerators, 2,048 sequences of 8,192
        ("15.6T", 8192, 16_384, 2048),
        ("15.6T", 6600, 16_384, 2048),
        # a run has at least 1,000 steps: 1 million tokens per step
        ("1B", 1000, 8, 1024),
        ("1B", 650, 8, 2048),
        ("1B", 750, 8, 1024),
    ],
)
def test_default_batch_size_follows_published_runs(tokens, length, count, sequences):
    assert cm.Pretraining(tokens=tokens, sequence_length=length).sequences(count) == sequences


def test_sequences_have_4096_tokens_by_default():
    assert cm.Pretraining(tokens="1B").passes(cm.load_architecture("llama-2-7b"))[0].sequence_length == 4096
