"""`/docs`: one page that needs nothing but the service it came from."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from textwrap import dedent

import pytest

from scenarios.http.toy import Running

WITHOUT_AN_END = frozenset({"meta", "link", "input", "br"})


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.references: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in WITHOUT_AN_END:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.add(value or "")
            if name in ("href", "src"):
                self.references.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


async def text_of(toy: Running) -> str:
    return (await toy.ask("GET", "/docs")).body.decode()


def script_of(text: str) -> str:
    return text.partition("<script>")[2].partition("</script>")[0]


async def test_it_is_a_page(toy: Running) -> None:
    reply = await toy.ask("GET", "/docs")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert Page(reply.body.decode()).open == []


async def test_it_loads_nothing_from_elsewhere_and_may_not(toy: Running) -> None:
    reply = await toy.ask("GET", "/docs")
    assert not re.search(r"(https?:)?//\w", reply.body.decode().replace("// ", ""))
    policy = reply.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; connect-src 'self';")


async def test_its_links_lead_somewhere(toy: Running) -> None:
    references = {ref for ref in Page(await text_of(toy)).references if ref != "data:,"}
    assert references == {"openapi.json", "problems", "readyz", "metrics"}
    for reference in references:
        assert (await toy.ask("GET", f"/{reference}")).status == 200


async def test_its_script_finds_what_it_looks_for(toy: Running) -> None:
    text = await text_of(toy)
    wanted = set(re.findall(r'getElementById\("(\w+)"\)', script_of(text)))
    assert wanted == {"title", "about", "operations"}
    assert wanted <= Page(text).ids


async def test_what_servers_send_never_becomes_markup(toy: Running) -> None:
    script = script_of(await text_of(toy))
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert way not in script


def evaluated(script: str, expression: str) -> object:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed, so nothing here can run the page's script")
    program = f"{script}\nconsole.log(JSON.stringify({expression}))"
    done = subprocess.run([node, "-e", program], capture_output=True, check=True, timeout=300)
    return json.loads(done.stdout)


async def test_it_makes_the_request_that_was_filled_in(toy: Running) -> None:
    operation = {
        "path": "/things/{id}",
        "method": "put",
        "parameters": [
            {"in": "path", "name": "id"},
            {"in": "query", "name": "q"},
            {"in": "query", "name": "empty"},
            {"in": "header", "name": "Idempotency-Key"},
        ],
        "requestBody": {},
        "security": [{}, {"token": []}],
    }
    values = {
        "path:id": "1/2",
        "query:q": "a b&c",
        "query:empty": "",
        "header:Idempotency-Key": "k",
        "header:Authorization": "Bearer t",
    }
    call = f"requestOf({json.dumps(operation)}, {json.dumps(values)}, '{{}}')"
    assert evaluated(script_of(await text_of(toy)), call) == {
        "method": "PUT",
        "path": "/things/1%2F2?q=a+b%26c",
        "headers": {
            "Idempotency-Key": "k",
            "Authorization": "Bearer t",
            "Content-Type": "application/json",
        },
        "body": "{}",
    }


async def test_it_shows_numbers_as_they_came(toy: Running) -> None:
    text = '{"price":5999.90,"id":9223372036854775807,"a":[],"b":["x, {y}"],"c":{}}'
    shown = evaluated(script_of(await text_of(toy)), f"indented({json.dumps(text)})")
    assert shown == dedent(
        """\
        {
          "price": 5999.90,
          "id": 9223372036854775807,
          "a": [],
          "b": [
            "x, {y}"
          ],
          "c": {}
        }"""
    )


async def test_its_curl_survives_quotes(toy: Running) -> None:
    request = {"method": "POST", "path": "/things", "headers": {"A": "b"}, "body": "it's"}
    curl = evaluated(script_of(await text_of(toy)), f"curlOf({json.dumps(request)}, 'http://x')")
    assert curl == "curl -i -X POST \\\n  'http://x/things' \\\n  -H 'A: b' \\\n  -d 'it'\\''s'"
