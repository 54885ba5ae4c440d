"""The answer to an Idempotency-Key is stored after the effect, in a transaction of its own."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attributes
from system.kit.commands import idempotency
from system.kit.commands.group_commit import Commands, _Attempt
from system.kit.errors import Conflict
from system.kit.http.route import Answer


def _without_keys(_: Reached, __: Any) -> Any:
    async def claim(self: Any, unit: Any, _: Any) -> None:
        await idempotency.claim(unit, self.mark, {})

    return claim


def _nothing(_: Reached, __: Any) -> Any:
    async def keep(*_: Any) -> None:
        return None

    return keep


def _afterwards(reached: Reached, right: Any) -> Any:
    async def transact(self: Any, attempt: Any, line: Any, act: Any) -> None:
        await right(self, attempt, line, act)
        for member, outcome in zip(attempt.members, attempt._outcomes, strict=True):  # noqa: SLF001
            request = member.request
            key = idempotency.key_id(request)
            if key is None or not isinstance(outcome, Answer):
                continue
            reached()
            mark = idempotency.mark_id(self._world.new_id())
            try:
                async with self._work() as unit:
                    await idempotency.claim(unit, mark, {key: idempotency.body_hash(request)})
                    await idempotency.keep(unit, {key: outcome})
            except Conflict:
                continue

    return transact


MUTANT = Mutant(
    bug="A client that asks again after a crash between the two has its order placed twice.",
    breaks=("commands_take_effect_once", "idempotency_key_honoured"),
    workloads=("together", "orders"),
    switched_in=attributes(
        (_Attempt, "_claim", _without_keys),
        (_Attempt, "_keep", _nothing),
        (Commands, "_transact", _afterwards),
    ),
    strikes=("*@orders:sql.commit:reply:*", "*@orders:sql.insert-commands:*"),
)
