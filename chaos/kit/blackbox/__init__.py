"""A judge for systems of others: it knows HTTP, topics and processes, and nothing of what is inside.

An adapter needs `Stranger`, `Client` and the words of the neutral language.
"""

from chaos.kit.blackbox.claims import not_borne_out, without
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
from chaos.kit.blackbox.observations import Exchange, Fault, Observations, Told
from chaos.kit.blackbox.promises import PROMISES, judge
from chaos.kit.blackbox.stranger import (
    Client,
    Process,
    Stranger,
    Topic,
    Workload,
)
from chaos.kit.promises import Anomaly, Blind, Checker, Sight, Verdict, counted, names

__all__ = [
    "PROMISES",
    "READS",
    "Anomaly",
    "Answer",
    "Blind",
    "Checker",
    "Client",
    "Command",
    "Do",
    "Event",
    "Exchange",
    "Fault",
    "Json",
    "Kind",
    "Meant",
    "Observations",
    "Process",
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
    "not_borne_out",
    "without",
]
