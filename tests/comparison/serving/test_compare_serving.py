"""Options for serving a workload side by side: costs, intervals, missing prices, tables and files."""

import math

import numpy as np
import pytest

import costmodel as cm
from costmodel.comparison.serving.compare import read_comparison

WORKLOAD = cm.ServingWorkload(requests_per_month=3e6, input_tokens=1000, output_tokens=1000, peak_to_mean=2)
API = cm.HostedAPI(name="API", usd_per_million_input=0.2, usd_per_million_output=0.2)
H100 = cm.SelfHosted(name="H100", gpus_per_replica=1, requests_per_second=6.938, usd_per_gpu_hour=2.5)


SERVING = cm.Serving(
    architecture="llama-3.1-8b",
    cluster=cm.Cluster("H100-SXM", 1),
    input_tokens=1,
    output_tokens=1,
    concurrency=1,
    prices=cm.Rental(price=2.5),
)


def test_the_serving_model_gives_the_throughput_of_a_replica():
    workload = WORKLOAD.replace({"requests_per_month": 3e7})
    result = cm.compare_serving(workload, [API, cm.SelfHosted(serving=SERVING)])
    own = result["llama-3.1-8b on H100-SXM"]
    assert own.reserved_usd == pytest.approx(own.gpus * 2.5 * 730.5)
    assert 0.8 / 2 < own.utilization <= 0.85 / 2  # the load up to which size_serving plans too
    assert own.usd_per_month_interval[0] < own.usd_per_month <= own.usd_per_month_interval[1]
    assert "output tokens/s per replica of 1 at its peak" in own.note


@pytest.mark.parametrize("target", [None, 0.015])
def test_replicas_are_those_that_an_estimate_of_the_peak_needs(target):
    workload = WORKLOAD.replace({"requests_per_month": 3e8})
    serving = SERVING.replace({"target_tpot": target})
    option = cm.SelfHosted(name="own", serving=serving, allowed_load=0.85)
    lengths = {"input_tokens": 1000, "output_tokens": 1000, "concurrency": None}
    peak = serving.replace({**lengths, "requests_per_second": 2 * workload.requests_per_second})
    assert cm.compare_serving(workload, [option])["own"].gpus == cm.estimate(peak).gpus_needed > 10


def test_latency_targets_need_more_accelerators_or_cannot_be_met():
    workload = WORKLOAD.replace({"requests_per_month": 3e8})
    targets = (None, 0.02, 0.001)
    options = [cm.SelfHosted(name=str(target), serving=SERVING.replace({"target_tpot": target})) for target in targets]
    result = cm.compare_serving(workload, options)
    assert result["0.02"].gpus > result["None"].gpus
    assert "tpot is" in result["0.001"].missing and "above the target of 1 ms" in result["0.001"].missing


def test_a_model_that_does_not_fit_keeps_its_row_with_the_reason():
    large = SERVING.replace({"architecture": "llama-3.1-405b", "cluster.accelerator": "L40S"})
    result = cm.compare_serving(WORKLOAD, [API, cm.SelfHosted(name="405B", serving=large)])
    assert result["405B"].usd_per_month is None and "does not fit" in result["405B"].missing
    with pytest.raises(cm.UnknownNameError, match=r"did you mean 'gpt-4.1-mini'"):
        cm.compare_serving(WORKLOAD, [cm.HostedAPI(model="gpt-4.1-mni")])


def test_usage_is_proportional_to_the_requests_and_reservation_is_not():
    result = cm.compare_serving(WORKLOAD, [API, H100])
    api, own = result["API"], result["H100"]
    assert (api.usage_usd, api.reserved_usd) == (pytest.approx(1200), 0)
    assert (own.usage_usd, own.reserved_usd) == (0, pytest.approx(2.5 * 730.5))
    assert own.utilization == pytest.approx(3e6 / (6.938 * 730.5 * 3600))
    assert own.break_even_utilization == pytest.approx(2.5 / (3600 * 6.938 * 4e-4))
    assert own.break_even_requests == pytest.approx(1.7361 * 730.5 * 3600, rel=1e-4)
    assert result.cheapest == result.baseline == "API"
    curve = result.curve([1e6, 2e6, 1e7])
    assert curve["API"].tolist() == pytest.approx([400, 800, 4000])
    assert curve["H100"].tolist() == pytest.approx([2.5 * 730.5] * 2 + [2 * 2.5 * 730.5])


