"""Published training runs, their costs, and estimates of them."""
