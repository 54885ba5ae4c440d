"""Views that take long, and still give signs of life: the projection waits, and parks nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from chaos.kit.points import FaultyViewStore, Point
from scenarios.delivery.bench import CAUSE, EPOCH, bench, in_virtual_time
from scenarios.harness.fault_rules import Switchboard
from scenarios.harness.settled import eventually
from system.events import User, UserCreated
from system.kit import roles
from system.kit.delivery import outbox
from system.kit.errors import TimedOut
from system.kit.lifespan import Lifespan
from system.kit.ports.log import Message
from system.roles import QUERY_CONSUMER
from system.settings import Settings
from system.table import SHOP

MORE_OFTEN_THAN_A_MESSAGE_IS_TRIED = 12


class TooSlow(Switchboard):
    """Puts take too long, so many times; a ping is answered at once."""

    def __init__(self) -> None:
        super().__init__()
        self.times = MORE_OFTEN_THAN_A_MESSAGE_IS_TRIED

    async def at(self, point: Point) -> None:
        if point.call == "views.put" and self.times:
            self.times -= 1
            await asyncio.sleep(5)
            raise TimedOut("putting: not done in time")


def created() -> Message:
    ada = User(id=7, name="Ada", email="ada@example.com", created_at=EPOCH, updated_at=EPOCH)
    event = UserCreated(event_id=CAUSE.correlation_id, occurred_at=EPOCH, user=ada, version=1)
    payload = outbox.row(event, CAUSE, EPOCH)["payload"]
    assert isinstance(payload, bytes)
    return Message("user.created", b"7", payload, ())


@in_virtual_time
async def test_an_event_is_shown_once_the_views_are_quick_again_and_is_no_dead_letter() -> None:
    async with bench() as it:
        slow, lifespan = TooSlow(), Lifespan()
        slowed = FaultyViewStore(it.parts.views, slow, "queries")
        parts = replace(it.parts, view_store=lambda: slowed)
        assert await parts.log("x").publish([created()]) == [None]
        made = roles.build(QUERY_CONSUMER, parts, roles.Blueprint(SHOP, Settings()), lifespan)
        running = [
            asyncio.create_task(service.run(lifespan))
            for service in made.services
            if service is not made.http
        ]

        async def shown() -> object:
            return (await it.parts.views.generation(1).get("users", [7])).get(7)

        await eventually(shown, deadline_s=300)
        assert slow.times == 0
        assert await it.letters.open(consumer=QUERY_CONSUMER) == []
        lifespan.stopping.set()
        await asyncio.gather(*running)
