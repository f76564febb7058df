"""Registries: own entries are loaded late, packages add entries, and mistakes of a package name it."""

import sys

import pytest

from costmodel.foundation.errors import InputError, UnknownNameError
from costmodel.foundation.registry import Catalog, Registry, references

GROUP = "costmodel.planets"
PLANETS = {"earth": "math:pi", "mars": "math:e"}


def not_a_number(_, value):
    return "" if isinstance(value, float) else f"must be a number; got {value!r}"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a package with entry points: its metadata beside its only module."""
    monkeypatch.syspath_prepend(tmp_path)

    def package(name, lines, code):
        module = name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(code, encoding="utf-8")
        metadata = tmp_path / f"{module}-0.1.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n", encoding="utf-8")
        (metadata / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines]), encoding="utf-8")
        monkeypatch.delitem(sys.modules, module, raising=False)

    return package


@pytest.fixture
def registry():
    return references("planet", GROUP, PLANETS, not_a_number)


def test_a_package_adds_an_entry(install, registry):
    install("acme", ["venus = acme:venus"], "venus = 2.5")
    assert registry["venus"] == 2.5
    assert "venus" in registry and list(registry) == ["earth", "mars", "venus"] and len(registry) == 3


def test_entries_of_the_library_are_found_without_reading_entry_points(registry, monkeypatch):
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: pytest.fail("entry points were read"))
    assert registry["earth"] == pytest.approx(3.14159, rel=1e-5)
    assert "mars" in registry


def test_an_entry_is_loaded_once(registry):
    loaded = []
    counted = Registry("planet", GROUP, ["earth"], lambda name: loaded.append(name) or 1.0, not_a_number)
    assert counted["earth"] + counted["earth"] == 2.0
    assert loaded == ["earth"]


def test_an_unknown_name_is_a_key_error(registry):
    assert "pluto" not in registry
    with pytest.raises(KeyError):
        registry["pluto"]


def test_a_broken_entry_names_the_package_the_entry_point_and_the_reason(install, registry):
    install("acme", ["venus = acme:venus", "saturn = acme:saturn"], "venus = 2.5")
    with pytest.raises(InputError) as raised:
        registry["saturn"]
    message = str(raised.value)
    assert "planet 'saturn' of the package acme 0.1 cannot be loaded" in message
    assert f'"saturn = acme:saturn" in the group {GROUP} raises AttributeError' in message
    assert registry["venus"] == 2.5, "the other entries of the package work"


def test_a_list_of_working_entries_warns_of_a_broken_one(install, registry):
    install("acme", ["venus = acme:venus"], "raise OSError('no license')")
    with pytest.warns(UserWarning, match="the package acme 0.1 cannot be loaded: .* raises OSError: no license"):
        assert list(registry.working()) == ["earth", "mars"]


def test_an_entry_of_the_wrong_type_is_refused(install, registry):
    install("acme", ["venus = acme:venus"], "venus = 'hot'")
    with pytest.raises(InputError, match=r"acme 0.1 cannot be used: .* must be a number; got 'hot'"):
        registry["venus"]


@pytest.mark.parametrize("name", ["earth", "Earth", "terra"])
def test_a_name_of_the_library_is_left_out(install, name):
    install("acme", [f"{name} = acme:planet"], "planet = 2.5")
    registry = Registry("planet", GROUP, ["earth"], lambda _: 1.0, not_a_number, aliases=["terra"])
    with pytest.warns(UserWarning, match=f"planet '{name}' of the package acme 0.1 is left out, because costmodel alr"):
        assert list(registry) == ["earth"]
    assert registry["earth"] == 1.0


def test_two_packages_cannot_add_the_same_name(install, registry):
    install("acme", ["venus = acme:venus"], "venus = 2.5")
    install("widget", ["venus = widget:venus"], "venus = 3.5")
    with pytest.warns(UserWarning, match=r"'venus' of the package .* is left out, because the package .* already"):
        assert list(registry).count("venus") == 1


def test_a_catalog_finds_names_of_packages_in_any_spelling(install, registry):
    install("acme", ["Alpha-Centauri = acme:star"], "star = 4.2")
    catalog = Catalog(registry, {"earth": ["terra"]})
    assert catalog.get("TERRA") == catalog.get("earth")
    assert catalog.proper("alpha centauri") == "Alpha-Centauri"
    assert catalog.get("alpha_centauri") == 4.2
    with pytest.raises(UnknownNameError, match="did you mean 'Alpha-Centauri'"):
        catalog.get("alpha centuri")


def test_an_estimate_with_names_of_the_library_reads_no_entry_points(monkeypatch):
    import costmodel as cm

    assert cm.Scenario and cm.Rental  # importing pydantic reads entry points of its own
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: pytest.fail("entry points were read"))
    run = cm.Scenario(
        architecture={"model_type": "gpt2", "n_layer": 2, "vocab_size": 1000, "n_positions": 4096},
        recipe={"kind": "lora", "tokens": "1M"},
        cluster=cm.Cluster("A100-80GB-SXM", 1),
        prices=cm.Rental(price=1.0),
    )
    assert cm.estimate(cm.Scenario.from_data(run.to_data())).value("cost") > 0
