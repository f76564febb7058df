"""Trainers' own files as scenarios: axolotl, LLaMA-Factory, TRL, unsloth, torchtune, torchtitan and Megatron-LM."""
