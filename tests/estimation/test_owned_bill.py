"""The bill of a run on owned accelerators."""

import numpy as np
import pytest

import costmodel as cm

RUN = cm.Scenario(
    architecture={"total": "7B"},
    recipe=cm.Pretraining(tokens="2T"),
    cluster=cm.Cluster("H100-SXM", 512),
    prices=cm.Ownership(),
    mfu=cm.between(0.3, 0.5),
)


@pytest.mark.parametrize("prices", [{}, {"convention": "acquisition"}, {"colocation": 200}])
def test_lines_add_up_to_the_cost_in_every_draw(prices):
    estimate = cm.estimate(RUN.replace(prices=cm.Ownership(**prices)))
    names = [line.name for line in estimate.lines]
    assert len(set(names)) == len(names)
    assert "rent" not in names
    total = np.sum([estimate.draws(f"cost.{name}") for name in names], axis=0)
    np.testing.assert_allclose(total, estimate.draws("cost"), rtol=1e-12)
    rows = estimate.bill().rows()
    assert sum(row["usd"] for row in rows[:-1]) == pytest.approx(rows[-1]["usd"], rel=1e-12)


def test_a_run_costs_its_hours_at_the_levelized_price():
    run = RUN.replace({"cluster.site.power_per_gpu": 1000})
    estimate = cm.estimate(run)
    hours = estimate.gpu_hours.to("hour").magnitude
    hour = run.prices.levelized("H100-SXM", run.cluster.site).usd_per_hour
    assert estimate.cost.to("USD").magnitude == pytest.approx(hours * hour)


def test_energy_does_not_depend_on_the_prices():
    owned, other = (cm.estimate(RUN.replace(prices=prices)) for prices in (RUN.prices, cm.Ownership(purchase_price=1)))
    for name in ("energy", "carbon", "water", "gpu_hours"):
        np.testing.assert_array_equal(owned.draws(name), other.draws(name))
    assert other.draws("cost").mean() < owned.draws("cost").mean()


def test_electricity_is_a_line_and_not_in_a_rent():
    estimate = cm.estimate(RUN.replace({"prices.utilization": 1.0}))
    electricity = next(row for row in estimate.bill().rows() if row["line"] == "electricity")
    assert electricity["usd"] == pytest.approx(estimate.electricity_cost.to("USD").magnitude)
    assert "in the rent" not in str(estimate)
    assert "in the rent" in str(cm.estimate(RUN.replace(prices=cm.Rental(price=2.0))))


def test_a_comparison_names_the_electricity_without_saying_that_it_is_in_a_rent():
    rented = RUN.replace(prices=cm.Rental(price=2.0))
    assert "in the rent" in str(cm.compare({"a": rented, "b": rented}))
    assert "in the rent" not in str(cm.compare({"a": rented, "b": RUN}))
    assert "electricity (busy hours)" in str(cm.compare({"a": RUN, "b": RUN}))


def test_the_table_of_a_given_utilization_has_an_exact_step_time_and_80_columns():
    estimate = cm.estimate(RUN.replace(mfu=0.4))
    printed = str(estimate).splitlines()
    table = printed[1 : next(place for place, line in enumerate(printed) if line.startswith("cost "))]
    assert max(map(len, table)) <= 80
    assert any(line.startswith("step time") and line.endswith("exact") for line in table)


def test_inputs_can_be_set_by_their_paths_and_explained():
    estimate = cm.estimate(RUN.replace({"prices.life": 3, "prices.purchase_price": "$25k"}))
    assert estimate.inputs["prices.life"].provenance.kind == "given"
    assert "prices.purchase_price" in str(estimate.explain("cost"))
    assert {"prices.utilization", "mfu"} <= {row["input"] for row in estimate.sensitivity("cost")}


def test_owned_prices_of_a_file(tmp_path):
    path = tmp_path / "run.toml"
    RUN.replace({"prices.life": 5}).save(path)
    text = path.read_text(encoding="utf-8")
    assert 'kind = "owned"' in text
    assert cm.Scenario.load(path).prices == cm.Ownership(life=5)
    path.write_text(text.replace('"owned"', '"leased"'), encoding="utf-8")
    with pytest.raises(cm.InputError, match=r"prices\.kind"):
        cm.Scenario.load(path)


def test_a_purchase_without_a_known_price_stays_in_the_bill_with_the_reason():
    run = RUN.replace(cluster=cm.Cluster("Trainium3", 64), gpu_hours=100_000, mfu=None)
    estimate = cm.estimate(run)
    rows = {row["line"]: row for row in estimate.bill().rows()}
    assert rows["accelerators"]["usd"] is None and "prices.purchase_price" in rows["accelerators"]["note"]
    assert rows["staff"]["usd"] > 0


def test_a_served_model_pays_the_levelized_hour():
    prices = cm.Ownership(purchase_price=30_000)
    served = cm.Serving(architecture="llama-3.1-8b", cluster=cm.Cluster("H100-SXM", 1), input_tokens=1000,
                        output_tokens=200, concurrency=16, prices=prices)  # fmt: skip
    hour = prices.levelized("H100-SXM").usd_per_hour
    assert cm.estimate(served).value("cost_per_hour") == pytest.approx(hour)


def test_projected_purchase_prices_fall_and_other_costs_stay():
    projection = cm.project_cost(RUN, years=[2027, 2030, 2050])
    assert projection.median(2050) < projection.median(2030) < projection.median(2027)
    free = cm.estimate(RUN.replace(prices=cm.Ownership(purchase_price=0)))
    assert projection.median(2050) > np.median(free.draws("cost")) * 0.999


def test_a_million_draws_of_a_full_owned_bill_need_little_memory():
    import tracemalloc

    estimate = cm.estimate(RUN)
    tracemalloc.start()
    assert estimate.draws("cost", 1_000_000).shape == (1_000_000,)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * 2**30
