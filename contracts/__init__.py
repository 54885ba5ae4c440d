"""Promises at a boundary: between services, and between the system and what it runs on."""
