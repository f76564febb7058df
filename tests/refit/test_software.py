"""The fit of the factors of training software."""

import math

import numpy as np
import pytest

from costmodel.foundation.ranges import normal_quantile
from costmodel.foundation.tables import table
from costmodel.refit.software import SoftwareFit, fit_software
from costmodel.training.step.efficiency import default_efficiency
from costmodel.training.step.software import UNKNOWN


def drawn(seed, stacks=400, steps=6, mean=0.2, between=0.3, within=0.1):
    generator = np.random.default_rng(seed)
    centers = generator.normal(mean, between, stacks)
    return {f"s{i}": generator.normal(center, within, steps).tolist() for i, center in enumerate(centers)}


def test_the_fit_finds_the_effects_that_were_drawn():
    fitted = fit_software(drawn(1))
    assert fitted.mean == pytest.approx(0.2, abs=0.05)
    assert fitted.between == pytest.approx(0.3, rel=0.1)
    assert fitted.within == pytest.approx(0.1, rel=0.05)


def test_equal_software_has_no_spread_between():
    fitted = fit_software({name: [0.1, 0.1 + 1e-6] for name in "abc"})
    assert fitted.between < 1e-3 and fitted.mean == pytest.approx(0.1, abs=1e-5)


def test_an_effect_is_shrunk_toward_the_mean_by_its_number_of_steps():
    fitted = SoftwareFit(mean=0.1, between=0.2, within=0.2)
    assert fitted.effect([]) == (0.1, pytest.approx(math.hypot(0.2, 0.2)))
    one, one_spread = fitted.effect([0.5])
    many, many_spread = fitted.effect([0.5] * 100)
    assert one == pytest.approx(0.3) and many == pytest.approx(0.5, abs=0.01)
    assert many_spread < one_spread < math.hypot(0.2, 0.2)


def test_unknown_software_is_slower_and_wider_than_the_software_of_the_fit():
    rows = {(row["kind"], row["name"]): float(row["value"]) for row in table("fitted/software_efficiency").rows}
    assert 1.0 < rows["fitted", f"software:{UNKNOWN}"] < 1.3
    assert rows["spread", f"software:{UNKNOWN}"] > 2 * default_efficiency().spreads["stack"]
    assert rows["spread", "software:torchtitan"] == 0


def test_the_published_scores_are_those_of_the_refit(root):
    page = " ".join((root / "docs" / "accuracy.md").read_text(encoding="utf-8").split())
    spreads = {
        row["name"]: float(row["value"]) for row in table("fitted/software_efficiency").rows if row["kind"] == "spread"
    }
    factors = {name: math.exp(normal_quantile(0.9) * spread) for name, spread in spreads.items() if spread > 0}
    unknown = factors.pop(f"software:{UNKNOWN}")
    assert f"not named is a factor of {unknown:.2f} to either" in page
    assert f"{min(factors.values()):.2f} to {max(factors.values()):.2f} for software with measured steps" in page
    assert f"{len(table('measurements/other_software').rows)} measured steps of {len(factors)} stacks" in page
