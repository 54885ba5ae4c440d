"""Endurance: orders over HTTP, while every role and every server is killed in turn."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from tqdm import tqdm

from chaos.kit.evidence import Evidence
from chaos.kit.history import History
from chaos.kit.promises import Anomaly, anomalies_of
from chaos.kit.servers.timeline import Timeline
from chaos.real import kept, report, shoppers
from chaos.real.clients import connected
from chaos.real.gathered import auditor, come_to_rest, gathered
from chaos.real.nemesis import Injected, Nemesis, NotRecovered, TimedFault, plan
from chaos.real.promises import PROMISES
from chaos.real.recovery import visible_again
from chaos.real.shopkeeper import REBUILD, Shopkeeper, look_at_the_rebuild
from chaos.real.system_under_test import SystemUnderTest
from chaos.shop.checkers import ANOMALIES, judge
from scenarios.harness.client import sends_once
from scenarios.harness.servers.common import say
from system.kit import stacks
from system.kit.values import dumps
from system.table import SHOP

FAULT_S = 5.0
"""About what a fault takes until everybody has recovered: baskets are spread over that."""
CALM_S = (0.2, 1.5)
FINISH_S = 120.0
FINISH_PER_ORDER_S = 0.1
"""How long shoppers may take to end what they have begun, once everything is healed."""
ANSWER_S = 30.0
SHOWN_MAX = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run shall be; with the seed, the whole of it but for chance in the machine."""

    orders: int
    kills: int
    pauses: int
    seed: int
    consumers: int = 1
    database: str = "mysql"


@dataclass(frozen=True)
class Result:
    """What came of a run."""

    evidence: Evidence
    injected: list[Injected]
    unfinished: int
    """Baskets whose shopper was not done in time."""
    anomalies: list[Anomaly]


def command_of(wanted: Wanted) -> str:
    return (
        f"python -m chaos endurance --orders {wanted.orders} --kills {wanted.kills}"
        f" --pauses {wanted.pauses} --seed {wanted.seed} --consumers {wanted.consumers}"
        f" --database {wanted.database}"
    )


async def endure(wanted: Wanted, folder: Path) -> Result:
    """Run it, judge it, and leave logs and history in the folder."""
    loop = asyncio.get_running_loop()
    history = History()
    baskets = shoppers.baskets(wanted.seed, wanted.orders)
    stocks = [shoppers.hot_stock(baskets), *[shoppers.PLENTY] * shoppers.PRODUCTS]
    missing: list[str] = []
    async with (
        SystemUnderTest(
            folder, consumers=wanted.consumers, database=wanted.database, proxied=True
        ) as system,
        sends_once(force_close=True) as session,
    ):
        timeline = Timeline(folder / "timeline.jsonl", lambda _: None)
        faults = plan(
            wanted.seed,
            list(system.targets),
            list(system.pausable_lines),
            kills=wanted.kills,
            pauses=wanted.pauses,
        )
        setting_up = connected("setting-up", system.where, session, history, Random(0))
        world = await shoppers.World.made(setting_up, stocks)
        with _progress(wanted) as show:

            def note(what: str) -> None:
                timeline.note("nemesis", what)
                show.inject(what)

            nemesis = Nemesis(system.targets, system.pausable_lines, system.not_ready, note)
            counter = shoppers.Counter(baskets, wanted.seed)
            shopping = [
                asyncio.create_task(
                    shoppers.Shopper(world, system.where, session, history).shop(
                        counter, show.order
                    )
                )
                for _ in range(shoppers.SHOPPERS)
            ]
            keeper = connected(
                "shopkeeper", system.where, session, history, Random(f"shopkeeper {wanted.seed}")
            )
            keeping = asyncio.create_task(
                Shopkeeper(world, keeper).keep(lambda: all(task.done() for task in shopping))
            )
            try:
                await _inject_and_shop(faults, nemesis, counter, wanted)
                note("healed")
            except NotRecovered as not_recovered:
                missing.append(str(not_recovered))
            counter.close()
            finish_s = FINISH_S + FINISH_PER_ORDER_S * wanted.orders
            _, late = await asyncio.wait(shopping, timeout=finish_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*shopping, keeping, return_exceptions=True)
            note("shoppers are done")
        for task in (*shopping, keeping):
            if not task.cancelled() and (broken := task.exception()) is not None:
                raise broken
        async with stacks.servers(auditor(system.servers.environment()), SHOP.all_topics) as parts:
            missing += await come_to_rest(parts)
            if await look_at_the_rebuild(keeper, within_s=ANSWER_S) is None:
                missing.append("the query side does not say what became of the rebuild")
            evidence = await gathered(
                parts,
                system.where,
                history,
                missing=missing,
                failures=[],
                disturbances=len(nemesis.injected),
            )
        evidence.failures = tuple(await system.stop_roles())
    # first: whatever a judge does, the evidence is there
    kept.keep(
        evidence,
        folder,
        timeline,
        seed=wanted.seed,
        database=wanted.database,
        command=command_of(wanted),
    )
    _write(folder, nemesis.injected, timeline)
    began_s = loop.time()
    verdicts = judge(evidence, PROMISES)
    found = anomalies_of(verdicts)
    (folder / "anomalies.txt").write_text("".join(f"{anomaly}\n" for anomaly in found))
    report.write(folder, kept.kept(folder), verdicts)
    say(f"judged in {loop.time() - began_s:.1f} s")
    return Result(evidence, nemesis.injected, len(late), found)


