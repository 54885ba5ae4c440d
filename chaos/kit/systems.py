"""What the harness reads off the table of a system: who reads, who relays, in which groups."""

from __future__ import annotations

from collections.abc import Sequence

from system.kit.spec import Kind
from system.kit.table import System


def query_api(system: System) -> str:
    """The role that readers ask."""
    return next(spec.name for spec in system.roles if spec.kind is Kind.QUERIES)


def api_by_name(path: str) -> str:
    """`/accounts/7/payments` is served by `account-api`, unless a system names its APIs otherwise."""
    return f"{path.split('/')[1].removesuffix('s')}-api"


def projector(system: System) -> str:
    """The role that keeps the views."""
    return next(spec.name for spec in system.roles if spec.kind is Kind.PROJECTIONS)


def groups(system: System) -> Sequence[str]:
    """The consumer groups at a first start. A role that handles no event has none."""
    handling = [name for name in system.consumers if system.handlers_of(name)]
    return [*handling, group_of_views(system, 1)]


def group_of_views(system: System, generation: int) -> str:
    """The group by which a generation of the views is read."""
    return f"{projector(system)}.g{generation}"
