"""Features of training software for mixtures of experts: their text, and what is usual at a date."""

import itertools

import pytest

import costmodel as cm
from costmodel.training.step import features
from costmodel.training.step.features import DISPATCHERS, GRAPHS, NOT_KNOWN, OVERLAPS, Features, read_features

SWITCHES = (None, True, False)
ALL = [
    Features(*values)
    for values in itertools.product((None, *DISPATCHERS), (None, *OVERLAPS), (None, *GRAPHS), SWITCHES, SWITCHES)
]


def test_texts_are_read_back():
    assert len(ALL) == 4 * 4 * 4 * 3 * 3
    for stated in ALL:
        assert read_features(stated.texts()) == stated
        assert read_features(reversed(stated.texts())) == stated, "the order does not matter"


@pytest.mark.parametrize("text", ["fused_grouped_mlp yes", "fused_grouped_mlp=TRUE", "fused_grouped_mlp = 1"])
def test_switches_are_read_in_any_usual_form(text):
    assert read_features([text]) == Features(fused_grouped_mlp=True)


def test_every_problem_is_in_one_error():
    texts = [
        "dispatchr deepep",
        "a2a_overlap half",
        "token_drop maybe",
        "cuda_graph",
        "dispatcher deepep",
        "dispatcher deepep",
    ]
    with pytest.raises(cm.InputError) as raised:
        read_features(texts)
    first, second, third, fourth, fifth = raised.value.problems
    assert "'dispatchr'; did you mean 'dispatcher'" in first
    assert second == "a2a_overlap must be one of none, 1f1b, dualpipe; got 'half'"
    assert third == "token_drop must be one of yes, no; got 'maybe'"
    assert fourth == "cuda_graph must be one of none, partial, full; got ''"
    assert fifth == "dispatcher is given twice"


def test_what_is_stated_is_kept():
    for stated, year in itertools.product(ALL[::7], (2021.5, 2026.5)):
        settled = stated.or_usual(year, "blackwell", low_precision=True)
        assert settled.are_known and None not in settled
        assert all(own is None or own == new for own, new in zip(stated, settled, strict=True))


@pytest.mark.parametrize(
    ("name", "start", "before", "since"),
    [
        ("dispatcher", features.MERGED_YEAR, "alltoall", "hybridep"),
        ("cuda_graph", features.PARTIAL_GRAPH_YEAR, "none", "partial"),
        ("cuda_graph", features.FULL_GRAPH_YEAR, "partial", "full"),
        ("fused_grouped_mlp", features.FULL_GRAPH_YEAR, False, True),
    ],
)
def test_usual_features_change_with_the_date(name, start, before, since):
    early, late = (NOT_KNOWN.or_usual(year, "blackwell", low_precision=True) for year in (start - 0.01, start))
    assert (getattr(early, name), getattr(late, name)) == (before, since)


@pytest.mark.parametrize(("generation", "low_precision"), [("hopper", True), ("blackwell", False)])
def test_graphs_of_a_whole_iteration_are_usual_on_blackwell_in_8_bits_alone(generation, low_precision):
    usual = NOT_KNOWN.or_usual(features.FULL_GRAPH_YEAR, generation, low_precision)
    assert (usual.cuda_graph, usual.fused_grouped_mlp) == ("partial", False)


def test_overlap_and_dropped_tokens_are_never_usual():
    newest = NOT_KNOWN.or_usual(2030.0, "blackwell", low_precision=True)
    assert (newest.a2a_overlap, newest.token_drop) == ("none", False)


def test_keys_name_the_features_that_are_in_use():
    assert Features("deepep", "1f1b", "partial", True, True).keys == (
        "deepep",
        "1f1b",
        "partial_graph",
        "fused_grouped_mlp",
        "token_drop",
    )
    assert not {"fused_grouped_mlp", "token_drop"} & set(Features("alltoall", "none", "none", False, False).keys)
