"""Names as people write them: each is one entry of the catalog, or is refused with the reason and the nearest one."""

import pytest

import costmodel as cm
from costmodel.hardware.site import resolve_region

ACCELERATORS = {
    "A100": "A100-80GB-SXM",
    "a100 40gb": "A100-40GB-SXM",
    "A100 80 GB PCIe": "A100-80GB-PCIe",
    "NVIDIA A100-SXM4-80GB": "A100-80GB-SXM",
    "V100 16GB": "V100-16GB-SXM2",
    "V100 32GB": "V100-32GB-SXM2",
    "P100": "P100-PCIe",
    "A800": "A800-80GB-SXM",
    "RTX 3060": "RTX-3060",
    "rtx3070": "RTX-3070",
    "RTX 3080": "RTX-3080",
    "3090": "RTX-3090",
    "RTX 4060 Ti": "RTX-4060-Ti-16GB",
    "RTX 4070": "RTX-4070",
    "RTX 4080 Super": "RTX-4080-Super",
    "4090": "RTX-4090",
    "GeForce RTX 4090": "RTX-4090",
    "RTX 5060 Ti": "RTX-5060-Ti-16GB",
    "RTX 5070": "RTX-5070",
    "5080": "RTX-5080",
    "RTX 5090": "RTX-5090",
    "A5000": "RTX-A5000",
    "RTX 6000 Ada": "RTX-6000-Ada",
    "L20": "L20",
    "GB10": "GB10",
    "DGX Spark": "GB10",
    "h100 80gb": "H100-SXM",
    "H100 80 GB": "H100-SXM",
    "H100 SXM5": "H100-SXM",
    "NVIDIA H100 80GB HBM3": "H100-SXM",
    "H100 PCIe": "H100-PCIe",
    "trillium": "TPU-v6e",
    "v5litepod": "TPU-v5e",
}
REFUSED_ACCELERATORS = {
    "V100": "did you mean 'V100-16GB-SXM2' or 'V100-32GB-SXM2'",
    "GH200": "did you mean 'GH200-96GB' or 'GH200-144GB'",
    "MI300": "did you mean 'MI300A' or 'MI300X'",
    "8xH100": "give them apart: accelerator 'H100-SXM' and count 8",
    "H100 x 8": "give them apart: accelerator 'H100-SXM' and count 8",
    "A100:4": "give them apart: accelerator 'A100-80GB-SXM' and count 4",
    "p5.48xlarge": "is an instance with 8 × H100-SXM",
    "M3 Max": "is not supported: Apple silicon has no published dense peak rates",
    "mps": "is not supported: Apple silicon",
    "cpu": "is not supported: the models of step time and memory are those of accelerators",
    "hopper": "is a generation; give one of its accelerators: H100-SXM",
    "H100-SXM9": "did you mean 'H100-SXM'",
    "GTX 1080 Ti": "'RTX-2080-Ti'",
}
REGIONS = {
    "US": "USA",
    "DE": "DEU",
    "Deutschland": "DEU",
    "GB": "GBR",
    "UK": "GBR",
    "EU": "EU",
    "us-east-1": "US-VA",
    "Frankfurt": "DEU",
    "eu-west-1": "IRL",
    "Dublin": "IRL",
    "California": "US-CA",
    "Tennessee": "US-TN",
    "TX": "US-TX",
    "CA": "CAN",
    "Georgia": "GEO",
    "europe-west4": "gcp:europe-west4",
    "East US": "US-VA",
    "West Europe": "NLD",
    "the Netherlands": "NLD",
    "South Korea": "KOR",
    "Abu Dhabi": "ARE",
}
MODELS = {
    "Llama 3.1 8B": "llama-3.1-8b",
    "meta-llama/Llama-3.1-8B": "llama-3.1-8b",
    "meta-llama/Meta-Llama-3.1-8B-Instruct": "llama-3.1-8b",
    "llama3.1:8b": "llama-3.1-8b",
    "Qwen/Qwen3-32B": "qwen3-32b",
    "qwen3:32b": "qwen3-32b",
    "gpt-oss-20b": "gpt-oss-20b",
    "gpt-oss:20b": "gpt-oss-20b",
    "deepseek r1": "deepseek-v3",
    "GPT-2 XL": "gpt2-xl",
    "Mixtral 8x7B": "mixtral-8x7b",
    "kimi k2": "kimi-k2",
}
REFUSED_MODELS = {
    "gpt-4": "is not published; give counts that you assume",
    "Claude Sonnet": "is not published",
    "gpt-4o-mini": "is not published",
    "nomic-ai/gpt4all-13b": "unknown architecture",
    "mistral-large": "unknown architecture",  # its config is published
    "llama3.1": "did you mean 'llama-3.1-8b'",
    "unsloth/Llama-3.1-8B-bnb-4bit": "did you mean 'llama-3.1-8b'?",
    "TheBloke/Llama-2-7B-GPTQ": "did you mean 'llama-2-7b'?",
    "google/gemma-3-27b-it": "did you mean 'gemma-3-27b-text'",
}
PURCHASE_MODELS = {
    "on demand": "on_demand",
    "ondemand": "on_demand",
    "On-Demand": "on_demand",
    "pay as you go": "on_demand",
    "preemptible": "spot",
    "Spot": "spot",
    "reserved 1y": "reserved_1y",
    "1-year": "reserved_1y",
    "3-year": "reserved_3y",
    "3 years reserved": "reserved_3y",
    "savings plan 3 years": "reserved_3y",
    "compute savings plan 1y": "reserved_1y",
    "capacity block": "reserved_short",
}