def test_cached_tokens_are_billed_at_their_price():
    workload = WORKLOAD.replace({"cached_share": 0.5})
    api = cm.HostedAPI(model="claude-sonnet-4-5")
    usd = (500 * 3 + 500 * 0.3 + 1000 * 15) / 1e6
    assert cm.compare_serving(workload, [api])["claude-sonnet-4-5"].usd_per_request == pytest.approx(usd)
    half = cm.HostedAPI(model="claude-sonnet-4-5", batch=True, discount=0.1)
    assert half.bill(workload).usd_per_request == pytest.approx(0.45 * usd)
    plain = cm.HostedAPI(model="llama-3.3-70b-instruct", provider="deepinfra").bill(workload)
    assert plain.usd_per_request == pytest.approx((1000 * 0.23 + 1000 * 0.4) / 1e6)
    assert "cached tokens billed as new ones" in plain.note


def test_long_prompts_have_the_price_of_long_prompts():
    short, long = (WORKLOAD.replace({"input_tokens": tokens}) for tokens in (200_000, 300_000))
    api = cm.HostedAPI(model="gemini-2.5-pro")
    assert api.bill(short).usd_per_request == pytest.approx((200_000 * 1.25 + 1000 * 10) / 1e6)
    assert api.bill(long).usd_per_request == pytest.approx((300_000 * 2.5 + 1000 * 10) / 1e6)


def test_a_missing_price_stays_in_its_row_with_the_reason():
    missing = cm.HostedAPI(model="gpt-4.1", provider="groq")
    unpriced = cm.SelfHosted(name="H800", gpus_per_replica=8, output_tokens_per_second=9000)
    result = cm.compare_serving(WORKLOAD, [missing, unpriced, API])
    assert result["groq gpt-4.1"].usd_per_month is None
    assert "no price of gpt-4.1 at groq is known; known at: azure" in result["groq gpt-4.1"].missing
    assert "give usd_per_gpu_hour or owned" in result["H800"].missing
    assert "unknown" in str(result) and len(result) == len(result.rows()) == 3
    assert list(result.curve([1e6])) == ["API"]


def test_an_unknown_throughput_or_price_widens_the_interval():
    wide = H100.replace({"name": "wide", "spread": 0.4, "usd_per_gpu_hour": cm.between(2, 3)})
    result = cm.compare_serving(WORKLOAD.replace({"requests_per_month": 3e7}), [API, H100, wide])
    low, high = result["wide"].usd_per_month_interval
    assert low < result["wide"].usd_per_month < high and 1.5 < high / low < 4.5
    assert len(set(result["H100"].usd_per_month_interval)) == 1
    assert result["H100"].probability_cheaper == 1 and 0.5 < result["wide"].probability_cheaper < 1
    low, high = result["wide"].break_even_utilization_interval
    assert low < result["wide"].break_even_utilization < high


def test_owned_accelerators_cost_depreciation_and_operation():
    owned = cm.OwnedGPU(purchase_price=35_064, life=4, operating_cost=0.5, residual_share=0.5)
    assert owned.usd_per_hour == pytest.approx(1.0)
    option = H100.replace({"name": "own", "usd_per_gpu_hour": None, "owned": owned})
    cost = cm.compare_serving(WORKLOAD, [option])["own"]
    assert (cost.basis, cost.usd_per_month) == ("owned", pytest.approx(730.5))
    assert cost.break_even_requests is None  # no hosted option to compare with


def test_the_simple_case_of_owning_is_an_ownership():
    owned = cm.OwnedGPU(purchase_price=35_064, life=4, operating_cost=0.5, residual_share=0.5)
    site = cm.Site(power_per_gpu=1000, electricity=0)
    assert owned.ownership().levelized("H100-SXM", site).usd_per_hour == pytest.approx(owned.usd_per_hour)


def test_an_ownership_pays_the_levelized_hour_of_the_served_accelerator():
    served = cm.Serving(architecture="llama-3.1-8b", cluster=cm.Cluster("H100-SXM", 1), input_tokens=1000,
                        output_tokens=200, concurrency=8)  # fmt: skip
    prices = cm.Ownership(purchase_price=30_000)
    own = cm.SelfHosted(name="own", serving=served, owned=prices)
    same = cm.SelfHosted(name="same", serving=served.replace(prices=prices))
    result = cm.compare_serving(WORKLOAD, [own, same])
    assert result["own"].basis == result["same"].basis == "owned"
    hour = prices.levelized("H100-SXM").usd_per_hour
    assert result["own"].usd_per_month == pytest.approx(hour * 730.5)
    assert result["same"].usd_per_month == pytest.approx(result["own"].usd_per_month)
    data = own.to_data()
    assert data["owned"]["kind"] == "owned" and cm.SelfHosted.from_data(data).owned == prices
    with pytest.raises(cm.InputError, match="needs serving"):
        H100.replace({"usd_per_gpu_hour": None, "owned": prices})


