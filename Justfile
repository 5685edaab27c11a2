# The everyday commands, with the environment in .venv.  `just` lists them; `just setup` makes the environment.

python := ".venv/bin/python"
special := "slow or soak or browser or postgresql or pooler or generators or deployment"

# list these recipes
default:
    @{{ just_executable() }} --justfile '{{ justfile() }}' --list --unsorted

# make or update .venv: tasksvc, editable, and all tools
setup:
    python3 -m venv .venv
    {{ python }} -m pip install --upgrade pip
    {{ python }} -m pip install --editable '.[jwt,mcp,postgresql,reload,testing]' --group dev

# lint and type-check, as CI does
check:
    .venv/bin/ruff check
    .venv/bin/ruff format --check
    .venv/bin/mypy

# format, and repair what the linter can repair
format:
    .venv/bin/ruff check --fix
    .venv/bin/ruff format

# run the quick tests, or those of some paths, with any options of pytest
test *ARGS:
    .venv/bin/pytest -n 2 --dist worksteal -m "not ({{ special }})" {{ ARGS }}

# run one tox environment, such as slow or postgresql
tox ENV *ARGS:
    .venv/bin/tox run -e {{ ENV }} -- {{ ARGS }}

# run the service on a scratch store, and restart it when the code changes
serve *ARGS:
    .venv/bin/tasksvc serve --reload {{ ARGS }}

# measure requests a second beside the limit and a peer, in short
benchmark:
    .venv/bin/tox run -e benchmark

# run everything, as CI does, on a Debian machine
ci:
    .ci/run
