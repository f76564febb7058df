"""Architectures counted from lists of tensors: exact totals, and blocks that a reader of the same config gives."""

import pytest

import costmodel as cm
from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.latent_attention import LatentAttention
from costmodel.architecture.flops import count_flops
from costmodel.architecture.sources.counted import architecture_of_tensors
from costmodel.architecture.sources.tensors import Tensor, TensorList
from costmodel.foundation.errors import InputError
from costmodel.training.step.adapters import Adapters, adapter_parameters

LLAMA = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 160,
    "vocab_size": 1000,
    "tie_word_embeddings": False,
}
MIXTRAL = LLAMA | {
    "model_type": "mixtral",
    "architectures": ["MixtralForCausalLM"],
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "sliding_window": None,
}


def tensor_list(shapes):
    return TensorList(tuple(Tensor(name, shape) for name, shape in shapes.items()), "test")


def dense_layer(index, feed_forward=True):
    prefix = f"model.layers.{index}"
    shapes = {
        f"{prefix}.input_layernorm.weight": (64,),
        f"{prefix}.post_attention_layernorm.weight": (64,),
        f"{prefix}.self_attn.q_proj.weight": (64, 64),
        f"{prefix}.self_attn.k_proj.weight": (32, 64),
        f"{prefix}.self_attn.v_proj.weight": (32, 64),
        f"{prefix}.self_attn.o_proj.weight": (64, 64),
    }
    if feed_forward:
        shapes |= {f"{prefix}.mlp.{part}_proj.weight": (160, 64) for part in ("gate", "up")}
        shapes[f"{prefix}.mlp.down_proj.weight"] = (64, 160)
    return shapes


def outside(head=True):
    shapes = {"model.embed_tokens.weight": (1000, 64), "model.norm.weight": (64,)}
    return shapes | ({"lm_head.weight": (1000, 64)} if head else {})


def llama(head=True):
    shapes = outside(head)
    for index in range(3):
        shapes |= dense_layer(index)
    return shapes


def mixtral(stacked):
    shapes = outside()
    for index in range(3):
        prefix = f"model.layers.{index}.block_sparse_moe"
        shapes |= dense_layer(index, feed_forward=False) | {f"{prefix}.gate.weight": (4, 64)}
        if stacked:
            shapes |= {f"{prefix}.experts.gate_up_proj": (4, 320, 64), f"{prefix}.experts.down_proj": (4, 64, 160)}
        else:
            for expert in range(4):
                shapes |= {f"{prefix}.experts.{expert}.{part}.weight": (160, 64) for part in ("w1", "w3")}
                shapes[f"{prefix}.experts.{expert}.w2.weight"] = (64, 160)
    return shapes


@pytest.mark.parametrize("config", [LLAMA, {"num_attention_heads": 4}], ids=["whole config", "heads only"])
def test_list_gives_the_blocks_of_the_reader(config):
    counted, read = architecture_of_tensors(tensor_list(llama()), config), cm.load_architecture(LLAMA)
    assert counted.layers == read.layers
    assert counted.parameters == read.parameters
    assert count_flops(counted, 512) == count_flops(read, 512)
    assert adapter_parameters(counted, Adapters(8)) == adapter_parameters(read, Adapters(8))
    assert counted.source == "counted from the tensors of test"


@pytest.mark.parametrize("stacked", [False, True])
def test_experts_one_by_one_and_stacked_count_as_the_reader_counts_them(stacked):
    counted, read = architecture_of_tensors(tensor_list(mixtral(stacked)), MIXTRAL), cm.load_architecture(MIXTRAL)
    assert counted.parameters == read.parameters
    assert counted.layers == read.layers
    assert counted.parameters.active < counted.parameters.total


def test_experts_without_their_number_per_token_are_refused():
    config = {key: value for key, value in MIXTRAL.items() if key != "num_experts_per_tok"}
    with pytest.raises(InputError, match="num_experts_per_tok: is required"):
        architecture_of_tensors(tensor_list(mixtral(True)), config)


def test_stored_copy_of_a_tied_head_counts_once():
    tied = LLAMA | {"tie_word_embeddings": True}
    with_copy, without = (architecture_of_tensors(tensor_list(llama(head)), tied) for head in (True, False))
    assert with_copy.parameters == without.parameters == cm.load_architecture(tied).parameters
    assert with_copy.tied and with_copy.head
    separate = architecture_of_tensors(tensor_list(llama()), LLAMA)
    assert separate.parameters.total == with_copy.parameters.total + 1000 * 64


