"""A part of an event says what a message means that is too old to say all of it."""

from __future__ import annotations

from system.kit.events import Part


class Letter(Part):
    text: str
    sent_by: str = "post"
    copies: tuple[str, ...] = ()


def test_its_defaults_are_what_an_older_message_lacks_and_is_read_with() -> None:
    older = Letter.model_validate({"text": "Dear Ada"})

    assert Letter.defaults() == {"sent_by": "post", "copies": ()}
    assert older.model_dump() == {"text": "Dear Ada", **Letter.defaults()}
