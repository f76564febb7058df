"""Names of version 0.1 are still read; the keys of random draws are those of version 0.1."""

import warnings

import pytest

import costmodel as cm
from costmodel.estimation.sampling import draw_key
from costmodel.foundation.renamed import RENAMED, original, present

FILE = """
name = "written by version 0.1"
architecture = "llama-3.1-8b"
reached = 0.9

[[recipe]]
kind = "pretraining"
tokens = 1e12

[[recipe]]
kind = "qlora"
tokens = 2e7
quantisation = "int8"
padded_together = 4

[[recipe]]
kind = "quantisation_aware_training"
tokens = 1e8

[cluster]
accelerator = "H100-SXM"
count = 64

[reliability]
overhead_share = 0.02
hidden_share = 0.5
"""


def saved(tmp_path, text=FILE):
    path = tmp_path / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_of_version_0_1_loads_under_the_present_names(tmp_path):
    run = cm.Scenario.load(saved(tmp_path))
    _, qlora, aware = run.recipe
    assert run.realized_efficiency == 0.9
    assert (qlora.quantization, qlora.padding_group) == ("int8", 4)
    assert isinstance(aware, cm.QuantizationAwareTraining)
    assert (run.reliability.residual_overhead, run.reliability.checkpoint_overlap) == (0.02, 0.5)
    written = tmp_path / "again.toml"
    run.save(written)
    assert cm.Scenario.load(written) == run
    assert not any(f"{old} = " in written.read_text(encoding="utf-8") for old in RENAMED)
    assert cm.estimate(run).value("cost") > 0


@pytest.mark.parametrize("name", ["quantisation", "quantization"])
def test_old_and_new_names_change_a_file_of_version_0_1(tmp_path, name):
    run = cm.Scenario.load(saved(tmp_path), {f"recipe.1.{name}": "nf4"})
    assert run.recipe[1].quantization == "nf4"
    assert run.replace({f"recipe.1.{name}": "int8"}).recipe[1].quantization == "int8"


@pytest.mark.parametrize("name", ["reached", "realized_efficiency"])
def test_old_and_new_names_replace_a_field(name):
    run = cm.Scenario(
        architecture="llama-3.1-8b", recipe=cm.LoRA(tokens="20M"), cluster=cm.Cluster("H100-SXM", 8), reached=0.8
    )
    assert run.replace({name: 0.7}).realized_efficiency == 0.7
    assert run.replace(**{name: 0.7}).realized_efficiency == 0.7
    assert cm.Reliability(overhead_share=0.1).replace(overhead_share=0.2).residual_overhead == 0.2


def test_the_old_name_of_a_recipe_warns():
    with pytest.warns(DeprecationWarning, match=r"costmodel.QuantisationAwareTraining is now costmodel.Quantization"):
        assert cm.QuantisationAwareTraining is cm.QuantizationAwareTraining
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cm.QuantizationAwareTraining is not None


@pytest.mark.parametrize("old", RENAMED)
def test_paths_translate_both_ways(old):
    new = RENAMED[old]
    assert present(f"recipe.0.{old}.x") == f"recipe.0.{new}.x"
    assert original(f"recipe.0.{new}.x") == f"recipe.0.{old}.x"
    assert present(original(new)) == new


def test_random_draws_keep_the_keys_of_version_0_1():
    assert draw_key("recipe.0.realized_efficiency") == "reached"
    assert draw_key("reliability.residual_overhead") == "reliability.overhead_share"
    assert draw_key("site.pue") == "site.pue"