def test_buffers_are_no_parameters():
    buffers = {
        "model.layers.0.self_attn.rotary_emb.inv_freq": (8,),
        "model.layers.1.mlp.gate.e_score_correction_bias": (4,),
        "transformer.h.0.attn.bias": (1, 1, 512, 512),
        "vision_model.bn.num_batches_tracked": (),
        "vision_model.bn.running_mean": (64,),
        "vision_model.embeddings.position_ids": (1, 50),
        "model.layers.2.self_attn.empty": (0, 64),
    }
    counted = architecture_of_tensors(tensor_list(llama() | buffers), LLAMA)
    assert counted.parameters == cm.load_architecture(LLAMA).parameters


def test_what_fits_no_block_becomes_linear_layers_and_vectors():
    odd = {
        "model.layers.1.odd.first.weight": (7, 13),
        "model.layers.1.odd.first.bias": (7,),
        "model.layers.1.odd.scale": (5,),
        "model.layers.1.odd.scalar": (),
        "model.layers.1.odd.conv.weight": (6, 1, 4),
        "odd_outside.weight": (3, 11),
    }
    counted = architecture_of_tensors(tensor_list(llama() | odd), LLAMA)
    extra = 7 * 13 + 7 + 5 + 1 + 6 * 4 + 33
    assert counted.parameters.total == cm.load_architecture(LLAMA).parameters.total + extra
    assert counted.depth == 3


def test_latent_attention_takes_its_widths_from_the_config():
    config = LLAMA | {
        "q_lora_rank": 24,
        "kv_lora_rank": 16,
        "qk_nope_head_dim": 8,
        "qk_rope_head_dim": 4,
        "v_head_dim": 8,
    }
    shapes = outside()
    prefix = "model.layers.0.self_attn"
    shapes |= {
        f"{prefix}.q_a_proj.weight": (24, 64),
        f"{prefix}.q_a_layernorm.weight": (24,),
        f"{prefix}.q_b_proj.weight": (4 * 12, 24),
        f"{prefix}.kv_a_proj_with_mqa.weight": (20, 64),
        f"{prefix}.kv_a_layernorm.weight": (16,),
        f"{prefix}.kv_b_proj.weight": (4 * 16, 16),
        f"{prefix}.o_proj.weight": (64, 32),
    }
    counted = architecture_of_tensors(tensor_list(shapes), config)
    assert isinstance(counted.layers[0].mixer, LatentAttention)
    assert counted.parameters.total == sum(tensor.size for tensor in tensor_list(shapes).tensors)


def test_fused_and_transposed_matrices_are_understood():
    shapes = {"wte.weight": (1000, 64), "wpe.weight": (128, 64), "ln_f.weight": (64,), "ln_f.bias": (64,)}
    for name, shape in {"attn.c_attn": (64, 192), "attn.c_proj": (64, 64), "mlp.c_fc": (64, 256)}.items():
        shapes |= {f"h.0.{name}.weight": shape, f"h.0.{name}.bias": shape[1:]}
    shapes |= {"h.0.mlp.c_proj.weight": (256, 64), "h.0.mlp.c_proj.bias": (64,)}
    shapes |= {f"h.0.ln_{index}.{part}": (64,) for index in (1, 2) for part in ("weight", "bias")}
    counted = architecture_of_tensors(tensor_list(shapes), {"n_head": 4, "architectures": ["GPT2LMHeadModel"]})
    config = {"model_type": "gpt2", "n_embd": 64, "n_layer": 1, "n_head": 4, "vocab_size": 1000, "n_positions": 128}
    read = cm.load_architecture(config)
    assert counted.parameters == read.parameters
    assert [type(block) for block in counted.layers[0].blocks()] == [Attention, FeedForward]
    assert counted.layers == read.layers


def test_towers_are_stacks_of_their_own():
    shapes = llama() | {"vision_tower.patch_embedding.weight": (32, 3, 4, 4)}
    for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
        shapes[f"vision_tower.encoder.layers.0.self_attn.{name}.weight"] = (32, 32)
    config = {"text_config": LLAMA, "vision_config": {"num_attention_heads": 2, "image_size": 16, "patch_size": 4}}
    counted = architecture_of_tensors(tensor_list(shapes), config)
    (tower,) = counted.stacks
    assert (tower.name, tower.width, tower.tokens) == ("vision", 32, 16)
    assert not tower.layers[0].mixer.causal
    assert counted.parameters.total == cm.load_architecture(LLAMA).parameters.total + 4 * 32 * 32 + 32 * 48


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({}, "has no tensors"),
        ({"embed_tokens.weight": (10, 4)}, "has no tensors of layers"),
        ({"model.layers.0.weight": (10**12, 10**12)}, "impossible shape"),
        ({"model.layers.0.weight": (-1, 4)}, "impossible shape"),
    ],
)
def test_impossible_lists_are_refused(shapes, message):
    with pytest.raises(InputError, match=message):
        architecture_of_tensors(tensor_list(shapes))


