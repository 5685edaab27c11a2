"""How installed plugins are found, chosen and refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from service_process import run_tasksvc

from plugins.site import GREETING, Site
from tasksvc.api.app import create_app
from tasksvc.api.options import Options
from tasksvc.api.plugins.loading import Plugin, installed_plugins, load_plugins
from tasksvc.api.plugins.paths import with_plugins
from tasksvc.api.routes import Route, RouteGroup
from tasksvc.domain.errors import PluginError, PluginRefused


def names_of(plugins: list[Plugin]) -> set[str]:
    return {plugin.name for plugin in plugins}


def test_what_is_installed_is_loaded_and_can_be_chosen(site: Site) -> None:
    site.install("greeting")
    site.install("farewell", path="/farewell")

    assert names_of(load_plugins()) >= {"greeting", "farewell"}
    assert names_of(load_plugins(["farewell"])) == {"farewell"}
    assert load_plugins([]) == []


def test_a_plugin_that_is_not_installed_is_refused_with_those_that_are(site: Site) -> None:
    site.install("greeting")

    with pytest.raises(PluginError, match=r"^No plugin greting is installed\. Installed: .*\bgreeting\b.*\.$"):
        load_plugins(["greting"])


@pytest.mark.parametrize(
    ("source", "requires", "version", "problem"),
    [
        (None, "", 1, "names the module plug_greeting, which is not there. Reinstall it."),
        ("import nowhere", "", 1, "needs nowhere, which is not installed. Install it."),
        (
            "import nowhere",
            "Provides-Extra: more\nRequires-Dist: nowhere ; extra == 'more'\n",
            1,
            "needs nowhere, which is not installed. Install it with: pip install 'tasksvc-greeting[more]'",
        ),
        ("raise OSError('no room')", "", 1, "fails on import with OSError: no room"),
        (
            GREETING,
            "",
            2,
            "was written for version 2 of tasksvc.plugin, and this tasksvc has version 1. Upgrade tasksvc.",
        ),
        (
            GREETING,
            "",
            0,
            "was written for version 0 of tasksvc.plugin, and this tasksvc has version 1."
            " Install a later version of it than 2.0.",
        ),
    ],
)
def test_a_plugin_that_cannot_be_loaded_refuses_the_start_in_one_sentence(
    site: Site, source: str | None, requires: str, version: int, problem: str
) -> None:
    site.install(source=source, requires=requires, version=version)

    with pytest.raises(PluginError) as caught:
        load_plugins(["greeting"])

    assert str(caught.value) == f"The plugin greeting from tasksvc-greeting {problem}"
    assert [found.problem for found in installed_plugins() if found.name == "greeting"] == [str(caught.value)]


def test_a_hook_with_wrong_arguments_is_refused(site: Site) -> None:
    site.install(source="from tasksvc.plugin import hookimpl\n@hookimpl\ndef tasksvc_routes(app): ...")

    with pytest.raises(PluginError, match=r"^The plugin greeting from tasksvc-greeting has a wrong hook: "):
        load_plugins(["greeting"])


def test_a_hook_that_is_not_known_is_refused(site: Site) -> None:
    site.install(source="from tasksvc.plugin import hookimpl\n@hookimpl\ndef tasksvc_rootes(service): ...")

    with pytest.raises(PluginError, match="tasksvc_rootes"):
        load_plugins(["greeting"])


def test_two_distributions_with_one_plugin_are_refused(site: Site) -> None:
    site.install("greeting")
    site.install("greeting", distribution="other-greeting")

    with pytest.raises(PluginError, match=r"a plugin greeting: other-greeting and tasksvc-greeting\. Uninstall one\.$"):
        load_plugins()


@pytest.mark.parametrize("name", ["Greeting", "1st", "a" * 33, "a_b", "a:b"])
def test_a_name_that_is_not_valid_is_refused(name: str) -> None:
    with pytest.raises(PluginRefused, match="has a name that isn't valid"):
        Plugin(name, object())


# ---------------------------------------------------------------- paths


async def nothing(request: object) -> None:
    """Handles no request at all."""


def group(*paths: str) -> RouteGroup:
    return RouteGroup([Route("GET", path, nothing, None) for path in paths])  # type: ignore[arg-type]


OWN = [group("/", "/docs"), group("/tasks/{id}", "/tasks/count")]


@pytest.mark.parametrize("path", ["/docs", "/tasks/{other}", "/tasks/count", "/tasks/mine", "/{any}/count"])
def test_a_path_that_the_service_has_is_refused(path: str) -> None:
    with pytest.raises(PluginRefused) as caught:
        with_plugins(OWN, [(Plugin("greeting", object(), "tasksvc-greeting"), [group(path)])])

    assert (
        str(caught.value)
        == f"The plugin greeting from tasksvc-greeting has the path {path}, which tasksvc has already."
    )


def test_a_path_that_another_plugin_has_is_refused() -> None:
    first, second = Plugin("first", object()), Plugin("second", object(), "seconds")

    with pytest.raises(PluginRefused) as caught:
        with_plugins(OWN, [(first, [group("/a/{x}")]), (second, [group("/a/b")])])

    assert str(caught.value) == "The plugin second from seconds has the path /a/b, which the plugin first has already."


def test_a_path_without_a_slash_is_refused() -> None:
    with pytest.raises(PluginRefused, match="has the path 'greeting', which doesn't begin with a slash"):
        with_plugins(OWN, [(Plugin("greeting", object()), [group("greeting")])])


@pytest.mark.parametrize("path", ["/greeting", "/tasks/{id}/more", "/docs/more", "/a/b/c/d"])
def test_any_other_path_is_free(path: str) -> None:
    groups = with_plugins(OWN, [(Plugin("greeting", object()), [group(path)])])

    assert [route.path for each in groups for route in each.routes][-1] == path


def test_one_plugin_may_have_the_first_page() -> None:
    first, second = Plugin("first", object()), Plugin("second", object())

    groups = with_plugins(OWN, [(first, [group("/")])])

    assert [route.path for each in groups for route in each.routes] == ["/docs", "/tasks/{id}", "/tasks/count", "/"]
    with pytest.raises(PluginRefused, match="the plugin first has already"):
        with_plugins(OWN, [(first, [group("/")]), (second, [group("/")])])


# ---------------------------------------------------------------- at the command line


def test_the_start_says_which_plugins_are_active(site: Site, tmp_path: Path) -> None:
    site.install("greeting")

    listed = run_tasksvc("plugins", folder=tmp_path, environment=site.environment())

    assert "greeting" in listed.stdout
    assert "tasksvc-greeting 2.0" in listed.stdout
    assert "ready" in listed.stdout


def test_a_path_that_is_taken_refuses_the_start_of_the_program(site: Site, tmp_path: Path) -> None:
    site.install("greeting", path="/tasks/")

    refused = run_tasksvc("--port", "0", "--store", "memory:", folder=tmp_path, environment=site.environment())

    assert refused.returncode == 1
    assert refused.stderr == (
        "tasksvc: The plugin greeting from tasksvc-greeting has the path /tasks/, which tasksvc has already."
        " To serve without it, name the other plugins with --plugins, or give --no-plugins.\n"
    )


def test_an_application_that_embeds_the_service_has_installed_plugins_too(site: Site) -> None:
    site.install("greeting", path="/tasks/")

    with pytest.raises(PluginRefused):
        create_app("memory:")
    create_app("memory:", Options(plugins=[]))
