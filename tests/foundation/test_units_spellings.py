"""Spellings of numbers with units."""

import pytest

from costmodel.foundation.ranges import Interval
from costmodel.foundation.units import read, registry


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$2.99/h", 2.99),
        ("US$2.99/hour", 2.99),
        ("2.99 $/h", 2.99),
        ("$ 2.99 / h", 2.99),
        ("$2.99 per hour", 2.99),
        ("$2.99 per GPU-hour", 2.99),
        ("$2.99/GPU-hour", 2.99),
        ("$2.99/GPUh", 2.99),
        ("USD 2.99/h", 2.99),
        ("2.99USD/h", 2.99),
        ("2.99", 2.99),
        ("2 USD/hr", 2.0),
        ("2 dollars per hour", 2.0),
        ("2 USD/hour", 2.0),
        ("2 USD/gpu/hour", 2.0),
        ("2 USD/GPU/h", 2.0),
        ("2 USD/hour/gpu", 2.0),
        ("2 USD / (gpu*hour)", 2.0),
        ("2 USD/chip-hour", 2.0),
        ("2 USD/device/hour", 2.0),
        ("2 USD/accelerator-hour", 2.0),
        ("2 USD per GPU per hour", 2.0),
        ("$48/day", 2.0),
        ("$0.0005/s", 1.8),
        ("$1,200/hour", 1200.0),
    ],
)
def test_a_price_per_gpu_hour(text, expected):
    assert read(text, "USD/hour") == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15T", 15e12),
        ("15t", 15e12),
        ("15 T", 15e12),
        ("15T tokens", 15e12),
        ("15 trillion", 15e12),
        ("15 trillion tokens", 15e12),
        ("15tn", 15e12),
        ("15e12", 15e12),
        ("1.5E13 tokens", 15e12),
        ("15_000_000_000_000", 15e12),
        ("15,000,000,000,000", 15e12),
        ("300B", 300e9),
        ("300 bn tokens", 300e9),
        ("300 billion", 300e9),
        ("300 Gtoken", 300e9),
        ("500M", 500e6),
        ("500m", 500e6),
        ("500 million tokens", 500e6),
        ("500mn", 500e6),
        ("500k", 500e3),
        ("500K tokens", 500e3),
        ("500 thousand", 500e3),
        ("1 token", 1.0),
        ("+.5T", 0.5e12),
    ],
)
def test_an_amount_of_tokens(text, expected):
    assert read(text, "token") == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("text", ["8B", "8b", "8B parameters", "8B params", "8 billion parameters", "8e9", "8bn"])
def test_a_number_of_parameters(text):
    assert read(text, "1") == pytest.approx(8e9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2664k", 2.664e6),
        ("2.664M", 2.664e6),
        ("2,664,000", 2.664e6),
        ("2664K GPU-hours", 2.664e6),
        ("2.664M GPU hours", 2.664e6),
        ("2.664 million GPU-hours", 2.664e6),
        ("2664k hours", 2.664e6),
        ("2664k gpuh", 2.664e6),
        ("100 chip-hours", 100.0),
        ("100 gpu*hour", 100.0),
        ("30 minutes", 0.5),
        ("90 days", 2160.0),
        ("1 week", 168.0),
    ],
)
def test_an_amount_of_gpu_hours(text, expected):
    assert read(text, "hour") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("80 GB", "byte", 80e9),
        ("80 GiB", "byte", 80 * 2**30),
        ("80GB", "GB", 80.0),
        ("80 GiB", "GB", 85.89934592),
        ("80 gigabytes", "GB", 80.0),
        ("0.08 TB", "GB", 80.0),
        ("3.35 TB/s", "GB/s", 3350.0),
        ("900 GB/s", "GB/s", 900.0),
        ("400 Gbit/s", "GB/s", 50.0),
        ("400 Gbps", "GB/s", 50.0),
        ("700", "W", 700.0),
        ("700 watts", "W", 700.0),
        ("0.7kW", "W", 700.0),
        ("1 MW", "W", 1e6),
        ("700 J/s", "W", 700.0),
        ("989 TFLOPS", "TFLOP/s", 989.0),
        ("989 TFLOP/s", "TFLOP/s", 989.0),
        ("1 PFLOPS", "TFLOP/s", 1000.0),
        ("989.4e12 FLOP/s", "TFLOP/s", 989.4),
        ("3e24 FLOPs", "FLOP", 3e24),
        ("770 ZFLOP", "FLOP", 7.7e23),
        ("0.08 USD/kWh", "USD/kWh", 0.08),
        ("$80/MWh", "USD/kWh", 0.08),
        ("$0.08 per kWh", "USD/kWh", 0.08),
        ("400 gCO2/kWh", "kg/kWh", 0.4),
        ("400 gCO2e/kWh", "kg/kWh", 0.4),
        ("400 g CO2e/kWh", "kg/kWh", 0.4),
        ("0.4 kgCO2eq/kWh", "kg/kWh", 0.4),
        ("400 kg/MWh", "kg/kWh", 0.4),
        ("0.4 tCO2e/MWh", "kg/kWh", 0.4),
        ("900 lb/MWh", "kg/kWh", 0.408233133),
        ("5t", "kg", 5000.0),
        ("5 tonnes", "kg", 5000.0),
        ("1.8 L/kWh", "liter/kWh", 1.8),
        ("1.8 liters/kWh", "liter/kWh", 1.8),
        ("30 days", "s", 2_592_000.0),
        ("2.5 h", "s", 9000.0),
        ("1.287 GWh", "MWh", 1287.0),
        ("8.14 cm**2", "mm**2", 814.0),
        ("8.14 cm^2", "mm**2", 814.0),
    ],
)
def test_physical_amounts(text, unit, expected):
    assert read(text, unit) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$1M", 1e6),
        ("$1.5 million", 1.5e6),
        ("$5.576M", 5.576e6),
        ("1 MUSD", 1e6),
        ("1M USD", 1e6),
        ("1.5M $", 1.5e6),
        ("USD 1.5M", 1.5e6),
        ("100 million dollars", 1e8),
        ("$1,500", 1500.0),
        ("$100k", 1e5),
        ("$-5", -5.0),
    ],
)
def test_an_amount_of_dollars(text, expected):
    assert read(text, "USD") == pytest.approx(expected)


