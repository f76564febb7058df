"""Training recipes: pretraining, fine-tuning, preference optimization, reinforcement learning, distillation."""
