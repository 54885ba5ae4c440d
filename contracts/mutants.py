"""What breaks the contracts of the shop, and which test has to notice. `docs/breakage.md` shows it.

To add one: an edit of one module, and the test that should kill it, by name.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from contracts.kit.mutants import Edit, Mutant, Outcome, outcomes
from system.kit.operations.arguments import Parser, unknown

ROOT = Path(__file__).parents[1]
PATH = "docs/breakage.md"

_MODEL = "contracts/test_event_schemas.py::test_a_published_version_says_what_its_model_says"
_NAMES = "contracts/test_event_schemas.py::test_a_field_is_called_in_the_code_as_on_the_wire"
_TYPES = (
    "contracts/test_event_schemas.py::test_no_type_is_in_the_folder_that_the_code_does_not_know"
)
_SENT = (
    "contracts/test_our_events_keep_their_schemas.py"
    "::test_what_is_sent_keeps_its_schema_and_has_no_field_beyond_it"
)
_READS = (
    "contracts/test_our_events_keep_their_schemas.py"
    "::test_a_consumer_reads_whatever_the_schema_allows"
)
_GOLDEN = (
    "contracts/test_the_golden_archive_is_still_read.py"
    "::test_every_consumer_handles_all_of_it_and_parks_nothing"
)
_TOPICS = "contracts/topics/test_asyncapi.py::test_the_file_says_what_the_code_says"
_CHANNELS = "contracts/topics/test_asyncapi.py::test_every_topic_is_a_channel_and_no_other"
_LOG = "contracts/topics/test_witness.py::test_each_message_is_counted"
_LETTERS = (
    "contracts/topics/test_witness.py"
    "::test_what_a_scenario_made_up_is_passed_over_and_its_dead_letters_are_judged"
)
_PROVIDER = (
    "contracts/messages/test_each_provider_sends_what_its_consumers_read.py"
    "::test_it_sends_what_its_consumers_read"
)
_CONSUMER = (
    "contracts/messages/test_each_consumer_does_what_stands_beside_its_message.py"
    "::test_it_has_the_effect_that_stands_beside_the_message"
)
_STORIES = (
    "contracts/messages/test_each_consumer_does_what_stands_beside_its_message.py"
    "::test_every_event_that_a_consumer_reads_has_a_story_and_its_effect"
)
_API = (
    "contracts/http/test_each_api_answers_what_its_client_expects.py"
    "::test_it_answers_what_its_client_expects"
)
_FILES = "contracts/test_generated_files.py::test_every_generated_file_says_what_the_code_says"


def _mutant(bug: str, module: str, old: str, new: str, *killed_by: str) -> Mutant:
    return Mutant(bug, (Edit(f"system.{module}", old, new),), killed_by)


_ORDER_PAID = "    paid: bool\n    total_amount: Money\n"
_EVENT_TYPE = '        "event-type": event.type,\n'
_CORRELATION = '        "correlation-id": str(because.correlation_id),\n'
_DUMPED = "dumps(event.model_dump()), dumps("

MUTANTS: Mapping[str, Mutant] = {
    # --- what an event says
    "field_renamed": _mutant(
        "A field has another name, for those who send it and those who read it.",
        "events",
        "    stock_change: Whole\n",
        "    change_of_stock: Whole\n",
        _MODEL,
    ),
    "field_renamed_by_the_provider": _mutant(
        "A field has another name on the wire; its readers do not know.",
        "kit.delivery.outbox",
        _DUMPED,
        "dumps({'state' if k == 'reservation' else k: v for k, v in event.model_dump().items()}), dumps(",
        _PROVIDER,
        _SENT,
    ),
    "field_dropped": _mutant(
        "A field is gone.",
        "events",
        "    wanted: Quantity\n    left: Units\n",
        "    wanted: Quantity\n",
        _MODEL,
    ),
    "field_dropped_by_the_provider": _mutant(
        "A field is not sent any more; its readers do not know.",
        "kit.delivery.outbox",
        _DUMPED,
        "dumps({k: v for k, v in event.model_dump().items() if k != 'stock'}), dumps(",
        _PROVIDER,
        _SENT,
    ),
    "field_demanded": _mutant(
        "A field that nobody ever sent is required.",
        "events",
        "    name: str\n    email: str\n",
        "    name: str\n    phone: str\n    email: str\n",
        _MODEL,
    ),
    "field_that_nobody_promised": _mutant(
        "A field is sent that no schema names.",
        "kit.delivery.outbox",
        _DUMPED,
        "dumps(event.model_dump() | {'debug': 1}), dumps(",
        _SENT,
        _LOG,
    ),
    "type_changed": _mutant(
        "A truth value is a text.",
        "events",
        _ORDER_PAID,
        "    paid: str\n    total_amount: Money\n",
        _MODEL,
    ),
    "may_be_null": _mutant(
        "A field may be null, and its readers do not look.",
        "events",
        "    reason: str\n    missing",
        "    reason: str | None\n    missing",
        _MODEL,
    ),
    "names_swapped": _mutant(
        "Two fields have each other's names on the wire: the schema is as it was.",
        "events",
        "    product: Product\n    version: Version\n    stock_version: Version\n",
        "    product: Product\n"
        "    version: Annotated[Version, Field(alias='stock_version')]\n"
        "    stock_version: Annotated[Version, Field(alias='version')]\n"
        "    model_config = {'populate_by_name': True, 'serialize_by_alias': True}\n",
        _NAMES,
    ),
    "words_swapped": _mutant(
        "Two words of an enum have each other's meaning: the schema is as it was.",
        "events",
        '    PROCESSING = "PROCESSING"\n    PAID = "PAID"\n',
        '    PROCESSING = "PAID"\n    PAID = "PROCESSING"\n',
        _CONSUMER,
        _PROVIDER,
    ),
    "stricter_than_its_schema": _mutant(
        "A reader demands what no schema says, and what lies in the log has not.",
        "events",
        "    reservation: ReservationState = ReservationState.REJECTED\n"
        "    reservation_version: Version\n",
        "    reservation: ReservationState = ReservationState.REJECTED\n"
        "    reservation_version: Version\n"
        "    @model_validator(mode='after')\n"
        "    def _lacks_something(self) -> Self:\n"
        "        if not self.missing:\n"
        "            raise PydanticCustomError('missing', 'nothing is missing')\n"
        "        return self\n",
        _READS,
        _GOLDEN,
    ),
    "unknown_fields_refused": _mutant(
        "Readers refuse what they do not know: no field can be added any more.",
        "kit.events",
        'extra="ignore"',
        'extra="forbid"',
        _MODEL,
    ),
    "enum_narrowed": _mutant(
        "A word that lies in the log is not known any more.",
        "events",
        "    reservation: ReservationState\n    reservation_version: Version\n",
        "    reservation: __import__('typing').Literal[ReservationState.RESERVED]\n"
        "    reservation_version: Version\n",
        _MODEL,
    ),
    "enum_loosened": _mutant(
        "A word is sent that no reader knows.",
        "events",
        '    CANCELED = "CANCELED"\n',
        '    CANCELED = "CANCELED"\n    ADMIRED = "ADMIRED"\n',
        _MODEL,
    ),
    "bound_loosened": _mutant(
        "What was never below zero may be.",
        "events",
        "Units = Annotated[int, Field(ge=0), WHOLE]",
        "Units = Annotated[int, Field(ge=-10), WHOLE]",
        _MODEL,
    ),
    "bound_narrowed": _mutant(
        "What lies in the log is out of range.",
        "events",
        "Quantity = Annotated[int, Field(ge=1), WHOLE]",
        "Quantity = Annotated[int, Field(ge=1, le=99), WHOLE]",
        _MODEL,
    ),
    "version_without_a_change": _mutant(
        "Events claim to be of a version that was never published.",
        "kit.events",
        "    schema_version: ClassVar[int] = 1\n",
        "    schema_version: ClassVar[int] = 3\n",
        _MODEL,
    ),
    "event_forgotten": _mutant(
        "A type that lies in the log is not known any more.",
        "events",
        "    StockReleased,\n    StockRejected,\n)",
        "    StockRejected,\n)",
        _TYPES,
        _CHANNELS,
    ),
    "money_as_text": _mutant(
        "Prices are texts.",
        "kit.values",
        'orjson.Fragment(f"{value:.2f}")',
        'f"{value:.2f}"',
        _SENT,
        _LOG,
    ),
    "time_to_the_second": _mutant(
        "Times have another form.",
        "kit.values",
        'isoformat(timespec="microseconds")',
        'isoformat(timespec="seconds")',
        _SENT,
        _LOG,
    ),
    # --- what is beside it
    "header_renamed": _mutant(
        "A header has another name on the wire.",
        "kit.delivery.outbox",
        _EVENT_TYPE,
        '        "type": event.type,\n',
        _LOG,
    ),
    "header_dropped": _mutant(
        "A required header is not sent.", "kit.delivery.outbox", _CORRELATION, "", _LOG
    ),
    "header_not_required": _mutant(
        "A header may be missing, by the contract itself.",
        "kit.delivery.outbox",
        '        "correlation-id": Annotated[\n'
        '            UuidText, Field(description="The same for everything that follows from one '
        'request.")\n        ],\n',
        '        "correlation-id": NotRequired[UuidText],\n',
        _TOPICS,
    ),
    "header_of_another_form": _mutant(
        "An id has no dashes.",
        "kit.delivery.outbox",
        _CORRELATION,
        '        "correlation-id": because.correlation_id.hex,\n',
        _LOG,
    ),
    "header_of_another_version": _mutant(
        "An event claims a schema version that it has not.",
        "kit.delivery.outbox",
        "str(event.schema_version)",
        "str(event.schema_version + 1)",
        _LOG,
    ),
    "key_of_another_thing": _mutant(
        "A topic has another key: what an order's events say has no order any more.",
        "events",
        '    aggregate = "product"\n    key_field = "order_id"\n    order_id: Id\n    product_id',
        '    aggregate = "product"\n    key_field = "product_id"\n    order_id: Id\n    product_id',
        _TOPICS,
        _PROVIDER,
    ),
    "key_of_another_form": _mutant(
        "A key is not the bare id.",
        "kit.delivery.outbox",
        "    key = str(event.key)\n",
        '    key = f"{event.key:04d}"\n',
        _LOG,
    ),
    "topic_renamed": _mutant(
        "An event goes to another topic.",
        "events",
        '    type = "order.paid"\n',
        '    type = "order.payed"\n',
        _CHANNELS,
        _TYPES,
    ),
    "more_partitions": _mutant(
        "Topics have more partitions: a key's old events lie in another than its new ones.",
        "kit.events",
        "PARTITIONS = 3\n",
        "PARTITIONS = 6\n",
        _TOPICS,
    ),
    "topics_that_forget": _mutant(
        "Topics keep a week: no rebuild has all that it needs.",
        "kit.adapters.kafka.rules",
        '"retention.ms": "-1"',
        '"retention.ms": "604800000"',
        _TOPICS,
    ),
    "dead_letter_without_a_number": _mutant(
        "A dead letter does not say how often it was tried.",
        "kit.delivery.dead_letters",
        '"attempts": str(failure.attempts),',
        '"attempts": f"{failure.attempts} times",',
        _LETTERS,
    ),
    # --- who reads it
    "consumer_gone": _mutant(
        "Nobody cancels an order that gets no stock.",
        "table",
        "order_consumer=orders.handlers.cancel_for_stock,     shows",
        "shows",
        _TOPICS,
        _FILES,
    ),
    "consumer_reads_less": _mutant(
        "A view shows less of its event.",
        "orders.views",
        'if name != "id")',
        'if name not in ("id", "refund_due"))',
        _CONSUMER,
    ),
    # --- HTTP
    "answer_field_dropped": _mutant(
        "An answer lacks a field.",
        "orders.api",
        "{**_fields(order), ",
        "{**{name: v for name, v in _fields(order).items() if name != 'paid'}, ",
        _API,
    ),
    "answer_field_of_another_type": _mutant(
        "An answer's number is a text.",
        "orders.api",
        "{**_fields(order), ",
        "{**_fields(order), 'total_amount': str(order.total_amount), ",
        _API,
    ),
    "request_bound_loosened": _mutant(
        "More is accepted than what was agreed.",
        "orders.api",
        "Field(ge=1, le=QUANTITY_MAX)",
        "Field(ge=0, le=QUANTITY_MAX)",
        _FILES,
    ),
    "error_undocumented": _mutant(
        "A refusal is left out of the document.",
        "orders.api",
        "problems=(UnknownUser, UnknownProduct, Overloaded),",
        "problems=(UnknownUser, Overloaded),",
        _FILES,
    ),
}

HEAD = """\
# Breakage

