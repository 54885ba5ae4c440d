"""Commands: a chain around a batch of them, and the lines in which they wait for it."""
