"""A promise has one name and one sentence, whoever judges it: there are five who do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from chaos.accounts.checkers import CHECKERS as ACCOUNTS
from chaos.kit import blackbox
from chaos.kit.promises import Promise, catalog
from chaos.real import promises as real
from chaos.shop.checkers import CHECKERS as SHOP
from load.shop import judge

JUDGED: Mapping[str, Collection[Promise]] = {
    "the simulation of the shop": [one.promise for one in SHOP.values()],
    "the simulation of accounts": [one.promise for one in ACCOUNTS.values()],
    "real servers": [one.promise for one in real.PROMISES.values()],
    "strangers": [one.promise for one in blackbox.PROMISES],
    "load": [one.promise for one in judge.PROMISES],
}


def test_a_name_is_said_by_one_sentence_and_a_sentence_by_one_name() -> None:
    promises = {promise for judged in JUDGED.values() for promise in judged}

    assert len({one.name for one in promises}) == len(promises)
    assert len({one.says for one in promises}) == len(promises)


def test_nobody_judges_one_promise_twice() -> None:
    for judged in JUDGED.values():
        assert len(set(judged)) == len(judged)


def test_the_catalog_has_what_several_judge() -> None:
    """The shop's simulation, its runs on real servers and accounts have many checkers in common."""
    own = {id(one) for one in vars(catalog).values() if isinstance(one, Promise)}
    judges: dict[int, set[str]] = defaultdict(set)
    for who, judged in JUDGED.items():
        for promise in judged:
            judges[id(promise)].add(who)

    assert [one for one in own if len(judges[one]) < 2] == []
