"""The shop's benchmark: its figures, what they stand beside, and how each is measured."""
