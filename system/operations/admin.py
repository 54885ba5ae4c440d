"""What consumers serve under /admin: their dead letters, and the rebuild of the views."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from system.delivery.dead_letters import DeadLetters, Letter
from system.events import TOPICS
from system.query.generations import Projecting, RebuildInProgress
from system.values import dumps
from system.web.bodies import Body, Flag, Maybe, Query
from system.web.problems import Refused, invalid
from system.web.route import Answer, Request, Route

LETTERS_MAX = 10_000

Topic = Annotated[str, Field(pattern="^[a-z.]+$", max_length=100)]
LetterId = Annotated[str, Field(max_length=300)]


class LettersQuery(Query):
    topic: Maybe[Topic] = None


class LetterQuery(Query):
    id: LetterId


class Selection(Body):
    """Which letters are meant: some by id, those of a topic, or all. With `dry_run` nothing is done."""

    ids: Maybe[Annotated[tuple[LetterId, ...], Field(min_length=1, max_length=LETTERS_MAX)]] = None
    topic: Maybe[Topic] = None
    all: Flag = False
    dry_run: Flag = False

    @model_validator(mode="after")
    def _selects_in_one_way(self) -> Selection:
        ways = [self.ids is not None, self.topic is not None, self.all]
        if sum(ways) != 1:
            raise PydanticCustomError("selection", "must have one of `ids`, `topic`, `all`")
        return self


def letter_routes(letters: DeadLetters) -> list[Route]:
    api = LetterApi(letters)
    return [
        Route(
            "GET",
            "/admin/dead-letters",
            "List the open dead letters of this consumer",
            api.page,
            query=LettersQuery,
        ),
        Route(
            "GET",
            "/admin/dead-letters/one",
            "Show one dead letter with its message",
            api.show,
            query=LetterQuery,
            problems=("not-found",),
        ),
        Route(
            "POST",
            "/admin/dead-letters/replay",
            "Send messages again to this consumer",
            api.replay,
            body=Selection,
            problems=("not-found",),
        ),
        Route(
            "POST",
            "/admin/dead-letters/purge",
            "Give messages up for good",
            api.purge,
            body=Selection,
            problems=("not-found",),
        ),
    ]


def rebuild_routes(projecting: Projecting) -> list[Route]:
    api = RebuildApi(projecting)
    return [
        Route("GET", "/admin/rebuild", "How far a rebuild of the views has come", api.progress),
        Route(
            "POST",
            "/admin/rebuild",
            "Build the views anew from the log, while readers go on",
            api.rebuild,
            status=202,
            problems=("rebuild-in-progress",),
        ),
    ]


class LetterApi:
    def __init__(self, letters: DeadLetters) -> None:
        self._letters = letters

    async def page(self, request: Request) -> Answer:
        found = await self._open(request.query.topic)
        return Answer(200, dumps({"dead_letters": [_summary(letter) for letter in found]}))

    async def show(self, request: Request) -> Answer:
        for letter in await self._open(None):
            if letter.id == request.query.id:
                return Answer(200, dumps(_whole(letter)))
        raise Refused("not-found", f"There is no open dead letter {request.query.id}.")

    async def replay(self, request: Request) -> Answer:
        return await self._each(request.body, self._letters.replay)

    async def purge(self, request: Request) -> Answer:
        return await self._each(request.body, self._letters.purge)

    async def _each(
        self, selection: Selection, resolve: Callable[[Letter], Awaitable[None]]
    ) -> Answer:
        letters = await self._selected(selection)
        if not selection.dry_run:
            for letter in letters:
                await resolve(letter)
        body = {
            "dry_run": selection.dry_run,
            "dead_letters": [_summary(letter) for letter in letters],
        }
        return Answer(200, dumps(body))

    async def _selected(self, selection: Selection) -> list[Letter]:
        letters = await self._open(selection.topic)
        if selection.ids is None:
            return letters
        by_id = {letter.id: letter for letter in letters}
        missing = [id for id in selection.ids if id not in by_id]
        if missing:
            raise Refused("not-found", f"There is no open dead letter {', '.join(missing)}.")
        return [by_id[id] for id in dict.fromkeys(selection.ids)]

    async def _open(self, topic: str | None) -> list[Letter]:
        if topic is not None and topic not in TOPICS:
            raise invalid("topic", f"must be one of {', '.join(TOPICS)}")
        topics = TOPICS if topic is None else (topic,)
        return await self._letters.open(topics, consumer=self._letters.consumer)


class RebuildApi:
    def __init__(self, projecting: Projecting) -> None:
        self._projecting = projecting

    async def rebuild(self, _: Request) -> Answer:
        try:
            number = await self._projecting.rebuild()
        except RebuildInProgress as busy:
            raise Refused("rebuild-in-progress", str(busy)) from busy
        return Answer(202, dumps({"generation": number}))

    async def progress(self, _: Request) -> Answer:
        progress = await self._projecting.progress()
        body = {
            "live": progress.live,
            "building": progress.building,
            "records_read": progress.records_read,
            "records_total": progress.records_total,
            "failure": progress.failure,
        }
        return Answer(200, dumps(body))


def _summary(letter: Letter) -> dict[str, Any]:  # JSON values of several types
    return {
        "id": letter.id,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "consumer": letter.consumer,
        "key": letter.message.key.decode("utf-8", "replace"),
        "error_type": letter.error_type,
        "error": letter.error,
        "attempts": letter.attempts,
        "first_failed_at": letter.first_failed_at,
        "last_failed_at": letter.last_failed_at,
    }


def _whole(letter: Letter) -> dict[str, Any]:  # JSON values of several types
    """A letter with its message: as text where it is text, and exactly, as base64."""
    message = letter.message
    return {
        **_summary(letter),
        "trace": letter.trace,
        "value": message.value.decode("utf-8", "replace"),
        "value_base64": b64encode(message.value).decode(),
        "key_base64": b64encode(message.key).decode(),
        "headers": [
            {"name": name, "value": value.decode("utf-8", "replace")}
            for name, value in message.headers
        ],
    }
