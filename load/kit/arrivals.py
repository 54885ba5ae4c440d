"""An open workload: requests arrive when they arrive, whether or not earlier ones were answered.

A closed loop sends its next request when the last one was answered. A system that stalls for a
second is then simply not asked for a second, and the requests that would have waited are missing
from the figures: *coordinated omission* (Gil Tene, "How NOT to Measure Latency"). An example, 100
requests a second, an answer takes 1 ms, and once the system stalls for 1 s:

    closed loop   one request took 1 s, and the 100 behind it were never sent   p99    1 ms
    open, as here the 100 were due 0, 10, 20 … ms into the stall, and waited    p99  990 ms

So a schedule says when each request is due, and its latency counts from there, whatever kept it from
being sent: a full pool, a slow generator. That is the rule of wrk2 and of HdrHistogram's
`recordValueWithExpectedInterval`; why closed and open loops tell different stories is Schroeder,
Wierman and Harchol-Balter, "Open Versus Closed: A Cautionary Tale" (NSDI 2006).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count


def due_times(rate: float, *, begin_s: float) -> Iterator[float]:
    """When each request is due. Counted, not added up: no error grows with the run."""
    for number in count():
        yield begin_s + number / rate
