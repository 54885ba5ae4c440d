"""Views: at rest, readers see what the write side has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from chaos.kit.promises.checker import KEPT, Anomaly, Cases

Shown: TypeAlias = Mapping[str, object]
"""How a thing is shown: the fields in which both sides have to agree."""


def sides_agree(written: Mapping[str, Shown], viewed: Mapping[str, Shown]) -> Cases:
    """By what names each thing: what either side shows of it."""
    for name in sorted(written.keys() | viewed.keys()):
        if name not in viewed:
            yield Anomaly("missing view", f"{name} is on the write side alone", about=name)
        elif name not in written:
            yield Anomaly("ghost in the views", f"{name} is on the query side alone", about=name)
        elif differences := differing(written[name], viewed[name]):
            yield Anomaly("view differs", f"{name}, written and viewed: {differences}", about=name)
        else:
            yield KEPT


def differing(wanted: Shown, found: Shown) -> str:
    """The fields that are not as they should be. One that is not wanted may be anything."""
    return ", ".join(
        f"{field} {value!r} and {found.get(field)!r}"
        for field, value in wanted.items()
        if found.get(field) != value
    )
