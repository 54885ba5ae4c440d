"""A system of your own on the kit, as small as can be: accounts that are paid into, and a bonus.

    python -m system.kit.skeleton            all of it in one process, on the embedded stack

POST /accounts opens one with a first payment, POST /accounts/{id}/payments pays in more; both emit
an event. Each payment of 100 or more earns a point, which another role gives: what happens because
of an event. The query side shows both. `docs/your-own-system.md` goes through it step by step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Column, Integer, Table, update

from system.kit import locks
from system.kit.columns import TABLE_OPTIONS, Id, metadata
from system.kit.commands.group_commit import Commands
from system.kit.errors import NotFound
from system.kit.events import Envelope, Event
from system.kit.http.bodies import Body
from system.kit.http.paging import Page
from system.kit.http.route import Answer, Request, Route, Tag, tagged
from system.kit.http.tokens import stamps
from system.kit.ports.views import Document, Put, Related, View
from system.kit.ports.work import UnitOfWork, UnitOfWorkFactory
from system.kit.spec import Kind, RoleSpec
from system.kit.table import System, row
from system.kit.values import Id as AccountId
from system.kit.values import Version, Whole, dumps

# --- the language -----------------------------------------------------------------------------------


class AccountEvent(Event):
    aggregate = "account"
    key_field = "account_id"
    account_id: AccountId


class AccountPaid(AccountEvent):
    """Money came in; the first payment opens the account."""

    type = "account.paid"
    amount: Whole
    balance: Whole
    version: Version


class AccountRewarded(AccountEvent):
    """A point was given. Points only rise, so that they are a version, too."""

    type = "account.rewarded"
    points: Whole


# --- the write model: rows are locked in the order of their ids -------------------------------------

accounts = Table(
    "accounts",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("balance", Integer, nullable=False),
    Column("points", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    **TABLE_OPTIONS,
)
_LOCK = locks.exclusive(accounts, accounts.c.id)


async def _change(unit: UnitOfWork, id: int, **values: int) -> None:
    await unit.sql.execute(update(accounts).where(accounts.c.id == id).values(**values))


# --- commands: lock, decide, save, emit ---------------------------------------------------------------


class Payment(Body):
    amount: Whole


class AccountResource(BaseModel):
    id: AccountId
    balance: Whole
    points: Whole


async def open_account(request: Request, unit: UnitOfWork) -> Answer:
    new = {"balance": request.body.amount, "points": 0, "version": 1}
    (id,) = await unit.insert(accounts, [new])
    return _paid({"id": id, **new}, request, unit, status=201)


async def pay_in(request: Request, unit: UnitOfWork) -> Answer:
    rows = await locks.take(unit, _LOCK, [request.id])
    if not rows:
        raise NotFound(f"there is no account {request.id}")
    was = rows[0]._mapping
    changed = {"balance": was["balance"] + request.body.amount, "version": was["version"] + 1}
    await _change(unit, request.id, **changed)
    return _paid({**was, **changed}, request, unit)


def _paid(now: dict[str, int], request: Request, unit: UnitOfWork, status: int = 200) -> Answer:
    id, balance, version = now["id"], now["balance"], now["version"]
    paid = AccountPaid(
        event_id=unit.now.new_id(),
        occurred_at=unit.now.at,
        account_id=id,
        amount=request.body.amount,
        balance=balance,
        version=version,
    )
    unit.emit(paid, because=request.cause)
    shown = {"id": id, "balance": balance, "points": now["points"]}
    return Answer(status, dumps(shown), stamps("accounts", id, self=version))


def routes(_: UnitOfWorkFactory, commands: Commands) -> list[Route]:
    opening, paying = commands.each(open_account), commands.each(pay_in)
    calls = [
        Route(
            "POST", "/accounts", "Open one", opening, Payment, status=201, answers=AccountResource
        ),
        Route(
            "POST", "/accounts/{id}/payments", "Pay in", paying, Payment, answers=AccountResource
        ),
    ]
    tag = Tag("accounts", "Accounts that are paid into.", view=ACCOUNTS)
    return tagged(tag, [replace(call, idempotent_by_key=True) for call in calls])


# --- because of an event: once, in one transaction with the inbox -------------------------------------


async def reward(batch: Sequence[Envelope[AccountPaid]], unit: UnitOfWork) -> None:
    """Give a point for each payment of 100 or more."""
    good = [envelope for envelope in batch if envelope.event.amount >= 100]
    rows = await locks.take(unit, _LOCK, {envelope.event.account_id for envelope in good})
    points = {row.id: row.points for row in rows}
    for envelope in good:
        id, now = envelope.event.account_id, unit.now
        points[id] += 1
        rewarded = AccountRewarded(
            event_id=now.new_id(), occurred_at=now.at, account_id=id, points=points[id]
        )
        unit.emit(rewarded, because=envelope.consequence)
    for id, number in points.items():
        await _change(unit, id, points=number)


# --- what it shows: pure, in any order, any number of times -------------------------------------------


def balance(event: AccountPaid) -> Iterable[Put]:
    yield Put("accounts", event.account_id, "self", event.version, {"balance": event.balance})


def points(event: AccountRewarded) -> Iterable[Put]:
    yield Put("accounts", event.account_id, "points", event.points, {"points": event.points})


def show(document: Document, _: Related) -> Mapping[str, Any]:  # JSON values
    parts = (document.parts.get(part) or {} for part in ("self", "points"))
    return {
        "id": document.key,
        "points": 0,
        **dict(item for part in parts for item in part.items()),
    }


ACCOUNTS = View("accounts", ("self", "points"), ("self",), show, AccountResource, filters=Page)

# --- the map ----------------------------------------------------------------------------------------

ROLES = (
    RoleSpec("account-api", 8181, Kind.COMMANDS),
    RoleSpec("view-api", 8182, Kind.QUERIES),
    RoleSpec("account-consumer", 8191, Kind.HANDLERS, relays="account"),
    RoleSpec("view-consumer", 8192, Kind.PROJECTIONS),
)
ROWS = (
    row(AccountPaid, account_consumer=reward, shows=[balance]),
    row(AccountRewarded, shows=[points]),
)
SYSTEM = System(ROLES, ROWS, (ACCOUNTS,), {"account-api": routes})
