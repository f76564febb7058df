"""Specifications: frozen, without unknown fields, with every problem reported, changed by copying."""

import inspect
import json
import pickle
from collections.abc import Callable

import pytest

import costmodel as cm
from costmodel.choosing.portfolio.question import PortfolioRequest
from costmodel.foundation.specs import changed


def scenario(**changes):
    return cm.Scenario(
        architecture="llama-3.1-8b",
        recipe=cm.Pretraining(tokens="15T"),
        cluster=cm.Cluster("H100-SXM", 1024, site=cm.Site(pue=1.1)),
    ).replace(changes)


def problems_of(make):
    with pytest.raises(cm.InputError) as raised:
        make()
    return raised.value.problems


def data(**changes):
    base = {
        "architecture": "llama-3.1-8b", "recipe": {"tokens": "15T"}, "cluster": {"accelerator": "H100-SXM", "count": 8}
    }  # fmt: skip
    return {**base, **changes}


def test_an_unknown_key_gets_a_suggestion():
    (problem,) = problems_of(lambda: cm.Site(regoin="FRA"))
    assert problem == "regoin: unknown field 'regoin'; did you mean 'region'?"


@pytest.mark.parametrize(
    ("name", "path"),
    [("batch_size", "'recipe.batch_size'"), ("price", "'prices.price'"), ("pue", "'cluster.site.pue'")],
)
def test_a_field_of_a_field_is_suggested_with_its_path(name, path):
    (problem,) = problems_of(lambda: cm.Scenario.from_data(scenario(**{name: 1})))
    assert problem == f"{name}: unknown field '{name}'; did you mean {path}?"


def test_all_problems_are_reported_with_their_paths():
    wrong = {
        "architecture": "llama-3.1-8b",
        "recipe": {"tokens": "-5", "sequnce_length": 4},
        "cluster": {"accelerator": "H100-SXM", "count": True, "site": {"pue": 0.5, "regoin": "x"}},
        "mfu": 2,
    }
    found = problems_of(lambda: cm.Scenario.from_data(wrong))
    places = [problem.split(":", 1)[0] for problem in found]
    assert sorted(places) == sorted([
        "recipe.tokens", "recipe.sequnce_length", "cluster.count", "cluster.site.pue", "cluster.site.regoin", "mfu",
    ])  # fmt: skip
    assert "did you mean 'sequence_length'?" in str(found) and "did you mean 'region'?" in str(found)


def test_the_message_lists_all_problems():
    with pytest.raises(cm.InputError) as raised:
        cm.Cluster(accelerator="H100-SXM", count=0, site={"pue": 0})
    lines = str(raised.value).splitlines()
    assert lines[0] == "2 problems:" and len(lines) == 3


def test_a_problem_in_a_list_has_its_number():
    found = problems_of(lambda: cm.Scenario.from_data(data(recipe=[{"tokens": "5T"}, {"tokens": "5 W"}])))
    assert [problem.split(":", 1)[0] for problem in found] == ["recipe.1.tokens"]


def test_wrong_entries_of_a_list_are_the_only_problems_of_it():
    request = {"workload": [{"name": "a", "requests_per_month": 1, "input_tokens": 1, "output_tokens": 1}]}
    option = {"serving": {"kind": "hosted", "name": "A", "usd_per_million_input": 1, "usd_per_million_output": 2}}
    found = problems_of(lambda: PortfolioRequest.from_data({**request, "option": [{**option, "quality": {"a": "x"}}]}))
    assert {problem.split(":", 1)[0] for problem in found} == {"option.0.quality.a"}


def test_missing_fields_are_named_with_their_description():
    missing = problems_of(lambda: cm.Scenario.from_data({"architecture": "llama-3.1-8b", "recipe": [{}]}))
    assert list(missing) == [
        "recipe.0.tokens: is required. Training tokens, repetitions included [token].",
        "cluster: is required. Accelerators and the site that they run at.",
    ]