What breaks a contract, and which test notices. `python -m contracts mutants` switches each of these bugs
in, in a process of its own, and each test that stands beside it has to fail there. Generated from
[`contracts.mutants.MUTANTS`](../contracts/mutants.py) by `python -m contracts write`.

A change that is made with its new version and its new files is no bug: [events.md](events.md) says how.

| mutant | the bug | killed by |
| --- | --- | --- |
"""


def files() -> Mapping[str, str]:
    """The page, under its path."""
    return {PATH: HEAD + "".join(f"{row}\n" for row in _rows())}


def _rows() -> Iterator[str]:
    for name, mutant in MUTANTS.items():
        tests = []
        for test in mutant.killed_by:
            path, _, function = test.partition("::")
            tests.append(f"[{function}](../{path})")
        yield f"| `{name}` | {mutant.bug} | {'<br>'.join(tests)} |"


def run(names: Sequence[str]) -> int:
    """Run these mutants, or all, and print what killed each; 1 if one survived."""
    chosen = {name: MUTANTS[name] for name in names or MUTANTS}
    width = max(map(len, chosen))
    bad: list[str] = []
    done = 0
    try:
        for outcome in outcomes(chosen, ROOT):
            done += 1
            _tell(outcome, width, bad)
    except KeyboardInterrupt:
        print(f"stopped: {done} of {len(chosen)} mutants: {_verdict(bad)}")
        return 130
    print(f"{len(chosen)} mutants: {_verdict(bad)}")
    return 1 if bad else 0


def _tell(outcome: Outcome, width: int, bad: list[str]) -> None:
    if outcome.is_killed:
        what = ", ".join(test.rpartition("::")[2] for test in outcome.failed)
    elif outcome.trouble:
        what = f"CANNOT BE JUDGED: {outcome.trouble}"
    else:
        what = f"SURVIVED {', '.join(test.rpartition('::')[2] for test in outcome.survived)}"
    if not outcome.is_killed:
        bad.append(outcome.name)
    print(f"{outcome.name:{width}}  {what}", flush=True)


def _verdict(bad: Sequence[str]) -> str:
    return f"not killed: {', '.join(bad)}" if bad else "all killed"


def main(arguments: Sequence[str]) -> int:
    """`python -m contracts mutants [NAME …]`."""
    parser = Parser(
        "python -m contracts mutants",
        description="Switch in bugs that break contracts, each in a process of its own, and see each"
        " killed by the tests that it names. Exits 1 when one survives.",
    )
    parser.add_argument(
        "names", nargs="*", type=_known, metavar="NAME", help="only these; by default all"
    )
    return run(parser.parse_args(arguments).names)


def _known(name: str) -> str:
    if name not in MUTANTS:
        raise argparse.ArgumentTypeError(unknown("mutant", name, MUTANTS, page=PATH))
    return name
