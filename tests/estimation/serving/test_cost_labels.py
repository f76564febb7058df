"""Labels of the two costs of all tokens, and reasons of figures that are not known."""

import pytest

import costmodel as cm


def served(**targets):
    cluster = cm.Cluster("H100-SXM", 8)
    chat = {"input_tokens": 1000, "output_tokens": 500, "concurrency": 64, "prices": cm.Rental(price=2)}
    return cm.estimate(cm.Serving("llama-3.1-70b", cluster, **chat, **targets))


def labels(estimate):
    return [line.split("  ")[0] for line in str(estimate).splitlines() if line.startswith("all tokens")]


@pytest.mark.parametrize(
    ("target", "state"), [("25 ms", "missed"), ("100 ms", "kept")], ids=["below the load", "above the load"]
)
def test_costs_say_whether_the_targets_are_kept(target, state):
    assert labels(served(target_tpot=target)) == [
        f"all tokens, targets {state}",
        "all tokens, at full load, targets kept",
    ]


def test_costs_without_targets_have_plain_labels():
    assert labels(served()) == ["all tokens", "all tokens, at full load"]


def test_the_reason_of_an_unknown_figure_is_printed_on_a_page_without_sources():
    from costmodel.foundation.page import Page, printed_on

    impossible = served(target_ttft="1 ms")
    with printed_on(Page(width=80, sources=False)):
        text = impossible.to_text()
    assert "see (1)" in text and "(1) ttft is " in text and "above the target of 1 ms" in text
    assert max(map(len, text.splitlines())) <= 80


def test_lines_of_the_footer_are_whole_items_in_html():
    page = served()._repr_html_()
    assert "<li>costs are at this load around the clock; set utilization for its mean over the billed time</li>" in page
