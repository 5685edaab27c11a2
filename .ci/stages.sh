# Stages: commands that are run one after another, timed, and repeated once where they fail.  .ci/run sources this.
#
# begin_beside runs a function with stages of its own at the same time as the stages that follow, for stages that mostly
# wait.  What they print comes in one piece, when join_beside has waited for their end.
#
# A repetition is the same command with the same options.  The tests that failed at first are named at the end, and
# a test that needs the second try in two environments of one run fails the run: that isn't an accident any more.

# shellcheck shell=bash
set -uo pipefail

logs=             # a folder, from the first stage to the report: NAME.1.log and NAME.2.log are what the tries print
stages=()         # lines of the table
failed=()         # names of stages
beside=           # the process of the stages in the background
END_SECONDS=${END_SECONDS:-4800} # after which nothing may run any more, since the whole run would be killed

say() { printf '\n=== %s\n' "$*"; }

stage() { # NAME SECONDS COMMAND...: runs it for at most so long, once more if it fails, and keeps what came of it
    local name=$1 limit=$2 began=$SECONDS result
    shift 2
    logs=${logs:-$(mktemp -d)}
    say "$name"
    if attempt "$name" 1 "$limit" "$@"; then
        result='passed'
    elif say "$name, second try" && attempt "$name" 2 "$limit" "$@"; then
        result='passed on the second try'
        failures "$name" "$logs/$name.1.log" >>"$logs/second-tries"
    else
        result='FAILED'
        failed+=("$name")
    fi
    stages+=("$(printf '%-12s %6d s  %s' "$name" $((SECONDS - began)) "$result")")
    say "${stages[-1]}"
}

begin_beside() { # FUNCTION: runs the stages in it in the background, one at a time
    logs=${logs:-$(mktemp -d)}
    (
        stages=() failed=()
        "$1"
        printf '%s\n' "${stages[@]}" >"$logs/beside.stages"
        printf '%s\n' "${failed[@]}" >"$logs/beside.failed"
    ) >"$logs/beside.out" 2>&1 &
    beside=$!
}

join_beside() { # waits for those stages, prints what they printed, and counts them among the others
    local theirs
    wait "$beside"
    cat "$logs/beside.out"
    mapfile -t theirs < <(grep . "$logs/beside.stages")
    stages+=("${theirs[@]}")
    mapfile -t theirs < <(grep . "$logs/beside.failed")
    failed+=("${theirs[@]}")
}

attempt() { # NAME TRY SECONDS COMMAND...: whether it succeeds, and each pytest in it has a test that passed
    local log="$logs/$1.$2.log" limit=$3 left=$((END_SECONDS - SECONDS))
    shift 3
    if ((left < limit)); then limit=$left; fi
    if ((limit <= 0)); then
        echo "There is no time left."
        return 1
    fi
    timeout --kill-after=30 "$limit" "$@" </dev/null 2>&1 | tee "$log" || return
    if closing_lines "$log" | grep -v ' passed'; then
        echo "No test passed."
        return 1
    fi
}

closing_lines() { # LOG: the last line of each pytest
    grep -E '^=+ .*(passed|failed|error|skipped|deselected|no tests ran).* in [0-9.]+s' "$1"
}

failures() { # STAGE LOG: lines "ENVIRONMENT<tab>TEST" of what failed
    awk -v stage="$1" '
        match($0, /^[a-z0-9._-]+: commands[a-z_]*\[[0-9]+\]>/) { environment = "/" substr($0, 1, index($0, ":") - 1) }
        /^=+ .* =+$/ { in_summary = / short test summary info / }
        in_summary && /^(FAILED|ERROR) / {
            sub(/^(FAILED|ERROR) /, "")
            sub(/ - .*/, "")
            named[environment] = 1
            if (!seen[environment, $0]++) print stage environment "\t" $0
        }
        /^  [a-z0-9._-]+: FAIL / { sub(/:$/, "", $1); unsuccessful["/" $1] = 1 }
        END {
            for (environment in unsuccessful)
                if (!(environment in named)) print stage environment "\t(no test of " stage environment ")"
            if (!length(named) && !length(unsuccessful)) print stage "\t(no test of " stage ")"
        }' "$2"
}

report() { # prints the times, what pytest said last, and the verdict; succeeds if the run did
    local log line environment test twice=()
    say 'times'
    printf '%s\n' "${stages[@]}"
    printf '%-12s %6d s\n' total "$SECONDS"
    say 'tests'
    for line in "${stages[@]}"; do
        for log in "$logs/${line%% *}".*.log; do
            closing_lines "$log" | sed "s|^|$(basename "$log" .log): |"
        done
    done
    if [[ -e $logs/second-tries ]]; then
        say 'second tries'
        while IFS=$'\t' read -r environment test; do
            echo "passed on the second try: $test, in $environment"
        done <"$logs/second-tries"
        mapfile -t twice < <(cut -f2 "$logs/second-tries" | sort | uniq -d)
    fi
    say 'verdict'
    for test in "${twice[@]}"; do
        echo "FAILED: $test, which needed the second try in two environments"
    done
    for line in "${failed[@]}"; do
        echo "FAILED: $line"
    done
    rm -r "$logs"
    if ((${#failed[@]} + ${#twice[@]})); then return 1; fi
    echo 'all passed'
}

page_command() { # PAGE N: what the Nth block of sh in a page tells to run
    awk -v wanted="$2" '
        /^```sh$/ { block++; inside = 1; next }
        /^```$/ { inside = 0 }
        inside && block == wanted' "$1"
}

readme_command() { # N: what the Nth block of sh in the README tells to run
    page_command README.md "$1"
}
