"""Writes the pact of every consumer and provider: the stories, cut to what the consumer reads.

Consumers are the roles that the table names; a provider is the role that relays an event's outbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from traceback import extract_tb

from chaos.kit.virtual_time import run as in_virtual_time
from contracts.kit import Incomplete
from contracts.kit.pacts import files as texts
from contracts.kit.pacts.messages import Expected, Headers, heeded, pact_of
from contracts.kit.pacts.states import name_of
from contracts.messages.consumers import Outcome, headers_of, message_of, run
from contracts.messages.stories import STORIES, Effect, Story
from system.events import BY_TYPE
from system.kit.delivery import outbox
from system.kit.errors import Poison
from system.roles import QUERY_CONSUMER, ROLES
from system.table import TABLE

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "pacts"
PLACE = "contracts/messages"
PROVIDERS = {spec.relays: spec.name for spec in ROLES if spec.relays}


@dataclass(frozen=True, slots=True, eq=False)  # told apart by identity: there is one of each
class Part:
    """A consumer's part in a story."""

    consumer: str
    story: Story
    effect: Effect

    @property
    def provider(self) -> str:
        return PROVIDERS[self.story.message.aggregate]

    @property
    def headers(self) -> Headers:
        return headers_of(self.story.message, is_caused=self.story.is_caused)

    def __str__(self) -> str:
        return f"{self.consumer}, {self.story.name}"


def uses() -> list[tuple[str, str]]:
    """Every consumer with every type of event that it reads, as the table has them."""
    return [
        (consumer, row.event.type)
        for row in TABLE
        for consumer in (*row.reacts, *([QUERY_CONSUMER] if row.shows else []))
    ]


@cache
def parts() -> tuple[Part, ...]:
    """Every consumer's part in every story of an event that it reads, where it has its effect."""
    return tuple(
        Part(consumer, story, story.effects[consumer])
        for consumer, type in uses()
        for story in STORIES
        if story.message.type == type and consumer in story.effects
    )


def missing() -> list[str]:
    """What the stories lack: for each, what to add, and where."""
    sentences = []
    for consumer, type in uses():
        of_type = [story for story in STORIES if story.message.type == type]
        if not of_type:
            sentences.append(
                f"{consumer} reads {type}, and no story has it: "
                f"add one, with effects[{consumer!r}], to {PLACE}/stories.py, "
                "after a state of provider_states.py that leads to the event"
            )
        sentences += [
            f"{consumer} reads {story.name!r}, and no effect stands beside it: "
            f"add effects[{consumer!r}] to that story in {PLACE}/stories.py"
            for story in of_type
            if consumer not in story.effects
        ]
    return sentences


@cache
def expected(part: Part) -> Expected:
    """What a consumer expects of a story's message, after having run on it."""
    event = part.story.message
    outcome = _outcome(part)
    key = tuple(event.key_field.split("."))
    return Expected(
        topic=event.type,
        state=name_of(part.story.after),
        key_field=event.key_field,
        headers=heeded(part.headers, lambda headers: _decoded(part, headers)),
        contents=event,
        reads=outcome.reads | {key},  # decoding compares the key with it
    )


def _outcome(part: Part) -> Outcome:
    """What the consumer does with the story's message. Raises Incomplete where it falls over."""
    message = message_of(part.story.message, part.headers)
    try:
        return in_virtual_time(run(part.consumer, message, part.effect))
    except Exception as failure:  # of a handler or a projection, so of any kind
        raise Incomplete(
            f"{part}: {type(failure).__name__}{_place(failure)}: {failure}: {part.consumer} does not"
            " get through the message as the code has it now"
        ) from failure


def _place(failure: Exception) -> str:
    """The last place outside the kit that it went through, if there is one."""
    system, kit = ROOT / "system", ROOT / "system" / "kit"
    places = [
        f" in {path.relative_to(ROOT)}:{frame.lineno}"
        for frame in extract_tb(failure.__traceback__)
        if (path := Path(frame.filename)).is_relative_to(system) and not path.is_relative_to(kit)
    ]
    return places[-1] if places else ""


def _decoded(part: Part, headers: Headers) -> object:
    try:
        return outbox.decode(message_of(part.story.message, headers), BY_TYPE)
    except Poison as poison:
        return str(poison)


def files() -> Mapping[str, str]:
    """Every pact file, under its path. Raises Incomplete."""
    if lacking := missing():
        raise Incomplete("\n".join(lacking))
    pairs: dict[tuple[str, str], list[Expected]] = {}
    for part in parts():
        pairs.setdefault((part.consumer, part.provider), []).append(expected(part))
    return {
        f"{PLACE}/pacts/{texts.name_of(*pair)}": texts.text_of(pact_of(*pair, messages))
        for pair, messages in sorted(pairs.items())
    }
