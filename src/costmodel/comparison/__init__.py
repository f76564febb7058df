"""Who paid what? Published runs beside what the library estimates for them."""
