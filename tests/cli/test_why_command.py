"""`costmodel why`: the table, JSON and errors."""

import json

import pytest

import costmodel as cm


def test_prints_the_table(costmodel):
    result = cm.attribute("gpt-4", "deepseek-v3", price="published")
    assert costmodel("why", "gpt-4", "deepseek-v3", "--price", "published").out == f"{result}\n"


def test_json_has_all_numbers(costmodel):
    options = ("--scope", "development", "--scope-b", "final_run", "--price", "contract")
    printed = json.loads(costmodel("why", "llama2-70b", "llama3-8b", *options, "--json").out)
    result = cm.attribute("llama2-70b", "llama3-8b", "contract", "development", "final_run")
    assert printed == json.loads(json.dumps(result.to_dict()))
    assert [row["part"] for row in printed["parts"]][-1] == "scope"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("gpt-44", "missing.toml", "--price", "list"), ("did you mean 'gpt-4'", "missing.toml", "price: ")),
        (("llama2-70b", "llama3-8b", "--price", "published"), ("llama2-70b: no cost", "llama3-8b: no cost")),
    ],
)
def test_problems_are_errors(costmodel, arguments, expected):
    printed = costmodel("why", *arguments)
    assert printed.code == 2 and all(text in printed.err for text in expected)
