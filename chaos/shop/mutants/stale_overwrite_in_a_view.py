"""The view store keeps whatever is written last."""

from __future__ import annotations

from bisect import insort
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.adapters.embedded import views as views_embedded
from system.kit.ports.views import Document, Put


def _unguarded(reached: Reached, _: Any) -> Any:
    def put(self: Any, put: Put) -> None:
        document = self.documents.get(put.key)
        if document is None:
            document = Document(put.key, {}, {})
            insort(self._keys, put.key)
        if document.versions.get(put.part, 0) > put.version:
            reached()
        self.documents[put.key] = Document(
            put.key,
            {**document.parts, put.part: put.fields},
            {**document.versions, put.part: put.version},
        )

    return put


MUTANT = Mutant(
    bug="An old event that comes late, or again, overwrites a newer state.",
    breaks=("views_equal_rebuild",),
    workloads=("orders", "stock"),
    switched_in=attribute(views_embedded._View, "put", _unguarded),  # noqa: SLF001 - the store's own
    timed_faults=("duplicate@order.created:0.8:0", "duplicate@product.updated:0.8:0"),
)