def test_problems_of_an_own_accelerator_have_their_paths():
    wrong = data(cluster={"accelerator": {"nmae": "X", "bf16": "5 W"}, "count": 8})
    found = problems_of(lambda: cm.Scenario.from_data(wrong))
    places = [problem.split(":", 1)[0] for problem in found]
    assert sorted(places) == ["cluster.accelerator.bf16", "cluster.accelerator.name", "cluster.accelerator.nmae"]


@pytest.mark.parametrize("key", ["sequence-length", "MFU", "Mfu", "1", "", "a b", "goodput "])
def test_a_key_that_is_not_text_is_an_unknown_field(key):
    found = problems_of(lambda: cm.Scenario.from_data(data(**{key: 1})))
    assert len(found) == 1 and f"unknown field {key!r}" in found[0]


@pytest.mark.parametrize("key", ["sequence-length", "Tokens", "SEQUENCE_LENGTH"])
def test_a_key_that_is_not_text_in_a_table_is_an_unknown_field(key):
    found = problems_of(lambda: cm.Scenario.from_data(data(recipe={"tokens": "15T", key: 1})))
    assert len(found) == 1 and f"unknown field {key!r}" in found[0]


def test_a_problem_shows_the_value_once():
    (problem,) = problems_of(lambda: cm.Cluster("H100SXM9", 8))
    assert problem.count("H100SXM9") == 1


def test_positional_arguments():
    cluster = cm.Cluster("H100-SXM", 8, cm.Site(pue=1.2))
    assert cluster == cm.Cluster(accelerator="H100-SXM", count=8, site=cm.Site(pue=1.2))
    assert problems_of(lambda: cm.Cluster("H100-SXM", 8, cm.Site(), 8, 50, 2000, cm.Embodied(), 9)) == (
        "Cluster takes at most 7 arguments; got 8",
    )
    assert problems_of(lambda: cm.Cluster("H100-SXM", 8, accelerator="A100-80GB")) == (
        "Cluster got 'accelerator' twice: by position and by name",
    )


def test_a_specification_is_frozen():
    run = scenario()
    with pytest.raises(cm.InputError, match="frozen"):
        run.mfu = 0.4
    with pytest.raises(cm.InputError, match="frozen"):
        run.cluster.count = 5
    assert run == scenario()


def test_replace_returns_a_changed_copy():
    run = scenario()
    other = run.replace({"cluster.count": 2048, "cluster.site.region": "FRA"}, mfu="0.3 to 0.4")
    assert (other.cluster.count, other.cluster.site.region, other.mfu.low) == (2048, "FRA", 0.3)
    assert other.cluster.site.pue == 1.1 and other.recipe == run.recipe
    assert run == scenario()


def test_replace_reaches_into_lists():
    run = scenario(recipe=[cm.Pretraining(tokens="15T"), cm.Pretraining(tokens="1T")])
    other = run.replace({"recipe.1.tokens": "2T"})
    assert [recipe.tokens for recipe in other.recipes] == [15e12, 2e12]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cluster.cuont": 16}, "cluster.cuont: unknown field 'cuont'; did you mean 'count'?"),
        ({"cluster.site.pue": 0.5}, "cluster.site.pue: must be"),
        ({"cluster.count.x": 16}, "'x' names a field of 1024, which has no fields"),
        ({"nope": 1}, "unknown field 'nope'"),
        ({"recipe.0.tokens": 1}, "0"),
        ({"": 1}, "unknown field ''"),
        ({"..": 1}, "unknown field ''"),
        ({"cluster.": 1}, "cluster"),
    ],
)
def test_replace_reports_problems(changes, message):
    assert message in str(problems_of(lambda: scenario().replace(changes)))


def test_a_position_beyond_a_list_is_refused():
    with pytest.raises(cm.InputError, match="'2' must be a position in a list of 2"):
        changed([1, 2], "2", 3)
    with pytest.raises(cm.InputError, match="'x' must be a position in a list of 2"):
        changed([1, 2], "x", 3)


