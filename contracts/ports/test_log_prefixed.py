"""Systems that share a broker do not see each other."""

from __future__ import annotations

from system.kit import stacks
from system.kit.adapters.kafka.prefixed import PrefixedLog
from system.kit.ports.log import Message, Partition
from system.settings import Settings
from system.table import SHOP


async def nobody_cares(_: frozenset[Partition]) -> None:
    """For a member that notes nothing at its end."""


async def test_two_logs_on_one_broker_share_no_topic_and_no_group() -> None:
    async with stacks.embedded(Settings(), SHOP.all_topics) as parts:
        one, other = (PrefixedLog(parts.log(name), f"{name}.") for name in ("one", "other"))
        for log in (one, other):
            await log.ensure(["order.paid"])
        message = Message("order.paid", b"1", b"{}", ())
        assert await one.publish([message]) == [None]

        (record,) = [record async for record in one.read("order.paid")]
        assert (record.message, record.partition.topic) == (message, "order.paid")
        assert [record async for record in other.read("order.paid")] == []
        assert sum((await one.ends(["order.paid"])).values()) == 1

        async with one.subscribe("readers", ["order.paid"], nobody_cares) as subscription:
            polled = await subscription.poll(full=(), timeout_s=1)
            assert polled == {record.partition: [record]}
            await subscription.commit({record.partition: 1})
            await subscription.seek(record.partition, 0)
            assert (await subscription.lag())[record.partition] == 1
        assert await one.committed("readers") == {record.partition: 1}
        assert await other.committed("readers") == {}
