"""One self-contained page of a run."""

from __future__ import annotations

from chaos.runner import Run


def report(run: Run) -> str:
    return str(run.schedule)
