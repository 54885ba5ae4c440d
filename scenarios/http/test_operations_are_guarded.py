"""`/admin/` is for those who run the system: by token, or else from the machine itself."""

from __future__ import annotations

from ipaddress import ip_address
from unittest import mock

import pytest
from aiohttp.test_utils import make_mocked_request

from scenarios.http.toy import Running, running
from system.kit.errors import Refused
from system.kit.http.app import admit

TOKEN = "a-long-token"
SECRETS = "/admin/secrets"


async def test_with_a_token_only_its_bearer_gets_in() -> None:
    async with running(admin_token=TOKEN) as toy:
        for header in (None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer é"):
            headers = {} if header is None else {"Authorization": header}
            reply = await toy.ask("GET", SECRETS, headers=headers)
            assert (reply.status, reply.problem) == (401, "unauthorized")
            assert reply.headers["WWW-Authenticate"] == "Bearer"
        assert not toy.toy.asked
        reply = await toy.ask("GET", SECRETS, headers={"Authorization": f"Bearer {TOKEN}"})
        assert reply.status == 200


async def test_without_a_token_the_machine_itself_gets_in(toy: Running) -> None:
    assert (await toy.ask("GET", SECRETS)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        ["Host: attacker.example"],
        ["Host: 192.0.2.1:8091"],
        ["Host: localhost.attacker.example"],
        ["Host: 127.0.0.1", "Sec-Fetch-Site: cross-site"],
        ["Host: localhost", "Sec-Fetch-Site: same-site"],
    ],
    ids=str,
)
async def test_no_page_on_the_internet_gets_in_through_a_browser_here(
    toy: Running, headers: list[str]
) -> None:
    reply = await toy.raw(f"GET {SECRETS} HTTP/1.1", *headers)
    assert (reply.status, reply.problem) == (403, "forbidden")
    assert not toy.toy.asked


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8091", "127.1.2.3", "[::1]:8091"])
async def test_the_docs_page_of_the_machine_itself_does(toy: Running, host: str) -> None:
    reply = await toy.raw(f"GET {SECRETS} HTTP/1.1", f"Host: {host}", "Sec-Fetch-Site: same-origin")
    assert reply.status == 200


@pytest.mark.parametrize(
    "peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"]
)
def test_without_a_token_no_other_machine_gets_in(peer: str) -> None:
    transport = mock.Mock()
    transport.get_extra_info.return_value = (peer, 4711)
    request = make_mocked_request("GET", SECRETS, {"Host": "localhost"}, transport=transport)
    if ip_address(peer.removeprefix("::ffff:")).is_loopback:
        admit(request, None)
    else:
        with pytest.raises(Refused, match="forbidden"):
            admit(request, None)
