"""A mutant is killed when each test that it names fails; anything else is said, and is no kill."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.kit.mutants import Edit, Mutant, Outcome, outcomes


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # what is installed beside pytest is of no use there, and takes a second to load
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (tmp_path / "sums.py").write_text("def double(n):\n    return n * 2\n")
    (tmp_path / "test_sums.py").write_text(
        "from sums import double\n\n\n"
        "def test_it_doubles():\n    assert double(3) == 6\n\n\n"
        "def test_it_keeps_zero():\n    assert double(0) == 0\n"
    )
    (tmp_path / "bounds.py").write_text("LIMIT = 10\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def outcome(project: Path, old: str, new: str, *killed_by: str, module: str = "sums") -> Outcome:
    tests = [f"test_sums.py::{name}" for name in killed_by or ("test_it_doubles",)]
    (found,) = outcomes({"bug": Mutant("A bug.", (Edit(module, old, new),), tests)}, project)
    return found


def test_it_is_caught_by_the_test_that_fails_and_no_file_is_touched(project: Path) -> None:
    before = (project / "sums.py").read_text()

    found = outcome(project, "n * 2", "n * 3")

    assert found.is_killed
    assert found.failed == {"test_sums.py::test_it_doubles": "assert 9 == 6"}
    assert (project / "sums.py").read_text() == before


def test_it_survives_when_one_of_its_tests_passes(project: Path) -> None:
    found = outcome(project, "n * 2", "n * 3", "test_it_doubles", "test_it_keeps_zero")

    assert not found.is_killed
    assert found.survived == ["test_sums.py::test_it_keeps_zero"]


@pytest.mark.parametrize(
    ("old", "module", "trouble"),
    [
        ("n * 4", "sums", "has 'n * 4' 0 times, not once"),
        ("n", "sums", "times, not once"),
        ("x", "products", "there is no module products"),
        ("LIMIT", "bounds", "no test loads bounds"),
    ],
)
def test_an_edit_that_changes_nothing_is_no_catch(
    project: Path, old: str, module: str, trouble: str
) -> None:
    found = outcome(project, old, "y", module=module)

    assert not found.is_killed
    assert trouble in found.trouble


def test_a_test_that_is_not_there_is_no_catch(project: Path) -> None:
    found = outcome(project, "n * 2", "n * 3", "test_it_trebles")

    assert not found.is_killed
    assert "test_it_trebles" in found.trouble
