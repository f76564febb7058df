"""Rental prices of accelerators in other years."""
