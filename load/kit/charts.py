"""Charts of what Locust has none for, in a tab of its web page and at `/delivery`.

Locust's own tabs can be given tables, but no charts and nothing after the run has ended (2.47), so
the tab shows a page of ours, which asks for its points itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import quantiles
from time import time
from typing import Any

from flask import Blueprint, Response, jsonify, request
from locust.web import WebUI

TAB = "delivery"
View = Callable[[], Response]
POINTS_MAX = 3600
"""An hour of seconds: older points go."""
PAGE = Path(__file__).with_name("delivery.html")
FRAME = Path(__file__).with_name("delivery_tab.html")


class Charts:
    """The last hour of what was seen, and the verdict."""

    def __init__(self) -> None:
        self._points: deque[dict[str, Any]] = deque(maxlen=POINTS_MAX)
        self._seen_ms: list[float] = []
        self._verdict: dict[str, Any] = {"lines": [], "judged": []}
        self._run = 0

    def clear(self) -> None:
        """Begin anew, with a new run."""
        self._run += 1
        self._points.clear()
        self._seen_ms.clear()
        self._verdict = {"lines": [], "judged": []}

    def seen(self, times_ms: Sequence[float]) -> None:
        """How long things took to be visible, since the last point."""
        self._seen_ms += times_ms

    def point(self, values: Mapping[str, float], trouble: str) -> None:
        """One second of it. `trouble`: who says nothing, and why."""
        times, self._seen_ms = self._seen_ms, []
        cuts = quantiles(times, n=100, method="inclusive") if len(times) > 1 else [*times] * 99
        visible = {"median": cuts[49], "p95": cuts[94], "p99": cuts[98]} if cuts else {}
        self._points.append(
            {"at": time(), "visible": visible, "values": dict(values), "trouble": trouble}
        )

    def verdict(self, lines: Sequence[str], judged: Sequence[Any]) -> None:
        self._verdict = {"lines": list(lines), "judged": list(judged)}

    def install(self, web_ui: WebUI, base_path: str | None) -> None:
        """Add the tab and its page to Locust's."""
        pages = Blueprint(TAB, __name__, url_prefix=base_path or None)
        guarded: Callable[[View], View] = web_ui.auth_required_if_enabled
        pages.add_url_rule(f"/{TAB}", "page", guarded(_page))
        pages.add_url_rule(f"/{TAB}/points", "points", guarded(self._news))
        assert web_ui.app is not None, "made in its constructor"
        web_ui.app.register_blueprint(pages)
        web_ui.app.after_request(_with_frame)
        web_ui.template_args["extended_tabs"] = [{"title": "Delivery", "key": TAB}]

    def _news(self) -> Response:
        after = request.args.get("after", 0.0, type=float)
        news = [point for point in self._points if point["at"] > after]
        return jsonify({"run": self._run, "points": news, "verdict": self._verdict})


def _page() -> Response:
    return Response(PAGE.read_text(encoding="utf-8"), mimetype="text/html")


def _with_frame(response: Response) -> Response:
    """Put our page into Locust's, to be shown where the tab's table would be."""
    if request.endpoint == "locust.index" and response.status_code == 200:
        page = response.get_data(as_text=True)
        response.set_data(page.replace("</body>", FRAME.read_text(encoding="utf-8") + "</body>"))
    return response
