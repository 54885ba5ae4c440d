"""Executable specifications: given, when, then, seen from outside."""
