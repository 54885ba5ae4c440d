"""Pacts of messages: which events each consumer reads, how much of them, and what it does with them."""
