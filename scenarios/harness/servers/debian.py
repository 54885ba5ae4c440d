"""Debian's packages: installed on this machine, or those of another suite in a chroot."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from scenarios.harness.servers.common import Missing, fetched, need, only_one, run, say

SUITE = "sid"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Chroot:
    """Programs of Debian's unstable suite, fetched once, which run as `user`. It needs root."""

    def __init__(self, name: str, package: str, user: str, *, instead: str) -> None:
        self._name = name
        self._package = package
        self._user = user
        self._instead = instead
        """What one who is not root can do."""
        self._root = Path()

    async def fetch(self) -> None:
        """Raises Missing."""
        if os.geteuid() != 0:
            raise Missing(
                f"not root: {self._name} runs here in a chroot with Debian's {SUITE};"
                f" run as root, or {self._instead}"
            )
        self._root = await fetched(f"{self._name}-debian-{SUITE}", self._bootstrap)

    async def _bootstrap(self, folder: Path) -> None:
        await installed(debootstrap="debootstrap")
        mirror = await _mirror()
        # In a mount namespace of its own: were it killed, its mounts of /proc would be gone
        # with it, and deleting the folder could not reach through them.
        apart = ("unshare", "--mount", "--propagation=private")
        what = ("--variant=minbase", f"--keyring={KEYRING}", f"--include={self._package}")
        try:
            await run(*apart, "debootstrap", *what, SUITE, folder, mirror)
        except Missing as error:
            raise Missing(f"Debian's {SUITE} cannot give {self._name} today: {error}") from error
        known = (folder / "etc/passwd").read_text().splitlines()
        if not any(line.startswith(f"{self._user}:") for line in known):
            await run("chroot", folder, "useradd", "--system", "--no-create-home", self._user)
        shutil.rmtree(folder / "var/cache/apt/archives", ignore_errors=True)

    @property
    def folders(self) -> Path:
        """Where a server's folders are made: inside, or it could not see them."""
        return self._root / "var/tmp"

    def inside(self, folder: Path) -> str:
        """The path of such a folder as the server sees it."""
        return f"/{folder.relative_to(self._root)}"

    async def hand_over(self, folder: Path) -> None:
        """Let the user have the folder."""
        await run(
            *("chroot", self._root, "chown", "-R", f"{self._user}:", self.inside(folder)),
            bound_s=60,
        )

    def command(self, program: str, *arguments: str) -> Sequence[str | Path]:
        """The command line that runs a program inside, as the user."""
        # Linux forgets whom to die with when a process changes its user, so setpriv says it
        # again, inside, after it did.
        user = (f"--reuid={self._user}", f"--regid={self._user}", "--clear-groups")
        setpriv = ("setpriv", *user, "--pdeathsig=KILL")
        return ("chroot", self._root, *setpriv, program, *arguments)


async def installed(**packages: str) -> None:
    """Install the Debian packages (program="package") whose programs are not here."""
    absent = {program: package for program, package in packages.items() if not _is_here(program)}
    if not absent:
        return
    how = f"apt-get install {' '.join(absent.values())}"
    if os.geteuid() != 0:
        raise Missing(f"{', '.join(absent)}: not on the PATH, and only root can install it: {how}")
    apt = need("apt-get", f"this is no Debian; get {', '.join(absent)} in your system's own way")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    async with only_one("apt"):
        say(how)
        await run(apt, "update", "-qq", env=quiet)
        await run(
            *(apt, "install", "-y", "-qq", "--no-install-recommends", *absent.values()), env=quiet
        )


def _is_here(program: str) -> bool:
    try:
        need(program, "")
    except Missing:
        return False
    return True


async def _mirror() -> str:
    """The mirror that this Debian's own packages come from."""
    sites = await run(
        *("apt-get", "indextargets", "--format", "$(REPO_URI)"),
        *("Created-By: Packages", "Origin: Debian", "Label: Debian"),
        bound_s=60,
    )
    if not sites.strip():
        raise Missing("apt knows no Debian mirror: see its sources, then run apt-get update")
    return sites.split()[0]
