"""Costs by year: trends, decline of the cost of a capability, rental prices, and backtests."""