def test_changed_does_not_modify_its_argument():
    before = {"a": {"b": [1, {"c": 2}]}}
    assert changed(before, "a.b.1.c", 3) == {"a": {"b": [1, {"c": 3}]}}
    assert changed(None, "a.b", 1) == {"a": {"b": 1}}
    assert before == {"a": {"b": [1, {"c": 2}]}}


def test_plain_data_holds_only_what_was_given():
    assert cm.Site(pue=1.1).to_data() == {"pue": 1.1}
    assert cm.Rental().to_data() == {}


def test_equal_specifications_hash_alike():
    assert scenario() == scenario() and hash(scenario()) == hash(scenario())
    assert scenario() != scenario(mfu=0.4)


@pytest.mark.parametrize("changes", [{}, {"mfu": "0.3 to 0.4"}, {"prices": {"price": 2}}, {"recipe.gpu_hours": "2M"}])
def test_scenarios_pickle(changes):
    run = scenario(**changes)
    copy = pickle.loads(pickle.dumps(run))
    assert copy == run and copy.to_data() == run.to_data()


@pytest.mark.parametrize(
    "error",
    [
        cm.InputError("one"), cm.InputError(["one", "two"]), cm.InputError("a 'quoted' thing"),
        cm.MissingFactError("no price"), cm.UnknownNameError.of("accelerator", "H100SXM", ["H100-SXM"]),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_errors_pickle(error):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error) and str(copy) == str(error)
    assert getattr(copy, "problems", None) == getattr(error, "problems", None)


def test_errors_are_of_the_builtin_kinds_too():
    assert issubclass(cm.InputError, ValueError) and issubclass(cm.UnknownNameError, KeyError)
    assert issubclass(cm.MissingFactError, KeyError)
    assert all(issubclass(e, cm.CostModelError) for e in (cm.InputError, cm.UnknownNameError, cm.MissingFactError))
    assert str(cm.MissingFactError("no price")) == "no price"  # not the quoted text of a KeyError


def test_hyphens_in_keys_are_reported(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text(
        'architecture = "llama-3.1-8b"\n[recipe]\ntokens = "1T"\nsequence-length = 8192\n'
        '[cluster]\naccelerator = "H100-SXM"\ncount = 8\n',
        encoding="utf-8",
    )
    with pytest.raises(
        cm.InputError, match=r"recipe\.sequence-length: unknown field .* did you mean 'sequence_length'"
    ):
        cm.Scenario.load(file)


def test_a_changed_accelerator_of_the_catalog_survives_a_file(tmp_path):
    own = cm.load_accelerator("H100-SXM").replace(tdp="500 W", bf16="800 TFLOP/s")
    run = scenario(**{"cluster.accelerator": own})
    run.save(tmp_path / "run.toml")
    assert cm.Scenario.load(tmp_path / "run.toml").cluster.accelerator.bf16 == 800


@pytest.mark.parametrize("change", [lambda site: setattr(site, "peu", 1.1), lambda site: delattr(site, "peu")])
def test_a_misspelt_attribute_gets_a_suggestion(change):
    with pytest.raises(cm.InputError, match="Site is frozen: unknown field 'peu'; did you mean 'pue'"):
        change(cm.Site(pue=1.1))


def test_a_subclass_shows_its_own_constructor_types_and_docstring():
    class Pair(cm.Cluster):
        handler: Callable[[int], int] | None = None

        def __init__(self, accelerator):
            super().__init__(accelerator, 2)

    class Wider(cm.Cluster):
        handler: Callable[[int], int] | None = None

    assert str(inspect.signature(Pair)) == "(accelerator) -> None"
    assert "handler: Callable[[int], int] | None = None" in str(inspect.signature(Wider))
    assert Wider.__doc__.startswith("Parameters\n----------\naccelerator : Accelerator")


def test_references_of_another_form_lead_somewhere():
    schema = cm.Cluster.model_json_schema(ref_template="#/components/schemas/{model}")
    assert "#/$defs/" not in json.dumps(schema)
