"""Load of a replica: its batch, queues and latencies for concurrent requests or a request rate, and its costs."""
