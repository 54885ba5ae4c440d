"""A product's stock is shown by the version of its name and price."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from chaos.kit.simulated.mutant import Mutant, Reached, projections
from system.events import ProductEvent, ProductUpdated
from system.kit.delivery.middleware.projected import Projection
from system.kit.ports.views import Put
from system.products import views


def _one_version(reached: Reached) -> Sequence[Projection]:
    def product(event: ProductEvent) -> Iterable[Put]:
        for put in views.product(event):
            if event.version != put.version:
                reached()
            yield replace(put, version=event.version)

    return [product]


MUTANT = Mutant(
    bug="A stock that was set by hand loses against older reservations, whose versions are higher.",
    breaks=("views_equal_rebuild", "views_show_the_truth"),
    workloads=("stock",),
    switched_in=projections({ProductUpdated: _one_version}),
)
