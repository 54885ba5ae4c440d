"""Given a state, when a command, then events or a refusal: the pure decisions, without a store."""
