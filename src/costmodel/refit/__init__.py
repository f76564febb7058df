"""Fits of every generated table of the library to the measurements and prices in `data/`: `costmodel refit`."""
