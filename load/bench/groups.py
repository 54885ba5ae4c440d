"""The groups of figures: each after the other, on what it needs alone; within one, rounds are interleaved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from load.bench import figures
from load.bench.ground import Ground
from load.bench.scale import scaled
from load.bench.size import Size
from load.kit.figures import Figure

Group = Callable[[Ground, Size], AbstractAsyncContextManager[list[Figure]]]

GROUPS: Mapping[str, Group] = {
    "orders": figures.placing,
    "backlogs": figures.backlogs,
    "rebuild": figures.rebuilding,
    "system": figures.whole_system,
    "role": figures.one_role,
    "scale": scaled,
    "history": figures.aged,
}
