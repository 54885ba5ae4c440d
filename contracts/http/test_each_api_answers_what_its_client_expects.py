"""The provider's side: the four APIs of the running system, against the committed pacts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from contracts.http import pact_files
from contracts.http.calls import CALLS
from contracts.kit.pacts.files import name_of as file_name_of
from contracts.kit.pacts.provider import verify_http
from contracts.kit.pacts.states import name_of
from scenarios.harness.stack import Stack

STATES = {name_of(call.given): call.given for call in CALLS}


def test_there_is_no_pact_of_an_api_that_is_gone() -> None:
    names = {Path(name).name for name in pact_files.files()}
    assert {path.name for path in pact_files.FOLDER.iterdir()} == names


@pytest.mark.parametrize("provider", pact_files.PROVIDERS)
async def test_it_answers_what_its_client_expects(provider: str, system: Stack) -> None:
    async def prepare(state: str, _parameters: Mapping[str, Any]) -> Mapping[str, object]:
        return await STATES[state](system)

    path = pact_files.FOLDER / file_name_of(pact_files.CONSUMER, provider)
    await verify_http(provider, system.url(provider), [path], prepare)
