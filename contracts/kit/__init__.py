"""Contracts of any system of messages: it takes a registry of message types, and knows none itself."""
