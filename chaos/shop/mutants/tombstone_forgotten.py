"""What is deleted is taken out of the view, and nothing is left to remember it by."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.adapters.embedded import views as views_embedded
from system.kit.ports.views import Put


def _traceless(reached: Reached, right: Any) -> Any:
    def put(self: Any, put: Put) -> None:
        if put.fields is not None:
            right(self, put)
            return
        reached()
        if self.documents.pop(put.key, None) is not None:
            self._keys.remove(put.key)

    return put


MUTANT = Mutant(
    bug="A late event brings a deleted order back to the readers.",
    breaks=("views_show_the_truth",),
    workloads=("endings",),
    switched_in=attribute(views_embedded._View, "put", _traceless),  # noqa: SLF001 - the store's own
    timed_faults=("duplicate@order.created:1.5:0", "duplicate@order.created:1:0"),
)
