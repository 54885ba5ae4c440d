"""The promises that more than one source of evidence can judge: one name and one sentence for each.

A simulated run judges them by rows and logs, a run on real servers by these and by answers, the judge
of strangers and the judge of load by what can be seen from outside. What only one source can see, its
checkers promise beside it.
"""

from __future__ import annotations

from chaos.kit.promises.checker import Promise

# commands
ACKNOWLEDGED_HAS_ITS_EVENT = Promise(
    "acknowledged_has_its_event",
    "Every command that was acknowledged has its event.",
    "a commit and then a send, with a crash or an outage between; an event sent and not waited for",
)
ACKNOWLEDGED_HAS_ITS_EFFECT = Promise(
    "acknowledged_has_its_effect",
    "What was acknowledged is on the write side at rest, as the client has said it.",
    "an answer before the commit; a value that is never computed or stored",
)
ACKNOWLEDGED_IS_SHOWN = Promise(
    "acknowledged_is_shown",
    "What was acknowledged is on the query side at rest, unless a client deleted it.",
    "an event that was lost, or that a projection has missed",
)
REFUSED_HAS_NO_EFFECT = Promise(
    "refused_has_no_effect",
    "A command that was refused has no event, and no effect.",
    "a refusal after the first of two steps; an event sent before the commit",
)
KEYS_COUNT_ONCE = Promise(
    "keys_count_once",
    "Requests with one idempotency key are one command.",
    "a key that is stored beside the transaction, or that is not looked up",
)
COMMANDS_TAKE_EFFECT_ONCE = Promise(
    "commands_take_effect_once",
    "A command has its effect once for each time it was sent, and no more.",
    "a transaction that is repeated when the answer to its commit was lost",
)
NOTHING_UNASKED = Promise(
    "nothing_unasked",
    "Whatever there is, and whatever events are about, a client has asked for.",
    "an event sent before a commit that then fails; ids given twice",
)
# events
ONE_PARTITION_PER_KEY = Promise(
    "one_partition_per_key",
    "The events of one key lie in one partition of each topic.",
    "no key, a random key, or the key of something else; partitions that were added",
)
ORDER_PER_KEY = Promise(
    "order_per_key",
    "The events of one key stand in each topic in the order of their versions or commits.",
    "two senders; sends that overtake each other; a failed send that later ones do not wait for",
)
PUBLISHED_ONCE = Promise(
    "published_once",
    "Events are repeated only where faults explain it.",
    "a sender that does not note what it has sent; a cursor that goes back",
)
ONE_EFFECT_PER_CAUSE = Promise(
    "one_effect_per_cause",
    "Each effect of a cause happens once, however often the cause is delivered.",
    "check, act, mark as three commits; no inbox; a mark outside of the effect's transaction",
)
EVENTS_HAVE_THEIR_EFFECT = Promise(
    "events_have_their_effect",
    "What an event says has its effect, wholly.",
    "an offset committed before the effect; a handler that logs its failure and goes on;"
    " an event sent before its commit",
)
# amounts
AMOUNTS_CONSERVED = Promise(
    "amounts_conserved",
    "What accounts hold is what was put into them and what events say was moved.",
    "an effect without its event, or an event without its effect; a read, then a write of the sum",
)
AMOUNTS_ARE_HELD_BY_THINGS = Promise(
    "amounts_are_held_by_things",
    "What is missing from accounts is held by things that are there.",
    "effects that happen twice or never; ended things that give nothing back",
)
NEVER_NEGATIVE = Promise(
    "never_negative",
    "No account ever shows less than nothing.",
    "a check and an update in two statements, without a lock or a condition",
)
NEVER_MORE_THAN_THERE_IS = Promise(
    "never_more_than_there_is",
    "Things hold no more of an account than was in it, and nothing of one that there is not.",
    "no check at all; a check that others overtake; something given back that was never taken",
)
ENDED_THINGS_HOLD_NOTHING = Promise(
    "ended_things_hold_nothing",
    "A thing that has ended has given back all that it took.",
    "an end without compensation; an end that overtakes the taking",
)
THINGS_HOLD_WHAT_THEY_TOOK = Promise(
    "things_hold_what_they_took",
    "A thing that lives holds all that its command wants, and no more.",
    "a part that was taken without the rest; what was taken and never noted, or noted for nothing",
)
# states
ONLY_ALLOWED_STEPS = Promise(
    "only_allowed_steps",
    "Events are about no step that the states do not have.",
    "a state that is overwritten without a look at the one before",
)
FINAL_STATES_REACHED = Promise(
    "final_states_reached",
    "At rest, no thing is left half-way.",
    "an event that was lost, or its effect; a message that is given up without a word",
)
# readers
VIEWS_SHOW_THE_TRUTH = Promise(
    "views_show_the_truth",
    "At rest, the query side shows what the write side has.",
    "an older event that overwrites a newer one; an event that a projection has missed",
)
READERS_NEVER_GO_BACK = Promise(
    "readers_never_go_back",
    "A reader never sees an earlier state after a later one, nor less than before.",
    "replicas or caches of different age; an older event that overwrites a newer one",
)
CONSISTENCY_TOKEN_HONOURED = Promise(
    "consistency_token_honoured",
    "A reader with a token sees the write that it came from, or is asked to wait.",
    "a token that is ignored, or that names the version of another part",
)
# dead letters and rest
DEAD_LETTERS_ARE_THE_POISON = Promise(
    "dead_letters_are_the_poison",
    "What cannot be handled is parked as it was, and nothing else is.",
    "an outage that counts as a failure of the message; poison that is logged and dropped",
)
REST_IS_REACHED = Promise(
    "rest_is_reached",
    "Once faults are healed and clients are silent, every outbox and every lag gets empty, and"
    " nothing moves.",
    "a consumer that has died silently; a message that is retried without end",
)
NO_PROCESS_FALLS = Promise(
    "no_process_falls",
    "No process ends by itself, and none is stuck when it is to end.",
    "an outage or a bad message that is an unhandled error",
)
