"""What happens to every request before and after its handler."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import hdrs, web

from tasksvc.api.answers import Answer
from tasksvc.api.conditions import etag
from tasksvc.api.guard import Guard
from tasksvc.api.problems import BodyTooLarge, ExpectationFailed, problem_of
from tasksvc.api.service import Service
from tasksvc.api.validation import Expectation
from tasksvc.errors import VersionConflict

Handler = Callable[..., Awaitable[web.StreamResponse | Answer]]
"""Takes a request, and for some what is known of it already."""
Wrapped = Callable[[web.Request], Awaitable[web.StreamResponse]]


def ordinary(answer: web.StreamResponse | Answer) -> web.StreamResponse:
    """`answer` as aiohttp knows it."""
    return answer.response() if isinstance(answer, Answer) else answer


class Edge:
    """Wraps handlers: counts what is in flight, guards, validates, and turns every error into a problem.

    It is no middleware, since a handler that is wrapped once costs less than a middleware that is
    looked up for each request.
    """

    def __init__(self, service: Service, guard: Guard | None) -> None:
        self._service, self._guard = service, guard

    def enclose(self, handler: Handler) -> Handler:
        """`handler` with the guard before it, which now never raises."""
        service, guard = self._service, self._guard

        @functools.wraps(handler)
        async def answer(request: web.Request, *known: Any) -> web.StreamResponse | Answer:
            service.in_flight += 1
            try:
                if guard is not None:
                    guard.check(request)
                response = await handler(request, *known)
            except Exception as error:
                response = problem_of(error)
                if isinstance(error, VersionConflict):
                    response.headers[hdrs.ETAG] = etag(service.repository.generation, error.current)
            finally:
                service.leave()
            if service.draining:
                response = ordinary(response)
                response.force_close()
            return response

        return answer

    def wrap(self, handler: Handler, expectation: Expectation) -> Wrapped:
        """`handler`, whose request is now validated, as a handler for a router."""

        async def validated(request: web.Request) -> web.StreamResponse | Answer:
            await expectation.check(request)
            return await handler(request)

        enclosed = self.enclose(validated)

        @functools.wraps(handler)
        async def answer(request: web.Request) -> web.StreamResponse:
            return ordinary(await enclosed(request))

        return answer

    def expect(self, expectation: Expectation) -> Callable[[web.Request], Awaitable[web.StreamResponse | None]]:
        """Answers an Expect header (RFC 9110, section 10.1.1): a body too large is refused before it is sent."""

        async def answer(request: web.Request) -> web.StreamResponse | None:
            if request.headers.get(hdrs.EXPECT, "").lower() != "100-continue":
                return problem_of(ExpectationFailed("The only Expect that is known here is 100-continue.", close=True))
            if (request.content_length or 0) > expectation.body_max:
                return problem_of(
                    BodyTooLarge(f"The body may have at most {expectation.body_max:,} bytes.", close=True)
                )
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # what was written is no part of the answer
            return None

        return answer
