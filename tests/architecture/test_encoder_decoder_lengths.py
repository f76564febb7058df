"""Two sides of one model: as many tokens on both, or a pair of lengths."""

import pytest

import costmodel as cm


def test_one_length_is_the_pair_of_it_with_itself():
    t5 = cm.load_architecture("t5-small")
    assert cm.count_flops(t5, 512) == cm.count_flops(t5, (512, 512))


def test_a_longer_source_costs_its_encoder_and_the_reading_of_it():
    t5 = cm.load_architecture("t5-small")
    short, long = (cm.count_flops(t5, (source, 128)).forward for source in (512, 1024))
    width, inner, heads, depth = 512, 2048, 8 * 64, 6
    encoder = depth * 2 * (4 * width * heads + 2 * width * inner) + depth * 4 * heads * (1024**2 - 512**2) / 512
    reading = depth * (2 * 2 * width * heads + 4 * heads * 128)
    assert long - short == pytest.approx(512 * (encoder + reading))


def test_a_pair_is_refused_where_there_are_no_two_sides():
    for name in ("gpt2", "whisper-tiny", "bert-base"):
        with pytest.raises(cm.InputError, match="a pair"):
            cm.count_flops(cm.load_architecture(name), (512, 128))


def test_whisper_listens_to_its_own_number_of_frames():
    whisper = cm.load_architecture("whisper-tiny")
    one, two = (cm.count_flops(whisper, length, attention="full").forward for length in (100, 200))
    assert one > 0.5 * two  # the encoder's 1,500 frames are most of both
