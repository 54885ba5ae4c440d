"""A command is answered as soon as its transaction has nothing left to do but COMMIT."""

from __future__ import annotations

import asyncio
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.commands.group_commit import Commands, answer_of
from system.kit.commands.middleware.acted import acted
from system.kit.steps import chain


def _eager(reached: Reached, _: Any) -> Any:
    def each(self: Any, act: Any) -> Any:
        async def run(member: Any) -> Any:
            answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

            async def acting(commands: Any, unit: Any) -> Any:
                answer = await act(commands[0], unit)
                if not answered.done():
                    answered.set_result(answer)
                return [answer]

            step = chain(self._around, acted(acting))
            settling = self._task(self._settle_alone(member, step))
            await asyncio.wait({answered, settling}, return_when=asyncio.FIRST_COMPLETED)
            if answered.done():
                reached()
                return answered.result()
            return answer_of(member.outcome.result())

        return self._undisturbed(run)

    return each


MUTANT = Mutant(
    bug="What was answered with success is rolled back when the COMMIT fails.",
    breaks=("acknowledged_has_its_event", "no_lost_event"),
    workloads=("orders", "stock"),
    switched_in=attribute(Commands, "each", _eager),
    point_faults=("crash@*:sql.commit:request:*", "crash@*:sql.insert-outbox:request:*"),
)
