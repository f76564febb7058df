"""Constants of the serving model, fitted to measurements, and the measurements themselves."""
