"""Asks running systems all that the documents speak of, and keeps what was answered."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import schemathesis
import structlog
from pydantic import SecretStr

from contracts.http.documents import Document, committed
from contracts.http.letters import letter_maker
from contracts.http.shown import SHOWN, Shown, call_of
from contracts.http.things import Things
from contracts.http.widened import WIDENED
from contracts.kit import openapi
from contracts.kit.openapi import Budget, Case, Promise, Tally
from scenarios.harness.settled import eventually
from scenarios.harness.stack import QUICK, Stack, StackOptions, embedded
from system.kit.errors import Unavailable
from system.roles import ROLES
from system.table import SHOP

SELDOM = {"POST /admin/rebuild": 3}
"""Operations that can be done so often only: one rebuild at a time, and it takes its time."""
ROUNDS_MAX = 20
"""Of good requests alone, to those operations that have seen too few."""
ROLES_RICHEST_FIRST = ("query-consumer", *(s.name for s in ROLES if s.name != "query-consumer"))
"""The consumers' operations are alike; this one has all of them."""
HANDLES_NOTHING = frozenset(
    spec.name for spec in ROLES if spec.relays and not SHOP.handlers_of(spec.name)
)
"""Consumers that can have no dead letters: what is asked of all the others needs some."""


@dataclass
class Evidence:
    """What was seen, by role; each kind of shortcoming is a list, and should be empty."""

    accepted_min: int
    """So many good requests to each operation have to be accepted."""
    documents: dict[str, Document] = field(default_factory=dict)
    """What was asked of each role."""
    tallies: dict[str, Tally] = field(default_factory=dict)
    shown: dict[str, Counter[Promise]] = field(default_factory=dict)
    unlike: list[str] = field(default_factory=list)
    """In what the scenarios' answers differ from the documents."""

    def failures(self) -> list[str]:
        """What schemathesis complains of."""
        return [failure for tally in self.tallies.values() for failure in tally.failures]

    def few(self) -> list[str]:
        """Operations that have accepted too few requests."""
        return [
            f"{role}: {label}: {tally.accepted(label)}"
            for role, tally in self.tallies.items()
            for label, _ in openapi.operations(self.documents[role])
            if tally.accepted(label) < self.needed(label)
        ]

    def needed(self, label: str) -> int:
        return SELDOM.get(label, self.accepted_min)

    def holes(self) -> list[str]:
        """Answers that are described, and that nothing has brought about."""
        return [
            f"{role}: {promise}"
            for role, document in self.documents.items()
            for promise in openapi.promised(document)
            if not self.tallies[role].answers[promise]
            and not self.shown.get(role, Counter())[promise]
            and not any(row.elsewhere and row.is_for(promise) for row in SHOWN)
        ]

    def not_followed(self) -> list[str]:
        """Roles whose documents have links, of which none was followed."""
        return [
            role
            for role, document in self.documents.items()
            if any(openapi.links(document)) and not self.tallies[role].followed
        ]


async def evidence(budget: Budget, *, accepted_min: int, everywhere: bool) -> Evidence:
    """Run schemathesis on each role, and the scenarios of `SHOWN`.

    What several documents describe word by word alike is asked of one role, unless `everywhere`.
    """
    found = Evidence(accepted_min, dict(_documents(everywhere=everywhere)))
    with _silence():
        await _gather(found, budget)
    return found


async def _gather(found: Evidence, budget: Budget) -> None:
    async with embedded(StackOptions()) as stack:
        maker = await letter_maker(stack)
        things = await asyncio.to_thread(Things, stack.url, Random(budget.seed), maker)
        with _given(things):
            for role, document in found.documents.items():
                found.tallies[role] = await asyncio.to_thread(
                    _tally, stack.url(role), document, budget, found
                )
        things.session.close()
        # new ones: chance may have come upon the first
        things = await asyncio.to_thread(Things, stack.url, Random(budget.seed + 1), maker)
        await _show(found, "whole", things, stack)
        await _show_with_faults(found, things, stack)
        things.session.close()
    async with embedded(StackOptions(settings=GUARDED)) as stack:
        await _show(found, "guarded", things, stack)
    async with embedded(StackOptions(settings=IMPATIENT)) as stack:
        await _show(found, "impatient", things, stack)
    async with embedded(StackOptions(roles=["query-api"])) as stack:
        await _show(found, "unready", things, stack)


