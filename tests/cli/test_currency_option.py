"""`--currency` and `--rate` of the commands that print money."""

import costmodel as cm

RUN = cm.Scenario(
    architecture={"total": "7B"},
    recipe=cm.Pretraining(tokens="2T"),
    cluster=cm.Cluster("A100-80GB-SXM", 512),
    prices=cm.Rental(price="2 USD/hour"),
    gpu_hours=180_000,
)


def test_the_command_line_prints_a_currency(costmodel, refused, tmp_path):
    (tmp_path / "p.toml").write_text('name = "p"\n[[data]]\nname = "x"\nunit_price = 1000\n', encoding="utf-8")
    assert costmodel("budget", tmp_path / "p.toml", "--currency", "EUR", "--rate", "0.5").out.startswith(
        "p: 575.00 EUR"
    )
    assert "575.00 EUR" in costmodel("forecast", tmp_path / "p.toml", "--currency", "EUR", "--rate", "0.575").out
    RUN.save(tmp_path / "run.toml")
    assert "k€" in costmodel("estimate", tmp_path / "run.toml", "--currency", "EUR").out
    assert refused("estimate", tmp_path / "run.toml", "--rate", "0.5") == ["--rate: needs --currency; got '0.5' alone"]
