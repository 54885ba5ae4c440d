"""The world as it is: what every process but a simulated one is given."""

from __future__ import annotations

from datetime import UTC, timedelta

from system.kit.adapters.world_real import RealWorld


def test_its_time_is_utc_and_goes_on() -> None:
    world = RealWorld()
    earlier, later = world.now(), world.now()
    assert earlier.tzinfo is UTC
    assert timedelta(0) <= later - earlier < timedelta(minutes=1)


def test_its_ids_are_random_and_never_the_same() -> None:
    world = RealWorld(seed=1)
    ids = {world.new_id() for _ in range(1_000)}
    assert len(ids) == 1_000
    assert {new.version for new in ids} == {4}
    assert ids.isdisjoint({RealWorld(seed=1).new_id() for _ in range(1_000)})


def test_its_chance_repeats_only_from_a_seed() -> None:
    assert RealWorld(seed=7).random.random() == RealWorld(seed=7).random.random()
    assert RealWorld().random.random() != RealWorld().random.random()
