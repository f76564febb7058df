"""The line below an estimate that says which price of a GPU-hour was used."""

import pytest

import costmodel as cm

TABLE = "newest price in the table: "


def line(**prices):
    accelerator = prices.pop("accelerator", "H100-SXM")
    recipe = cm.Pretraining(tokens="1T", sequence_length=8192)
    run = cm.Scenario("llama-3.1-8b", recipe, cm.Cluster(accelerator, 64), prices=prices)
    (found,) = [note for note in cm.estimate(run).notes() if note.startswith(("price ", "price:"))]
    return found


def test_a_market_price_has_its_amount_day_and_number_of_providers():
    price = cm.gpu_price("H100-SXM", on="2026-10-01", count=64)
    amount = f"price {price.usd_per_gpu_hour:.3g} USD per GPU-hour of {price.as_of}"
    origin = f"market, on demand, median of {len(price.facts)} providers, for 2026-10-01"
    assert line(on="2026-10-01") == f"{amount}: {origin}; {TABLE}{cm.gpu_price('H100-SXM').on}"


def test_the_price_of_a_provider_names_instance_and_region():
    price = cm.gpu_price("H100-SXM", "aws", region="us-east-1", count=64)
    origin = f"aws, on demand, {price.instance_type}, us-east-1, for {price.on}"
    assert f"of {price.as_of}: {origin}; {TABLE}" in line(provider="aws", region="us-east-1")


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ({"price": "2 USD/hour"}, "price 2.00 USD per GPU-hour: given"),
        ({"price": "2 to 4 USD/hour"}, "price 2.83 USD per GPU-hour: median of the given range"),
        (
            {"price": "24 USD/hour", "per": "instance"},
            "price 3.00 USD per GPU-hour: given, per instance of 8, 64 of 64 billed",
        ),
        ({"kind": "owned"}, "price: the accelerators are owned; the lines of the bill are their cost"),
    ],
)
def test_a_given_price_and_owned_accelerators_have_no_table(prices, expected):
    assert line(**prices) == expected


def test_a_proxy_is_named_and_a_published_price_is_not_of_the_table():
    assert ": proxy; " in line(accelerator="H20")
    published = line(convention="published", accelerator="H800-SXM")
    assert published.startswith("price 2.00 USD per GPU-hour of ") and TABLE not in published


def test_own_prices_are_part_of_the_table(tmp_path):
    own = tmp_path / "own.csv"
    columns = "accelerator,provider,region,instance_type,gpus_per_instance,purchase_model,usd_per_gpu_hour,as_of"
    row = "H100-SXM,acme,,,,on_demand,1.5,2026-11-20,https://example.org,"
    own.write_text(f"{columns},source_url,note\n{row}\n", encoding="utf-8")
    found = line(table=str(own), provider="acme")
    assert found.startswith("price 1.50 USD per GPU-hour of 2026-11-20: acme") and found.endswith(f"{TABLE}2026-11-20")


def test_a_served_model_says_the_same_in_its_currency():
    cluster = cm.Cluster("H100-SXM", 1)
    served = cm.Serving(architecture="llama-3.1-8b", cluster=cluster, input_tokens=100, output_tokens=10, concurrency=4)
    found = cm.estimate(served).in_currency("EUR", rate=0.5).to_text().splitlines()
    price = cm.gpu_price("H100-SXM", count=1)
    start = f"price {price.usd_per_gpu_hour / 2:.2f} EUR per GPU-hour of {price.as_of}: market, on demand"
    assert any(note.startswith(start) for note in found)
