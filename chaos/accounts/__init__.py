"""The small system of `system/kit/skeleton` under the same faults: the simulation knows no shop."""
