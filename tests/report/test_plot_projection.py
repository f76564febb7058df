"""Projections are drawn with bands, what makes them fall, and rental prices past and to come."""

import matplotlib
import pytest

import costmodel as cm

matplotlib.use("Agg")
YEARS = range(2023, 2029)


@pytest.fixture(scope="module")
def gpt4():
    return cm.project_cost("GPT-4 class", YEARS, paths=2000)


def test_a_fan_has_three_bands_a_median_and_what_is_known(gpt4):
    ax = cm.plot.projection(gpt4, below=1e6)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert set(labels) == {"95 %", "80 %", "50 %", "median", "known to 2024-12-26", "1 M$"}
    middle = next(line for line in ax.lines if line.get_label() == "median")
    assert list(middle.get_xdata()) == list(YEARS)
    assert middle.get_ydata()[-1] == pytest.approx(gpt4.median(2028) / 1e6)
    assert ax.get_yscale() == "log" and ax.get_ylabel() == "cost, final run [M$]"


def test_a_short_span_is_labeled_between_the_powers_of_ten():
    run = cm.Scenario(
        architecture="llama-3.1-8b",
        recipe=cm.Pretraining(tokens="15T"),
        cluster=cm.Cluster("H100-SXM", 1024),
        mfu=0.4,
        prices=cm.Rental(provider="lambda"),
    )
    projection = cm.project_cost(run, range(2026, 2029), dollars="real", base_year=2025, paths=500)
    ax = cm.plot.projection(projection)
    same = next(line for line in ax.lines if line.get_label() == "same hardware")
    assert same.get_ydata()[-1] * 1e6 == pytest.approx(projection.same_hardware.median(2028))
    assert ax.get_ylabel() == "cost, final run [M$ of 2025]"
    ax.figure.canvas.draw()
    shown = [label.get_text() for label in ax.get_yticklabels() if label.get_text()]
    assert len(shown) >= 2


def test_parts_of_a_decline_are_stacked_up(gpt4):
    factors = cm.project_cost("GPT-4 class", range(2026, 2029), method="factors", paths=500)
    ax = cm.plot.decomposition(factors)
    tops = [sum(bars[-1].get_height() for bars in ax.containers)]
    assert tops[0] == pytest.approx(sum(row["decline"] for row in factors.decomposition(2028)) / 2.302585, rel=1e-4)
    looks = {(bars[0].get_facecolor(), bars[0].get_hatch()) for bars in ax.containers}
    assert len(looks) == len(ax.containers), "told apart in gray too"
    past = cm.project_cost("GPT-4 class", [2023], paths=500)
    with pytest.raises(cm.InputError, match="all years are past"):
        cm.plot.decomposition(past)


def test_rents_are_facts_then_bands_that_widen():
    days = [f"{year}-06-15" for year in range(2025, 2031)]
    ax = cm.plot.rental_prices([cm.rental_outlook("H100-SXM", days, provider="lambda", count=8)])
    (band,) = ax.collections
    corners = band.get_paths()[0].vertices
    last = corners[corners[:, 0] == corners[:, 0].max()][:, 1]
    assert last.max() / last.min() > 1.5
    assert ax.get_ylim()[0] == 0 and "80 %" in ax.get_xlabel()


@pytest.mark.parametrize(("former", "present"), [("fan", "projection"), ("against", "sweep")])
def test_plots_keep_their_former_names_with_a_warning(former, present):
    with pytest.warns(DeprecationWarning, match=f"costmodel.plot.{former} is now costmodel.plot.{present}"):
        assert getattr(cm.plot, former) is getattr(cm.plot, present)
