"""The curves as shapes of Locust: by `--shape`, or in the web page's picker."""

from __future__ import annotations

from time import perf_counter
from typing import ClassVar

from locust import LoadTestShape

from load.kit.curves import CURVES, LENGTHS_S, users_at

PEAK = 50
"""Users at the top where no `--users` says how many."""


class _Curved(LoadTestShape):
    abstract = True
    use_common_options = True
    curve: ClassVar[str]

    def tick(self) -> tuple[int, float] | None:
        assert self.runner is not None, "Locust gives a shape its runner before it asks"
        options = self.runner.environment.parsed_options
        assert options is not None, "parsed by Locust's main"
        peak = options.num_users or PEAK
        users = users_at(
            CURVES[self.curve],
            perf_counter() - self.start_time,
            length_s=options.run_time or LENGTHS_S[self.curve],
            peak=peak,
        )
        return None if users is None else (users, max(1.0, float(peak)))


class Ramp(_Curved):
    curve = "ramp"


class Spike(_Curved):
    curve = "spike"


class Soak(_Curved):
    curve = "soak"


SHAPES: dict[str, type[_Curved]] = {shape.curve: shape for shape in (Ramp, Spike, Soak)}
