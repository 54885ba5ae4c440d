"""What an OpenAPI document promises, and a run of schemathesis that counts what was answered.

It knows no API: it is given documents, addresses and hooks. A promise is kept when it was seen, so
whoever judges compares `promised` with `Tally.answers`: a hole is a promise that nothing has shown.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import jsonschema_rs
import requests
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.engine import Status, events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.generation import case as generated
from schemathesis.schemas import BaseSchema

Document = Mapping[str, Any]  # OpenAPI, as JSON

Case = generated.Case[Any]  # of whichever kind of schema
TIMEOUT_S = 60
PROBLEM = "application/problem+json"


class Promise(NamedTuple):
    """One kind of answer of one operation; of a refusal, with the type of its problem."""

    operation: str
    """As schemathesis calls it: `GET /things/{id}`."""
    status: int
    problem: str = ""

    def __str__(self) -> str:
        return f"{self.operation} → {self.status} {self.problem}".rstrip()


# --- what a document says -------------------------------------------------------------------------


def operations(document: Document) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each operation, under its label."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def promised(document: Document) -> Iterator[Promise]:
    """Every answer that the document speaks of. HEAD has no body to say which problem it is."""
    for label, operation in operations(document):
        for status, response in operation["responses"].items():
            for problem in _problems(resolved(document, response)) or [""]:
                yield Promise(label, int(status), problem)


def _problems(response: Mapping[str, Any]) -> list[str]:
    schema = response.get("content", {}).get(PROBLEM, {}).get("schema", {})
    return [str(name) for part in schema.get("allOf", ()) for name in _enum_of_type(part) if name]


def _enum_of_type(schema: Mapping[str, Any]) -> Sequence[str]:
    names: Sequence[str] = schema.get("properties", {}).get("type", {}).get("enum", ())
    return names


def links(document: Document) -> Iterator[tuple[str, str]]:
    """From which operation to which other a link leads, by their labels."""
    by_id = {operation["operationId"]: label for label, operation in operations(document)}
    for label, operation in operations(document):
        for response in operation["responses"].values():
            for link in resolved(document, response).get("links", {}).values():
                yield label, by_id[link["operationId"]]


def resolved(document: Document, piece: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference inside the document, if it is one."""
    if "$ref" not in piece:
        return piece
    found: Any = document
    for step in piece["$ref"].removeprefix("#/").split("/"):
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return resolved(document, found)


def closed(document: Document) -> dict[str, Any]:
    """The same document, in which no object has more than what is written there.

    Published schemas are open, so that fields can be added. Those who judge our own answers close
    them: a field that nobody has described is a mistake.
    """
    made = deepcopy(dict(document))
    for schema in made["components"]["schemas"].values():
        if schema.get("type") == "object":
            schema.setdefault("additionalProperties", False)
    return made


def only(document: Document, labels: Sequence[str]) -> dict[str, Any]:
    """The document with these operations alone, and with those links that still lead somewhere."""
    kept = {by_label["operationId"] for label, by_label in operations(document) if label in labels}
    paths: dict[str, dict[str, Any]] = {}
    for label, operation in operations(document):
        if label in labels:
            method, path = label.split(" ", 1)
            paths.setdefault(path, {})[method.lower()] = _with_links(operation, kept)
    return {**document, "paths": paths}


def _with_links(operation: Mapping[str, Any], kept: Collection[str]) -> dict[str, Any]:
    responses = {}
    for status, response in operation["responses"].items():
        links = {
            name: link
            for name, link in response.get("links", {}).items()
            if link["operationId"] in kept
        }
        rest = {name: value for name, value in response.items() if name != "links"}
        responses[status] = rest | ({"links": links} if links else {})
    return {**operation, "responses": responses}


# --- whether an answer is as it says --------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def problem(self) -> str:
        is_problem = self.headers.get("Content-Type") == PROBLEM and self.body
        return str(json.loads(self.body)["type"]) if is_problem else ""


_OF_HTTP = {
    *("content-type", "content-length", "date", "server", "connection"),
    *("cache-control", "vary", "x-content-type-options"),
}


class Judge:
    """Says in what answers differ from a document, in which nothing may be that is not described."""

    def __init__(self, document: Document) -> None:
        self._document = closed(document)
        self._operations = dict(operations(self._document))
        self._validators: dict[str, jsonschema_rs.Validator] = {}

    def unlike(self, label: str, answer: Answer) -> list[str]:
        """The differences. Nothing is as it should be."""
        responses = self._operations[label]["responses"]
        if str(answer.status) not in responses:
            return [f"{label}: {answer.status} is not described"]
        response = resolved(self._document, responses[str(answer.status)])
        found = [*self._unlike_headers(response, answer), *self._unlike_body(response, answer)]
        return [f"{label}, {answer.status}: {difference}" for difference in found]

    def _unlike_headers(self, response: Mapping[str, Any], answer: Answer) -> Iterator[str]:
        described = {
            name.lower(): resolved(self._document, header)
            for name, header in response.get("headers", {}).items()
        }
        sent = {name.lower(): value for name, value in answer.headers.items()}
        for name in sorted(sent.keys() - described.keys() - _OF_HTTP):
            yield f"the header {name} is not described"
        for name, header in described.items():
            if name not in sent:
                if header.get("required"):
                    yield f"the header {name} is missing"
            elif not self._validator(header["schema"]).is_valid(sent[name]):
                yield f"the header {name} is {sent[name]!r}"

    def _unlike_body(self, response: Mapping[str, Any], answer: Answer) -> Iterator[str]:
        kind = answer.headers.get("Content-Type", "")
        if "content" not in response:
            if answer.body:
                yield "a body is not described"
        elif kind not in response["content"]:
            yield f"the media type {kind!r} is not described"
        elif "json" in kind:
            validator = self._validator(response["content"][kind]["schema"])
            yield from (error.message for error in validator.iter_errors(json.loads(answer.body)))

    def _validator(self, schema: Mapping[str, Any]) -> jsonschema_rs.Validator:
        text = json.dumps(schema)
        if text not in self._validators:
            whole = {**schema, "components": self._document["components"]}
            self._validators[text] = jsonschema_rs.validator_for(whole)
        return self._validators[text]


