"""Decline of the cost of a capability: dated series, models of the decline, and cost factors."""
