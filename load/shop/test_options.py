"""Options and addresses: what is out of range is refused in one line."""

from __future__ import annotations

import pytest

from load.kit.bad_use import BadUse
from load.shop.options import Wanted
from load.shop.where import PORTS, READING, RELAYED, Where
from system.roles import QUERY_CONSUMER, ROLES
from system.table import SHOP

GIVEN = {
    "think": "0.1-0.5",
    "rate": 10.0,
    "customers": 10,
    "products": 10,
    "hot_stock": 100,
    "no_seed": False,
}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("think", "5-1"),
        ("think", "-1"),
        ("think", "soon"),
        ("think", "nan"),
        ("rate", 0),
        ("rate", "inf"),
        ("rate", "many"),
        ("customers", 0),
        ("products", 1001),
        ("products", "2.5"),
        ("hot_stock", -1),
    ],
)
def test_an_option_out_of_range_is_refused(option: str, value: object) -> None:
    with pytest.raises(BadUse) as refused:
        Wanted.of({**GIVEN, option: value}, None)

    assert str(value) in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    "host",
    ["localhost", "http://localhost:8081", "ftp://localhost", "http://a/b", "http://a:99999"],
)
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(BadUse, match=r"--host"):
        Wanted.of(GIVEN, host)


def test_every_role_is_at_its_own_port_of_the_host_unless_it_is_said_to_be_elsewhere() -> None:
    where = Where.of("http://there", {"query-consumer": "http://a:1, http://b:2", "user-api": ""})

    assert where.role("user-api") == "http://there:8081"
    assert where.urls["query-consumer"] == ["http://a:1", "http://b:2"]


def test_a_role_that_is_nowhere_is_refused_by_its_name() -> None:
    with pytest.raises(BadUse, match=r"--order-api 'nowhere'"):
        Where.of("http://there", {"order-api": "nowhere"})


def test_the_roles_are_those_of_the_system() -> None:
    assert {spec.name: spec.port for spec in ROLES} == PORTS
    assert {spec.name: spec.relays for spec in ROLES if spec.relays} == RELAYED
    assert [
        spec.name for spec in ROLES if SHOP.handlers_of(spec.name) or spec.name == QUERY_CONSUMER
    ] == list(READING)
