"""What will it cost by year? Trends, how the cost of a capability declines, rents, and how well they were foreseen."""
