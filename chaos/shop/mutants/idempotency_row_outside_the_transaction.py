"""The answer to an Idempotency-Key is stored after the effect, in a transaction of its own."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attributes
from system.kit import chains
from system.kit.commands import idempotency
from system.kit.commands.middleware import keyed
from system.kit.errors import Conflict
from system.kit.http.route import Answer


def _without_keys(_: Reached, __: Any) -> Any:
    async def claim(batch: Any, unit: Any, _: Any) -> None:
        await idempotency.claim(unit, batch.commit_marker, {})

    return claim


def _nothing(_: Reached, __: Any) -> Any:
    async def keep(*_: Any) -> None:
        return None

    return keep


def _afterwards(reached: Reached, right: Any) -> Any:
    def committed(work: Any, world: Any) -> Any:
        async def keep(key: str, fingerprint: str, answer: Answer) -> None:
            marker = idempotency.commit_marker(world.new_id())
            with suppress(Conflict):
                async with work() as unit:
                    await idempotency.claim(unit, marker, {key: fingerprint})
                    await idempotency.keep(unit, {key: answer})

        def around(step: Any) -> Any:
            commit = right(work, world)(step)

            async def committing(batch: Any) -> None:
                await commit(batch)
                for member, outcome in batch.outcomes.items():
                    if member.key is not None and isinstance(outcome, Answer):
                        reached()
                        await keep(member.key, member.command.fingerprint, outcome)

            return committing

        return around

    return committed


MUTANT = Mutant(
    bug="A client that asks again after a crash between the two has its order placed twice.",
    breaks=("keys_count_once", "idempotency_key_honoured"),
    workloads=("together", "orders"),
    switched_in=attributes(
        (keyed, "_claim", _without_keys),
        (keyed, "_keep", _nothing),
        (chains, "committed", _afterwards),
    ),
    point_faults=("*@orders:sql.commit:reply:*", "*@orders:sql.insert-commands:*"),
)