def test_name_that_occurs_twice_is_refused():
    with pytest.raises(InputError, match="twice"):
        TensorList((Tensor("a", (1,)), Tensor("a", (1,)))).checked()


def test_shared_experts_and_their_gate_are_part_of_the_block():
    shapes = mixtral(False)
    prefix = "model.layers.0.block_sparse_moe"
    shapes |= {f"{prefix}.shared_expert.{part}_proj.weight": (96, 64) for part in ("gate", "up")}
    shapes |= {f"{prefix}.shared_expert.down_proj.weight": (64, 96), f"{prefix}.shared_expert_gate.weight": (1, 64)}
    block = architecture_of_tensors(tensor_list(shapes), MIXTRAL).layers[0].feed_forward
    assert isinstance(block, Experts)
    assert block.shared == FeedForward(inner_width=96, gated=True)
    assert block.shared_gate


def test_list_of_a_framework_has_neither_buffers_nor_copies():
    shapes = llama() | {"model.layers.1.mlp.expert_bias": (4,)}
    tied = LLAMA | {"tie_word_embeddings": True}
    stored = tensor_list(shapes)
    listed = stored._replace(only_parameters=True)
    size = sum(tensor.size for tensor in stored.tensors)
    assert architecture_of_tensors(listed, tied).parameters.total == size
    assert architecture_of_tensors(stored, tied).parameters.total == size - 4 - 1000 * 64


def test_embedding_that_encoder_and_decoder_share_counts_once():
    shapes = {"shared.weight": (1000, 64)}
    for stack in ("encoder", "decoder"):
        shapes |= {
            f"{stack}.embed_tokens.weight": (1000, 64),
            f"{stack}.block.0.layer.1.DenseReluDense.wi.weight": (96, 64),
        }
        shapes[f"{stack}.block.0.layer.1.DenseReluDense.wo.weight"] = (64, 96)
        for part in ("q", "k", "v", "o"):
            shapes[f"{stack}.block.0.layer.0.SelfAttention.{part}.weight"] = (64, 64)
    counted = architecture_of_tensors(tensor_list(shapes), {"num_heads": 4})
    assert counted.parameters.total == 1000 * 64 + 2 * (2 * 96 * 64 + 4 * 64 * 64)
    assert counted.parameters.embedding == 1000 * 64
    assert [stack.name for stack in counted.stacks] == ["encoder"]
    assert counted.layers[0].mixer.causal
    assert not counted.stacks[0].layers[0].mixer.causal


def test_lists_of_other_names_are_taken_where_there_are_no_usual_layers():
    shapes = {"embeddings.weight": (1000, 64)}
    for index in range(3):
        shapes |= {f"ffns.{index}.lin1.weight": (96, 64), f"ffns.{index}.lin2.weight": (64, 96)}
        shapes |= {f"attentions.{index}.{part}_lin.weight": (64, 64) for part in ("q", "k", "v", "out")}
    counted = architecture_of_tensors(tensor_list(shapes))
    assert counted.parameters.total == 1000 * 64 + 3 * (2 * 96 * 64 + 4 * 64 * 64)


def test_experts_that_fit_no_block_are_counted_by_their_share():
    shapes = llama()
    shapes |= {f"model.layers.0.experts.{index}.odd.weight": (7, 11) for index in range(4)}
    counted = architecture_of_tensors(tensor_list(shapes), LLAMA | {"num_experts_per_tok": 1})
    dense = cm.load_architecture(LLAMA).parameters.total
    assert counted.parameters.total == dense + 4 * 77
    assert counted.parameters.active == dense + 77
    assert not counted.is_aggregate
    assert counted.depth == 3


def test_adapters_are_no_model():
    shapes = {f"base_model.model.model.layers.0.self_attn.q_proj.lora_{part}.weight": (8, 8) for part in "AB"}
    with pytest.raises(InputError, match="holds the adapters of a model, not the model"):
        architecture_of_tensors(tensor_list(shapes))


def test_more_experts_per_token_than_experts_are_refused():
    shapes = outside() | dense_layer(0, feed_forward=False) | {"model.layers.0.mlp.gate.weight": (4, 64)}
    shapes |= {f"model.layers.0.mlp.experts.{name}": (4, 64, 32) for name in ("gate_up_proj", "down_proj")}
    with pytest.raises(InputError, match="num_experts_per_tok: 5 of only 4 experts"):
        architecture_of_tensors(tensor_list(shapes), {"num_experts_per_tok": 5, "num_experts": 4})
