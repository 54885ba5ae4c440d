"""Which members of a group are one and the same instance, by the ids that the broker makes up."""

from __future__ import annotations

from uuid import uuid4

import pytest

pytest.importorskip("aiokafka")

from system.kit.adapters.kafka.group import is_of_instance


@pytest.mark.parametrize("instance", ["order-consumer", "order-consumer-2", "a", "a--"])
def test_a_member_belongs_to_its_instance(instance: str) -> None:
    assert is_of_instance(f"{instance}-{uuid4()}", instance)


@pytest.mark.parametrize(
    ("other", "instance"),
    [
        ("order-consumer-2", "order-consumer"),  # its name begins with the whole of ours
        ("order-consumer", "order-consumer-2"),
        ("border-consumer", "order-consumer"),
        ("a-", "a"),
    ],
)
def test_another_instance_has_members_of_its_own(other: str, instance: str) -> None:
    assert not is_of_instance(f"{other}-{uuid4()}", instance)
