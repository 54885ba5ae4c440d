from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest


@pytest.fixture
async def complaints() -> AsyncIterator[list[str]]:
    """What asyncio says of failures that nobody has looked at."""
    loop, heard = asyncio.get_running_loop(), list[str]()
    loop.set_exception_handler(
        lambda _, context: heard.append(f"{context['message']}: {context.get('exception')!r}")
    )
    yield heard
    gc.collect()
    loop.set_exception_handler(None)