@pytest.mark.parametrize(("written", "name"), ACCELERATORS.items())
def test_accelerators(written, name):
    assert cm.load_accelerator(written).name == name


@pytest.mark.parametrize(("written", "reason"), REFUSED_ACCELERATORS.items())
def test_refused_accelerators(written, reason):
    with pytest.raises(cm.UnknownNameError) as raised:
        cm.load_accelerator(written)
    assert reason in str(raised.value) and repr(written) in str(raised.value)


@pytest.mark.parametrize(("written", "key"), REGIONS.items())
def test_regions(written, key):
    assert resolve_region(written) == key


@pytest.mark.parametrize(("written", "name"), MODELS.items())
def test_models(written, name):
    assert cm.load_architecture(written).name == name


@pytest.mark.parametrize(("written", "reason"), REFUSED_MODELS.items())
def test_refused_models(written, reason):
    with pytest.raises(cm.UnknownNameError) as raised:
        cm.load_architecture(written)
    assert reason in str(raised.value)


@pytest.mark.parametrize(("written", "name"), PURCHASE_MODELS.items())
def test_purchase_models(written, name):
    assert cm.Rental(purchase_model=written).purchase_model == name


@pytest.mark.parametrize("written", ["reserved", "committed", "CUD", "compute savings plan"])
def test_a_commitment_needs_a_term(written):
    with pytest.raises(cm.InputError, match=r"purchase_model: .* has no term; give 'reserved_1y', 'reserved_3y'"):
        cm.Rental(purchase_model=written)


def run(accelerator, **fields):
    return cm.Scenario(
        architecture="llama-3.1-8b",
        recipe=cm.Pretraining(tokens="100B"),
        cluster=cm.Cluster(accelerator, 64),
        prices=cm.Rental(price="2 USD/hour"),
        **fields,
    )


NOTE = "cluster.accelerator: 'A100' is read as A100-80GB-SXM; others are"


def test_an_estimate_notes_a_shared_name(tmp_path):
    assert any(note.startswith(NOTE) for note in cm.estimate(run("A100")).notes())
    assert not any("is read as" in note for note in cm.estimate(run("A100-80GB-SXM")).notes())
    file = tmp_path / "run.toml"
    file.write_text(
        'architecture = "llama-3.1-8b"\nrecipe = { tokens = "1B" }\n'
        'cluster = { accelerator = "A100", count = 8 }\nprices = { price = "2 USD/hour" }\n',
        encoding="utf-8",
    )
    assert any(note.startswith(NOTE) for note in cm.estimate(cm.Scenario.load(file)).notes())


def test_a_shared_name_survives_a_change_and_is_written_in_full():
    changed = run("A100").replace({"cluster.count": 128})
    assert any(note.startswith(NOTE) for note in cm.estimate(changed).notes())
    assert changed.cluster.accelerator == cm.load_accelerator("A100-80GB-SXM")
    assert changed.to_data()["cluster"]["accelerator"] == "A100-80GB-SXM"


def test_a_served_model_notes_a_shared_name():
    serving = cm.Serving(
        architecture="llama-3.1-8b", input_tokens=500, output_tokens=100, concurrency=8, cluster=cm.Cluster("H100", 1)
    )
    assert any("'H100' is read as H100-SXM" in note for note in cm.estimate(serving).notes())


def test_the_command_line_says_it_once(costmodel):
    outcome = costmodel("estimate", "llama-3.1-8b", "--tokens", "1B", "--gpu", "A100", "--gpus", "8")
    assert (outcome.out + outcome.err).count("is read as") == 1
    assert "'A100' is read as" in costmodel("providers", "--gpu", "A100").err


def test_prices_refuse_names_with_the_same_reason(refused):
    assert "Apple silicon" in refused("prices", "list", "--gpu", "M3 Max")[0]
