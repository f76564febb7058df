"""The plot of what fits shows the memory by component and the usable memory of each accelerator."""

import pytest

import costmodel as cm
from costmodel.foundation.units import GIB
from costmodel.report.plot_fits import MOST
from costmodel.report.style import title_of


@pytest.fixture(scope="module")
def fits():
    return cm.what_fits("llama-3.1-8b", accelerator=["L4", "RTX-4090", "H100-SXM"], count=[1, 2], budget="20 USD")


def test_bars_add_up_to_the_peak_memory_and_marks_are_the_usable_memory(fits):
    axes = cm.plot.fits(fits)
    drawn = fits.possible[:MOST]
    widths = [0.0] * len(drawn)
    for bar in axes.patches:
        widths[len(drawn) - 1 - round(bar.get_y() + bar.get_height() / 2)] += bar.get_width()
    assert widths == pytest.approx([fit.memory.to("GiB").magnitude for fit in drawn])
    (marks,) = [line for line in axes.lines if line.get_label() == "usable memory"]
    usable = [fit.scenario.cluster.accelerator.usable_memory / GIB for fit in drawn]
    assert list(marks.get_xdata()) == pytest.approx(usable)
    assert [text.get_text() for text in axes.texts][-1].endswith((" hours", " minutes", " s"))
    tried = len(fits.possible) + len(fits.rejected)
    assert title_of(axes).startswith(f"{len(fits.possible)} of {tried} combinations fit; cheapest: ")


def test_components_of_every_row_that_has_a_layout_add_up_to_its_memory(fits):
    for fit in fits.possible:
        assert fit.memory_components().total == pytest.approx(fit.memory.to("byte").magnitude)


def test_auxiliary_models_are_a_component():
    (fit,) = cm.what_fits("llama-3.1-8b", cm.DPO(tokens="10M"), accelerator="H200-SXM", count=8).possible
    parts = fit.memory_components()
    assert parts.auxiliary_models > 0
    assert parts.total == pytest.approx(fit.memory.to("byte").magnitude)


def test_equal_labels_are_numbered():
    recipes = [cm.LoRA(tokens="10M", rank=8), cm.LoRA(tokens="10M", rank=64)]
    axes = cm.plot.fits(cm.what_fits("llama-3.1-8b", recipes, accelerator="H100-SXM", count=1))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1 × H100-SXM (2)", "1 × H100-SXM"]


def test_nothing_that_fits_is_an_error_with_the_reason():
    nothing = cm.what_fits("llama-3.1-405b", cm.FullFineTuning(tokens="10M"), accelerator="L4", count=1)
    with pytest.raises(cm.InputError, match="nothing fits: memory"):
        cm.plot.fits(nothing)
    with pytest.raises(cm.MissingFactError, match="no memory by component: memory"):
        nothing.rejected[0].memory_components()
