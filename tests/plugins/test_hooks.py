"""What plugins add to a service, through each of the hooks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

import pytest
from aiohttp import web
from patience import until

from tasksvc import Record
from tasksvc.api.plugins.loading import Plugin
from tasksvc.domain.errors import NotSupported, PluginRefused
from tasksvc.plugin import (
    Caller,
    Metric,
    Query,
    QueryInteger,
    RequestLogin,
    Route,
    RouteGroup,
    Scope,
    Service,
    Setting,
    StrictSchema,
    StrictString,
    body_of,
    hookimpl,
    in_home,
    in_workspaces,
    json_response,
    name_of,
    operation,
    query_of,
    raw_body_of,
    responses,
    workspace_of,
)
from tasksvc.testing.plugin import CALLER_HEADER, serving


class GreetingIn(StrictSchema):
    name = StrictString(required=True)
    example = {"name": "Ada"}  # noqa: RUF012


class GreetingQuery(Query):
    times = QueryInteger(1, 3)


@operation("Greet", tag="greetings", responses=responses({200: "Hello."}), body=GreetingIn(), query=GreetingQuery())
async def greet(request: web.Request) -> Any:
    return json_response({"hello": [body_of(request)["name"]] * query_of(request).get("times", 1)})


@operation("Where", tag="greetings", responses=responses({200: "A workspace."}))
async def where(request: web.Request) -> Any:
    return json_response({"workspace": workspace_of(request), "caller": name_of(request)})


@operation("Count bytes", tag="greetings", responses=responses({200: "A number."}))
async def count_bytes(request: web.Request) -> Any:
    return json_response(len(raw_body_of(request)))


class WithRoutes:
    """A plugin that has routes."""

    @hookimpl
    def tasksvc_routes(self, service: Service) -> Iterable[RouteGroup]:
        where_group = RouteGroup([Route("GET", "/where", where, Scope.READ)])
        return [
            RouteGroup([Route("POST", "/greetings", greet, Scope.WRITE)], tags={"greetings": "Greetings."}),
            in_home(where_group),
            in_workspaces(where_group),
            RouteGroup(
                [Route("PUT", "/bytes/{id}", count_bytes, Scope.WRITE, ("text/calendar",), raw=True, any_query=True)],
                documented=False,
            ),
            RouteGroup([Route("GET", "/administered", where, Scope.ADMIN)]),
        ]


async def test_a_route_of_a_plugin_is_validated_and_refuses_other_methods() -> None:
    async with serving(WithRoutes()) as client:
        async with client.post("/greetings?times=2", json={"name": "Ada"}) as good:
            assert await good.json() == {"hello": ["Ada", "Ada"]}
            assert good.headers["X-Request-ID"]
        async with client.post("/greetings?times=9", json={"name": "Ada"}) as wrong_query:
            assert (await wrong_query.json())["errors"][0]["field"] == "times"
        async with client.post("/greetings", json={"nam": "Ada"}) as wrong_body:
            assert wrong_body.status == 422
            assert "Did you mean 'name'?" in (await wrong_body.json())["errors"][1]["message"]
        async with client.get("/greetings") as wrong_method:
            assert wrong_method.status == 405
            assert wrong_method.headers["Allow"] == "OPTIONS, POST"


async def test_the_scope_of_a_route_is_needed() -> None:
    callers = {"reader": Caller("reader", Scope.READ), "writer": Caller("writer", Scope.WRITE)}
    async with serving(WithRoutes(), callers=callers) as client:
        found = {}
        for caller in ("", "reader", "writer"):
            async with client.post("/greetings", json={"name": "Ada"}, headers={CALLER_HEADER: caller}) as response:
                found[caller] = response.status

        assert found == {"": 401, "reader": 403, "writer": 200}


async def test_nobody_administers_an_open_service_through_a_plugin() -> None:
    async with serving(WithRoutes()) as client, client.get("/administered") as response:
        assert response.status == 403


async def test_a_route_is_in_a_workspace_that_the_caller_may_enter() -> None:
    callers = {"ann": Caller("ann", workspaces=("hers", "shared"))}
    async with serving(WithRoutes(), callers=callers) as client:
        found = []
        for path in ("/where", "/workspaces/shared/where", "/workspaces/other/where"):
            async with client.get(path, headers={CALLER_HEADER: "ann"}) as response:
                found.append((response.status, (await response.json()).get("workspace")))

        assert found == [(200, "hers"), (200, "shared"), (403, None)]


async def test_a_raw_route_takes_bytes_of_its_media_type_and_any_query() -> None:
    async with serving(WithRoutes()) as client:
        calendar = {"Content-Type": "text/calendar"}
        async with client.put("/bytes/a.ics?x=1&x=2", data=b"BEGIN", headers=calendar) as good:
            assert await good.json() == 5
        async with client.put("/bytes/a.ics", json={}) as wrong:
            assert wrong.status == 415


async def test_routes_of_a_plugin_are_described() -> None:
    async with serving(WithRoutes()) as client, client.get("/openapi.json") as response:
        document = await response.json()

    described = document["paths"]["/greetings"]["post"]
    assert described["requestBody"]["content"]["application/json"]["example"] == {"name": "Ada"}
    assert described["security"] == [{"token": ["write"]}]
    assert {"name": "greetings", "description": "Greetings."} in document["tags"]
    assert "/bytes/{id}" not in document["paths"]


# ---------------------------------------------------------------- beside the routes


class WithLifespan:
    """A plugin that does something beside the routes."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @hookimpl
    def tasksvc_lifespan(self, service: Service) -> AbstractAsyncContextManager[None]:
        return self._run(service)

    @asynccontextmanager
    async def _run(self, service: Service) -> AsyncIterator[None]:
        task = asyncio.current_task()
        self.seen.append(f"entered, {(await service.end_of_log('default')).seq}")
        yield
        assert asyncio.current_task() is task
        self.seen.append(f"left, {(await service.end_of_log('default')).seq}")


