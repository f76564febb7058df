"""Monthly cost of serving a workload: hosted by the token, or on accelerators of one's own, rented or owned."""
