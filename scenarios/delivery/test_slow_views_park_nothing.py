"""Views that take long, and still give signs of life: the projection waits, and parks nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from scenarios.delivery.bench import CAUSE, EPOCH, bench, in_virtual_time
from scenarios.harness.settled import eventually
from system import wiring
from system.adapters.views_embedded import EmbeddedViews, EmbeddedViewStore
from system.delivery import outbox
from system.events import User, UserCreated
from system.life import Life
from system.ports.errors import TimedOut
from system.ports.log import Message
from system.ports.views import Put, Views
from system.settings import Settings
from system.table import QUERY_CONSUMER

MORE_OFTEN_THAN_A_MESSAGE_IS_TRIED = 12


class SlowViewStore(EmbeddedViewStore):
    """Its puts take too long, so many times; a ping is answered at once."""

    def __init__(self) -> None:
        super().__init__()
        self.too_long = MORE_OFTEN_THAN_A_MESSAGE_IS_TRIED

    def generation(self, number: int) -> Views:
        return SlowViews(self, number)


class SlowViews(EmbeddedViews):
    def __init__(self, store: SlowViewStore, number: int) -> None:
        super().__init__(store, number)
        self._slow = store

    async def put(self, puts: Sequence[Put]) -> None:
        if self._slow.too_long:
            self._slow.too_long -= 1
            await asyncio.sleep(5)
            raise TimedOut("putting: not done in time")
        await super().put(puts)


def created() -> Message:
    ada = User(id=7, name="Ada", email="ada@example.com", created_at=EPOCH, updated_at=EPOCH)
    event = UserCreated(event_id=CAUSE.correlation_id, occurred_at=EPOCH, user=ada, version=1)
    payload = outbox.row(event, CAUSE, EPOCH)["payload"]
    assert isinstance(payload, bytes)
    return Message("user.created", b"7", payload, ())


@in_virtual_time
async def test_an_event_is_shown_once_the_views_are_quick_again_and_is_no_dead_letter() -> None:
    async with bench() as it:
        store, life = SlowViewStore(), Life()
        parts = replace(it.parts, views=store)
        assert await parts.log("x").publish([created()]) == [None]
        made = wiring.role(QUERY_CONSUMER, parts, wiring.Blueprint(Settings()), life)
        running = [
            asyncio.create_task(service.run(life))
            for service in made.services
            if service is not made.http
        ]

        async def shown() -> object:
            return (await store.generation(1).get("users", [7])).get(7)

        await eventually(shown, deadline_s=300)
        assert store.too_long == 0
        assert await it.letters.open(consumer=QUERY_CONSUMER) == []
        life.stopping.set()
        await asyncio.gather(*running)
