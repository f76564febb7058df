"""Names: matching, and suggestions for unknown names."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.foundation.errors import UnknownNameError, nearest, unknown
from costmodel.foundation.names import Names, name_key

NAMES = Names(
    "accelerator",
    {"H100-SXM": 1, "A100-80GB-SXM": 2, "TPU-v5p": 3, "MI300X": 4},
    {"H100-SXM": ["H100", "HGX H100"], "A100-80GB-SXM": ["A100-SXM4-80GB"]},
    ("nvidia", "amd"),
)


@pytest.mark.parametrize(
    "name", ["H100-SXM", "h100-sxm", "H100 SXM", "h100_sxm", "H100/SXM", "h100.sxm", " H100--SXM "]
)
def test_case_and_separators_do_not_count(name):
    assert NAMES.get(name) == 1


@pytest.mark.parametrize("name", ["h100", "hgx h100", "HGX_H100", "NVIDIA H100", "nvidia/H100-SXM", "Nvidia-HGX-H100"])
def test_aliases_and_vendors(name):
    assert NAMES.proper(name) == "H100-SXM"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([*NAMES, "H100", "A100-SXM4-80GB"]), st.randoms(use_true_random=False))
def test_any_case_and_any_separators(name, random):
    written = "".join(random.choice([char.upper(), char.lower()]) for char in name)
    written = "".join(random.choice("-_ ./") if char == "-" else char for char in written)
    assert NAMES.get(written) == NAMES.get(name)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_a_name_or_an_error(name):
    assert name_key(name_key(name)) == name_key(name)
    if NAMES.proper(name) is None:
        with pytest.raises(UnknownNameError, match="unknown accelerator"):
            NAMES.get(name)
    else:
        assert NAMES.get(name) in (1, 2, 3, 4)


def test_names_that_differ_in_digits_stay_apart():
    assert name_key("A100") != name_key("A10") and name_key("TPU-v5p") != name_key("TPU-v5e")


@pytest.mark.parametrize(
    ("name", "near"), [("H100SXN", "H100-SXM"), ("a100-80gb-sxn", "A100-80GB-SXM"), ("tpu-v5q", "TPU-v5p")]
)
def test_an_unknown_name_gets_the_nearest(name, near):
    with pytest.raises(UnknownNameError) as raised:
        NAMES.get(name)
    assert str(raised.value).startswith(f"unknown accelerator {name!r}; did you mean {near!r}")


def test_a_name_far_from_all_gets_the_list_and_the_hint():
    with pytest.raises(UnknownNameError) as raised:
        NAMES.get("zzzz", "See 'costmodel gpus'.")
    assert str(raised.value) == (
        "unknown accelerator 'zzzz'; known: A100-80GB-SXM, H100-SXM, MI300X, TPU-v5p. See 'costmodel gpus'."
    )


def test_a_name_as_of_an_unknown_vendor_is_not_guessed():
    assert NAMES.proper("nvidia nvidia h100") is None
    assert NAMES.proper("nvidia") is None and NAMES.proper("nvidia-") is None and NAMES.proper("") is None


def test_messages_stay_short():
    message = unknown("model", "x" * 5000, (f"model-{number}" for number in range(1000)))
    assert len(message) < 400 and "..." in message
    assert unknown("model", "a", []) == "unknown model 'a'; known: none."


def test_the_nearest_come_best_first():
    assert nearest("h100 sxm", ["H200-SXM", "H100-SXM", "B200"])[0] == "H100-SXM"
    assert nearest("sxm", ["H100-SXM", "B200"]) == ["H100-SXM"]
    assert nearest("", ["a"]) == []


def test_names_are_counted_and_listed():
    assert len(NAMES) == 4
    assert list(NAMES) == ["H100-SXM", "A100-80GB-SXM", "TPU-v5p", "MI300X"]
