"""The provider's side: what a command leads to, as it lies in the log, against the committed pacts.

Nothing is built here: a client's command is decided on, its event goes through the unit of work
into the outbox, and the relay publishes it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.kit.pacts.provider import Sent, verify_messages
from contracts.kit.pacts.states import name_of
from contracts.messages import pact_files
from contracts.messages.stories import STORIES
from scenarios.harness.settled import eventually
from scenarios.harness.stack import Stack
from system.kit.ports.log import Record

STATES = {name_of(story.after): story.after for story in STORIES}


def test_there_is_no_pact_of_a_pair_that_is_gone() -> None:
    assert {path.name for path in pact_files.FOLDER.iterdir()} == {
        Path(name).name for name in pact_files.files()
    }


@pytest.mark.parametrize("provider", pact_files.PROVIDERS.values())
async def test_it_sends_what_its_consumers_read(provider: str, system: Stack) -> None:
    async def produce(topic: str, state: str) -> Sent:
        await system.settled()  # nothing that an earlier state leads to comes in between
        ends = await system.log.ends([topic])

        async def new() -> list[Record]:
            records = await system.records(topic)
            return [record for record in records if record.offset >= ends[record.partition]]

        await STATES[state](system)
        message = (await eventually(new))[-1].message
        headers = {name: value.decode() for name, value in message.headers}
        return Sent(message.topic, message.key.decode(), headers, message.value)

    await verify_messages(provider, sorted(pact_files.FOLDER.glob(f"*-{provider}.json")), produce)