def test_cost_by_month_adds_up():
    rows = cm.compare_serving(WORKLOAD, [API, H100]).by_month(3, growth=0.5)
    api = [row for row in rows if row["option"] == "API"]
    assert [row["usd"] for row in api] == pytest.approx([1200, 1800, 2700])
    assert api[-1]["total_usd"] == pytest.approx(5700)


def test_the_table_has_80_columns_and_all_forms():
    result = cm.compare_serving(WORKLOAD, [API, H100, cm.HostedAPI(model="deepseek-chat")])
    assert max(len(line) for line in str(result).splitlines()) <= 80
    assert "<table>" in result._repr_html_()
    assert result.to_frame().loc["H100", "gpus"] == 1
    data = result.to_dict()
    assert data["baseline"] == "API" and len(data["options"]) == 3


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((WORKLOAD, []), "options: must hold one or more"),
        ((WORKLOAD, [API, API]), "two are named 'API'"),
        (("10M requests", [API]), "workload: must be a ServingWorkload; got str"),
        ((WORKLOAD, [1]), "options: must be a list"),
    ],
)
def test_wrong_arguments_are_refused(arguments, problem):
    with pytest.raises(cm.InputError, match=problem):
        cm.compare_serving(*arguments)


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        (cm.HostedAPI, "model: give a model"),
        (lambda: cm.HostedAPI(usd_per_million_input=1), "go together"),
        (lambda: cm.HostedAPI(usd_per_million_input=1, usd_per_million_output=1, batch=True), "batch has no effect"),
        (lambda: cm.SelfHosted(name="a", gpus_per_replica=1), "give one of serving, requests_per_second and"),
        (lambda: cm.SelfHosted(requests_per_second=1), "name and gpus_per_replica are needed"),
        (lambda: cm.SelfHosted(serving=SERVING, spread=0.1), "serving is given, so spread has no effect"),
        (lambda: H100.replace({"owned": {"purchase_price": 1, "life": 1, "operating_cost": 0}}), "exclude each other"),
    ],
)
def test_contradicting_fields_are_refused(option, problem):
    with pytest.raises(cm.InputError, match=problem):
        option()


def test_the_baseline_is_a_hosted_option():
    with pytest.raises(cm.InputError, match=r"baseline: must be a hosted option with a price \(API\); got 'H100'"):
        cm.compare_serving(WORKLOAD, [API, H100], baseline="H100")
    dear = cm.HostedAPI(model="claude-sonnet-4-5")
    result = cm.compare_serving(WORKLOAD, [API, H100, dear], baseline="claude-sonnet-4-5")
    assert result["H100"].break_even_requests < 3e6


def test_volumes_must_be_positive():
    result = cm.compare_serving(WORKLOAD, [API])
    with pytest.raises(cm.InputError, match="requests_per_month: must be positive"):
        result.curve([0.0, 1.0])
    with pytest.raises(cm.InputError, match="months: must be a whole number"):
        result.by_month(0)
    with pytest.raises(cm.InputError, match="unknown option 'AP'"):
        result["AP"]


def test_a_file_describes_a_comparison(tmp_path):
    file = tmp_path / "workload.toml"
    file.write_text(
        """
        [workload]
        requests_per_month = "3M"
        input_tokens = 1000
        output_tokens = "1k"
        peak_to_mean = 2
        [[options]]
        kind = "hosted"
        model = "deepseek-chat"
        [[options]]
        kind = "self_hosted"
        name = "H100"
        gpus_per_replica = 1
        requests_per_second = 6.938
        usd_per_gpu_hour = "2.50 USD/hour"
        """,
        encoding="utf-8",
    )
    result = read_comparison(file)
    assert result["H100"].usd_per_month == pytest.approx(2.5 * 730.5)
    assert result.baseline == "deepseek-chat"


def test_the_plot_shows_each_priced_option():
    result = cm.compare_serving(WORKLOAD, [API, H100, cm.HostedAPI(model="gpt-4.1", provider="groq")])
    axes = cm.plot.serving_costs(result)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["API", "H100"]
    assert np.isfinite(axes.get_lines()[0].get_ydata()).all() and not math.isinf(axes.get_ylim()[1])
