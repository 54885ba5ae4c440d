"""Load on the hot path of orders and reservations, judged at the end: `locust -f load/orders.py`.

Profiles are named behind the options (`Shopper HotProduct`), or picked in the web page; without a
name all of them mix, by their weights. docs/load.md says what each of them does, and how to read
the rows.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from locust import events

from load.kit.evidence import Json
from load.kit.gauges import by_label
from load.kit.run import Begun, Run
from load.kit.shapes import Ramp, Soak, Spike
from load.kit.users import JudgedUser
from load.shop import options as shop_options
from load.shop import world
from load.shop.options import Wanted
from load.shop.profiles import Arrivals, Browser, HotProduct, Shopper
from load.shop.where import AGE, BACKLOG, LAG

__all__ = ["Arrivals", "Browser", "HotProduct", "Ramp", "Shopper", "Soak", "Spike"]


class ShopUnderLoad:
    """What the kit has to know of this system."""

    judge: Sequence[str] = (sys.executable, "-m", "load", "judge")

    def begin(self, options: Mapping[str, Any], host: str | None) -> Begun:
        made = world.made_for(Wanted.of(options, host))
        users_need: dict[str, Json] = {
            "run": made.run,
            "customers": list(made.customers),
            "products": list(made.products),
            "hot": made.hot,
        }
        return Begun(made.facts, users_need, made.first)

    def rows(self, options: Mapping[str, Any], host: str | None) -> tuple[Mapping[str, float], str]:
        values, missing = Wanted.of(options, host).where.glance()
        lag: dict[str, float] = {}
        for group, records in by_label(values, LAG.sample).items():
            consumer = group.partition(".")[0]
            lag[consumer] = lag.get(consumer, 0.0) + records
        rows = {
            **{
                f"outbox backlog (events): {aggregate}": rows
                for aggregate, rows in by_label(values, BACKLOG.sample).items()
            },
            **{
                f"oldest event in the outbox (ms): {aggregate}": age_s * 1000
                for aggregate, age_s in by_label(values, AGE.sample).items()
            },
            **{f"consumer lag (records): {consumer}": records for consumer, records in lag.items()},
        }
        return rows, missing


def _add_options(parser: Any, **_: object) -> None:  # Locust's parser
    shop_options.add(parser)
    parser.add_argument(
        "--evidence",
        metavar="FILE",
        default="",
        env_var="LOCUST_EVIDENCE",
        include_in_web_ui=False,
        help="where the run's evidence goes (default: a new file in load-evidence)",
    )
    parser.add_argument(
        "--rest-within",
        type=shop_options.seconds,
        default=60.0,
        metavar="SECONDS",
        env_var="LOCUST_REST_WITHIN",
        help="how long the judge waits for rest at the end (default 60)",
    )
    parser.set_defaults(class_picker=True)


events.init_command_line_parser.add_listener(_add_options)
JudgedUser.run_of = Run(ShopUnderLoad())
JudgedUser.run_of.listen(events)
