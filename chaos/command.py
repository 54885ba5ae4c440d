"""Faults on purpose: `python -m chaos simulate | replay | mutants` of the shop, and on real servers.

`real | judge | endurance` are those of `chaos.real`, which needs the drivers of servers, and
`strangers` those of `chaos.strangers`, which judge systems of others.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from chaos.kit.command import require
from chaos.kit.simulated import command as simulated
from chaos.shop.subject import SHOP

ON_SERVERS = {
    "real": "named scenarios on real servers, one fault each; its own --help",
    "judge": "judge again what a run on real servers has left",
    "endurance": "orders on real servers, while roles and servers are killed; its own --help",
}
STRANGERS = {"strangers": "judge a system of others, from outside, by an adapter; its own --help"}
EXAMPLES = (
    "python -m chaos simulate                        every single fault, then 2,000 random schedules",
    "python -m chaos simulate --workload orders --schedules 200 --seed 7",
    "python -m chaos simulate --minutes 60 --seed 99 --no-singles",
    "python -m chaos replay 'orders/1/crash@orders:sql.commit:reply:3' --report run.html",
    f"python -m chaos mutants                         {len(SHOP.mutants)} classic bugs, each to be caught",
    "python -m chaos mutants dual_write published_before_ack",
    "python -m chaos real --list                     scenarios on real servers; see its own --help",
    "python -m chaos endurance --orders 1000         on real servers, everything killed in turn",
    "python -m chaos strangers judge naive           a system of others; see its own --help",
)


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] and arguments[0] in ON_SERVERS:
        require("aiokafka", "aiomysql", "motor", "toxiproxy")
        from chaos.real import command  # noqa: PLC0415 - the drivers of servers, used nowhere else

        return command.main(arguments, program=SHOP.program)
    if arguments[:1] and arguments[0] in STRANGERS:
        require("aiokafka", "aiomysql", "motor", "toxiproxy")
        from chaos.strangers import command as strangers  # noqa: PLC0415 - the same

        return strangers.main(arguments, program=SHOP.program)
    return simulated.main(SHOP, arguments, examples=EXAMPLES, others={**ON_SERVERS, **STRANGERS})
