"""Faults on purpose: workloads, nemeses and the checkers that judge what happened."""
