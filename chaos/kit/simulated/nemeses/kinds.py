"""The kinds of trouble: at a point of a process's work, or for a while."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from chaos.kit.simulated.faults import Fault, Place, PointFault, TimedFault, kinds_at
from chaos.kit.simulated.nemeses.nemesis import Field, Nemesis
from system.kit.events import PARTITIONS

OUTAGE_S = (0.5, 12.0)
"""Up to twice the whole retry schedule of a message."""
SLOW_S = (0.5, 4.0)
STORM_S = (0.3, 2.0)
JUMP_S = 600.0
STORES = ("sql", "log", "views")


def _inject(*kinds: str) -> Callable[[Random, Field], Fault]:
    def draw(random: Random, field: Field) -> Fault:
        while True:
            place: Place = random.choice(field.places)
            possible = [kind for kind in kinds_at(place) if kind in kinds]
            if possible:
                return PointFault(random.choice(possible), place)

    return draw


def _moment(random: Random, field: Field) -> float:
    return round(random.uniform(0, field.length_s), 2)


def _window(kind: str, lengths_s: tuple[float, float]) -> Callable[[Random, Field], Fault]:
    def draw(random: Random, field: Field) -> Fault:
        store = random.choice(STORES)
        return TimedFault(kind, store, _moment(random, field), round(random.uniform(*lengths_s), 1))

    return draw


def _stall(random: Random, field: Field) -> Fault:
    partition = f"{random.choice(field.topics)}-{random.randrange(PARTITIONS)}"
    return TimedFault(
        "stall", partition, _moment(random, field), round(random.uniform(*OUTAGE_S), 1)
    )


def _storm(random: Random, field: Field) -> Fault:
    return TimedFault("storm", "sql", _moment(random, field), round(random.uniform(*STORM_S), 1))


def _rebalance(random: Random, field: Field) -> Fault:
    return TimedFault("rebalance", random.choice(field.groups), _moment(random, field))


def _duplicate(random: Random, field: Field) -> Fault:
    return TimedFault("duplicate", random.choice(field.topics), _moment(random, field))


def _jump(random: Random, field: Field) -> Fault:
    by_s = round(random.uniform(-JUMP_S, JUMP_S), 1)
    return TimedFault("jump", random.choice(field.processes), _moment(random, field), by_s)


def _restart(random: Random, field: Field) -> Fault:
    return TimedFault("restart", random.choice(field.processes), _moment(random, field))


ALL = (
    Nemesis(
        "breaks", "a connection breaks before or after a call took effect", _inject("error", "lost")
    ),
    Nemesis("conflicts", "a statement meets a deadlock or a lock wait", _inject("conflict")),
    Nemesis(
        "crashes", "a process is killed between two steps, and started again", _inject("crash")
    ),
    Nemesis("pauses", "a process stands still for longer than every lease", _inject("pause")),
    Nemesis("lateness", "one call takes long, and others overtake it", _inject("late")),
    Nemesis(
        "outages", "a store is away, for longer than all retries take", _window("outage", OUTAGE_S)
    ),
    Nemesis("slowness", "a store takes a hundred times as long", _window("slow", SLOW_S)),
    Nemesis("hangs", "a store takes requests and answers none of them", _window("hang", OUTAGE_S)),
    Nemesis("stalls", "one partition of a topic takes nothing, and the others are well", _stall),
    Nemesis("storms", "every statement that writes meets a conflict, for a while", _storm),
    Nemesis("ghosts", "a COMMIT arrives when its sender has given it up", _inject("ghost")),
    Nemesis("rebalances", "a group deals its partitions anew, in mid-batch", _rebalance),
    Nemesis("duplicates", "a topic's records come once more, after newer ones", _duplicate),
    Nemesis("clocks", "a process's wall clock jumps, forwards or backwards", _jump),
    Nemesis("restarts", "a process is asked to stop, and started again", _restart),
)
