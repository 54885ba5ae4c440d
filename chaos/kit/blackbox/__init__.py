"""A judge for systems of others: it knows HTTP, topics and processes, and nothing of what is inside.

An adapter needs `Stranger`, `Client` and the words of the neutral language.
"""

from chaos.kit.blackbox.evidence import Evidence, Fault, Op, Told
from chaos.kit.blackbox.language import (
    READS,
    Answer,
    Command,
    Do,
    Event,
    Json,
    Kind,
    Meant,
    Record,
    Request,
    Shown,
    States,
    Unreadable,
)
from chaos.kit.blackbox.promises import PROMISES
from chaos.kit.blackbox.stranger import (
    Blind,
    Client,
    Process,
    Sight,
    Stranger,
    Topic,
    Workload,
)
from chaos.kit.blackbox.verdicts import Breach, Promise, Verdict, counted, judge, names

__all__ = [
    "PROMISES",
    "READS",
    "Answer",
    "Blind",
    "Breach",
    "Client",
    "Command",
    "Do",
    "Event",
    "Evidence",
    "Fault",
    "Json",
    "Kind",
    "Meant",
    "Op",
    "Process",
    "Promise",
    "Record",
    "Request",
    "Shown",
    "Sight",
    "States",
    "Stranger",
    "Told",
    "Topic",
    "Unreadable",
    "Verdict",
    "Workload",
    "counted",
    "judge",
    "names",
]
