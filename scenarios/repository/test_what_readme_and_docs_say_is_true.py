"""A link leads somewhere, a command would run, a file that is named is there."""

from __future__ import annotations

import re
import subprocess
from urllib.parse import unquote, urlsplit

import pytest

from scenarios.repository.markdown import ROOT, Page, commands, pages
from scenarios.repository.typed_commands import WouldFail, check, tox_environments

PAGES = pages()
TYPED = [(page, words) for page in PAGES for words in page.commands]
LINKS = [(page, link) for page in PAGES for link in page.links]
PATH = re.compile(r"(?:system|contracts|scenarios|chaos|load|docs|\.ci)/[\w./-]*")


@pytest.mark.parametrize(
    "words",
    [words for _, words in TYPED],
    ids=[f"{page}: {' '.join(words)}" for page, words in TYPED],
)
def test_a_command_would_run(words: list[str]) -> None:
    check(words)


@pytest.mark.parametrize(("page", "link"), LINKS, ids=[f"{page}: {link}" for page, link in LINKS])
def test_a_link_leads_somewhere(page: Page, link: str) -> None:
    url = urlsplit(link)
    if url.scheme:
        assert url.scheme in ("http", "https", "mailto")
        return
    target = (page.path.parent / unquote(url.path)).resolve() if url.path else page.path
    assert target.exists()
    assert target.is_relative_to(ROOT)
    if url.fragment and target.suffix == ".md":
        assert url.fragment in Page(target, target.read_text(encoding="utf-8")).anchors


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_file_that_is_named_is_there(page: Page) -> None:
    named = {span for span in page.spans if PATH.fullmatch(span)}

    assert {path for path in named if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_tox_environment_that_is_named_exists(page: Page) -> None:
    named = {name for span in page.spans for name in re.findall(r"\btox -e ([\w,-]+)", span)}

    assert {name for names in named for name in names.split(",")} <= tox_environments()


def test_the_first_block_of_the_readme_ends_with_the_running_system() -> None:
    first = list(commands(PAGES[0].shell_blocks[0]))

    assert first[0][:2] == ["git", "clone"]
    assert first[1][0] == "cd"
    assert first[-1] == [".venv/bin/python", "-m", "system"]


def test_the_second_block_of_the_readme_ends_with_all_tests() -> None:
    second = list(commands(PAGES[0].shell_blocks[1]))

    assert second[-1] == [".venv/bin/tox"]


@pytest.mark.parametrize("block", PAGES[0].shell_blocks[:2])
def test_what_the_readme_installs_is_what_is_locked(block: str) -> None:
    (installs,) = [words for words in commands(block) if "install" in words]

    assert installs[:4] == [".venv/bin/pip", "install", "-c", "constraints.txt"]


@pytest.mark.parametrize("block", PAGES[0].shell_blocks[:2])
def test_clone_and_cd_stand_on_lines_of_their_own(block: str) -> None:
    for line in block.splitlines():
        if re.search(r"\b(git clone|cd)\b", line):
            assert len(list(commands(line))) == 1


@pytest.mark.parametrize(
    ("command", "because"),
    [
        ("make run-all", "no check knows 'make'"),
        ("tox -e nowhere,lint", "no environment nowhere"),
        (".venv/bin/pip install -c nothing.txt tox", "no nothing.txt"),
        (".venv/bin/pip install -e .[nothing]", "no extra 'nothing'"),
        ("python -m pytest scenarios/nowhere -k paid", "no scenarios/nowhere"),
        ("python -m nothing", "no python -m nothing"),
        ("python -m scenarios.harness.servers --nonsense", "refuses"),
        ("./README.md", "not executable"),
        ("curl http://localhost:8080/orders", "nothing listens"),
        ("cp .env.sample .env", "no .env.sample"),
        ("locust -f load/nothing.py", "no load/nothing.py"),
    ],
)
def test_a_command_that_would_fail_is_found(command: str, because: str) -> None:
    (words,) = commands(command)

    with pytest.raises(WouldFail, match=re.escape(because)):
        check(words)


def test_a_shell_block_is_read_as_a_shell_reads_it() -> None:
    block = """\
# a comment
LOG_LEVEL=debug python -m system --data=x > out.txt 2>&1 &
curl -X POST http://localhost:8081/users \\
  -H "Accept: */*" -d '{
    "name": "A & B; C # D"
  }' | jq .id   # another
echo a#b; echo "say \\"c\\"" &&echo d 2>/dev/null
"""

    assert list(commands(block)) == [
        ["python", "-m", "system", "--data=x"],
        [
            *["curl", "-X", "POST", "http://localhost:8081/users", "-H", "Accept: */*", "-d"],
            '{\n    "name": "A & B; C # D"\n  }',
        ],
        ["jq", ".id"],
        ["echo", "a#b"],
        ["echo", 'say "c"'],
        ["echo", "d"],
    ]


def test_a_quote_that_is_not_closed_is_found() -> None:
    with pytest.raises(ValueError, match=r"a quote is not closed: '\{"):
        list(commands("curl -d '{}' x\necho '{\n"))


def test_no_page_or_file_is_left_out_of_version_control_by_mistake() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout of git's")
    whoever_owns_it = ["-c", f"safe.directory={ROOT}"]
    names = [".env.example", "README.md", "constraints.txt"]
    listed = subprocess.run(
        ["git", *whoever_owns_it, "check-ignore", "--no-index", *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (listed.returncode, listed.stdout, listed.stderr) == (1, "", ""), "1: none is ignored"
