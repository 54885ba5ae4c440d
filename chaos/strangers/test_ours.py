"""What the adapter of the kit's own system knows of orders is what the code and its page say."""

from __future__ import annotations

from chaos.strangers.ours import KINDS, STATUS, TELL
from scenarios.repository.order_life import CLIENTS, LEARNS, steps
from system.events import EVENTS, OrderDeleted, OrderStatus

PLACE = "chaos/strangers/ours.py"


def test_a_status_leads_to_those_that_the_page_says() -> None:
    told: dict[str, set[str]] = {status.value: set() for status in OrderStatus}
    for step in (*steps(CLIENTS), *steps(LEARNS)):
        told[step.before].add(step.after)

    assert told == STATUS, f"STATUS in {PLACE} is the tables of docs/order-life.md"


def test_every_event_about_an_order_is_read() -> None:
    """But its end by DELETE, which shows no order any more."""
    told = {event.type for event in EVENTS if "order_id" in event.model_fields}

    for table in (TELL, KINDS):
        assert table.keys() == told - {OrderDeleted.type}, (
            f"TELL and KINDS in {PLACE} have them all"
        )
