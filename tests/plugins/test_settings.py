"""Settings of plugins as options and variables of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from http_client import ask
from service_process import RunningService, run_here, run_tasksvc

from plugins.site import Site

TYPED = """
    from tasksvc.plugin import Route, RouteGroup, Scope, Setting, hookimpl, json_response, operation, responses

    def times(text):
        if not text.isdecimal():
            raise ValueError(f"{text!r} isn't a number of greetings.")
        return int(text)

    @hookimpl
    def tasksvc_settings():
        return [
            Setting("--greeting-times", times, "COUNT", "How often to greet.", default="1"),
            Setting("--greeting-name", str.upper, "NAME", "Whom to greet; repeatable.", multiple=True),
        ]

    @hookimpl
    def tasksvc_routes(service):
        @operation("Greet", tag="greetings", responses=responses({200: "Hello."}))
        async def greet(request):
            return json_response([service.setting("--greeting-times"), service.setting("--greeting-name")])

        return [RouteGroup([Route("GET", "/greeting", greet, Scope.READ)], documented=False)]
"""
SERVE = ("--plugins", "greeting", "--store", "memory:")


@pytest.mark.parametrize(
    ("arguments", "variables", "expected"),
    [
        ([], {}, [1, []]),
        (["--greeting-times", "3", "--greeting-name", "ann", "--greeting-name=bo"], {}, [3, ["ANN", "BO"]]),
        ([], {"TASKSVC_GREETING_TIMES": "4", "TASKSVC_GREETING_NAME": "ann, bo"}, [4, ["ANN", "BO"]]),
        (["--greeting-times", "5"], {"TASKSVC_GREETING_TIMES": "4"}, [5, []]),
    ],
)
def test_a_setting_is_an_option_and_a_variable_whose_value_is_typed(
    arguments: list[str], variables: dict[str, str], expected: object, site: Site, tmp_path: Path
) -> None:
    site.install(source=TYPED)

    with RunningService(*SERVE, *arguments, folder=tmp_path, environment=site.environment() | variables) as service:
        assert ask(service.url, "GET", "/greeting").document == expected


@pytest.mark.parametrize(
    ("arguments", "variables", "origin"),
    [
        (["--greeting-times", "often"], {}, "--greeting-times"),
        ([], {"TASKSVC_GREETING_TIMES": "often"}, "TASKSVC_GREETING_TIMES"),
    ],
)
def test_a_value_that_the_plugin_refuses_is_shown_with_its_sentence(
    arguments: list[str], variables: dict[str, str], origin: str, site: Site, tmp_path: Path
) -> None:
    site.install(source=TYPED)

    refused = run_here("serve", *SERVE, *arguments, folder=tmp_path, environment=variables)

    assert refused.returncode == 2
    assert refused.stderr == (f"tasksvc: {origin}: 'often' isn't a number of greetings. See 'tasksvc serve --help'.\n")


def test_the_help_of_serve_has_the_settings_of_active_plugins(site: Site, tmp_path: Path) -> None:
    site.install(source=TYPED)

    with_plugin = run_here("serve", "--plugins", "greeting", "--help", folder=tmp_path).stdout
    without = run_here("serve", "--no-plugins", "--help", folder=tmp_path).stdout

    assert "--greeting-times COUNT" in with_plugin
    assert "TASKSVC_GREETING_NAME" in with_plugin
    assert "greeting" not in without


def test_a_mistyped_variable_of_a_plugin_is_refused_at_the_start(site: Site, tmp_path: Path) -> None:
    site.install(source=TYPED)

    refused = run_here("serve", *SERVE, folder=tmp_path, environment={"TASKSVC_GREETING_TIME": "3"})

    assert refused.returncode == 2
    assert "There is no variable TASKSVC_GREETING_TIME. Did you mean TASKSVC_GREETING_TIMES?" in refused.stderr


def test_other_commands_take_each_variable_that_may_be_one_of_an_installed_plugin(site: Site, tmp_path: Path) -> None:
    site.install(source="raise OSError('imported')")

    accepted = run_here("stores", folder=tmp_path, environment={"TASKSVC_GREETING_ANYTHING": "3"})
    refused = run_here("stores", folder=tmp_path, environment={"TASKSVC_FAREWELL_ANYTHING": "3"})

    assert (accepted.returncode, accepted.stderr) == (0, "")
    assert refused.returncode == 2
    assert "There is no variable TASKSVC_FAREWELL_ANYTHING." in refused.stderr


def test_a_variable_of_a_plugin_that_is_installed_and_not_active_is_refused(site: Site, tmp_path: Path) -> None:
    site.install(source=TYPED)

    refused = run_here("serve", "--no-plugins", folder=tmp_path, environment={"TASKSVC_GREETING_TIMES": "3"})

    assert refused.returncode == 2
    assert "There is no variable TASKSVC_GREETING_TIMES." in refused.stderr


ONE_SETTING = """
    from tasksvc.plugin import Setting, hookimpl

    @hookimpl
    def tasksvc_settings():
        return [Setting(PATH, str, "TEXT", "A text.")]
"""


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (
            {"greeting": "--language"},
            "The plugin greeting from tasksvc-greeting has the option --language, which doesn't begin with its name.",
        ),
        (
            {"host": "--host-name", "hosts": "--host-name"},
            "The plugin hosts from tasksvc-hosts has the option --host-name, and so does the plugin host.",
        ),
        (
            {"keep": "--keep-days"},
            "The plugin keep from tasksvc-keep has the option --keep-days, and so does tasksvc.",
        ),
    ],
)
def test_an_option_that_is_not_the_plugins_own_refuses_the_start(
    flags: dict[str, str], problem: str, site: Site, tmp_path: Path
) -> None:
    for name, flag in flags.items():
        site.install(name, ONE_SETTING, path=flag)

    refused = run_here("serve", "--plugins", ",".join(flags), "--store", "memory:", folder=tmp_path)

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"tasksvc: {problem} To serve without it, ")


def test_the_start_says_which_plugins_are_active_with_their_versions(site: Site, tmp_path: Path) -> None:
    site.install("greeting")
    site.install("farewell", path="/farewell")
    arguments = ("--store", "memory:", "--plugins")

    with RunningService(*arguments, "greeting,farewell", folder=tmp_path, environment=site.environment()) as service:
        assert "\n  With   farewell 2.0, greeting 2.0\n" in service.output
    with RunningService(*arguments, "none", folder=tmp_path, environment=site.environment()) as service:
        assert "\n  With " not in service.output


def test_the_start_names_the_page_that_a_plugin_has(site: Site, tmp_path: Path) -> None:
    site.install("greeting")
    site.install("front", path="/")
    arguments, environment = ("--store", "memory:", "--plugins"), site.environment()

    with RunningService(*arguments, "front", folder=tmp_path, environment=environment) as service:
        assert f"\n  Page   {service.url}/\n" in service.output
    with RunningService(*arguments, "greeting", folder=tmp_path, environment=environment) as service:
        assert "\n  Page " not in service.output


def test_a_plugin_that_is_not_active_is_not_imported(site: Site, tmp_path: Path) -> None:
    site.install("greeting")
    site.install("broken", "raise OSError('imported')")
    environment = site.environment()

    refused = run_tasksvc("--port", "0", "--store", "memory:", folder=tmp_path, environment=environment)
    with RunningService(*SERVE, folder=tmp_path, environment=environment) as service:
        assert ask(service.url, "GET", "/greeting").status == 200

    assert refused.returncode == 1
    assert "The plugin broken from tasksvc-broken fails on import with OSError: imported" in refused.stderr
