"""What consumers serve under /admin: their dead letters, and the rebuild of the views."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    WithJsonSchema,
    create_model,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from system.kit.delivery import dead_letters
from system.kit.delivery.dead_letters import Gone, NotTaken
from system.kit.errors import NotFound, RebuildInProgress, StoreUnavailable, Unavailable
from system.kit.http.bodies import Body, Flag, Items, Maybe, Query
from system.kit.http.route import OPERATIONS, Answer, Request, Route, tagged
from system.kit.ports.log import header_bytes
from system.kit.values import dumps
from system.kit.views.generations import Projecting

LETTERS_MAX = 10_000

Names = tuple[tuple[str, tuple[str, ...]], ...]
"""Of some fields, each with what it may be."""


def _known(names: Collection[str]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in names:
            raise PydanticCustomError(
                "one_of", "{wanted}", {"wanted": f"must be one of {', '.join(names)}"}
            )
        return name

    return AfterValidator(check)


def _enum(names: Collection[str]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": list(names)})


LetterId = Annotated[
    str,
    Field(
        pattern="^[a-z.]+:[0-9]+:[0-9]+:[a-z-]+$",
        max_length=100,  # so that as many as may be named fit into a body
        description="TOPIC:PARTITION:OFFSET:CONSUMER",
    ),
]


# --- what is asked --------------------------------------------------------------------------------


class LettersQuery(Query):
    topic: Maybe[str] = None
    consumer: Maybe[str] = Field(
        default=None, description="Whose dead letters; by default those of the one that is asked."
    )


class LetterQuery(Query):
    id: LetterId


_ONE_WAY: JsonDict = {
    "oneOf": [
        {"required": ["ids"]},
        {"required": ["topic"]},
        {"required": ["all"], "properties": {"all": {"const": True}}},
    ]
}


class Selection(Body):
    """Which dead letters are meant: some by id, those of a topic, or all. With `dry_run` nothing is done."""

    model_config = ConfigDict(json_schema_extra=_ONE_WAY)

    ids: Maybe[Annotated[tuple[LetterId, ...], Items(at_most=LETTERS_MAX)]] = None
    topic: Maybe[str] = None
    all: Flag = False
    dry_run: Flag = False

    @model_validator(mode="after")
    def _selects_in_one_way(self) -> Selection:
        ways = [self.ids is not None, self.topic is not None, self.all]
        if sum(ways) != 1:
            raise PydanticCustomError("selection", "must have one of `ids`, `topic`, `all`")
        return self


@cache  # to make a model takes longer than the rest of the routes: once for all roles of a process
def _limited(model: type[BaseModel], names: Names) -> type[BaseModel]:
    """The same model, in which these fields are among these names: those of a system's tables."""
    fields: dict[str, Any] = {}  # as pydantic takes them: name to type and default
    for name, known in names:
        kind: Any = Annotated[str, _known(known), _enum(known)]
        description = model.model_fields[name].description
        taken = Maybe[kind]
        fields[name] = (taken, Field(default=None, description=description))
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, **fields)


# --- what is answered -----------------------------------------------------------------------------


class Reference(BaseModel):
    """What a dead letter has instead of its message, which was too large to be kept, or unreadable."""

    model_config = ConfigDict(from_attributes=True)

    size: int
    digest: str


class DeadLetter(BaseModel):
    """A parked message: where it came from, and why it was given up. Times are RFC 3339."""

    id: str
    topic: str
    partition: int
    offset: int
    consumer: str
    key: str
    error_type: str
    error: str
    attempts: int
    first_failed_at: str
    last_failed_at: str
    reference: Reference | None = Field(
        description="Where the message is still in its place alone."
    )


class DeadLetters(BaseModel):
    dead_letters: list[DeadLetter]


class Failed(BaseModel):
    """A dead letter that stays open, and why."""

    id: str
    reason: str


class Resolved(DeadLetters):
    """The dead letters that were meant; with `dry_run`, nothing was done to them."""

    dry_run: bool
    failed: list[Failed] = Field(description="What was meant too, and could not be done.")


class Header(BaseModel):
    name: str
    value: str


class WholeLetter(DeadLetter):
    """A dead letter with its message: as text where it is text, and exactly, as base64."""

    trace: str
    missing: str | None = Field(description="Why the message cannot be had; then it is empty.")
    value: str
    value_base64: str
    key_base64: str
    headers: list[Header]


class RebuildBegun(BaseModel):
    """The number of the generation that is being built."""

    generation: int


class RebuildProgress(BaseModel):
    """Which generation is read, which is being built, and how far that is."""

    model_config = ConfigDict(from_attributes=True)

    live: int | None
    building: int | None
    records_read: int
    records_total: int
    failure: str | None = Field(description="Why the last rebuild was given up.")


# --- the routes -----------------------------------------------------------------------------------


def dead_letter_routes(letters: dead_letters.DeadLetters, consumers: Sequence[str]) -> list[Route]:
    """About the dead letters of one of these consumers; it reads those of the others, too."""
    api = DeadLetterApi(letters)
    topics = tuple(letters.topics)
    query = _limited(LettersQuery, (("topic", topics), ("consumer", tuple(consumers))))
    selection = _limited(Selection, (("topic", topics),))
    calls = [
        Route(
            "GET",
            "/admin/dead-letters",
            "List the open dead letters of this consumer",
            api.page,
            query=query,
            answers=DeadLetters,
        ),
        Route(
            "GET",
            "/admin/dead-letters/one",
            "Show one dead letter with its message",
            api.show,
            query=LetterQuery,
            answers=WholeLetter,
            problems=(NotFound,),
        ),
        Route(
            "POST",
            "/admin/dead-letters/replay",
            "Send messages again to this consumer",
            api.replay,
            body=selection,
            answers=Resolved,
            example={"all": True, "dry_run": True},
            problems=(NotFound,),
        ),
        Route(
            "POST",
            "/admin/dead-letters/purge",
            "Give messages up for good",
            api.purge,
            body=selection,
            answers=Resolved,
            example={"all": True, "dry_run": True},
            problems=(NotFound,),
        ),
    ]
    return tagged(OPERATIONS, calls)


