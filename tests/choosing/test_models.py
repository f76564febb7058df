"""Names of models: scores, prices and architectures are joined, and what has no match says why."""

import pytest

import costmodel as cm
from costmodel.architecture.loading import catalog
from costmodel.choosing.models import model_named, same_model, unmatched
from costmodel.foundation.names import name_key
from costmodel.foundation.tables import table
from costmodel.market.api_prices import api_models, api_name

SCORES = table("facts/benchmark_scores").rows
ALIASES = table("facts/model_aliases").rows
NAMES = sorted({row["model"] for row in SCORES})


@pytest.mark.parametrize(
    "name, api, architecture, effort",
    [
        ("o3-2025-04-16_high", "o3", None, "high"),
        ("o3 (high)", "o3", None, "high"),
        ("claude-sonnet-4-20250514 (32k thinking tokens)", "claude-sonnet-4", None, "32k"),
        ("claude-sonnet-4-20250514 (no thinking)", "claude-sonnet-4", None, "none"),
        ("claude-opus-4-5-20251101-thinking-64k-high-effort", "claude-opus-4-5", None, "64k high"),
        ("gpt-5.4-nano-xhigh", "gpt-5.4-nano", None, "xhigh"),
        ("DeepSeek-V3.1_thinking", "deepseek-v3.1", "deepseek-v3", "thinking"),
        ("anthropic/claude-opus-4-1-20250805", "claude-opus-4-1", None, ""),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-05-13", None, ""),
        ("Llama-3.3-70B-Instruct", "llama-3.3-70b-instruct", "llama-3.3-70b", ""),
        ("Mixtral-8x22B-Instruct-v0.1", None, "mixtral-8x22b", ""),
    ],
)
def test_name_leads_to_price_architecture_and_effort(name, api, architecture, effort):
    found = model_named(name)
    assert (found.api, found.architecture, found.effort) == (api, architecture, effort)


@pytest.mark.parametrize("name", ["qwen3.7-max", "gpt-5.1-codex-max", "Qwen3-235B-A22B-Thinking-2507", "qwen2.5-max"])
def test_effort_word_of_a_known_name_stays(name):
    assert model_named(name).model == name
    assert model_named(name).effort == ""


def test_hyphenated_word_of_an_unknown_name_stays():
    assert model_named("my-model-high") == ("my-model-high", "my-model-high", "", "", None, None, "")
    assert model_named("my-model_high").effort == "high"


def test_every_scored_model_has_a_price_or_a_reason():
    assert [name for name in NAMES if model_named(name).api is None and not model_named(name).reason] == []


def test_models_without_price_and_architecture():
    """The list of what has no match; a change of the tables must be seen here."""
    missing = unmatched(NAMES)
    assert len(missing) == 55
    assert all(each.reason for each in missing)
    priced = [row for row in SCORES if model_named(row["model"]).api]
    assert len(priced) == 787
    assert sum(bool(model_named(row["model"]).architecture) for row in SCORES) == 238


def test_alias_names_a_price_or_an_architecture_or_a_reason():
    for row in ALIASES:
        assert row["api"] or row["architecture"] or row["reason"], row["name"]
        assert not row["api"] or api_name(row["api"]) == row["api"]
        assert not row["architecture"] or catalog().proper(row["architecture"]) == row["architecture"]


def test_aliases_are_used():
    stems = {name_key(model_named(name).model) for name in NAMES}
    assert [row["name"] for row in ALIASES if name_key(row["name"]) not in stems] == []


def test_every_price_and_architecture_is_found_under_its_own_name():
    assert [name for name in api_models() if model_named(name).api is None] == []
    assert [name for name in catalog() if model_named(name).architecture is None] == []


def test_effort_makes_another_score_but_the_same_price():
    assert not same_model("o3-2025-04-16_high", "o3-2025-04-16_low")
    assert model_named("o3-2025-04-16_high").api == model_named("o3-2025-04-16_low").api
    assert same_model("claude-opus-4-20250514 (32k thinking)", "claude-opus-4-20250514_32K")


@pytest.mark.parametrize(
    "first, second",
    [
        ("claude-3-5-sonnet-20240620", "claude-3-5-sonnet-20241022"),
        ("gpt-4o-2024-08-06", "gpt-4o-2024-11-20"),
        ("gemini-2.5-pro-preview-03-25", "gemini-2.5-pro-preview-06-05"),
        ("grok-3-beta", "DeepSeek-V3"),
    ],
)
def test_versions_at_one_price_are_different_models(first, second):
    assert not same_model(first, second)
    assert same_model(first, first)


def test_name_without_version_means_any():
    assert same_model("claude-3-5-sonnet", "claude-3-5-sonnet-20240620")
    assert same_model("claude-3-5-sonnet", "claude-3-5-sonnet-20241022")


@pytest.mark.parametrize(
    "name, effort",
    [
        ("DeepSeek-V3.2-Exp (Reasoner)", "thinking"),
        ("DeepSeek-V3.2-Exp (Chat)", "none"),
        ("Qwen3-32B (whole, no thinking)", "none"),
        ("gemini-2.5-pro-preview-06-05 (default think)", ""),
    ],
)
def test_effort_in_words_of_its_own(name, effort):
    assert model_named(name).effort == effort


@pytest.mark.parametrize("name", ["", "  ", None, 3])
def test_name_must_be_text(name):
    with pytest.raises(cm.InputError, match="model must be a name"):
        model_named(name)
