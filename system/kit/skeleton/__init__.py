"""A small system of its own on the kit, to begin from. `accounts.py` is all of it."""
