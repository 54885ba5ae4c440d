"""The command line: it teaches, refuses what cannot be, and writes a skeleton that can be judged."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from chaos.command import main
from chaos.kit.blackbox import PROMISES, Answer, Command, Observations, Shown, Sight, States, judge
from chaos.strangers import command
from chaos.strangers.adapters import load
from chaos.strangers.callers import CannotBegin
from chaos.strangers.ground import Ground
from chaos.strangers.processes import NotReady
from chaos.strangers.run import Result

PAGE = (Path(__file__).parents[2] / "docs" / "strangers.md").read_text(encoding="utf-8")


def test_the_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["strangers", "judge", "--help"])

    printed = capsys.readouterr().out
    for word in ("judge naive", "--seed", "--seconds", "one_effect_per_cause", "Exit status: 0"):
        assert word in printed


def test_a_skeleton_can_be_loaded_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["strangers", "new", "my_shop"]) == 0

    assert "judge my_shop.py" in capsys.readouterr().out
    stranger, _ = load("my_shop.py")
    assert stranger.name == "my_shop"
    assert Ground(stranger).lines
    assert stranger.client(1).meaning(Command("cancel", "7"), Answer("answered", 204)).about == ""


def test_a_file_that_is_there_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("mine")

    assert main(["strangers", "new", "mine"]) == 2

    assert "mine.py is there already" in capsys.readouterr().err
    assert (tmp_path / "mine.py").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["judge", "nothing.py"], "no file nothing.py"),
        (["judge", "naive:Nobody"], "no file naive"),
        (["new", "my-shop"], "no name of a Python module"),
        (["new", "../shop"], "no name of a Python module"),
    ],
)
def test_what_cannot_be_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["strangers", *arguments]) == 2

    assert said in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["judge"], ["judge", "naive", "--seconds", "0"], ["jugde"]])
def test_what_is_mistyped_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["strangers", *arguments])


@pytest.mark.parametrize("sight", Sight)
def test_the_page_says_what_is_not_judged_without_a_sight(sight: Sight) -> None:
    unjudged = ", ".join(
        promise.name for promise in PROMISES if sight in promise.needs | promise.keeps
    )

    (row,) = (line for line in PAGE.splitlines() if line.startswith(f"| `{sight.name}` |"))

    assert row.endswith(f" | {unjudged} |")


@pytest.mark.parametrize(
    ("read", "known", "status"),
    [
        (Shown("DONE"), {}, 0),
        (Shown("NEW"), {}, 1),
        (Shown("NEW"), {"final_states_reached": "issue 17"}, 0),
        (Shown("DONE"), {"final_states_reached": "issue 17"}, 1),
    ],
    ids=["kept", "broken", "broken, as is known", "kept after all"],
)
def test_the_exit_status_says_whether_all_is_as_was_said_and_the_page_tells_why(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    read: Shown,
    known: dict[str, str],
    status: int,
) -> None:
    evidence = Observations(States({"NEW": {"DONE"}}, {"DONE"}, ()), read={"17": read})
    verdicts = judge(evidence, PROMISES, sees=~Sight(0), known=known)

    async def run(*_: object) -> Result:
        return Result(evidence, verdicts)

    monkeypatch.setattr(command, "run", run)
    page = tmp_path / "page.md"
    judging = ["judge", "naive", "--evidence", str(tmp_path / "logs"), "--page", str(page)]

    assert main(["strangers", *judging]) == status
    assert "| final_states_reached | " in page.read_text()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CannotBegin("open is refused"), "cannot judge: open is refused"),
        (
            ExceptionGroup("", [NotReady("shop: no such table")]),
            "cannot judge: shop: no such table",
        ),
    ],
)
def test_what_cannot_be_judged_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    error: Exception,
    said: str,
) -> None:
    async def run(*_: object) -> Result:
        raise error

    monkeypatch.setattr(command, "run", run)

    assert main(["strangers", "judge", "naive", "--evidence", str(tmp_path)]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == said


def test_a_mistake_of_the_judge_is_not_taken_for_one_of_the_system(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def run(*_: object) -> Result:
        raise ExceptionGroup("", [NotReady("shop"), ZeroDivisionError("of the judge")])

    monkeypatch.setattr(command, "run", run)

    with pytest.raises(ExceptionGroup):
        main(["strangers", "judge", "naive", "--evidence", str(tmp_path)])


@pytest.mark.parametrize(
    ("state", "written", "stays"),
    [("DONE", "ready", False), ("NEW", "ready", True), ("NEW", "", False), (None, "ready", True)],
    ids=["nothing is broken", "broken", "broken, without a word", "stopped by Ctrl-C"],
)
def test_a_run_leaves_a_folder_only_where_there_is_something_to_look_up_in_it(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    state: str | None,
    written: str,
    stays: bool,
) -> None:
    async def run(_: object, __: object, logs: Path, *___: object) -> Result:
        (logs / "shop.log").write_text(written)
        if state is None:
            raise KeyboardInterrupt
        evidence = Observations(States({"NEW": {"DONE"}}, {"DONE"}, ()), read={"17": Shown(state)})
        return Result(evidence, judge(evidence, PROMISES, sees=~Sight(0)))

    monkeypatch.setattr(command, "run", run)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    main(["strangers", "judge", "naive"])

    left = list(tmp_path.iterdir())
    assert bool(left) == stays
    assert all(f"stay in {folder}" in capsys.readouterr().err for folder in left)
