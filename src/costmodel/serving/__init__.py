"""Throughput and latency of inference: prefill, decode and token generation on a cluster."""
