"""Writes the pact of the client with each of the four APIs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from contracts.http.calls import CALLS
from contracts.http.provider_states import NAMES
from contracts.kit.pacts import files as texts
from contracts.kit.pacts.http import pact_of

CONSUMER = "scenarios"
FOLDER = Path(__file__).parent / "pacts"
PROVIDERS = tuple(dict.fromkeys(call.provider for call in CALLS))


def files() -> Mapping[str, str]:
    """Every pact file, under its path."""
    return {
        f"contracts/http/pacts/{texts.name_of(CONSUMER, provider)}": texts.text_of(
            pact_of(
                CONSUMER,
                provider,
                [call.exchange for call in CALLS if call.provider == provider],
                NAMES,
            )
        )
        for provider in PROVIDERS
    }
