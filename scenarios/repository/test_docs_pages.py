"""No page is lost, what pages say of code is there, and their tables leave nothing out."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scenarios.repository.markdown import ROOT, Page, pages
from system.kit.errors import problems
from system.kit.metrics import Metrics

PAGES = {page.path: page for page in pages()}
README = PAGES[ROOT / "README.md"]
DECISIONS = [page for path, page in PAGES.items() if path.match("decisions/0*.md")]

_CODE_LINK = re.compile(r"\[`([\w.]+)`\]\(([^)\s]+)\)")
_TEST_LINK = re.compile(r"\[(test_\w+)\]\(([^)\s]+)\)")
_DOTTED = re.compile(r"[a-z_]+(?:\.\w+)+")
_ROOMS = {path.stem for path in (ROOT / "system").iterdir()}
_PACKAGES = ("system.", "contracts.", "scenarios.", "chaos.", "load.")


def page(path: str) -> Page:
    return PAGES[ROOT / path]


# --- pages ----------------------------------------------------------------------------------------


def linked(page: Page) -> set[Path]:
    targets = {(page.path.parent / link.partition("#")[0]).resolve() for link in page.links}
    return targets & PAGES.keys()


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, new = set(), {README.path}
    while new:
        reached |= new
        new = {target for path in new for target in linked(PAGES[path])} - reached

    assert PAGES.keys() - reached == set()


def test_every_page_but_decisions_stands_in_the_readmes_list() -> None:
    top = {path for path in PAGES if path.parent == ROOT / "docs"}

    assert top - linked(README) == set()


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [re.match(r"(\d{3})-[a-z0-9-]+\.md", page.path.name) for page in DECISIONS]

    assert [int(number[1]) for number in numbers if number] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("decision", DECISIONS, ids=str)
def test_a_decision_says_its_number_context_and_consequences(decision: Page) -> None:
    headings = re.findall(r"^#+ (.*)$", decision.text, re.MULTILINE)

    assert headings[0].startswith(f"{decision.path.name[:3]}: ")
    assert headings[1:] == ["Context", "Decision", "Consequences"]


def test_every_decision_stands_in_the_list_of_decisions() -> None:
    assert linked(page("docs/decisions/README.md")) >= {decision.path for decision in DECISIONS}


# --- code -----------------------------------------------------------------------------------------


def home(name: str, within: str = "") -> str:
    """The module that a dotted name leads to or into. Raises LookupError."""
    if "." not in name and hasattr(importlib.import_module(within), name):
        return within
    full = name if name.startswith(_PACKAGES) else f"system.{name}"
    steps = full.split(".")
    module = steps[0]
    value: Any = importlib.import_module(module)  # a module, then what is in it
    for number, step in enumerate(steps[1:], 2):
        inner = ".".join(steps[:number])
        if hasattr(value, "__path__") and importlib.util.find_spec(inner):
            module, value = inner, importlib.import_module(inner)
        elif hasattr(value, step):
            value = getattr(value, step)
        else:
            raise LookupError(f"{full} is not there")
    return module


CODE_LINKS = [(page, *link) for page in PAGES.values() for link in _CODE_LINK.findall(page.text)]


@pytest.mark.parametrize(
    ("page", "name", "link"), CODE_LINKS, ids=[f"{page}: {name}" for page, name, _ in CODE_LINKS]
)
def test_a_name_that_is_linked_is_in_the_file_it_leads_to(page: Page, name: str, link: str) -> None:
    target = (page.path.parent / link).resolve().relative_to(ROOT)
    module = ".".join(target.with_suffix("").parts).removesuffix(".__init__")

    assert home(name, module) == module


TEST_LINKS = [(page, *link) for page in PAGES.values() for link in _TEST_LINK.findall(page.text)]


@pytest.mark.parametrize(
    ("page", "name", "link"), TEST_LINKS, ids=[f"{page}: {name}" for page, name, _ in TEST_LINKS]
)
def test_a_test_that_is_linked_is_in_the_file_it_leads_to(page: Page, name: str, link: str) -> None:
    text = (page.path.parent / link).read_text(encoding="utf-8")

    assert re.search(rf"^ *(async )?def {name}\(", text, re.MULTILINE)


def mentioned(page: Page) -> set[str]:
    """Dotted names between backticks that begin with a room of the system."""
    return {
        span
        for span in page.spans
        if _DOTTED.fullmatch(span)
        and (span.startswith(_PACKAGES) or span.partition(".")[0] in _ROOMS)
        and not span.endswith((".py", ".md"))
    }


@pytest.mark.parametrize("page", PAGES.values(), ids=str)
def test_a_name_of_code_that_is_mentioned_is_there(page: Page) -> None:
    for name in mentioned(page):
        home(name)


def test_a_name_that_is_not_there_is_found() -> None:
    with pytest.raises(LookupError):
        home("products.handlers.reserve_everything")
    with pytest.raises(LookupError):
        home("ports.work.UnitOfWork.rollback")


def test_what_is_generated_is_current() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "contracts", "check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stderr) == (0, "")


# --- tables ---------------------------------------------------------------------------------------


def test_every_problem_is_explained_with_its_status() -> None:
    (table,) = [table for table in page("docs/http.md").tables if "`/problems/internal`" in table]
    listed = {
        kind.strip("`").removeprefix("/problems/"): int(line["status"])
        for kind, line in table.items()
    }

    assert listed == {name: problem.status for name, problem in problems().items()}


def test_every_metric_is_explained() -> None:
    metrics = Metrics()
    metrics.pool(lambda: 0)
    counted = {
        f"{metric.name}_total" if metric.type == "counter" else metric.name
        for metric in metrics.registry.collect()
    }
    (table,) = [table for table in page("docs/operations.md").tables if "`outbox_backlog`" in table]

    assert {name.strip("`") for name in table} == counted


def test_the_steps_of_the_readme_are_those_around_a_handler_from_the_inside_out() -> None:
    (table,) = [table for table in README.tables if any("`inboxed`" in step for step in table)]
    source = (ROOT / "system" / "kit" / "chains.py").read_text(encoding="utf-8")
    names = [
        name
        for function in ("delivered", "write_chain")
        for name in re.findall(r"^        (\w+)[(,]", _body(source, function), re.MULTILINE)
    ]
    inside_out = [name for name in reversed(names) if name in STEPS]

    listed = [re.findall(r"`(\w+)`", step)[0] for step in table]
    assert listed == [step for step in inside_out if step not in ("decoded", "logged")]


STEPS = {path.stem for path in (ROOT / "system/kit/delivery/middleware").glob("*.py")}


def _body(source: str, function: str) -> str:
    """From its `return` on."""
    whole = source.partition(f"def {function}(")[2].partition("\n\n\n")[0]
    return whole.partition("    return [")[2]


def test_the_list_of_calls_is_that_of_the_apis() -> None:
    text = page("docs/http.md").text
    table = text[text.index("## Calls") : text.index("Of what they answer:")]
    listed = {
        role: set(re.findall(r"`([A-Z]+ [^`]+)`", calls))
        for role, calls in re.findall(r"^\| ([a-z]+-api) \| (.*) \|$", table, re.MULTILINE)
    }
    described = {path.stem: calls_of(path) for path in OPENAPI.glob("*-api.json")}
    assert listed.keys() == described.keys()
    for api, calls in described.items():
        wrong = calls ^ listed[api]
        assert not wrong, f"the table Calls of docs/http.md, {api}: {wrong}"


OPENAPI = ROOT / "contracts/http/openapi"


def calls_of(path: Path) -> set[str]:
    """The calls of an API, but for those that every service has."""
    return {
        f"{method.upper()} {place}"
        for place, operations in json.loads(path.read_bytes())["paths"].items()
        for method, operation in operations.items()
        if operation["tags"] != ["service"] and method != "head"
    }
