"""What a model, an image or an accelerator cannot do is refused; what lies outside the measured range is said."""

import pytest

import costmodel as cm
from costmodel.hardware.accelerator import accelerator_names
from costmodel.training.recipes.passes import passes_of

CLUSTER = cm.Cluster("H100-SXM", 8)


def run(architecture, cluster=CLUSTER, tokens="100B", **fields):
    return cm.Scenario(architecture=architecture, recipe=cm.Pretraining(tokens, **fields), cluster=cluster)


def notes(scenario):
    return "\n".join(cm.estimate(scenario).notes())


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("gpt2", 1024),
        ("bert-base", 512),
        ("opt-125m", 2048),  # two of its 2,050 rows hold no position of a token
        ("bart-large", 1024),
        ("whisper-tiny", 448),
        ("gpt3-175b", 2048),
    ],
)
def test_sequences_end_with_the_learned_positions(name, most):
    cluster = cm.Cluster("H100-SXM", 256)
    assert cm.estimate(run(name, cluster, sequence_length=most)).value("cost") > 0
    message = f"recipe.sequence_length: must be at most {most:,}, the learned positions of {name}; got {most + 1:,}"
    with pytest.raises(cm.InputError, match=message):
        cm.estimate(run(name, cluster, sequence_length=most + 1))
    with pytest.raises(cm.InputError, match=message):
        cm.step_time(name, cluster, run(name, sequence_length=most + 1).recipe, cm.Layout(data=256))


def test_roberta_uses_no_position_before_its_padding():
    config = {
        "model_type": "roberta",
        "architectures": ["RobertaModel"],
        "num_hidden_layers": 2,
        "vocab_size": 1000,
        "max_position_embeddings": 514,
    }
    assert cm.load_architecture(config).most_positions == 512


def test_extended_positions_are_trained():
    recipe = cm.Pretraining("1B", sequence_length=4096, extend_positions=True)
    architecture = cm.load_architecture("gpt2")
    (step,) = passes_of(recipe, architecture)
    assert step.architecture.parameters.total - architecture.parameters.total == 3072 * 768
    assert cm.estimate(run("gpt2", sequence_length=4096, extend_positions=True)).value("cost") > 0
    assert passes_of(recipe.replace(sequence_length=512), architecture)[0].architecture is architecture


def test_auxiliary_models_have_their_own_limit():
    recipe = cm.Distillation(tokens="1M", teacher="gpt2", sequence_length=2048)
    with pytest.raises(cm.InputError, match="must be at most 1,024, the learned positions of gpt2"):
        passes_of(recipe, cm.load_architecture("llama-3.2-1b"))


def test_rotary_models_run_beyond_their_config_with_a_note():
    cluster = cm.Cluster("H100-SXM", 256)
    said = "sequences of 65,536 tokens exceed the 4,096 positions that the config of llama-2-7b states"
    assert said in notes(run("llama-2-7b", cluster, sequence_length=65_536))
    assert "exceed" not in notes(run("llama-2-7b", cluster, sequence_length=4096))


@pytest.mark.parametrize(
    ("name", "tokens", "unit"),
    [("vit-base-patch16-224", 197, "one image"), ("clip-vit-base-patch32", 77, "an image and a text")],
)
def test_an_image_has_a_fixed_number_of_tokens(name, tokens, unit):
    assert cm.estimate(run(name, sequence_length=tokens)).value("cost") > 0
    for other in (tokens - 1, tokens + 1, 4096):
        with pytest.raises(cm.InputError, match=f"{unit}, {tokens} tokens; got {other:,}; give sequence_length"):
            cm.estimate(run(name, sequence_length=other))


WITHOUT_BF16 = {"P100-SXM2", "P100-PCIe", "V100-16GB-SXM2", "V100-32GB-SXM2", "V100-16GB-PCIe", "V100-32GB-PCIe",
                "T4", "RTX-2080-Ti"}  # fmt: skip


def test_accelerators_without_bf16():
    """NVIDIA has bf16 since Ampere (A100 whitepaper, 2020)."""
    listed = accelerator_names().registry.working().values()
    assert {each.name for each in listed if each.usual_precision == "fp16"} == WITHOUT_BF16


@pytest.mark.parametrize("given", [{}, {"mfu": 0.3}, {"gpu_hours": 1e6}])
@pytest.mark.parametrize("name", ["V100-32GB-SXM2", "T4", "P100-SXM2"])
def test_bf16_is_refused_on_accelerators_without_it(name, given):
    cluster = cm.Cluster(name, 8)
    with pytest.raises(cm.InputError, match=f'recipe.precision: {name} has no bf16 units; give precision = "fp16"'):
        cm.estimate(run("llama-3.2-1b", cluster).replace(given))
    assert cm.estimate(run("llama-3.2-1b", cluster, precision="fp16").replace(given)).value("gpu_hours") > 0


def test_layouts_of_accelerators_without_bf16_need_another_precision():
    with pytest.raises(cm.InputError, match='give precision = "fp16"'):
        cm.search_layouts("llama-3.2-1b", cm.Cluster("V100-32GB-SXM2", 8), cm.Pretraining("1B", batch_size=64))


