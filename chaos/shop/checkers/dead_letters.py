"""Dead letters of the shop: one handler fails until it is mended, and its letters are no healthy ones."""

from __future__ import annotations

from chaos.kit.checkers import dead_letters as kit
from chaos.shop.workloads.points import MINDED_METHOD, PROGRAMS
from system.events import BY_TYPE
from system.kit.delivery import outbox
from system.kit.delivery.dead_letters import DeadLetter


def _has_the_bug(letter: DeadLetter) -> bool:
    """Whether its handler fails until it is mended; the last attempt may have failed of else."""
    if letter.topic != "order.paid" or letter.consumer not in PROGRAMS:
        return False
    order = outbox.decode(letter.message, BY_TYPE).event.order
    return bool(order.payment_method == MINDED_METHOD)


EXACTLY_POISON = kit.exactly_poison(_has_the_bug)
