"""The ways in which a promise can be seen broken from any source: a name, and what it means."""

from __future__ import annotations

ANOMALIES: dict[str, str] = {
    # events
    "phantom event": "The log has an event of what was not committed, or that nobody has asked for.",
    "reordered events": "Two events of one topic and key entered the log in another order than told.",
    "scattered key": "Events of one topic and key lie in several partitions, which have no order.",
    "too many repeats": "The log repeats more events than the faults of the run account for.",
    # commands
    "acknowledged and lost": "A command was answered with success, and its effect is not there.",
    "refused and done": "A command was answered with a refusal, and its effect is there.",
    "done twice": "One command has had its effect twice.",
    # amounts
    "amount made": "An account shows more than was put into it and moved.",
    "amount lost": "An account shows less than was put into it and moved.",
    "below zero": "An account has less than nothing: things hold more than was ever in it.",
    "holds nothing": "A thing lives on and holds nothing of what it took.",
    "holds in part": "A thing holds something, and not exactly what is due to it.",
    "held for nobody": "A thing that has ended still holds something.",
    "double effect": "One event has had its effect twice.",
    "missing effect": "An event had no effect, though its consumer is past it, or replayed it.",
    # states
    "forbidden step": "A thing took a step that its states do not have.",
    "half-way": "A thing is at rest in a state in which it may not stay.",
    "went back": "A reader saw an older state after a newer one.",
    "vanished": "A reader saw something, and later did not, though nobody had deleted it.",
    "own write unseen": "A reader with a consistency token was shown an older state than it asked for.",
    # views
    "missing view": "There is something that the views do not show.",
    "ghost in the views": "The views show what is gone, or what never was.",
    "view differs": "A view shows other values than the write model has.",
    # dead letters
    "healthy dead letter": "A message that can be handled lies among the dead letters.",
    "poison swallowed": "A message that nobody can read is neither handled nor a dead letter.",
    "dead letter altered": "A dead letter has not the bytes, key and headers of its message.",
    # liveness
    "no rest": "Faults were healed and input had stopped, and the system did not come to rest.",
    "fell over": "A process ended by itself, or did not end when it was asked to.",
}