@pytest.mark.parametrize("kind", [cm.LoRA, cm.DPO])
def test_a_run_takes_at_least_one_step(kind):
    def fine_tune(examples, **fields):
        recipe = kind(examples=examples, lengths=300, batch_size=64, **fields)
        return cm.estimate(
            cm.Scenario(
                architecture="llama-3.1-8b", recipe=recipe, cluster=CLUSTER, goodput=1.0, realized_efficiency=1.0
            )
        )

    step = 64 * 2048 // (300 * kind.sequences_of_example)  # examples of one step
    few, fewer, many = fine_tune(50), fine_tune(25), fine_tune(50 * step)
    assert few.value("wall_time") == pytest.approx(fewer.value("wall_time"), rel=1e-9)
    assert few.value("wall_time") == pytest.approx(many.value("wall_time") / 50, rel=0.01)
    assert few.value("flops") == pytest.approx(2 * fewer.value("flops"))
    if kind is cm.LoRA:
        assert few.value("wall_time") == pytest.approx(few.value("step_time"), rel=1e-9)
    assert "the run is shorter than one step: 1" in "\n".join(fewer.notes()) + "\n".join(few.notes())
    assert "shorter than one step" not in "\n".join(many.notes())


@pytest.mark.parametrize(("batch_size", "said"), [("1M", True), (1000, False), (None, False)])
def test_a_batch_size_in_tokens_is_noticed(batch_size, said):
    recipe = cm.Pretraining(tokens="200B", batch_size=batch_size)
    notes = cm.estimate(cm.Scenario("llama-3.1-8b", recipe, CLUSTER, mfu=0.4)).notes()
    text = "the run has 49 steps of 4.10B tokens: recipe.batch_size counts sequences, not tokens; got 1,000,000"
    assert (text in notes) == said


def test_runs_beyond_the_measured_range_have_a_caution():
    large, largest = (notes(run("llama-3.1-70b", cm.Cluster("H100-SXM", count))) for count in (16_384, 16_512))
    assert "outside the measured range" not in large
    assert "16,512 accelerators; the largest run with a known speed had 16,384" in largest
    few, enough = (
        notes(run("llama-3.1-405b", cm.Cluster("H100-SXM", 1024), batch_size=batch, sequence_length=4096))
        for batch in (126, 128)
    )
    assert "504 tokens per step and accelerator; measured steps have at least 512" in few
    assert "outside the measured range" not in enough


@pytest.mark.parametrize("given", [{}, {"mfu": 0.4}, {"tokens_per_second": 1e8}, {"cluster.accelerator": "RTX-4090"}])
def test_accelerators_beyond_the_largest_published_run_have_a_caution_for_every_origin_of_the_speed(given):
    said = "16,512 accelerators; the largest run with a known speed had 16,384"
    scenario = run("llama-3.1-8b", cm.Cluster("H100-SXM", 16_512), tokens="15T").replace(given)
    assert said in notes(scenario)
    assert said not in notes(scenario.replace({"cluster.count": 16_384}))


def test_a_computed_goodput_below_the_published_ones_has_a_caution():
    """OPT-175B had 0.59 (data/facts/failures.csv); a smaller interval between failures lowers the goodput."""
    scenario = run("llama-3.1-8b", cm.Cluster("H100-SXM", 1024), tokens="15T")
    said = "published jobs have at least 0.59"
    seen = set()
    for hours in (200, 300, 340, 360, 380, 400, 420, 450, 500, 700):
        result = cm.estimate(scenario.replace({"reliability.gpu_hours_per_failure": hours}))
        low = result.value("goodput") < 0.59
        seen.add(low)
        assert (said in "\n".join(result.notes())) == low
    assert seen == {True, False}
    assert said not in notes(scenario.replace(goodput=0.4))
    assert "does not finish" in notes(scenario.replace({"cluster.count": 10_000_000}))


def test_software_without_effect_on_a_default_mfu_is_said():
    cluster = cm.Cluster("RTX-4090", 64)
    said = "recipe.software (torchtitan) has no effect: the default MFU of the class holds for all software"
    assert said in notes(run("llama-3.1-8b", cluster, batch_size=64, software="torchtitan 2025"))
    assert "has no effect" not in notes(run("llama-3.1-8b", cluster, batch_size=64))
    assert "has no effect" not in notes(run("llama-3.1-8b", batch_size=64, software="torchtitan"))


def test_eager_kernels_of_a_layout_contradict_software_with_fused_kernels():
    def noted(software, layout):
        return notes(run("llama-3.1-8b", batch_size=64, software=software).replace(layout=layout))

    said = "layout.eager contradicts recipe.software: kernels of torchtitan are fused or compiled"
    assert said in noted("torchtitan", "data 8, zero 3, recompute full, eager")
    assert "contradicts" not in noted("torchtitan", "data 8, zero 3, recompute full")
    assert "contradicts" not in noted("HF Trainer", "data 8, zero 3, recompute full, eager")
    assert "contradicts" not in noted(None, "data 8, zero 3, recompute full, eager")
