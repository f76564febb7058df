"""Text that is refused as a number: messages state the value given and what is accepted."""

import subprocess
import sys

import pytest

from costmodel.foundation.errors import InputError
from costmodel.foundation.units import read


def refused(text, unit, message):
    with pytest.raises(InputError, match=message) as raised:
        read(text, unit)
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("5 s", "W"),
        ("5 USD/hour", "W"),
        ("5 W", "USD/hour"),
        ("5 token", "FLOP"),
        ("5 FLOP", "token"),
        ("5 USD", "USD/hour"),
        ("$2.99", "USD/hour"),
        ("1 TFLOP/s", "FLOP"),
        ("989 TFLOPs", "TFLOP/s"),
        ("5 hours", "1"),
        ("5 GB", "token"),
        ("5 GB", "1"),
        ("80 G", "byte"),
        ("5 gpu", "USD/hour"),
        ("5 gpu", "hour"),
        ("5 radian", "1"),
        ("5 tokens", "1"),
    ],
)
def test_another_dimension_is_refused(text, unit):
    expected = "a plain number" if unit == "1" else f"a number in {unit}"
    message = refused(text, unit, "dimension|ambiguous")
    assert repr(text) in message and expected in message


@pytest.mark.parametrize(
    ("text", "unit"),
    [("7B", "GB"), ("7B", "byte"), ("5 B", "byte"), ("10T", "byte"), ("5k", "W"), ("5 M", "W"), ("989T", "TFLOP/s"),
     ("500k", "kg"), ("5m", "hour"), ("5 m", "hour"), ("5 t", "hour")],
)  # fmt: skip
def test_ambiguous_suffix_is_refused(text, unit):
    assert "ambiguous" in refused(text, unit, "write the unit out")


@pytest.mark.parametrize("text", ["1,5", "1,50", "1.5,2", "12,34,567", "1.000.000", "5."])
def test_ambiguous_comma_or_dot_is_refused(text):
    refused(text, "1", r"ambiguous: write 1\.5 for one and a half")


@pytest.mark.parametrize(
    ("text", "unit"),
    [("5 bananas", "W"), ("5 parsecs-of-effort", "W"), ("1 500", "1"), ("500-700 W", "W"), ("5 W*", "W"),
     ("5 (((((W", "W"), ("5 2 W", "W"), ("2 USD/node/hour", "USD/hour"), ("1 to 2 to 3", "1")],
)  # fmt: skip
def test_unknown_unit_is_refused(text, unit):
    assert f"expected a number in {unit}" in refused(text, unit, "unit that is not known")


@pytest.mark.parametrize("text", ["5 W; import os", "5 __import__('os')", "5 lambda: 1", "5 W\n6", "5 °C", "5 <b>"])
def test_invalid_characters_in_a_unit_are_refused(text):
    refused(text, "W", "characters that are not part of a unit|is not known")


@pytest.mark.parametrize("text", ["8 EUR/hour", "8 €/hour", "8 GBP/hour", "8 £/h", "800 ¥/h", "8 RMB/hour", "8 CHF/h"])
def test_other_currency_without_exchange_rate_is_refused(text):
    assert "at 1.08 USD/EUR on 2026-09-01" in refused(text, "USD/hour", "add the exchange rate and its date")


def test_exchange_rate_without_a_date_is_refused():
    refused("8 EUR/hour at 1.08 USD/EUR", "USD/hour", "add the exchange rate and its date")


def test_exchange_rate_of_another_currency_is_refused():
    refused("8 GBP/hour at 1.08 USD/EUR on 2026-09-01", "USD/hour", "is not in EUR")


def test_exchange_rate_for_dollars_is_refused():
    refused("8 USD/hour at 1.08 USD/EUR on 2026-09-01", "USD/hour", "EUR")


def test_second_exchange_rate_is_refused():
    rate = " at 1.08 USD/EUR on 2026-09-01"
    refused(f"8 EUR/hour{rate}{rate}", "USD/hour", ".")


@pytest.mark.parametrize("rate", ["0", "1.0.8", "."])
def test_an_exchange_rate_must_be_positive(rate):
    refused(f"8 EUR/hour at {rate} USD/EUR on 2026-09-01", "USD/hour", ".")


def test_exchange_rate_with_an_invalid_date_is_refused():
    refused("8 EUR/hour at 1.08 USD/EUR on 2026-99-01", "USD/hour", "2026-99-01")


@pytest.mark.parametrize("text", ["", " ", "-", "abc", "nan", "inf", "-inf", "infinity", "nan W", "$", "/hour", "$/h"])
def test_text_without_a_number_is_refused(text):
    assert repr(text) in refused(text, "W", "does not start with a number")


@pytest.mark.parametrize("text", ["1e999", "-1e999", "1e308 kW", "1e300 W to 1e999 W"])
def test_number_that_overflows_is_refused(text):
    refused(text, "W", "too large to be a number")


def test_percentage_is_refused_for_a_field_with_a_unit():
    refused("35 %", "W", "is a percentage, where a number in W is expected")
    refused("5 % tokens", "token", ".")


@pytest.mark.parametrize("text", ["1" * 201, "5 " + "W" * 300, "2 USD/hour " * 10_000])
def test_very_long_text_is_refused_with_a_short_message(text):
    message = refused(text, "W", "at most 200 characters")
    assert len(message) < 200 and str(len(text)) in message


@pytest.mark.parametrize(
    ("text", "message"),
    [("3 to 1", "must be below"), ("1 to 1", "must be below"), ("1 to 2 (100 %)", "between 0 and 1"),
     ("1 to 2 (0 %)", "between 0 and 1"), ("1 to x", "does not start with a number")],
)  # fmt: skip
def test_an_invalid_range_is_refused(text, message):
    refused(text, "1", message)


@pytest.mark.parametrize("level", ["9..0", ".", "9.9.9"])
def test_invalid_level_of_a_range_is_refused(level):
    refused(f"1 to 2 ({level} %)", "1", ".")


def test_logarithmic_units_are_refused():
    refused("5 dBm", "W", ".")


def test_a_power_tower_is_refused_and_not_computed():
    text = "5 10**10**10 W"
    code = (
        "import sys\n"
        "from costmodel.foundation.errors import InputError\n"
        "from costmodel.foundation.units import read\n"
        "try: read(sys.argv[1], 'W')\n"
        "except InputError: print('refused')"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, text], capture_output=True, text=True, timeout=5, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.fail(f"{text!r} is being computed")
    assert done.stdout.strip() == "refused"
