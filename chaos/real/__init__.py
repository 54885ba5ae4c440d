"""Chaos on real servers: all roles as processes, `kill -9`, and the same judges as in simulated time."""
