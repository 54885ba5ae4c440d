"""Draws `docs/scenarios.md`: each journey, and on which stacks it runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from scenarios.harness import stack as harness
from scenarios.harness.choice import STACKS

ROOT = Path(__file__).parents[1]
JOURNEYS = ROOT / "scenarios" / "journeys"
PATH = "docs/scenarios.md"

NOT_RUN_HERE: Mapping[str, str] = {"docker": "not run here"}
"""Stacks that nothing here can start, for want of an engine, and what the table says there."""

HEAD = """\
# Journeys and stacks

Generated from the files in [scenarios/journeys](../scenarios/journeys) and
the `ABILITIES` of [stack.py](../scenarios/harness/stack.py) by `python -m contracts write`; a test fails
when it is not current.

The same files run on every [stack](stacks.md), unchanged. One that needs more than HTTP says so by
`@pytest.mark.needs`, and where a stack cannot do that, the table says *not applicable*, with what is
missing. *Not run here*: `--stack docker` wants a container engine, which there is none of where this kit
is made; [the workflow](../.github/workflows/ci.yml) runs them where there is one.
"""


def files() -> Mapping[str, str]:
    """The page, under its path."""
    return {PATH: "\n".join(_page())}


def rows() -> Mapping[str, Mapping[str, str]]:
    """Per journey, by the name of its file, what each stack does with it."""
    return {
        path.name: {stack: _runs(stack, _needs(path)) for stack in STACKS}
        for path in sorted(JOURNEYS.glob("test_*.py"))
    }


def _page() -> Iterator[str]:
    yield HEAD
    yield f"| journey | {' | '.join(STACKS)} |"
    yield f"| --- |{' --- |' * len(STACKS)}"
    for name, on in rows().items():
        sentence = name.removeprefix("test_").removesuffix(".py").replace("_", " ")
        link = f"[{sentence}](../scenarios/journeys/{name})"
        yield f"| {link} | {' | '.join(on.values())} |"
    yield ""


def _runs(stack: str, needs: frozenset[str]) -> str:
    if stack in NOT_RUN_HERE:
        return NOT_RUN_HERE[stack]
    missing = sorted(needs - harness.ABILITIES[stack])
    return f"not applicable: no {', '.join(missing)}" if missing else "runs"


def _needs(path: Path) -> frozenset[str]:
    """What the file's marks ask for, of all its scenarios or of one."""
    return frozenset(
        str(ast.literal_eval(argument))
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.needs"
        for argument in call.args
    )