async def test_a_lifespan_is_entered_after_the_store_is_open_and_left_before_it_is_closed() -> None:
    plugin = WithLifespan()

    async with serving(plugin) as client, client.post("/tasks/", json={"description": "Water the plants"}):
        assert plugin.seen == ["entered, 0"]

    assert plugin.seen == ["entered, 0", "left, 1"]


class Failing:
    """A plugin whose lifespan fails."""

    @hookimpl
    def tasksvc_lifespan(self, service: Service) -> AbstractAsyncContextManager[None]:
        return self._run()

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        raise OSError("no room")
        yield


async def test_a_lifespan_that_fails_at_the_start_refuses_the_start() -> None:
    with pytest.raises(PluginRefused, match=r"^The plugin broken failed in tasksvc_lifespan with OSError: no room$"):
        async with serving(Failing(), name="broken"):
            pass


async def test_background_work_that_fails_begins_again(caplog: pytest.LogCaptureFixture) -> None:
    runs: list[int] = []
    again = asyncio.Event()

    class Background:
        @hookimpl
        def tasksvc_lifespan(self, service: Service) -> AbstractAsyncContextManager[None]:
            async def work() -> None:
                runs.append(len(runs))
                if len(runs) == 1:
                    raise ValueError("once")
                again.set()
                await asyncio.Event().wait()

            return service.background(work)

    async with serving(Background(), name="stubborn"):
        await asyncio.wait_for(again.wait(), 30)

    assert runs == [0, 1]
    assert "The plugin stubborn failed, and begins again." in caplog.text


async def test_background_work_that_the_store_cannot_do_ends(caplog: pytest.LogCaptureFixture) -> None:
    runs: list[int] = []

    class Background:
        @hookimpl
        def tasksvc_lifespan(self, service: Service) -> AbstractAsyncContextManager[None]:
            async def work() -> None:
                runs.append(len(runs))
                raise NotSupported("The store keeps no records.")

            return service.background(work)

    async with serving(Background(), name="hopeless"):
        await until(
            lambda: "The plugin hopeless can't work with this store: The store keeps no records." in caplog.text
        )

    assert runs == [0]


