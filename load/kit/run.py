"""A run of Locust that keeps its evidence, shows rows of its own, and is judged at the end.

    local      users ──records──▶ buffer ──each second──▶ file ──▶ judge (a process of its own)
    workers    users ──records──▶ buffer ──each second──▶ master's file ──▶ judge

The judge runs after each run has stopped: in the web page there may be several. Locust fires its
events so: `init`, `test_start`, `test_stopping` (before users stop), `test_stop` (they have), and
at the very end `quitting` (decides the exit status) and `quit` (after the tables are printed).
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import gevent
from locust.env import Environment
from locust.event import Events
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from load.kit.bad_use import BadUse
from load.kit.charts import Charts
from load.kit.evidence import Facts, Json, Record, Seen, Spool
from load.kit.shapes import SHAPES
from load.kit.verdicts import Exit

FLUSH_S = 1.0
CLOSE_S = 15.0
"""How long the master waits for the last evidence of its workers."""
MARKS_EACH = 10**8
"""So many requests of one worker have marks that no other gives."""
SEEN_ROW = "acknowledged → visible"
ROOT = Path(__file__).parents[2]
"""Where the judge's package is found, wherever Locust was started."""

logger = logging.getLogger("load")


@dataclass(frozen=True, slots=True)
class Begun:
    """What is there once a run was set up."""

    facts: Facts
    """What the evidence begins with."""
    world: Mapping[str, Json]
    """What users have to know: it is sent to the workers."""
    records: Sequence[Record] = ()


class Target(Protocol):
    """The system under load, and its judge."""

    judge: Sequence[str]
    """The command, without the file."""

    def begin(self, options: Mapping[str, Any], host: str | None) -> Begun:
        """Make what a run needs. Raises BadUse."""

    def rows(self, options: Mapping[str, Any], host: str | None) -> tuple[Mapping[str, float], str]:
        """What the system says of itself now, by the name of a row; and who says nothing."""


