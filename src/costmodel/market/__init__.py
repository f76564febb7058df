"""Dated prices: rental of accelerators (`rental.choose_price`), model APIs and hosted fine-tuning."""
