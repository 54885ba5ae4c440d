"""Faults on real servers, whatever runs on them: lines, scenarios with a proof, one clock, recovery."""
