"""Users: who may order. Nothing here reacts to events, so there is no handlers.py."""