@pytest.mark.parametrize(("text", "expected"), [("35 %", 0.35), ("35%", 0.35), ("35 percent", 0.35), ("120%", 1.2)])
def test_a_percentage_is_a_share(text, expected):
    assert read(text, "1") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "unit", "low", "high"),
    [
        ("500 W to 1.2 kW", "W", 500, 1200),
        ("500 to 700 W", "W", 500, 700),
        ("500 W to 700", "W", 500, 700),
        ("1.8 to 3.2 USD/hour", "USD/hour", 1.8, 3.2),
        ("$1.80/h to $3.20/h", "USD/hour", 1.8, 3.2),
        ("30 to 45 %", "1", 0.3, 0.45),
        ("30 % to 45 %", "1", 0.3, 0.45),
        ("0.3 to 0.45", "1", 0.3, 0.45),
        ("10T to 15T tokens", "token", 10e12, 15e12),
        ("10 to 15T", "token", 10e12, 15e12),
        ("2.5M to 3M GPU-hours", "hour", 2.5e6, 3e6),
        ("-5 to 5", "1", -5, 5),
    ],
)
def test_a_range_has_its_ends_in_the_unit_of_the_field(text, unit, low, high):
    spread = read(text, unit)
    assert isinstance(spread, Interval)
    assert (spread.low, spread.high) == pytest.approx((low, high))
    assert (spread.unit, spread.level) == (unit, 0.8)


@pytest.mark.parametrize("text", ["1.8 to 3.2 USD/hour (90 %)", "1.8 to 3.2 USD/hour (90%)", "1.8 to 3.2 ( 90 % )"])
def test_a_range_may_name_its_level(text):
    assert read(text, "USD/hour").level == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("8 EUR/hour at 1.08 USD/EUR on 2026-09-01", "USD/hour", 8.64),
        ("EUR 8/hour at 1.08 USD/EUR on 2026-09-01", "USD/hour", 8.64),
        ("1000 JPY/hour at .007 USD/JPY on 2026-09-01", "USD/hour", 7.0),
        ("8M EUR at 1.08 USD/EUR on 2026-09-01", "USD", 8.64e6),
    ],
)
def test_another_currency_with_its_rate_and_date(text, unit, expected):
    assert read(text, unit) == pytest.approx(expected)


def test_a_range_in_another_currency():
    spread = read("8 to 9 EUR/hour (90 %) at 1.08 USD/EUR on 2026-09-01", "USD/hour")
    assert (spread.low, spread.high, spread.level) == pytest.approx((8.64, 9.72, 0.9))
    assert spread.unit == "USD/hour"


@pytest.mark.parametrize("prefix", ["", "k", "M", "G", "T"])
def test_prefixes_of_dollars_are_those_of_pint(prefix):
    expected = registry().Quantity(3.7, f"{prefix}USD").to("USD").magnitude
    assert read(f"3.7 {prefix}USD", "USD") == pytest.approx(expected, rel=1e-15)
    assert read(f"3.7 {prefix.replace('G', 'B')}$", "USD") == pytest.approx(expected, rel=1e-15)