@contextmanager
def _silence() -> Iterator[None]:
    """What is broken on purpose would be logged at length, with its traces."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("critical"),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)


GUARDED = QUICK.model_copy(update={"admin_token": SecretStr("a token")})
IMPATIENT = QUICK.model_copy(update={"http_timeout_s": 0.2})
"""A body has to come at once."""


def _documents(*, everywhere: bool) -> Iterator[tuple[str, Document]]:
    seen: set[str] = set()
    for role in ROLES_RICHEST_FIRST:
        document = committed(role)
        texts = {
            label: f"{label} {json.dumps(operation)}"
            for label, operation in openapi.operations(document)
        }
        again = everywhere and role not in HANDLES_NOTHING
        fresh = [label for label, text in texts.items() if again or text not in seen]
        seen |= set(texts.values())
        if len(fresh) == len(texts):
            yield role, document
        elif fresh:
            yield role, openapi.only(document, fresh)


@contextmanager
def _given(things: Things) -> Iterator[None]:
    """Hooks are global in schemathesis: this one is there for as long as the block lasts."""

    def before_call(_: schemathesis.HookContext, case: Case, __: dict[str, Any]) -> None:
        things.give(case)

    schemathesis.hook("before_call")(before_call)
    try:
        yield
    finally:
        schemathesis.hooks.unregister_all()


def _tally(url: str, document: Document, budget: Budget, found: Evidence) -> Tally:
    tally = openapi.run(url, document, budget, WIDENED)
    labels = [label for label, _ in openapi.operations(document)]
    for number in range(1, ROUNDS_MAX + 1):
        short = [each for each in labels if tally.accepted(each) < found.needed(each)]
        short += [each.replace("HEAD ", "GET ") for each in short]  # HEAD follows GET
        if not short:
            break
        more = replace(
            budget,
            examples=found.accepted_min,
            seed=budget.seed + number,
            phases=("fuzzing",),
            mode="positive",
        )
        tally += openapi.run(url, openapi.only(document, short), more, WIDENED)
    return tally


# --- scenarios ------------------------------------------------------------------------------------


async def _show_with_faults(found: Evidence, things: Things, stack: Stack) -> None:
    faults = {"without stores": Unavailable, "broken": RuntimeError}
    for system, error in faults.items():
        await eventually(stack.views.generations, lambda now: now.building is None)
        rules = [
            stack.faults.fail(call, process=role, times=None, error=error)
            for role in found.documents
            for call in _calls_of(role, error)
        ]
        try:
            await _show(found, system, things, stack)
        finally:
            for rule in rules:
                rule.release()


def _calls_of(role: str, error: type[Exception]) -> tuple[str, ...]:
    """What its answers need, and as little as can be of what it does meanwhile.

    An unknown error in what it does meanwhile ends a role, and then it answers nothing: the
    query-consumer asks for the generations every second, and for the others while it builds one.
    """
    if role == "query-consumer":
        outage = error is Unavailable
        return "log.read", *(("views.generations",) if outage else ("log.ends", "views.switch"))
    return ("sql", "views") if role.endswith("-api") else ("log.read", "sql.probe")


async def _show(found: Evidence, system: str, things: Things, stack: Stack) -> None:
    rows = [row for row in SHOWN if row.system == system and row.elsewhere is None]
    with ThreadPoolExecutor(16) as pool:
        loop = asyncio.get_running_loop()
        waits = [
            loop.run_in_executor(pool, _try, found, role, promise, row, things, stack.url(role))
            for role, document in found.documents.items()
            if stack.is_running(role)
            for promise in openapi.promised(document)
            for row in rows
            if row.is_for(promise)
        ]
        await asyncio.gather(*waits)


def _try(
    found: Evidence, role: str, promise: Promise, row: Shown, things: Things, url: str
) -> None:
    document = found.documents[role]
    operation = dict(openapi.operations(document))[promise.operation]
    answer = row.scenario(call_of(things, promise.operation, operation, url))
    seen = Promise(promise.operation, answer.status, answer.problem)
    found.shown.setdefault(role, Counter())[seen] += 1
    if seen == promise and promise.problem != "/problems/method-not-allowed":
        found.unlike += openapi.Judge(document).unlike(promise.operation, answer)
