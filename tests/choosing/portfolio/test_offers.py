"""Prices are those of the comparison of serving; seats and places are given, chosen, or those of the provider."""

import numpy as np
import pytest

import costmodel as cm
from costmodel.choosing.portfolio.offers import EU, place_of, provider_of, within
from costmodel.foundation.tables import table


def hosted(model, provider=None, region=None, **fields):
    serving = cm.HostedAPI(**{"model": model, "provider": provider} | ({"region": region} if region else {}))
    return cm.PortfolioOption(serving=serving, **fields)


def chat(**fields):
    return cm.PortfolioWorkload(
        **({"name": "chat", "requests_per_month": 1e6, "input_tokens": 1500, "output_tokens": 300} | fields)
    )


def test_every_row_of_providers_has_a_source_a_date_and_a_confidence():
    rows = table("facts/provider_residency").rows
    assert len(rows) >= 14
    for row in rows:
        assert row["source"] and row["as_of"] and row["confidence"] in {"A", "B", "C"}
        assert not row["default_location"] or row["default_location"] in row["offered_locations"].split("|")
    known = {row["provider"] for row in table("prices/api").rows}
    assert {row["provider"] for row in rows} - known == {"scaleway", "vultr", "assemblyai"}


def test_prices_are_those_of_the_comparison_of_serving():
    workload = chat(cached_share=0.4, peak_to_mean=2)
    api = cm.HostedAPI(model="claude-haiku-4-5", provider="bedrock", region="eu")
    own = cm.SelfHosted(name="own", gpus_per_replica=1, requests_per_second=2, usd_per_gpu_hour="2 to 3 USD/hour")
    compared = cm.compare_serving(workload.served, [api, own])
    for serving in (api, own):
        assert cm.portfolio([workload], [serving]).usd_per_month == pytest.approx(
            compared[serving.title].usd_per_month, rel=1e-9
        )


def test_places_follow_the_region_the_provider_or_the_user():
    assert place_of(hosted("mistral-large-3", "mistral"))[:3] == ("FR", "", "EU")
    assert place_of(hosted("claude-haiku-4-5", "bedrock", "eu"))[:3] == ("US", "", "EU")
    assert place_of(hosted("claude-haiku-4-5", "bedrock")).location == ""
    assert place_of(hosted("glm-5.2", "zai"))[:3] == ("SG", "CN", "SG")
    given = place_of(hosted("gpt-5-mini", "openai", location="EU"))
    assert given.location == "EU"
    assert "1.1 times" in given.note
    assert "not known to offer EU" in place_of(hosted("claude-haiku-4-5", "anthropic", location="EU")).note
    assert place_of(hosted("gpt-5-mini", "azure", "eu"))[:3] == ("US", "", "EU")
    assert place_of(hosted("gpt-5-mini", "azure", seat="fr")).seat == "FR"


def test_members_of_the_eu_are_within_it():
    assert len(EU) == 27
    assert within("FR", ["EU"]) and within("EU", ["EU"]) and within("US", ["EU", "US"])
    assert not within("", ["EU"]) and not within("GB", ["EU"]) and not within("EU", ["FR"])


def test_residency_and_seats_bar_options_whose_place_is_not_known():
    options = [
        hosted("claude-haiku-4-5", "bedrock"),
        hosted("mistral-large-3", "mistral"),
        hosted("glm-5.2", "zai"),
        hosted("gpt-5-mini", "azure", "eu"),
    ]
    result = cm.portfolio([chat()], options, cm.PortfolioConstraints(locations="EU", seats=["EU"]))
    assert {row["option"] for row in result.rows()} == {"mistral mistral-large-3"}
    reasons = {row["option"]: row["reason"] for row in result.excluded()}
    assert reasons["bedrock claude-haiku-4-5"] == "locations, seats"
    assert reasons["azure gpt-5-mini"] == "seats"
    barred = cm.portfolio([chat()], options, cm.PortfolioConstraints(barred_seats="CN"))
    assert "zai glm-5.2" in {row["option"] for row in barred.excluded()}  # its parent


def test_replicas_need_a_place_but_no_seat():
    own = cm.SelfHosted(name="own", gpus_per_replica=1, requests_per_second=2, usd_per_gpu_hour=2)
    seats = cm.PortfolioConstraints(seats="FR", locations="EU")
    assert cm.portfolio([chat()], [cm.PortfolioOption(serving=own, location="DE")], seats).rows()
    with pytest.raises(cm.InfeasiblePortfolioError, match="locations"):
        cm.portfolio([chat()], [own], seats)
    assert provider_of(cm.PortfolioOption(serving=own)) == ""
    assert provider_of(cm.PortfolioOption(serving=own, provider="AWS")) == "aws"


def test_an_option_without_a_price_is_noted_and_not_used():
    result = cm.portfolio([chat()], [hosted("mistral-large-3", "mistral"), hosted("grok-4", "groq")])
    assert {row["option"] for row in result.rows()} == {"mistral mistral-large-3"}
    assert any("groq grok-4: no price for chat" in note for note in result.question.offers.notes)
    with pytest.raises(cm.InputError, match="none has a price for chat"):
        cm.portfolio([chat()], [hosted("grok-4", "groq")])


def test_qualities_come_from_scores_with_their_errors():
    scores = [
        cm.Score("claude-haiku-4-5", "tickets", 0.8, n=100),
        cm.Score("mistral-large-3", "tickets", 0.79, n=10_000),
    ]
    options = [hosted("claude-haiku-4-5", "bedrock", open_weights=False), hosted("mistral-large-3", "mistral")]
    workload = chat(benchmark="tickets", quality_floor=0.775)
    result = cm.portfolio([workload], options, scores=scores)
    assert not result.excluded()
    assert result.question.offers.quality.tolist() == [[0.8, 0.79]]
    sure = cm.portfolio([workload], options, cm.PortfolioConstraints(confidence=0.9), scores=scores)
    assert {row["option"] for row in sure.excluded()} == {"bedrock claude-haiku-4-5"}
    given = hosted(
        "claude-haiku-4-5", "bedrock", quality={"chat": {"model": "x", "benchmark": "own", "value": 0.9, "n": 9}}
    )
    assert cm.portfolio([chat(quality_floor=0.85)], [given]).rows()[0]["quality"] == pytest.approx(0.9)


def test_scores_of_several_evaluators_are_not_mixed():
    scores = [
        cm.Score("claude-haiku-4-5", "chat", 0.8, n=100, evaluator="A"),
        cm.Score("mistral-large-3", "chat", 0.7, n=100, evaluator="B"),
    ]
    with pytest.raises(cm.InputError, match="several evaluators"):
        cm.portfolio(
            [chat()], [hosted("claude-haiku-4-5", "bedrock"), hosted("mistral-large-3", "mistral")], scores=scores
        )


def test_an_option_without_a_quality_does_not_reach_a_floor():
    options = [hosted("mistral-large-3", "mistral"), hosted("claude-haiku-4-5", "bedrock", quality={"chat": 0.9})]
    result = cm.portfolio([chat(quality_floor=0.5)], options)
    assert [row["option"] for row in result.rows()] == ["bedrock claude-haiku-4-5"]
    assert np.isnan(result.question.offers.quality[0, 0])
