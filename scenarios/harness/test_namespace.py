"""Stacks that share servers do not see each other."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from scenarios.harness.namespace import Place
from system.settings import Settings


@pytest.mark.parametrize(
    ("uri", "within"),
    [
        ("mongodb://h", "mongodb://h/ecommerce_x"),
        ("mongodb://a:b@h:1,i:2/shop", "mongodb://a:b@h:1,i:2/ecommerce_x?authSource=shop"),
        ("mongodb://a:b@h/shop?authSource=admin", "mongodb://a:b@h/ecommerce_x?authSource=admin"),
    ],
)
def test_a_place_has_databases_of_its_own_and_the_login_of_the_servers(
    uri: str, within: str
) -> None:
    servers = Settings(mysql_dsn=SecretStr("u:p@tcp(db:1)/shop"), mongo_uri=SecretStr(uri))
    settings = Place(servers, "x", ()).within(Settings(port=7), instance="2")
    assert (settings.port, settings.instance) == (7, "2")
    assert settings.mongo_uri.get_secret_value() == within
    url = settings.mysql_url()
    assert (url.username, url.password, url.host, url.database) == ("u", "p", "db", "shop_x")
