"""Clients that are generated from the description compile strictly and work."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from generators.conftest import LAST_ID
from generators.running import Service, check_types, generate, python_client, run, typescript_client

pytestmark = pytest.mark.generators

REPORT = {
    "created": [LAST_ID + 1, "2026-11-24T18:00:00Z", {"room": 4, "deep": [{"n": None}]}],
    "patched": [True, None, 2],
    "batch": [
        ["create", LAST_ID + 2, 5],
        ["update", LAST_ID + 1, 9],
        ["create", LAST_ID + 3, 0],
        ["delete", LAST_ID + 3, None],
    ],
    "listed": [LAST_ID + 1, LAST_ID + 2],
    "deleted": 204,
    "gone": [404, "urn:tasksvc:problem:task-not-found"],
}
"""What each program in clients/ prints."""


def test_openapi_python_client(service: Service, python_folder: Path) -> None:
    # Without ruff, which it runs afterwards, and some versions of which change the types of its own code.
    (python_folder / "config.json").write_text('{"post_hooks": []}')

    generate("openapi-python-client", python_folder, "--fail-on-warning", "--config", "config.json")

    check_types("with_openapi_python_client.py", python_folder, "--strict", "generated_client")
    assert python_client("with_openapi_python_client.py", service, python_folder) == REPORT


def test_datamodel_code_generator(service: Service, python_folder: Path) -> None:
    generate("datamodel-code-generator", python_folder)

    check_types("with_datamodel_code_generator.py", python_folder, "--strict", "generated_models.py")
    assert python_client("with_datamodel_code_generator.py", service, python_folder) == REPORT


def test_openapi_generator(service: Service, python_folder: Path) -> None:
    generate("OpenAPI Generator", python_folder)

    # What it generates isn't meant for --strict, as its own configuration says.
    check_types("with_openapi_generator.py", python_folder, "generated_package")
    assert python_client("with_openapi_generator.py", service, python_folder) == REPORT


@pytest.mark.parametrize(
    ("generator", "program"),
    [
        ("openapi-typescript", "with_openapi_typescript.ts"),
        ("Hey API", "with_hey_api.ts"),
        ("Orval", "with_orval.ts"),
    ],
    ids=["openapi-typescript", "hey-api", "orval"],
)
def test_generators_for_typescript(service: Service, typescript_folder: Path, generator: str, program: str) -> None:
    generate(generator, typescript_folder)

    assert typescript_client(program, service, typescript_folder) == REPORT


@pytest.mark.parametrize(
    ("language", "models", "narrow"),
    [
        ("csharp", "src/Org.OpenAPITools/Model/*.cs", r"public (int|Int32)\??  ?\w+ \{ get;"),
        ("go", "model_*.go", r"\bint(32)?\b.*`json:"),
        ("java", "src/main/java/**/model/*.java", r"private Integer "),
        ("rust", "src/models/*.rs", r"pub [\w#]+: .*\bi32\b"),
    ],
    ids=["csharp", "go", "java", "rust"],
)
def test_integers_have_64_bits_in_other_languages(python_folder: Path, language: str, models: str, narrow: str) -> None:
    run(["openapi-generator-cli", "generate", "-g", language, "-i", "openapi.json", "-o", "out"], python_folder)

    texts = {file.name: file.read_text() for file in (python_folder / "out").glob(models)}

    assert any(re.search(r"task_?out", name, re.IGNORECASE) for name in texts)
    assert {name for name, text in texts.items() if re.search(narrow, text)} == set()


def test_patterns_mean_the_same_in_javascript(python_folder: Path) -> None:
    patterns = sorted(set(patterns_in(json.loads((python_folder / "openapi.json").read_text()))))
    characters = map(chr, [*range(0x250), *range(0x1680, 0x1690), *range(0x1FF0, 0x2070), 0x3000, 0xFEFF, 0x1F600])
    texts = [
        text for character in characters for text in (character, f"a{character}", f"{character}a", f'"{character}"')
    ]
    texts = [text for text in texts if not text.endswith("\n")]  # before which Python's $ matches
    script = (
        "const [patterns, texts] = JSON.parse(require('fs').readFileSync('cases.json'));"
        "console.log(JSON.stringify(patterns.map(p => texts.filter(t => new RegExp(p, 'u').test(t)))))"
    )
    (python_folder / "cases.json").write_text(json.dumps([patterns, texts]))

    matched = json.loads(run(["node", "-e", script], python_folder))

    assert len(patterns) >= 5
    for pattern, there in zip(patterns, matched, strict=True):
        assert [text for text in texts if re.search(pattern, text)] == there, pattern


def patterns_in(value: Any) -> list[str]:
    """Yields all patterns in `value`."""
    if isinstance(value, dict):
        own = [value["pattern"]] if isinstance(value.get("pattern"), str) else []
        return own + [pattern for inner in value.values() for pattern in patterns_in(inner)]
    if isinstance(value, list):
        return [pattern for inner in value for pattern in patterns_in(inner)]
    return []
