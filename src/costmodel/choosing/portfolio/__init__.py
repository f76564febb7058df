"""The cheapest mix of models for several workloads under constraints, its risk, and the price of independence."""
