"""Who of a group reads which partition: Kafka's eager rebalance protocol, in memory.

Only state, changed between awaits: whatever a member's process dies of, the group stays whole.
Nothing here has a timer of its own. Members look for silent ones whenever they give a sign of
lifespan, and a group without a living member has no one to give partitions to.

A rebalance: every member lets go of all its partitions in its next poll; once all have, the
partitions are dealt anew. Who does not let go in time is expelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from system.kit.errors import Fenced
from system.kit.ports.log import Partition


@dataclass(eq=False, slots=True)
class Member:
    """One subscription, from its joining to its end. Its positions are what it owns."""

    id: str
    topics: frozenset[str]
    heard_at: float
    positions: dict[Partition, int] = field(default_factory=dict)
    has_let_go: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when another look is worth it: new records, or a change in the group."""


class Group:
    """Members and committed offsets of one group."""

    def __init__(
        self,
        partitions_of: Callable[[str], Iterable[Partition]],
        *,
        session_timeout_s: float,
        rebalance_timeout_s: float,
    ) -> None:
        self.committed: dict[Partition, int] = {}
        self._partitions_of = partitions_of
        self._session_timeout_s = session_timeout_s
        self._rebalance_timeout_s = rebalance_timeout_s
        self._members: dict[str, Member] = {}
        self._rebalance_ends_at: float | None = None

    def __contains__(self, member: Member) -> bool:
        return self._members.get(member.id) is member

    def is_replaced(self, member: Member) -> bool:
        """Whether a later instance has this member's place."""
        return self._members.get(member.id, member) is not member

    def must_let_go(self, member: Member) -> bool:
        return member in self and self._rebalance_ends_at is not None and not member.has_let_go

    def join(self, member: Member, now: float) -> None:
        """Take the member in. It has the place of an older instance with its id."""
        older = self._members.get(member.id)
        self._members[member.id] = member
        if older is not None:
            older.news.set()
        if older is not None and older.topics == member.topics:
            member.positions = self._from_committed(older.positions)
            member.has_let_go = older.has_let_go
        else:
            member.has_let_go = True  # it holds nothing
            self.rebalance(now)

    def let_go(self, member: Member) -> None:
        """Note that the member works on none of its partitions any more."""
        if self.must_let_go(member):
            member.positions = {}
            member.has_let_go = True
            self._deal_if_free()

    def leave(self, member: Member, now: float) -> None:
        if member in self:
            del self._members[member.id]
            self.rebalance(now)

    def expel_silent(self, now: float) -> None:
        """Expel who was not heard of for a session, or has not let go in time."""
        silent = [member for member in self._sorted_members() if self._is_silent(member, now)]
        for member in silent:
            del self._members[member.id]
            member.news.set()
        if silent:
            self.rebalance(now)

    def _is_silent(self, member: Member, now: float) -> bool:
        if now - member.heard_at >= self._session_timeout_s:
            return True
        ends_at = self._rebalance_ends_at
        return ends_at is not None and now >= ends_at and not member.has_let_go

    def rebalance(self, now: float) -> None:
        """Have all partitions let go and dealt anew; joins the rebalance under way, if any."""
        if self._rebalance_ends_at is None:
            self._rebalance_ends_at = now + self._rebalance_timeout_s
        self._deal_if_free()
        self._wake(self._sorted_members())

    def commit(self, member: Member, next_offsets: Mapping[Partition, int]) -> None:
        """Raises Fenced unless the member owns all these partitions."""
        self.check_owned(member, next_offsets)
        self.committed.update(next_offsets)

    def check_owned(self, member: Member, partitions: Collection[Partition]) -> None:
        """Raises Fenced unless the member owns all these partitions."""
        if member not in self:
            raise Fenced(f"{member.id} is no longer a member of the group")
        for partition in partitions:
            if partition not in member.positions:
                raise Fenced(f"{member.id} does not own {partition.topic}/{partition.number}")

    def notify(self, partitions: Collection[Partition]) -> None:
        """Wake the members that own one of these partitions."""
        self._wake(
            member
            for member in self._sorted_members()
            if any(partition in member.positions for partition in partitions)
        )

    def reads(self, topics: Collection[str]) -> bool:
        return any(not member.topics.isdisjoint(topics) for member in self._members.values())

    def _deal_if_free(self) -> None:
        members = self._sorted_members()
        if not all(member.has_let_go for member in members):
            return
        self._rebalance_ends_at = None
        hands = _dealt(members, self._partitions_of)
        for member in members:
            member.positions = self._from_committed(hands[member.id])
            member.has_let_go = False
        self._wake(members)

    def _from_committed(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        return {partition: self.committed.get(partition, 0) for partition in sorted(partitions)}

    def _sorted_members(self) -> list[Member]:
        return [member for _, member in sorted(self._members.items())]

    @staticmethod
    def _wake(members: Iterable[Member]) -> None:
        for member in members:
            member.news.set()


def _dealt(
    members: list[Member], partitions_of: Callable[[str], Iterable[Partition]]
) -> dict[str, list[Partition]]:
    """Deal all partitions in turn, each to the next member that wants its topic."""
    hands: dict[str, list[Partition]] = {member.id: [] for member in members}
    topics = sorted({topic for member in members for topic in member.topics})
    turn = 0
    for partition in (partition for topic in topics for partition in partitions_of(topic)):
        while partition.topic not in members[turn % len(members)].topics:
            turn += 1
        hands[members[turn % len(members)].id].append(partition)
        turn += 1
    return hands
