"""The page's modules are checked by TypeScript, and the library that it ships is that of npm."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tasksvc_web.files import FOLDER

from generators.running import run

pytestmark = pytest.mark.generators

LIBRARY = FOLDER / "lit-html"
OPTIONS = (
    *("--checkJs", "--noEmit", "--strict", "--skipLibCheck", "--types", "trusted-types"),
    *("--target", "esnext", "--module", "esnext", "--moduleResolution", "bundler"),
    *("--lib", "esnext,dom,dom.iterable,dom.asynciterable"),
)


def test_the_types_in_comments_of_the_page_hold(npm_folder: Path) -> None:
    page, library = npm_folder / "page", npm_folder / "node_modules" / "lit-html"
    shutil.copytree(FOLDER, page)
    for types in library.rglob("*.d.ts"):
        if types.relative_to(library).parts[0] in ("directives", types.name):
            shutil.copy(types, page / "lit-html" / types.relative_to(library))

    run(["tsc", *OPTIONS, *sorted(page.glob("*.js"))], page)


def test_the_shipped_library_is_that_of_npm_without_the_address_of_a_source_map(npm_folder: Path) -> None:
    package = npm_folder / "node_modules" / "lit-html"

    for shipped in LIBRARY.rglob("*.js"):
        original = (package / shipped.relative_to(LIBRARY)).read_text()
        assert original.partition("\n//# sourceMappingURL")[0].strip() == shipped.read_text().strip(), shipped.name
