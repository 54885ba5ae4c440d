"""Everything between a commit and its effects: outbox, relay, consumer, inbox, dead letters."""
