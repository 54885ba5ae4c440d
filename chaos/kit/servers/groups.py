"""Who is in a consumer group, as Kafka itself knows it."""

from __future__ import annotations

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

MEMBERS = 5
CLIENT_ID, ASSIGNMENT = 1, 4
"""Places in Kafka's DescribeGroupsResponse, which aiokafka gives as it came."""


async def members(bootstrap: str, group: str) -> dict[str, int]:
    """How many partitions each member has, by its client id."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5_000)
    try:
        await admin.start()
        answers = await admin.describe_consumer_groups([group])
        return {
            member[CLIENT_ID]: _partitions(member[ASSIGNMENT])
            for answer in answers
            for described in answer.groups
            for member in described[MEMBERS]
        }
    finally:
        await admin.close()


def _partitions(assignment: bytes) -> int:
    """A member that has just joined has no assignment yet."""
    if not assignment:
        return 0
    dealt = ConsumerProtocolMemberAssignment.decode(assignment)
    return sum(len(numbers) for _, numbers in dealt.assignment)
