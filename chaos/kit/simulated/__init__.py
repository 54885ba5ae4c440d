"""The simulated world: the whole system in one process, on a virtual clock, with faults on purpose."""
