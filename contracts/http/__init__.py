"""Pacts of HTTP: what the one client of the four APIs asks them, and what it is answered."""
