"""What all answers have in common, those to good requests and those to what is hardly one."""

from __future__ import annotations

from uuid import UUID

from aiohttp import web

from system.kit.errors import ExpectationFailed, MethodNotAllowed, NotFound, Refused
from system.kit.http.headers import CONSISTENCY_TOKEN, CORRELATION_ID
from system.kit.http.problems import MEDIA_TYPE, problem_bytes

_READS = frozenset({"GET", "HEAD"})


def problem_response(
    request: web.BaseRequest, refused: Refused, correlation_id: UUID
) -> web.Response:
    """The answer to a refused request."""
    body = problem_bytes(refused, instance=request.rel_url.raw_path, correlation_id=correlation_id)
    headers = {**refused.headers, "Content-Type": MEDIA_TYPE}
    return web.Response(status=refused.status, body=body, headers=headers)


def common_headers(correlation_id: UUID) -> dict[str, str]:
    """What every answer says. What is shown may be kept, if it is asked for again."""
    return {
        CORRELATION_ID: str(correlation_id),
        "X-Content-Type-Options": "nosniff",
        "Vary": f"Authorization, {CONSISTENCY_TOKEN}",
        "Cache-Control": "no-store",
    }


def sealed(
    request: web.BaseRequest, response: web.StreamResponse, correlation_id: UUID
) -> web.StreamResponse:
    """Add what every answer says: whose it is, and how long and for whom it may be kept."""
    response.headers.update(common_headers(correlation_id))
    if request.method in _READS and response.status < 400:
        response.headers["Cache-Control"] = "no-cache"
    if not request.content.is_eof():  # the rest of its body would be taken for the next request
        response.force_close()
    return response


def refusal_of_router(error: web.HTTPException) -> Refused:
    """What aiohttp itself refuses: paths, methods and expectations that it does not know."""
    match error:
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return MethodNotAllowed(headers={"Allow": allowed})
        case web.HTTPNotFound():
            return NotFound()
        case web.HTTPExpectationFailed():
            return ExpectationFailed()
        case _:
            raise error