class Run:
    """All runs of one process of Locust, one after the other."""

    def __init__(self, target: Target) -> None:
        self.world: Mapping[str, Json] | None = None
        """Of the run that is on. None: it could not begin."""
        self._target = target
        self._begun: Begun | None = None
        """Set up already, for a run that is about to start."""
        self._charts = Charts()
        self._marks = count(1)
        self._lines: list[Json] = []
        self._spool: Spool | None = None
        self._greenlets: list[gevent.Greenlet[..., None]] = []
        self._judging: gevent.Greenlet[..., None] | None = None
        self._child: subprocess.Popen[str] | None = None
        self._open: set[str] = set()
        """Workers whose evidence is not complete."""
        self._status = Exit.KEPT
        self._said: list[str] = []

    # --- what users call ------------------------------------------------------------------------

    def next_mark(self) -> int:
        """Unlike any other of this run, on any worker."""
        return max(0, getattr(self._runner, "worker_index", 0)) * MARKS_EACH + next(self._marks)

    def record(self, record: Record) -> None:
        self._lines.append(record.line())
        if isinstance(record, Seen) and record.visible_ms is not None:
            # not by events.request: the aggregated figures are those of HTTP alone
            entry = self._environment.stats.get(SEEN_ROW, "SEEN")
            entry.log(round(record.visible_ms), 0)

    # --- Locust's events ------------------------------------------------------------------------

    def listen(self, events: Events) -> None:
        events.init.add_listener(self._init)
        events.test_start.add_listener(self._start)
        events.test_stopping.add_listener(self._stopping)
        events.test_stop.add_listener(self._stop)
        events.quitting.add_listener(self._quitting)
        events.quit.add_listener(self._quit)

    def _init(self, environment: Environment, **_: object) -> None:
        self._environment = environment
        assert environment.runner is not None, "made before this event"
        self._runner = environment.runner
        if isinstance(self._runner, MasterRunner):
            self._runner.register_message("evidence", self._from_worker)
        if isinstance(self._runner, WorkerRunner):
            self._runner.register_message("close evidence", self._asked_to_close, concurrent=True)
            return
        shape = self._options.get("shape")
        environment.shape_class = SHAPES[shape]() if shape else None
        if environment.shape_class is not None:
            environment.shape_class.runner = self._runner
            # Without a page Locust heeds it only once the shape is through: till then it is Ctrl-C.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        if environment.web_ui is not None:
            self._charts.install(environment.web_ui, self._options["web_base_path"])
        else:
            self._begin_at_once()

    def _begin_at_once(self) -> None:
        """Set up before the run's time begins; with no web page to correct it in, or end here."""
        try:
            self._begun = self._begin()
        except BadUse as bad:
            sys.stderr.write(f"locust: {bad}\n")
            sys.exit(Exit.BAD_USE)

    def _begin(self) -> Begun:
        return self._target.begin(self._options, self._environment.host)

    def _start(self, **_: object) -> None:
        self._lines.clear()
        if isinstance(self._runner, WorkerRunner):
            self.world = self._options.get("world")
            self._greenlets = [gevent.spawn(self._flush_often)]
            return
        self.world = None
        self._share_world()
        try:
            begun, self._begun = self._begun or self._begin(), None
            self._spool = Spool(self._file(), begun.facts)
        except (BadUse, OSError) as bad:
            self._refuse(str(bad))
            return
        self.world = begun.world
        self._share_world()
        self._open = set(self._workers())
        self._charts.clear()
        for record in begun.records:
            self.record(record)
        self._look()
        self._greenlets = [gevent.spawn(self._flush_often), gevent.spawn(self._look_often)]
        logger.info("The evidence of this run goes to %s", self._spool.path)

    def _refuse(self, why: str) -> None:
        logger.error("The run cannot begin: %s", why)
        self._charts.verdict([f"The run could not begin: {why}"], [])
        if self._environment.web_ui is not None:
            gevent.spawn(self._runner.stop)  # whoever sits before the page can correct it
        else:
            self._status = Exit.BAD_USE
            gevent.spawn(self._runner.quit)

    def _stopping(self, **_: object) -> None:
        """Have the workers stop and send what they have, as long as the master still listens."""
        if not isinstance(self._runner, MasterRunner) or self._spool is None:
            return
        self._runner.send_message("close evidence")
        ends_at = monotonic() + CLOSE_S
        while self._open.intersection(self._workers()) and monotonic() < ends_at:
            gevent.sleep(0.05)

    def _workers(self) -> Sequence[str]:
        """The master's workers, as far as they are alive."""
        if not isinstance(self._runner, MasterRunner):
            return ()
        workers = self._runner.clients.all
        return [worker.id for worker in workers if worker.state != STATE_MISSING]

    def _stop(self, **_: object) -> None:
        gevent.killall(self._greenlets)
        self._flush(last=True)
        if self._spool is None:
            return
        missing = len(self._open)
        gap = f"the last evidence of {missing} workers is missing" if missing else ""
        self._spool.close(gap=gap)
        path, self._spool = self._spool.path, None
        self._judging = gevent.spawn(self._judge, path)

    def _quitting(self, environment: Environment, **_: object) -> None:
        self._runner.stop()  # after Ctrl-C nothing has stopped yet
        if isinstance(self._runner, WorkerRunner):
            return
        try:
            if self._judging is not None:
                self._judging.join()
        except KeyboardInterrupt:
            self._said = ["Not judged: interrupted while waiting for rest."]
            self._status = Exit.NOT_JUDGED
            if self._child is not None:
                self._child.kill()
        if self._status != Exit.KEPT:
            environment.process_exit_code = self._status

    def _quit(self, **_: object) -> None:
        """Say the verdict last, below Locust's tables."""
        if self._said:
            sys.stdout.write("\n".join(["", "Judged", "", *self._said, ""]) + "\n")
            sys.stdout.flush()

    # --- evidence -------------------------------------------------------------------------------

    def _flush_often(self) -> None:
        while True:
            gevent.sleep(FLUSH_S)
            self._flush()

    def _flush(self, *, last: bool = False) -> None:
        lines, self._lines = self._lines, []
        if isinstance(self._runner, WorkerRunner):
            if lines or last:
                self._runner.send_message("evidence", {"lines": lines, "last": last})
        else:
            self._keep(lines)

    def _keep(self, lines: Sequence[Json]) -> None:
        if self._spool is not None:
            self._spool.add(lines)
        self._charts.seen([line["ms"] for line in lines if line.get("ms") is not None])

    def _from_worker(self, msg: Any, **_: object) -> None:  # Locust's message
        self._open.add(msg.node_id)
        self._keep(msg.data["lines"])
        if msg.data["last"]:
            self._open.discard(msg.node_id)

    def _asked_to_close(self, **_: object) -> None:
        self._runner.stop()

    def _share_world(self) -> None:
        """Locust sends the options to its workers with each order to spawn: this goes with them."""
        vars(self._environment.parsed_options)["world"] = self.world

    def _file(self) -> Path:
        """Where the evidence goes: a new file for each run, unless one is named."""
        if named := self._options.get("evidence"):
            return Path(named)
        assert self.world is None, "asked for before the run begins"
        folder = Path("load-evidence")
        folder.mkdir(exist_ok=True)
        numbers = count(1)
        return next(path for n in numbers if not (path := folder / f"run-{n}.jsonl").exists())

    # --- rows -----------------------------------------------------------------------------------

    def _look_often(self) -> None:
        while True:
            gevent.sleep(FLUSH_S)
            self._look()

    def _look(self) -> None:
        rows, missing = self._target.rows(self._options, self._environment.host)
        for name, value in rows.items():
            self._environment.stats.get(name, "GAUGE").log(round(value), 0)
        self._charts.point(rows, missing)

    # --- the judge ------------------------------------------------------------------------------

    def _judge(self, path: Path) -> None:
        within_s = str(self._options["rest_within"])
        command = [*self._target.judge, str(path), "--within", within_s, "--json"]
        logger.info("Judging %s: waiting for rest, %s s at most", path, within_s)
        self._charts.verdict(["Waiting for rest, to judge."], [])
        self._child = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={
                **os.environ,
                "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
            },
        )
        out, err = self._child.communicate()
        again = f"{' '.join(['python', *command[1:-3]])}  judges it again"
        try:
            said = json.loads(out)
        except ValueError:
            reason = (err.strip().splitlines() or ["it said nothing"])[-1]
            said = {"lines": [f"Not judged: {reason}"], "judged": []}
        status = self._child.returncode if said["judged"] else Exit.NOT_JUDGED
        self._said = [*said["lines"], "", again]
        self._status = status if self._status in (Exit.KEPT, Exit.NOT_JUDGED) else self._status
        self._charts.verdict(self._said, said["judged"])

    @property
    def _options(self) -> dict[str, Any]:
        return vars(self._environment.parsed_options)