# --- a run ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Widened:
    """Where an answer is right although a check of schemathesis expects another."""

    check: type[Failure]
    is_right: Callable[[Case, Response], bool]
    what: str
    reason: str


@dataclass(frozen=True)
class Budget:
    """How much a run may ask, and what it begins from."""

    examples: int
    """Cases per operation and phase, at most."""
    seed: int
    phases: tuple[str, ...] = ("examples", "coverage", "fuzzing", "stateful")
    mode: str = "all"


@dataclass
class Tally:
    """What was answered, what was followed, and what was wrong."""

    answers: Counter[Promise] = field(default_factory=Counter)
    followed: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Links of the document that a request took its parameters from."""
    widened: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def cases(self) -> int:
        return self.answers.total()

    def accepted(self, label: str) -> int:
        return sum(
            times
            for answer, times in self.answers.items()
            if answer.operation == label and 200 <= answer.status < 300
        )

    def __iadd__(self, other: Tally) -> Self:
        self.answers += other.answers
        self.followed += other.followed
        self.widened += other.widened
        self.failures += other.failures
        return self


def run(url: str, document: Document, budget: Budget, widened: Sequence[Widened] = ()) -> Tally:
    """Let schemathesis ask the API at `url`, by all of its checks, with the hooks that there are.

    HEAD is asked whatever GET is, right after it: to generate requests anew would double the time.
    """
    tally, judge = Tally(), Judge(document)
    labels = [label for label, _ in operations(document) if not label.startswith("HEAD ")]
    schema = schemathesis.openapi.from_dict(only(document, labels), config=_config(url, budget))

    @schema.hook
    def filter_failure(
        _: schemathesis.HookContext, failure: Failure, case: Case, response: Response
    ) -> bool:
        for one in widened:
            if isinstance(failure, one.check) and one.is_right(case, response):
                tally.widened[one.what] += 1
                return False
        return True

    with requests.Session() as session:

        @schema.hook
        def after_call(_: schemathesis.HookContext, case: Case, response: Response) -> None:
            label, answer = case.operation.label, _answer(response)
            if label != f"{case.method} {case.path}":
                return  # another verb than the operation's, on purpose
            tally.failures += judge.unlike(label, answer)
            if case.method == "GET":
                _ask_head(session, judge, case.path, response, tally)

        _follow(schema, tally)
    return tally


def _follow(schema: BaseSchema, tally: Tally) -> None:
    for event in from_schema(schema).execute():
        match event:
            case events.ScenarioFinished():
                _count(event.recorder, tally)
                if event.status == Status.ERROR:
                    tally.failures.append(f"{event.label}: a run of it ended in an error")
            case events.NonFatalError():
                tally.failures.append(f"{event.label}: {event.info.format()}")
            case events.FatalError():
                raise event.exception
            case _:
                pass


def _ask_head(
    session: requests.Session, judge: Judge, path: str, got: Response, tally: Tally
) -> None:
    asked = got.request
    answer = session.request("HEAD", str(asked.url), headers=asked.headers, timeout=TIMEOUT_S)
    label = f"HEAD {path}"
    tally.answers[Promise(label, answer.status_code)] += 1
    tally.failures += judge.unlike(
        label, Answer(answer.status_code, answer.headers, answer.content)
    )


STATEFUL_TIMES = 4
"""So many times more scenarios than cases: only one that makes something has a link to follow."""


def _config(url: str, budget: Budget) -> SchemathesisConfig:
    phases: dict[str, Any] = {name: {"enabled": True} for name in budget.phases}
    if "stateful" in phases:
        phases["stateful"]["generation"] = {"max-examples": STATEFUL_TIMES * budget.examples}
    return SchemathesisConfig.from_dict(
        {
            "seed": budget.seed,
            "base-url": url,
            "continue-on-failure": True,
            "generation": {
                "max-examples": budget.examples,
                "mode": budget.mode,
                "no-shrink": True,  # what is shrunk is asked again and again, and found no sooner
                "database": "none",
            },
            "phases": {"enabled": False, **phases},
        }
    )


def _count(recorder: ScenarioRecorder, tally: Tally) -> None:
    for id, interaction in recorder.interactions.items():
        node = recorder.cases[id]
        label = node.value.operation.label
        if interaction.response is None:
            tally.failures.append(f"{label}: no answer came to {interaction.request.uri}")
            continue
        answer = _answer(interaction.response)
        tally.answers[Promise(label, answer.status, answer.problem)] += 1
        if node.transition and node.is_transition_applied and not node.transition.is_inferred:
            parent = recorder.cases[node.transition.parent_id].value.operation.label
            tally.followed[parent, label] += 1
    for checks in recorder.checks.values():
        for check in checks:
            if check.failure_info is not None:
                failed = check.failure_info
                tally.failures.append(
                    f"{failed.failure.operation}: {check.name}: {failed.failure.title}\n"
                    f"{failed.failure.message}\n{failed.code_sample}"
                )


def _answer(response: Response) -> Answer:
    headers = {name.title(): ", ".join(values) for name, values in response.headers.items()}
    return Answer(response.status_code, headers, response.content or b"")
