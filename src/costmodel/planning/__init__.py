"""The inverse questions: which input brings a figure to its target?"""
