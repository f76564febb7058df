"""Presets of scaling laws: coefficients, sources and published figures."""

import math

import pytest

from costmodel.foundation.errors import InputError, MissingFactError, UnknownNameError
from costmodel.scaling.laws.hoffmann import HoffmannLaw
from costmodel.scaling.laws.presets import FORMS, scaling_law, scaling_laws

ROWS = {row["name"]: row for row in scaling_laws()}


@pytest.mark.parametrize("name", ROWS)
def test_every_row_is_a_law_with_its_name_and_source(name):
    law = scaling_law(name)
    assert type(law) is FORMS[ROWS[name]["form"]]
    assert law.name == name and law.source == ROWS[name]["source"]
    assert ROWS[name]["grade"] in {"A", "B", "D"} and ROWS[name]["counts"]
    with pytest.raises(AttributeError):
        law.name = "other"


def test_every_form_is_used():
    assert {row["form"] for row in ROWS.values()} == set(FORMS)


def test_names_match_regardless_of_separators():
    assert scaling_law("Besiroglu 2024") is scaling_law("besiroglu-2024")
    assert scaling_law("chinchilla") is scaling_law("hoffmann-2022")


def test_unknown_name_error_suggests_the_nearest_name():
    with pytest.raises(UnknownNameError, match=r"unknown scaling law 'hofmann-2022'; did you mean 'hoffmann-2022'"):
        scaling_law("hofmann-2022")


def test_changing_a_listed_preset_does_not_change_the_table():
    scaling_laws()[0]["name"] = "other"
    assert scaling_laws()[0]["name"] == "hoffmann-2022"


@pytest.mark.parametrize(
    ("name", "printed", "within"),
    [("hoffmann-2022", [406.4, 410.7, 1.6934], 1e-4), ("muennighoff-2023", [521, 1488, 1.869], 5e-4)],
)
def test_logarithms_keep_the_published_digits(name, printed, within):
    law = scaling_law(name)
    coefficients = [law.A, law.B, law.E]
    assert coefficients == pytest.approx(printed, rel=within)


@pytest.mark.parametrize(
    ("name", "at_gopher", "at_1e25"),
    [
        ("hoffmann-2022", 59.0, 75.5),
        ("hoffmann-2022-rounded", 92.8, 122.1),
        ("besiroglu-2024", 18.4, 17.1),
        ("besiroglu-2024-optimum", 17.9, 16.6),
    ],
)
def test_tokens_per_parameter_at_the_compute_of_gopher_and_beyond(name, at_gopher, at_1e25):
    ratios = [scaling_law(name).allocate(compute).tokens_per_parameter for compute in (5.88e23, 1e25)]
    assert [round(ratio, 1) for ratio in ratios] == [at_gopher, at_1e25]


def test_approach_3_has_the_published_exponents():
    exponent = scaling_law("hoffmann-2022").parameter_exponent  # table 2 prints 0.46 and 0.454-0.455
    assert 0.45 < exponent < 0.465


TABLE_3 = [  # parameters, FLOPs, tokens
    (400e6, 1.92e19, 8.0e9),
    (1e9, 1.21e20, 20.2e9),
    (10e9, 1.23e22, 205.1e9),
    (67e9, 5.76e23, 1.5e12),
    (175e9, 3.85e24, 3.7e12),
    (280e9, 9.90e24, 5.9e12),
    (520e9, 3.43e25, 11.0e12),
    (1e12, 1.27e26, 21.2e12),
    (10e12, 1.30e28, 216.2e12),
]


@pytest.mark.parametrize(("parameters", "compute", "tokens"), TABLE_3)
def test_approach_1_reproduces_table_3_of_hoffmann_2022(parameters, compute, tokens):
    best = scaling_law("hoffmann-2022-approach-1").allocate(compute)
    # 67B is printed with two digits, and 1.5T with two: 6 N D of that row is 4.7 % above its own FLOPs
    assert best.parameters == pytest.approx(parameters, rel=0.013)
    assert best.tokens == pytest.approx(tokens, rel=0.06 if tokens == 1.5e12 else 0.01)


def test_approach_1_is_the_least_squares_fit_of_table_3():
    np = pytest.importorskip("numpy")
    sizes, budgets, _ = np.log(TABLE_3).T
    exponent, intercept = np.polyfit(budgets, sizes, 1)
    law = scaling_law("hoffmann-2022-approach-1")
    assert (law.exponent, law.coefficient) == pytest.approx((exponent, math.exp(intercept)), rel=1e-9)
    assert round(law.parameter_exponent, 2) == 0.50


def test_llama_3_law_gives_16_trillion_tokens_at_its_training_compute():
    best = scaling_law("llama-3").allocate(3.8e25)
    assert round(best.tokens / 1e12, 2) == 16.29
    assert best.tokens == pytest.approx(16.55e12, rel=0.05)  # published; its FLOPs are 5 % below 6 N D
    assert best.parameters == pytest.approx(402e9, rel=0.05)
    assert best.loss is None


def test_exponent_only_law_requires_a_reference_point():
    law = scaling_law("porian-2024")
    with pytest.raises(MissingFactError, match=r"porian-2024 has an exponent and no coefficient"):
        law.allocate(1e20)
    fixed = law.through(compute=1e20, parameters=1e9)
    assert fixed.allocate(1e20).parameters == pytest.approx(1e9)
    assert fixed.allocate(1e22).parameters == pytest.approx(1e9 * 100**0.4969)
    assert fixed.name == law.name


def test_token_law_passes_through_a_reference_point():
    law = scaling_law("llama-3").through(compute=6e21, parameters=1e9)
    assert law.allocate(6e21).tokens == pytest.approx(1e12)
    assert law.parameter_exponent == pytest.approx(0.463)


def test_porian_exponents_decrease_from_kaplan_to_chinchilla():
    steps = ("reproduction", "head", "warmup", "cosine")
    exponents = [scaling_law(f"porian-2024-{step}").parameter_exponent for step in steps]
    exponents.append(scaling_law("porian-2024").parameter_exponent)
    assert exponents == sorted(exponents, reverse=True)
    assert [round(1 - each, 2) for each in exponents] == pytest.approx([0.163, 0.294, 0.398, 0.428, 0.503], abs=0.008)


def test_kaplan_allocates_more_compute_to_parameters_than_hoffmann():
    law = scaling_law("kaplan-2020-optimum")
    assert law.allocate(8.64e19).parameters == pytest.approx(1.3e9)
    assert law.parameter_exponent == 0.73 > scaling_law("besiroglu-2024").parameter_exponent


def test_sardana_presets_reproduce_the_published_table():
    rows = {name: scaling_law(name) for name in ROWS if name.startswith("sardana-2024")}
    assert all(isinstance(law, HoffmannLaw) for law in rows.values())
    best = rows["sardana-2024"]
    assert (best.alpha, best.beta, best.A, best.B, best.E) == (0.18, 0.24, 33.66, 138.9, 1.45)


def test_every_preset_has_published_coefficients():
    assert not {row["name"] for row in ROWS.values() if row["form"] in {"gadre", "student", "farseer"}}
    assert not hasattr(scaling_law("kumar-2024"), "E")


def test_invalid_coefficients_are_reported_together():
    from costmodel.scaling.laws.kaplan import KaplanLaw

    with pytest.raises(InputError) as caught:
        KaplanLaw(parameter_scale=-1, token_scale=math.nan, parameter_exponent=0.1, token_exponent=0.1)
    assert len(caught.value.problems) == 2
