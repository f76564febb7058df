"""Why one run costs less than another: the ratio of two costs, split over the factors of the cost."""
