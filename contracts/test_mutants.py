"""Each mutant of the contracts still fits the code, and its tests are there; outside, each is killed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from contracts import mutants
from contracts.mutants import MUTANTS, ROOT


@pytest.mark.parametrize("name", MUTANTS)
def test_what_it_edits_stands_in_the_code_once(name: str) -> None:
    for edit in MUTANTS[name].edits:
        spec = find_spec(edit.module)
        assert spec is not None
        assert spec.origin is not None
        assert Path(spec.origin).read_text(encoding="utf-8").count(edit.old) == 1


@pytest.mark.parametrize("name", MUTANTS)
def test_the_tests_that_should_catch_it_are_there(name: str) -> None:
    for test in MUTANTS[name].killed_by:
        path, _, function = test.partition("::")
        assert f"def {function}(" in (ROOT / path).read_text(encoding="utf-8")


def test_a_mutant_that_there_is_not_is_refused_with_the_one_that_is_near(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        mutants.main(["field_renamd"])

    assert (
        "there is no mutant 'field_renamd'; did you mean field_renamed?" in capsys.readouterr().err
    )