async def _inject_and_shop(
    faults: list[TimedFault], nemesis: Nemesis, counter: shoppers.Counter, wanted: Wanted
) -> None:
    """Between two faults the same number of baskets, and the first of them before any fault."""
    random = Random(f"calm {wanted.seed}")
    share, rest = divmod(wanted.orders, len(faults) + 1)
    await counter.hand_out(share + rest, 1.0 + share / 100)
    for fault in faults:
        handing_out = asyncio.create_task(counter.hand_out(share, FAULT_S))
        try:
            await asyncio.sleep(random.uniform(*CALM_S))
            await nemesis.inject(fault)
        finally:
            await handing_out


# --- what is shown and kept -------------------------------------------------------------------------


class _Progress:
    """Orders, faults, and what is being hit: one line on a terminal, a line each in a pipe."""

    def __init__(
        self, bar: Any, wanted: Wanted
    ) -> None:  # tqdm's class is generic in its stubs only
        self._bar = bar
        self._wanted = wanted
        self._orders = 0
        self._faults = 0
        self._last = ""

    def __str__(self) -> str:
        return f"{self._orders} of {self._wanted.orders} orders, {self._faults} faults"

    def order(self, _: shoppers.Basket, acknowledged: bool) -> None:
        self._orders += 1
        self._bar.update()
        if not acknowledged:
            self._bar.set_postfix_str(self._last)

    def inject(self, what: str) -> None:
        self._faults += what.startswith(("kill", "pause", "cut"))
        self._last = f"{self._faults} faults: {what}"
        self._bar.set_postfix_str(self._last)
        if self._bar.disable:
            say(f"{self._orders} of {self._wanted.orders} orders, {self._last}")


@contextmanager
def _progress(wanted: Wanted) -> Iterator[_Progress]:
    with tqdm(total=wanted.orders, unit=" orders", disable=None, dynamic_ncols=True) as bar:
        shown = _Progress(bar, wanted)
        try:
            yield shown
        except asyncio.CancelledError:
            say(f"stopped after {shown}; nothing is judged")
            raise


def _write(folder: Path, injected: list[Injected], timeline: Timeline) -> None:
    with (folder / "faults.jsonl").open("wb") as file:
        for one in injected:
            placed = replace(
                one,
                began_s=timeline.of_loop(one.began_s),
                repaired_s=timeline.of_loop(one.repaired_s),
            )
            file.write(dumps(asdict(placed)) + b"\n")


def summary(wanted: Wanted, result: Result, folder: Path) -> str:
    """The last lines: what broke if anything did, and in one line what was seen."""
    lines = [f"  {anomaly}" for anomaly in result.anomalies[:SHOWN_MAX]]
    if len(result.anomalies) > SHOWN_MAX:
        lines.append(f"  … and {len(result.anomalies) - SHOWN_MAX} more in {folder}/anomalies.txt")
    names = sorted({anomaly.name for anomaly in result.anomalies})
    lines += [f"{name}: {ANOMALIES.get(name, '')}" for name in names]
    history = result.evidence.history
    orders = [op for op in history if (op.method, op.path) == ("POST", "/orders")]
    of = Counter(op.outcome.value for op in orders)
    ids = {op.json["id"] for op in orders if op.ok}
    kinds: Counter[str] = Counter()
    for one in result.injected:
        kinds[one.fault.kind] += len(one.fault.targets)
    rebuilds = sum(op.ok and (op.method, op.path) == ("POST", REBUILD) for op in history)
    times = visible_again(history, result.injected)
    recovery = (
        f", orders shown {median(times):.1f} s after the repair (at most {max(times):.1f})"
        if times
        else ""
    )
    messages = sum(map(len, result.evidence.log.values()))
    verdict = "BROKEN" if is_broken(result) else "kept"
    late = f", {result.unfinished} shoppers not done" if result.unfinished else ""
    lines.append(
        f"{verdict}: {len(ids)} orders acknowledged of {wanted.orders} (requests: {of['ok']} ok, "
        f"{of['fail']} fail, {of['info']} info{late}), {kinds['kill']} kills, {kinds['pause']} "
        f"pauses, {kinds['cut']} cuts, {rebuilds} rebuilds{recovery}; {messages} messages judged, "
        f"{len(PROMISES)} promises, "
        f"{len(result.anomalies)} breaks; seed {wanted.seed}; logs and history in {folder}"
    )
    return "\n".join(lines)


def is_broken(result: Result) -> bool:
    return bool(result.anomalies or result.unfinished)


def run(wanted: Wanted, folder: Path) -> int:
    """Endure, and say what came of it; 1 when a promise broke."""
    say(f"{wanted.orders} orders, {wanted.kills} kills, {wanted.pauses} pauses; logs in {folder}")
    result = asyncio.run(endure(wanted, folder))
    sys.stdout.write(summary(wanted, result, folder) + "\n")
    return 1 if is_broken(result) else 0
