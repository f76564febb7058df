"""`costmodel why`: the table, JSON and errors."""

import json

import pytest

import costmodel as cm


def test_prints_the_table(costmodel):
    result = cm.attribute("gpt-4", "deepseek-v3", price="published")
    arguments = ("why", "gpt-4", "deepseek-v3", "--price", "published")
    assert costmodel(*arguments, "--sources").out == f"{result}\n"
    assert costmodel(*arguments).out == f"{str(result).partition('sources:')[0]}sources: --sources\n"


def test_json_has_all_numbers(costmodel):
    options = ("--scope", "development", "--scope-b", "final_run", "--price", "contract")
    printed = json.loads(costmodel("why", "llama2-70b", "llama3-8b", *options, "--json").out)
    result = cm.attribute("llama2-70b", "llama3-8b", "contract", "development", "final_run")
    assert printed == json.loads(json.dumps({"schema": "costmodel/why/1", **result.to_dict()}))
    assert [row["part"] for row in printed["parts"]][-1] == "scope"


@pytest.mark.parametrize(
    ("code", "arguments", "expected"),
    [
        (2, ("gpt-44", "missing.toml", "--price", "list"), ("did you mean 'gpt-4'", "missing.toml", "price: ")),
        (3, ("llama2-70b", "llama3-8b", "--price", "published"), ("llama2-70b: no cost", "llama3-8b: no cost")),
    ],
)
def test_problems_are_errors(costmodel, code, arguments, expected):
    printed = costmodel("why", *arguments)
    assert printed.code == code and all(text in printed.err for text in expected)
