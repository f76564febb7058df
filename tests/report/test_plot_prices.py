"""The plot of a table of prices shows each offer with its interval, by provider."""

import pytest

import costmodel as cm
from costmodel.report.plot_prices import MOST
from costmodel.report.style import title_of

RUN = cm.Scenario("llama-3.1-8b", cm.Pretraining(tokens="100B"), cm.Cluster("H100-SXM", 64), gpu_hours=5000)


def test_every_offer_is_a_marker_and_the_cheapest_region_has_the_interval():
    table = cm.price_everywhere(RUN, on="2026-10-01", providers=["aws", "lambda"])
    axes = cm.plot.prices(table)
    size = 1e3 if "[k$]" in axes.get_xlabel() else 1.0
    known = [row for row in table if row.cost is not None]
    markers = [float(x) * size for line in axes.lines if line.get_marker() != "None" for x in line.get_xdata()]
    assert sorted(markers) == pytest.approx(sorted(row.cost for row in known))
    cheapest = {}
    for row in known:
        cheapest.setdefault((row.provider, row.purchase_model), row.interval)
    spans = [line.get_xdata() for line in axes.lines if line.get_marker() == "None" and len(line.get_xdata())]
    assert sorted(span[0] * size for span in spans) == pytest.approx(sorted(low for low, _ in cheapest.values()))
    assert sorted(span[1] * size for span in spans) == pytest.approx(sorted(high for _, high in cheapest.values()))
    assert [label.get_text() for label in axes.get_yticklabels()][-1] == known[0].provider
    assert f"at {known[0].provider} {known[0].region}" in title_of(axes)
    assert "2026-10-01" in axes.get_xlabel()


def test_dear_providers_are_counted():
    table = cm.price_everywhere(RUN, on="2026-10-01")
    providers = {row.provider for row in table.priced}
    assert len(providers) > MOST
    axes = cm.plot.prices(table)
    assert len(axes.get_yticks()) == MOST
    assert f"{len(providers) - MOST} dearer providers are not drawn" in axes.get_xlabel()


def test_a_table_without_a_price_says_why():
    table = cm.price_everywhere(RUN, on="2026-10-01", providers=["aws"], purchase_models=["reserved_1y"])
    assert not table.priced
    with pytest.raises(cm.MissingFactError, match="no reserved_1y price of H100-SXM at aws"):
        cm.plot.prices(table)
