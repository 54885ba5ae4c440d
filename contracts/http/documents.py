"""Writes `contracts/http/openapi/ROLE.json`: what each role serves at `/openapi.json`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import structlog.testing
from aiohttp.test_utils import TestClient, TestServer

from system.kit import roles, stacks
from system.kit.lifespan import Lifespan
from system.kit.parts import Parts
from system.kit.roles import Blueprint
from system.roles import ROLES
from system.settings import Settings
from system.table import SHOP

FOLDER = Path(__file__).parent / "openapi"

Document = dict[str, Any]  # OpenAPI, as JSON


def files() -> Mapping[str, str]:
    """The documents, under their paths in the project."""
    with ThreadPoolExecutor(1) as apart:  # whoever asks may have a loop of its own
        served = apart.submit(asyncio.run, _served()).result()
    root = FOLDER.parents[2]
    return {
        str((FOLDER / f"{role}.json").relative_to(root)): text_of(document)
        for role, document in served.items()
    }


def committed(role: str) -> Document:
    """The document of a role, as it is in the project."""
    document: Document = json.loads((FOLDER / f"{role}.json").read_text(encoding="utf-8"))
    return document


def text_of(document: Document) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


async def _served() -> dict[str, Document]:
    """What each role answers when it is asked; nothing else of it runs."""
    with structlog.testing.capture_logs():
        async with stacks.embedded(Settings(), SHOP.all_topics) as parts:
            return {spec.name: await _described(spec.name, parts) for spec in ROLES}


async def _described(name: str, parts: Parts) -> Document:
    role = roles.build(name, parts, Blueprint(SHOP, Settings()), Lifespan())
    async with TestClient(TestServer(role.http.application)) as client:
        document: Document = await (await client.get("/openapi.json")).json()
    return document
