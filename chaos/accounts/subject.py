"""Accounts under test: what a system of your own has to say, to be simulated."""

from __future__ import annotations

from chaos.accounts.checkers import CHECKERS
from chaos.accounts.workloads import SETTING_UP, WORKLOADS
from chaos.kit.checkers import ANOMALIES
from chaos.kit.mutants import (
    dual_write,
    no_inbox,
    published_before_ack,
    random_partition_key,
    skip_a_failed_row,
    unclaimed_double_relay,
)
from chaos.kit.simulated import command
from chaos.kit.simulated.subject import Subject
from system.kit.skeleton.accounts import SYSTEM

ACCOUNTS = Subject(
    "chaos.accounts.subject:ACCOUNTS",
    SYSTEM,
    SETTING_UP,
    WORKLOADS,
    CHECKERS,
    {
        "dual_write": dual_write.MUTANT.hunted_in("payments"),
        "published_before_ack": published_before_ack.MUTANT.hunted_in("payments"),
        "no_inbox": no_inbox.MUTANT.hunted_in(
            "payments", timed_faults=("duplicate@account.paid:0.6:0",)
        ),
        "random_partition_key": random_partition_key.MUTANT.hunted_in("payments"),
        "skip_a_failed_row": skip_a_failed_row.MUTANT.hunted_in("payments"),
        "unclaimed_double_relay": unclaimed_double_relay.MUTANT.hunted_in("shared"),
    },
    ANOMALIES,
    program="python -m chaos.accounts",
)


def main() -> int:
    examples = (
        "python -m chaos.accounts simulate --schedules 100",
        "python -m chaos.accounts replay 'payments/1/crash@accounts:sql.commit:reply:3'",
        "python -m chaos.accounts mutants",
    )
    return command.main(ACCOUNTS, examples=examples)
