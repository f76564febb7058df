"""Every accelerator of the catalog gives an estimate, or a sentence that says what is not known."""

import json

import pytest

import costmodel as cm
from costmodel.estimation.chain import Missing
from costmodel.foundation.tables import table
from costmodel.hardware.accelerator import accelerator_names
from costmodel.scaling.laws.hoffmann import HoffmannLaw

LAW = HoffmannLaw(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)
WITHOUT_BF16 = {"P100", "V100", "T4", "RTX-2080"}
UNKNOWN = {"K80": "peak", "Max-1550": "peak", "Ascend-920": "price", "MTIA-v2": "price", "GB10": "price"}
"""Accelerators without a cost, and what is not known about them."""


def run(name, **fields):
    precision = "fp16" if name.startswith(tuple(WITHOUT_BF16)) else None
    recipe = cm.Pretraining(
        tokens="10B", sequence_length=1024, batch_size=64, **({"precision": precision} if precision else {})
    )
    return cm.Scenario(architecture="gpt2", recipe=recipe, cluster=cm.Cluster(name, 8), **fields)


@pytest.mark.parametrize("name", sorted(accelerator_names()))
def test_an_estimate_is_complete_or_says_what_is_not_known(name):
    est = cm.estimate(run(name, mfu=0.3))
    cost = est.value("cost")
    if isinstance(cost, Missing):
        assert name in UNKNOWN, cost.reason
        assert f"no {'dense' if UNKNOWN[name] == 'peak' else 'rental price'}" in cost.reason and name in cost.reason
        assert est.note("cost") == cost.reason == est.to_dict()["missing"]["cost"]
        assert any(line.startswith("cost (final run)") and "not known" in line for line in str(est).splitlines())
        return
    assert name not in UNKNOWN
    low, high = est.bounds("cost")
    assert 0 < low <= cost <= high
    price = est.inputs["prices.price"].provenance
    own = {row["accelerator"] for row in table("gpu_prices").rows if row["source_url"] != "untraced"}
    note = next(row["note"] for row in est.rows() if row["quantity"] == "cost")
    if price.kind == "assumed":
        assert note.startswith("prices.price: proxy from ") and high / low > 2
        line = next(line for line in str(est).splitlines() if line.startswith("cost (final run)"))
        assert "proxy from " in line and note in str(est)
        assert json.loads(json.dumps(est.to_dict()))["figures"]["cost"]["note"] == note
    else:
        assert name in own and note == "" and "proxy" not in str(est)


@pytest.mark.parametrize("name", ["H20", "Ascend-910B", "TPU-v5e", "MI300X", "RTX-4090"])
def test_a_job_that_cannot_fit_has_no_price(name):
    job = cm.Scenario(
        architecture="llama-3.1-405b",
        recipe=cm.Pretraining(tokens="10B", sequence_length=2048),
        cluster=cm.Cluster(name, 1),
    )
    with pytest.raises(cm.InputError, match=r"fit"):
        cm.estimate(job)


def test_a_missing_price_stands_in_its_row_with_the_nearest_prices():
    est = cm.estimate(run("H200-SXM", mfu=0.3, prices=cm.Rental(provider="aws", purchase_model="spot")))
    line = next(line for line in str(est).splitlines() if line.startswith("cost (final run)"))
    assert "not known" in line and "no spot price of H200-SXM at aws is known; known: aws (on_demand, " in line
    assert " USD/h of 2026-" in line and str(est).count("no spot price of H200-SXM") == 1
    with pytest.raises(cm.MissingFactError, match="no spot price of H200-SXM at aws"):
        _ = est.cost


def test_a_comparison_and_a_sum_name_proxies_and_missing_prices():
    known, proxy = cm.estimate(run("H100-SXM", mfu=0.3)), cm.estimate(run("H800-SXM", mfu=0.3))
    missing = cm.estimate(run("MTIA-v2", mfu=0.3))
    text = str(cm.compare({"a": known.scenario, "b": proxy.scenario, "c": missing.scenario}))
    assert "b: cost: prices.price: proxy from H100-SXM" in text and "c: cost: prices.price: no rental price" in text
    assert "a: cost" not in text
    assert (known + proxy).note("cost") == proxy.note("cost") and "proxy from" in str(known + proxy)


def test_a_fit_on_an_accelerator_with_a_proxy_says_so():
    fits = cm.what_fits(
        "gpt2", cm.LoRA(tokens="1M", sequence_length=1024), accelerator=["H800-SXM", "H100-SXM"], count=1
    )
    notes = {fit.scenario.cluster.accelerator.name: " ".join(fit.notes) for fit in fits.possible}
    assert "proxy from" in notes["H800-SXM"] and "proxy" not in notes["H100-SXM"]


def test_no_result_with_dollars_hides_a_proxy():
    proxy, known = run("H800-SXM", mfu=0.3), run("H100-SXM", mfu=0.3)
    note = cm.estimate(proxy).note("cost")
    project = cm.Project(name="p", runs=[{"name": "big", "scenario": proxy}, {"name": "small", "scenario": known}])
    assert [line for line in project.budget().notes() if "proxy" in line] == [f"run 'big': {note}"]
    swept = cm.sweep(proxy, {"cluster.accelerator": ["H800-SXM", "H100-SXM"]})
    assert [row["note"] for row in swept.rows()] == [
        note,
        "",
    ] and "note on the cost of 1 scenario: prices.price: proxy" in str(swept)
    assert note in str(cm.project_cost(proxy, [2027])) and "proxy" not in str(cm.project_cost(known, [2027]))
    assert note in str(cm.solve(proxy, "recipe.tokens", cost="1 kUSD"))
    left = cm.forecast(proxy, step_time=1.0, done=10)
    assert any(note in line for line in left.to_dict()["notes"])
    spent = cm.allocate(LAW, proxy, "1 kUSD")
    assert spent.to_dict()["note"] == note and "proxy from H100-SXM" in str(spent)
