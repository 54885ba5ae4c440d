"""For schemathesis's own command line: things that exist, and the list of widened expectations.

    SCHEMATHESIS_HOOKS=contracts.http.hooks schemathesis run http://localhost:8083/openapi.json

The whole system must run, at its usual ports: orders are made of users and products.
"""

from __future__ import annotations

from random import Random
from typing import Any

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response

from contracts.http.things import Things
from contracts.http.widened import WIDENED
from contracts.kit.openapi import Case
from system.roles import ROLES

_PORTS = {spec.name: spec.port for spec in ROLES}
_THINGS = Things(lambda role: f"http://localhost:{_PORTS[role]}", Random())


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: Case, __: dict[str, Any]) -> None:
    _THINGS.give(case)


@schemathesis.hook
def filter_failure(
    _: schemathesis.HookContext, failure: Failure, case: Case, response: Response
) -> bool:
    return not any(
        isinstance(failure, one.check) and one.is_right(case, response) for one in WIDENED
    )
