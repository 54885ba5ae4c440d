"""Each checker, on a history written by hand: content with the good one, and not with a changed one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from chaos.kit.checkers import Anomaly, Checker
from chaos.kit.evidence import Evidence, Freeze
from chaos.kit.history import Outcome
from chaos.kit.promises import Promise, anomalies_of
from chaos.shop.checkers import ANOMALIES, CHECKERS, BadChecker, judge
from chaos.shop.checkers.by_hand import ANVIL, BOLT, POISON, Story
from chaos.shop.checkers.views import true_fields
from chaos.shop.workloads.table import SIMULATED
from system import events
from system.kit.http.headers import CORRELATION_ID
from system.kit.ports.log import Message, Partition, Record
from system.kit.ports.views import Document, View
from system.kit.values import dumps, loads
from system.table import VIEWS


def test_it_is_content_with_a_good_history() -> None:
    assert list(map(str, anomalies_of(judge(Story().evidence())))) == []


def test_it_is_content_with_repeats_that_faults_account_for() -> None:
    story = Story()
    story.disturbances = 1
    for topic in list(story.log):
        if not topic.endswith(".dlq"):
            story.append(story.log[topic][0].message)
    found = [f for f in anomalies_of(judge(story.evidence())) if f.name == "too many repeats"]
    assert found == []


class OrderAdmired(events.OrderPaid):
    type = "order.admired"


def test_an_event_of_a_type_that_no_checker_names_counts_its_version_and_is_a_step() -> None:
    evidence = Story().evidence()
    for id, told in list(evidence.first_told.items()):
        if told.event.type == "order.paid":
            admired = OrderAdmired(**dict(told.event))
            evidence.first_told[id] = replace(told, envelope=replace(told.envelope, event=admired))

    assert "order.admired" in {event.type for event in evidence.events_with("order")}
    asked = ("no_lost_event", "no_phantom_event", "only_allowed_steps")
    found = judge(evidence, {name: CHECKERS[name] for name in asked})
    assert list(map(str, anomalies_of(found))) == []


def test_it_knows_nothing_that_never_was() -> None:
    assert anomalies_of(judge(Evidence(SIMULATED))) == []


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_each_field_that_readers_are_shown_is_compared_with_the_write_side(view: View) -> None:
    evidence = Story().evidence()
    compared = true_fields(evidence, view.name, evidence.rows(view.name)[0]).keys()

    shown = view.resource.model_fields.keys() - {"id", "created_at", "updated_at"}
    amounts = {"price", "total_amount"} & shown
    wrong = (compared - {"cents"}) ^ (shown - amounts)
    assert not wrong, f"compare them in true_fields of chaos/shop/checkers/views.py: {wrong}"
    assert ("cents" in compared) == bool(amounts)


Change = Callable[[Story], None]
CHANGES: list[tuple[str, str, Change]] = []


def breaks(checker: str, anomaly: str) -> Callable[[Change], Change]:
    """Say which checker finds what in the story after this change."""

    def noted(change: Change) -> Change:
        CHANGES.append((checker, anomaly, change))
        return change

    return noted


# --- events


@breaks("no_lost_event", "lost event")
def _marked_and_not_sent(story: Story) -> None:
    story.drop_event("order.paid")


@breaks("no_lost_event", "silent change")
def _changed_without_a_word(story: Story) -> None:
    story.row("users", id=1)["version"] = 2


@breaks("no_lost_event", "silent change")
def _stock_changed_without_a_word(story: Story) -> None:
    story.row("stock", product_id=BOLT)["version"] = 2


@breaks("no_lost_event", "silent end")
def _gone_without_a_word(story: Story) -> None:
    story.unwrite("order.deleted")


@breaks("no_lost_event", "silent end")
def _acknowledged_and_never_seen(story: Story) -> None:
    story.ask("POST", "/users", answer=dumps({"id": 77, "updated_at": ""}))


@breaks("no_phantom_event", "phantom event")
def _told_and_rolled_back(story: Story) -> None:
    payload = story.log["order.canceled"][0].message.value
    story.tables["outbox"] = [row for row in story.tables["outbox"] if row["payload"] != payload]


@breaks("no_phantom_event", "garbled event")
def _other_bytes(story: Story) -> None:
    payload = story.log["user.created"][0].message.value
    row = next(row for row in story.tables["outbox"] if row["payload"] == payload)
    row["payload"] = payload.replace(b"Ada", b"Eve")


@breaks("no_phantom_event", "forked version")
def _two_of_one_version(story: Story) -> None:
    paid = loads(story.log["order.paid"][0].message.value)
    story.tell(events.OrderPaid.model_validate({**paid, "event_id": UUID(int=500, version=4)}))


@breaks("order_per_key", "reordered events")
def _overtaken(story: Story) -> None:
    story.tell(_second_reservation(story))
    _swap(story, "stock.reserved", 0, len(story.log["stock.reserved"]) - 1)


@breaks("one_partition_per_key", "scattered key")
def _spread(story: Story) -> None:
    story.tell(_second_reservation(story))
    last = story.log["stock.reserved"].pop()
    elsewhere = Partition("stock.reserved", 1)
    story.log["stock.reserved"].append(Record(last.message, elsewhere, 0, 0))


@breaks("order_per_key", "outbox out of order")
def _ids_against_versions(story: Story) -> None:
    first, second = (
        next(row for row in story.tables["outbox"] if row["payload"] == record.message.value)
        for record in (story.log["order.created"][0], story.log["order.paid"][0])
    )
    first["id"], second["id"] = second["id"], first["id"]


@breaks("published_once", "too many repeats")
def _sent_twice_for_nothing(story: Story) -> None:
    story.append(story.log["order.paid"][0].message)


@breaks("blocked_partitions_hold_up_no_other", "held up")
def _waited_for_another(story: Story) -> None:
    story.stalled = frozenset({"order.canceled-2"})
    row = story.tables["outbox"][0]
    row["created_at"], row["processed_at"] = "2026-01-31 08:00:00", "2026-01-31 08:00:04"
    for row in story.tables["outbox"][1:]:
        row["processed_at"] = None


@breaks("causes_are_told", "orphan")
def _out_of_nowhere(story: Story) -> None:
    _of_another(story, "causation-id")


@breaks("causes_are_told", "torn thread")
def _under_the_id_of_another_request(story: Story) -> None:
    _of_another(story, "correlation-id")


def _of_another(story: Story, header: str) -> None:
    message = story.log["stock.rejected"][0].message
    another = str(UUID(int=99, version=4)).encode()
    headers = tuple((n, another if n == header else value) for n, value in message.headers)
    _put(story, "stock.rejected", 0, Message(message.topic, message.key, message.value, headers))


@breaks("each_request_in_its_own_name", "another's name")
def _under_the_name_of_a_neighbour(story: Story) -> None:
    story.emitted_under.append(("a request", "its neighbour"))


# --- contract


@breaks("messages_as_promised", "broken contract")
def _nobody_knows_the_field(story: Story) -> None:
    story.edit("order.paid", 0, color="red")


@breaks("messages_as_promised", "broken contract")
def _letter_without_a_moment(story: Story) -> None:
    (record,) = [record for record in story.log[POISON] if record.message in story.put_in]
    story.letters(record, "product-consumer", **{"last-failed-at": "yesterday"})


@breaks("messages_as_promised", "broken contract")
def _in_a_topic_that_nobody_promised(story: Story) -> None:
    story.append(Message("order.lost", b"1", b"{}", ()))


# --- effects


@breaks("one_effect_per_cause", "double effect")
def _counted_twice(story: Story) -> None:
    story.row("points", program="order-consumer").update(begun=3, ended=3)


@breaks("events_have_their_effect", "missing effect")
def _never_counted(story: Story) -> None:
    story.row("points", program="order-consumer").update(begun=1, ended=1)


@breaks("events_have_their_effect", "half effect")
def _counted_by_half(story: Story) -> None:
    story.row("points", program="order-consumer").update(begun=3)


@breaks("handled_is_remembered", "forgotten id")
def _not_in_the_inbox(story: Story) -> None:
    story.tables["processed_events"].pop()


# --- stock


@breaks("amounts_are_held_by_things", "amount made")
def _more_than_was_put(story: Story) -> None:
    story.row("stock", product_id=ANVIL)["on_hand"] = 4


@breaks("amounts_conserved", "amount lost")
def _less_than_was_put(story: Story) -> None:
    story.row("stock", product_id=ANVIL)["on_hand"] = 2


@breaks("amounts_conserved", "broken chain")
def _does_not_follow(story: Story) -> None:
    story.edit("stock.reserved", 0, stock=4)


@breaks("never_negative", "below zero")
def _below_zero(story: Story) -> None:
    story.row("stock", product_id=ANVIL)["on_hand"] = -1


@breaks("things_hold_what_they_took", "holds in part")
def _less_than_wanted(story: Story) -> None:
    story.row("reservations", order_id=1)["lines"] = dumps([[ANVIL, 1]])


@breaks("things_hold_what_they_took", "needless rejection")
def _enough_was_there(story: Story) -> None:
    missing = loads(story.log["stock.rejected"][0].message.value)["missing"]
    story.edit("stock.rejected", 0, missing=[{**missing[0], "left": 9}])


# --- orders


@breaks("ended_things_hold_nothing", "held for nobody")
def _never_released(story: Story) -> None:
    story.row("reservations", order_id=2)["state"] = "reserved"


@breaks("things_hold_what_they_took", "holds nothing")
def _lives_on_nothing(story: Story) -> None:
    story.row("orders", id=3)["status"] = "CREATED"


@breaks("final_states_reached", "half-way")
def _never_decided(story: Story) -> None:
    story.tables["reservations"].pop(0)


@breaks("notes_agree", "stale note")
def _noted_wrongly(story: Story) -> None:
    story.row("orders", id=2).update(reservation="reserved", reservation_version=1)


@breaks("payments_live_or_refunded", "money kept")
def _canceled_without_refund(story: Story) -> None:
    story.row("orders", id=1)["status"] = "CANCELED"


@breaks("payments_live_or_refunded", "money kept")
def _deleted_without_refund(story: Story) -> None:
    story.edit("order.deleted", 0, refund_due=False)


@breaks("payments_live_or_refunded", "refund for nothing")
def _refunded_without_payment(story: Story) -> None:
    story.row("orders", id=2)["refund_due"] = 1


@breaks("payments_live_or_refunded", "payment forgotten")
def _does_not_know_of_it(story: Story) -> None:
    story.row("orders", id=1)["paid"] = 0


@breaks("totals_add_up", "wrong total")
def _a_row_with_another_total(story: Story) -> None:
    story.row("orders", id=1)["total_amount"] = 1000


@breaks("totals_add_up", "wrong total")
def _an_event_with_another_total(story: Story) -> None:
    _edit_order(story, "order.created", 3, total_amount=Decimal(11))


@breaks("totals_add_up", "wrong total")
def _a_view_with_another_total(story: Story) -> None:
    story.views = {name: dict(view) for name, view in story.evidence().views.items()}
    shown = story.views["orders"][1]
    changed = {**(shown.parts["self"] or {}), "total_amount": Decimal(10)}
    story.views["orders"][1] = Document(1, {**shown.parts, "self": changed}, shown.versions)


def test_without_orders_nothing_is_said_of_totals() -> None:
    verdicts = {verdict.promise: verdict for verdict in judge(Evidence(SIMULATED))}
    assert verdicts["totals_add_up"].outcome == "nothing happened"
    assert verdicts["events_tell_the_truth"].outcome == "nothing happened"


@breaks("events_tell_the_truth", "untrue event")
def _told_otherwise_than_written(story: Story) -> None:
    _edit_order(story, "order.paid", 0, payment_method="cash")


@breaks("events_tell_the_truth", "untrue event")
def _what_never_changes_has_changed(story: Story) -> None:
    _edit_order(story, "order.paid", 1, user_id=2)


@breaks("events_tell_the_truth", "untrue event")
def _told_with_the_time_of_another(story: Story) -> None:
    _edit_order(story, "order.paid", 1, updated_at="2026-01-31T07:00:00.000000Z")


@breaks("events_tell_the_truth", "untrue event")
def _created_before_it_happened(story: Story) -> None:
    user = loads(story.log["user.created"][0].message.value)["user"]
    story.edit("user.created", 0, user={**user, "created_at": "2026-01-31T07:00:00.000000Z"})


@breaks("events_tell_the_truth", "untrue event")
def _canceled_for_two_reasons(story: Story) -> None:
    story.edit("order.canceled", 0, reason="too dear")


@breaks("events_tell_the_truth", "untrue event")
def _deleted_with_other_items(story: Story) -> None:
    items = loads(story.log["order.deleted"][0].message.value)["items"]
    story.edit("order.deleted", 0, items=[{**items[0], "quantity": 2}])


@breaks("events_tell_the_truth", "untrue event")
def _placed_by_another_name(story: Story) -> None:
    name = loads(story.log["order.created"][0].message.value)["user_name"]
    story.edit("order.created", 0, user_name={**name, "name": "Eve"})


@breaks("only_allowed_steps", "forbidden step")
def _after_the_end(story: Story) -> None:
    order = loads(story.log["order.created"][0].message.value)["order"]
    story.edit("order.created", 0, order={**order, "status": "CANCELED"})


@breaks("only_allowed_steps", "reason overwritten")
def _another_reason(story: Story) -> None:
    story.row("orders", id=2)["cancel_reason"] = "out of stock"


# --- views


@breaks("views_equal_rebuild", "stale view")
def _old_in_the_view(story: Story) -> None:
    _document(story, versions={"self": 1, "names": 1, "reservation": 1})


@breaks("views_equal_rebuild", "missing view")
def _not_in_the_view(story: Story) -> None:
    story.views = {name: dict(view) for name, view in story.evidence().views.items()}
    del story.views["orders"][1]


@breaks("views_equal_rebuild", "ghost in the views")
def _newer_than_told(story: Story) -> None:
    _document(story, versions={"self": 7, "names": 1, "reservation": 1})


@breaks("views_show_the_truth", "view differs")
def _shows_something_else(story: Story) -> None:
    story.shown = story.truth()
    story.shown["products"][0]["stock"] = 17


@breaks("views_show_the_truth", "view differs")
def _shows_the_name_of_another_product(story: Story) -> None:
    story.shown = story.truth()
    story.shown["orders"][0]["items"][0]["product_name"] = "Bolt"


@breaks("views_show_the_truth", "ghost in the views")
def _shows_what_is_gone(story: Story) -> None:
    story.shown = story.truth()
    story.shown["users"].append({"id": 99})


@breaks("views_show_the_truth", "missing view")
def _shows_too_little(story: Story) -> None:
    story.shown = story.truth()
    story.shown["orders"].pop()


@breaks("readers_never_go_back", "went back")
def _seen_backwards(story: Story) -> None:
    created = loads(story.log["order.created"][0].message.value)["order"]["updated_at"]
    story.read("/orders/1", story.shown_order(1))
    story.read("/orders/1", story.shown_order(1, updated_at=created))


@breaks("readers_never_go_back", "vanished")
def _seen_and_gone(story: Story) -> None:
    story.read("/orders", {"orders": [story.shown_order(1)]})
    story.read("/orders", {"orders": []})


@breaks("readers_never_go_back", "turned away")
def _no_answer(story: Story) -> None:
    story.read("/orders/1", story.shown_order(1))
    story.ask("GET", "/orders/1", role="query-api", outcome=Outcome.FAIL)


@breaks("freezes_follow_progress", "frozen in vain")
def _frozen_again(story: Story) -> None:
    story.freezes = [Freeze(2, 10, 10), Freeze(2, 12, 9)]


@breaks("consistency_token_honoured", "own write unseen")
def _before_the_write(story: Story) -> None:
    created = loads(story.log["order.created"][0].message.value)["order"]["updated_at"]
    shown = story.shown_order(1, updated_at=created)
    story.read("/orders/1", shown, token="orders/1.self@2")


@breaks("consistency_token_honoured", "own write unseen")
def _not_there_for_the_writer(story: Story) -> None:
    story.ask(
        "GET", "/orders/1", role="query-api", outcome=Outcome.FAIL, status=404,
        token="orders/1.self@1",
    )  # fmt: skip


@breaks("consistency_token_honoured", "own write unseen")
def _before_the_reservation(story: Story) -> None:
    shown = story.shown_order(1, reservation="pending")
    story.read("/orders/1", shown, token="orders/1.self@2,orders/1.reservation@1")


@breaks("consistency_token_honoured", "token of another write")
def _token_of_the_wrong_part(story: Story) -> None:
    shown = story.shown_order(1, reservation="reserved")
    story.ask(
        "POST", "/orders/1/pay", answer=dumps(shown),
        headers={"Consistency-Token": "orders/1.self@2,orders/1.reservation@2"},
    )  # fmt: skip


@breaks("consistency_token_honoured", "token of another write")
def _token_of_another_stock(story: Story) -> None:
    offered = story.log["product.created"][0].message.header("correlation-id") or b""
    _offer(story, "products/1.self@1,products/1.stock@2", request=offered.decode())


def test_it_is_content_with_the_token_of_a_write_that_changed_nothing() -> None:
    story = Story()
    _offer(story, "products/1.self@1,products/1.stock@6", request="of which no event tells")
    assert list(map(str, anomalies_of(judge(story.evidence())))) == []


def _offer(story: Story, token: str, *, request: str) -> None:
    headers = {"Consistency-Token": token, CORRELATION_ID: request}
    created = loads(story.log["product.created"][0].message.value)["product"]
    story.ask("PUT", "/products/1", answer=dumps(created), headers=headers)


# --- commands


@breaks("acknowledged_has_its_event", "acknowledged and lost")
def _answered_and_rolled_back(story: Story) -> None:
    story.ask("PUT", "/users/1", answer=dumps({"id": 1, "updated_at": "never"}))


@breaks("acknowledged_has_its_event", "acknowledged and lost")
def _deletion_answered_and_rolled_back(story: Story) -> None:
    story.ask("DELETE", "/orders/1", status=204)


@breaks("commands_take_effect_once", "done twice")
def _paid_twice(story: Story) -> None:
    order = loads(story.log["order.paid"][0].message.value)
    story.tell(
        events.OrderPaid.model_validate(
            {**order, "event_id": UUID(int=600, version=4), "version": 3}
        )
    )


@breaks("commands_take_effect_once", "done twice")
def _placed_twice(story: Story) -> None:
    created = loads(story.log["order.created"][0].message.value)
    twice = {
        **created,
        "event_id": UUID(int=700, version=4),
        "order_id": 70,
        "order": {**created["order"], "id": 70},
    }
    story.tell(events.OrderCreated.model_validate(twice))
    story.ask("POST", "/orders", body=_body(), answer=dumps(_answer(1)))


@breaks("refused_has_no_effect", "refused and done")
def _refused_and_placed(story: Story) -> None:
    story.ask("POST", "/orders", body=_body(), outcome=Outcome.FAIL)


@breaks("keys_count_once", "done twice")
def _placed_twice_under_one_key(story: Story) -> None:
    _placed_twice(story)
    story.history.pop()
    for id in (1, 70):
        story.ask("POST", "/orders", body=_body(), key="k", answer=dumps(_answer(id)))


@breaks("changes_follow_what_was_seen", "changed unseen")
def _sold_in_between(story: Story) -> None:
    _repriced(story, '"4-9"', '"5-10"')


@breaks("changes_follow_what_was_seen", "changed unseen")
def _by_two_who_saw_the_same(story: Story) -> None:
    _repriced(story, '"4-9"', '"5-9"')
    _repriced(story, '"4-9"', '"5-9"')


def _repriced(story: Story, seen: str, left: str) -> None:
    product = loads(story.log["product.created"][0].message.value)["product"]
    answer = dumps({"id": product["id"], "updated_at": product["updated_at"]})
    story.ask(
        *("PUT", f"/products/{ANVIL}"),
        body={"price": 1},
        if_match=seen,
        headers={"ETag": left},
        answer=answer,
    )


@breaks("idempotency_key_honoured", "two answers")
def _answered_differently(story: Story) -> None:
    for id in (1, 2):
        story.ask("POST", "/orders", body=_body(), key="k", answer=dumps(_answer(id)))


@breaks("idempotency_key_honoured", "two answers")
def _answered_again_without_its_place(story: Story) -> None:
    for headers in ({"Location": "/orders/1"}, {}):
        story.ask(
            "POST", "/orders", body=_body(), key="k", answer=dumps(_answer(1)), headers=headers
        )


@breaks("idempotency_key_honoured", "key taken over")
def _another_body(story: Story) -> None:
    for user_id in (1, 2):
        body = {**_body(), "user_id": user_id}
        story.ask("POST", "/orders", body=body, key="k", answer=dumps(_answer(1)))


@breaks("no_internal_error", "internal error")
def _five_hundred(story: Story) -> None:
    story.ask("GET", "/users", outcome=Outcome.FAIL, status=500)


# --- dead letters


@breaks("no_internal_error", "turned away")
def _turned_away_without_a_fault(story: Story) -> None:
    story.ask("POST", "/orders/1/pay", outcome=Outcome.FAIL, status=503, role="order-api")


@breaks("dead_letters_are_the_poison", "healthy dead letter")
def _parked_in_an_outage(story: Story) -> None:
    story.letters(story.log["order.paid"][0], "order-consumer", **{"error-type": "Unavailable"})


@breaks("dead_letters_are_the_poison", "poison swallowed")
def _neither_here_nor_there(story: Story) -> None:
    story.log[f"{POISON}.dlq"].pop()


@breaks("dead_letters_are_the_poison", "dead letter altered")
def _other_bytes_in_the_letter(story: Story) -> None:
    message = story.log[f"{POISON}.dlq"][0].message
    _put(story, f"{POISON}.dlq", 0, Message(message.topic, message.key, b"tidy", message.headers))


@breaks("retries_as_scheduled", "poison retried")
def _tried_in_vain(story: Story) -> None:
    poison = story.log[POISON][-1]
    story.log[f"{POISON}.dlq"].clear()
    story.letters(poison, "product-consumer", "query-consumer", attempts="4")


@breaks("retries_as_scheduled", "gave up early")
def _parked_too_soon(story: Story) -> None:
    facts = {"error-type": "NotMendedYet", "attempts": "2"}
    story.letters(story.log["order.paid"][0], "order-consumer", **facts)


# --- liveness


@breaks("rest_is_reached", "no rest")
def _never_at_rest(story: Story) -> None:
    story.missing.append("3 events are in the outbox")


@breaks("no_process_falls", "fell over")
def _ended_by_itself(story: Story) -> None:
    story.failures.append("orders: KeyError: 7")


@pytest.mark.parametrize(
    ("checker", "anomaly", "change"), CHANGES, ids=[change.__name__[1:] for _, _, change in CHANGES]
)
def test_it_finds_what_is_wrong(checker: str, anomaly: str, change: Change) -> None:
    story = Story()
    change(story)
    found = {(finding.checker, finding.name) for finding in anomalies_of(judge(story.evidence()))}
    assert (checker, anomaly) in found


def test_every_checker_and_every_anomaly_has_been_seen() -> None:
    checkers, anomalies = ({change[place] for change in CHANGES} for place in (0, 1))
    assert [name for name in CHECKERS if name not in checkers] == []
    assert [name for name in ANOMALIES if name not in anomalies] == []


@pytest.mark.parametrize(("checker", "anomaly"), [change[:2] for change in CHANGES])
def test_a_change_names_what_is_listed(checker: str, anomaly: str) -> None:
    assert checker in CHECKERS, "list it in chaos/shop/checkers/__init__.py"
    assert anomaly in ANOMALIES, "explain it in chaos/shop/checkers/anomalies.py"


def test_a_checker_that_falls_over_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def mistyped(evidence: Evidence) -> list[Anomaly]:
        return [Anomaly("lost event", str(row)) for row in evidence.rows("userz")]

    monkeypatch.setitem(CHECKERS, "mistyped", Checker(Promise("mistyped", "None."), mistyped))
    with pytest.raises(BadChecker, match=r"^mistyped fell over at evidence.py:\d+: .*userz"):
        judge(Story().evidence())


def test_a_checker_that_finds_what_nobody_explains_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = Checker(Promise("hasty", "None."), lambda _: [Anomaly("some new word", "here")])
    monkeypatch.setitem(CHECKERS, "hasty", found)
    with pytest.raises(BadChecker, match=r"no anomaly explains 'some new word': say what it means"):
        judge(Story().evidence())


# --- helpers


def _edit_order(story: Story, topic: str, number: int, **changes: object) -> None:
    order = loads(story.log[topic][number].message.value)["order"]
    story.edit(topic, number, order={**order, **changes})


def _second_reservation(story: Story) -> events.StockReserved:
    """One more event of the key of the first reservation."""
    told = loads(story.log["stock.reserved"][0].message.value)
    return events.StockReserved.model_validate(
        {**told, "event_id": UUID(int=800, version=4), "product_id": BOLT, "stock_version": 2}
    )


def _swap(story: Story, topic: str, one: int, other: int) -> None:
    first, second = story.log[topic][one].message, story.log[topic][other].message
    _put(story, topic, one, second)
    _put(story, topic, other, first)


def _put(story: Story, topic: str, number: int, message: Message) -> None:
    record = story.log[topic][number]
    story.log[topic][number] = Record(message, record.partition, record.offset, 0)


def _document(story: Story, *, versions: dict[str, int]) -> None:
    story.views = {name: dict(view) for name, view in story.evidence().views.items()}
    parts = story.views["orders"][1].parts
    story.views["orders"][1] = Document(1, parts, versions)


def _body() -> dict[str, object]:
    return {
        "user_id": 1,
        "items": [{"product_id": ANVIL, "quantity": 2, "unit_price": Decimal(10)}],
    }


def _answer(id: int) -> dict[str, object]:
    return {"id": id, "updated_at": "2026-01-31T08:00:01.000000Z"}