async def test_background_work_sees_how_many_requests_the_service_has_had() -> None:
    services: list[Service] = []

    class Watching:
        @hookimpl
        def tasksvc_lifespan(self, service: Service) -> AbstractAsyncContextManager[None]:
            services.append(service)
            return nullcontext()

    async with serving(Watching()) as client:
        before = services[0].requests_begun
        for path in ("/tasks/", "/tasks/99", "/health"):
            async with client.get(path):
                pass

        assert services[0].requests_begun == before + 3


# ---------------------------------------------------------------- other hooks


class WithLogin:
    """A plugin that knows one caller."""

    @hookimpl
    def tasksvc_authenticate(self, service: Service) -> RequestLogin:
        return KeyLogin()


class KeyLogin:
    async def authenticate(self, request: web.BaseRequest) -> Caller | None:
        known = request.headers.get("X-Key") == "sesame"
        return Caller("ali", workspaces=("cave",), key="key ali") if known else None

    async def renewed(self, caller: Caller) -> Caller | None:
        return caller


async def test_a_plugin_knows_callers_in_a_way_of_its_own() -> None:
    async with serving(WithLogin()) as client:
        async with client.get("/tasks/") as stranger:
            assert stranger.status == 401
        async with client.post("/tasks/", json={"description": "x"}, headers={"X-Key": "sesame"}) as known:
            assert known.status == 201
        async with client.get("/me", headers={"X-Key": "sesame"}) as me:
            assert (await me.json())["home"] == "cave"


async def test_a_hook_may_leave_out_its_argument() -> None:
    class Brief:
        @hookimpl
        def tasksvc_routes(self) -> Iterable[RouteGroup]:
            return [RouteGroup([Route("GET", "/where", where, Scope.READ)])]

    async with serving(Brief()) as client, client.get("/where") as response:
        assert response.status == 200


async def test_metrics_and_settings_of_a_plugin() -> None:
    class Metered:
        @hookimpl
        def tasksvc_settings(self) -> Iterable[Setting]:
            return [
                Setting("--metered-by", int, "N", "A number.", "3"),
                Setting("--metered-at", str, "X", "Places.", multiple=True),
            ]

        @hookimpl
        def tasksvc_metrics(self, service: Service) -> Iterable[Metric]:
            by = service.setting("--metered-by")
            return [
                Metric("greetings", "Greetings.", {("ada",): by, ("bo",): 1.0}, ("name",), "counter"),
                Metric("places", "Places.", {(): len(service.setting("--metered-at"))}),
            ]

    async with serving(Metered(), settings={"--metered-by": 5}) as client, client.get("/metrics") as response:
        text = await response.text()

    assert 'tasksvc_greetings_total{name="ada"} 5.0' in text
    assert "tasksvc_places 0.0" in text


def test_a_plugin_checks_its_own_records() -> None:
    class Checking:
        @hookimpl
        def tasksvc_check(self, records: Sequence[Record]) -> Iterable[str]:
            return [f"{record.key} is odd." for record in records if record.value.get("odd")]

    plugin = Plugin("checking", Checking())

    assert plugin.check([Record("plugin:checking", "a", {}), Record("plugin:checking", "b", {"odd": True})]) == [
        "b is odd."
    ]


@pytest.mark.parametrize(
    ("hook", "given", "problem"),
    [
        ("tasksvc_routes", ["/x"], "The plugin odd gave str in tasksvc_routes instead of RouteGroup."),
        ("tasksvc_routes", 3, "The plugin odd failed in tasksvc_routes with TypeError: 'int' object is not iterable"),
        ("tasksvc_authenticate", "me", "The plugin odd gave str in tasksvc_authenticate instead of RequestLogin."),
        ("tasksvc_lifespan", 1, "The plugin odd gave int in tasksvc_lifespan instead of AbstractAsyncContextManager."),
        ("tasksvc_settings", [1], "The plugin odd gave int in tasksvc_settings instead of Setting."),
    ],
)
async def test_a_hook_that_gives_something_else_refuses_the_start(hook: str, given: object, problem: str) -> None:
    def with_service(service: Service) -> object:
        return given

    def without() -> object:
        return given

    implementation = type("Odd", (), {})()
    setattr(implementation, hook, hookimpl(without if hook == "tasksvc_settings" else with_service))

    with pytest.raises(PluginRefused) as caught:
        async with serving(implementation, name="odd"):
            pass

    assert str(caught.value) == problem