def rebuild_routes(projecting: Projecting) -> list[Route]:
    api = RebuildApi(projecting)
    calls = [
        Route(
            "GET",
            "/admin/rebuild",
            "How far a rebuild of the views has come",
            api.progress,
            answers=RebuildProgress,
        ),
        Route(
            "POST",
            "/admin/rebuild",
            "Build the views anew from the log, while readers go on",
            api.rebuild,
            status=202,
            answers=RebuildBegun,
            problems=(RebuildInProgress,),
        ),
    ]
    return tagged(OPERATIONS, calls)


class DeadLetterApi:
    def __init__(self, letters: dead_letters.DeadLetters) -> None:
        self._letters = letters
        self._resolving = asyncio.Lock()

    async def page(self, request: Request) -> Answer:
        found = await self._open(request.query.topic, request.query.consumer)
        return _answer(DeadLetters(dead_letters=[_summary(letter) for letter in found]))

    async def show(self, request: Request) -> Answer:
        (letter,) = await self._named([request.query.id])
        with _told():
            return _answer(await self._whole(letter))

    async def replay(self, request: Request) -> Answer:
        return await self._each(request.body, self._letters.replay)

    async def purge(self, request: Request) -> Answer:
        return await self._each(request.body, self._letters.purge)

    async def _each(
        self, selection: Selection, resolve: Callable[[dead_letters.DeadLetter], Awaitable[None]]
    ) -> Answer:
        failed: dict[str, str] = {}
        away: dict[str, str] = {}
        """Topics; the first letter has waited for its own, and the others need not."""
        async with self._resolving:  # or two who ask for all replay each letter twice
            letters = await self._selected(selection)
            for letter in () if selection.dry_run else letters:
                try:
                    if letter.topic not in away:
                        await resolve(letter)
                except (Gone, NotTaken) as error:  # its neighbours do not wait for it
                    failed[letter.id] = str(error)
                except Unavailable as error:
                    away[letter.topic] = str(error)
                if letter.topic in away:
                    failed[letter.id] = away[letter.topic]
        done = [_summary(letter) for letter in letters if letter.id not in failed]
        left = [Failed(id=id, reason=reason) for id, reason in failed.items()]
        return _answer(Resolved(dead_letters=done, dry_run=selection.dry_run, failed=left))

    async def _whole(self, letter: dead_letters.DeadLetter) -> WholeLetter:
        missing: str | None = None
        try:
            letter = await self._letters.kept(letter)
            message = await self._letters.message_of(letter)
        except Gone as gone:
            missing, message = str(gone), letter.message
        return WholeLetter(
            **_summary(letter).model_dump(),
            trace=letter.trace,
            missing=missing,
            value=message.value.decode("utf-8", "replace"),
            value_base64=b64encode(message.value).decode(),
            key_base64=b64encode(message.key).decode(),
            headers=[
                Header(
                    name=header_bytes(name).decode("utf-8", "replace"),
                    value=value.decode("utf-8", "replace"),
                )
                for name, value in message.headers
            ],
        )

    async def _selected(self, selection: Selection) -> list[dead_letters.DeadLetter]:
        if selection.ids is not None:
            return await self._named(selection.ids)
        return await self._open(selection.topic, None)

    async def _named(self, ids: Sequence[str]) -> list[dead_letters.DeadLetter]:
        """These letters, of whatever consumer: its own may be down, and the log has all of them."""
        by_id = {letter.id: letter for letter in await self._read(None)}
        missing = [id for id in ids if id not in by_id]
        if missing:
            raise NotFound(f"There is no open dead letter {', '.join(missing)}.")
        return [by_id[id] for id in dict.fromkeys(ids)]

    async def _open(self, topic: str | None, consumer: str | None) -> list[dead_letters.DeadLetter]:
        topics = None if topic is None else (topic,)
        return await self._read(topics, consumer or self._letters.consumer)

    async def _read(
        self, topics: Collection[str] | None, consumer: str | None = None
    ) -> list[dead_letters.DeadLetter]:
        with _told():
            return await self._letters.open(topics, consumer=consumer)


class RebuildApi:
    def __init__(self, projecting: Projecting) -> None:
        self._projecting = projecting

    async def rebuild(self, _: Request) -> Answer:
        number = await self._projecting.rebuild()
        return _answer(RebuildBegun(generation=number), 202)

    async def progress(self, _: Request) -> Answer:
        return _answer(RebuildProgress.model_validate(await self._projecting.progress()))


@contextmanager
def _told() -> Iterator[None]:
    """Tell an operator what is away; clients of the APIs are not told."""
    try:
        yield
    except Unavailable as error:
        raise StoreUnavailable(f"The dead letters cannot be read: {error}.") from error


def _answer(body: BaseModel, status: int = 200) -> Answer:
    return Answer(status, dumps(body.model_dump()))


def _summary(letter: dead_letters.DeadLetter) -> DeadLetter:
    reference = letter.reference
    return DeadLetter(
        id=letter.id,
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        consumer=letter.consumer,
        key=letter.message.key.decode("utf-8", "replace"),
        error_type=letter.error_type,
        error=letter.error,
        attempts=letter.attempts,
        first_failed_at=letter.first_failed_at,
        last_failed_at=letter.last_failed_at,
        reference=None if reference is None else Reference.model_validate(reference),
    )
