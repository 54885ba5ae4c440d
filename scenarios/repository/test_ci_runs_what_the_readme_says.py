"""`.ci/run` runs the second shell block of the README, that very text."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from scenarios.repository.markdown import ROOT
from scenarios.repository.typed_commands import tox_environments

README = """\
```bash
echo first
```

Text, and a `second` span.

```json
{"echo": "json"}
```

```bash
git clone REPOSITORY kit
cd kit
echo "second block" | tr a-z A-Z
exit 7
```

```bash
echo third
```
"""


TOX = """\
#!/bin/sh
echo ran tox "$@"
read -r line && echo typed
echo FAILED test_it - because
echo "servers: exit 1 (2.00 seconds)"
seq 500
exit 5
"""
"""In place of the one that the README's block installs."""
AFTER = "chaos-all,contracts-outside,servers,chaos-servers,endurance,strangers,bench"


def run(checkout: Path, readme: str) -> subprocess.CompletedProcess[str]:
    tox = checkout / ".venv" / "bin" / "tox"
    tox.parent.mkdir(parents=True)
    tox.write_text(TOX, encoding="utf-8")
    tox.chmod(0o755)
    (checkout / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", checkout / ".ci" / "run")
    (checkout / "README.md").write_text(readme, encoding="utf-8")
    return subprocess.run(
        [str(checkout / ".ci" / "run")],
        cwd="/",
        input="typed\n",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_it_runs_the_second_block_but_for_clone_and_cd(tmp_path: Path) -> None:
    done = run(tmp_path, README)

    assert done.stdout.splitlines()[-1] == "SECOND BLOCK"
    assert done.returncode == 7
    assert done.stderr == ""


@pytest.mark.parametrize(
    "lines", ["false\necho on", "false | cat\necho on", "echo $NOTHING\necho on"]
)
def test_it_stops_at_the_first_command_that_fails(tmp_path: Path, lines: str) -> None:
    done = run(tmp_path, f"```bash\n```\n```bash\n{lines}\n```\n")

    assert done.returncode != 0
    assert done.stdout.splitlines()[-1] != "on"


def test_nothing_it_runs_can_wait_for_somebody_to_type(tmp_path: Path) -> None:
    done = run(
        tmp_path, '```bash\n```\n```bash\nread -r line && echo "$line" || echo nobody\n```\n'
    )

    assert "nobody" in done.stdout.splitlines()
    assert "typed" not in done.stdout.splitlines()


def test_after_the_block_it_judges_from_outside_and_runs_the_same_on_real_servers(
    tmp_path: Path,
) -> None:
    done = run(tmp_path, "```bash\n```\n```bash\necho second\n```\n")

    assert f"\n\nran tox -e {AFTER}\n" in done.stdout
    assert done.returncode == 5


def test_what_failed_stands_at_the_end_once_more(tmp_path: Path) -> None:
    """Else a reader who is shown the end alone sees only what was right."""
    done = run(tmp_path, "```bash\n```\n```bash\necho second\n```\n")

    shown = done.stdout.split("what failed, once more:\n")[-1].splitlines()
    assert shown[-2:] == ["FAILED test_it - because", "servers: exit 1 (2.00 seconds)"]


def test_what_it_runs_after_the_block_exists() -> None:
    assert set(AFTER.split(",")) <= tox_environments()


def test_a_readme_without_a_second_block_is_one_clear_line(tmp_path: Path) -> None:
    done = run(tmp_path, "```bash\necho first\n```\n")

    assert done.returncode == 1
    assert done.stderr == ".ci/run: README.md has no second bash block\n"
