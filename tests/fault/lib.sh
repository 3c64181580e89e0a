# Sweeps of system-call faults, sourced after tests/cli/lib.sh by tests/fault/NNN-*.sh. strace stops the program at one call
# and kills it, or lets the call fail; afterwards the state must be what it was or what it should become.
#
#     setup() { ...; }                 # makes the state in the current folder, once
#     sweep 'pack' 'pack m -t m:2'
#
# A first, undisturbed run under strace counts the writing calls. For every kind of call that was used and every n up to
# its count: a fresh copy of the state, the command with its n-th such call hit, then
#   - the ledger's chain and every named bundle verify,
#   - names (and the watched extra: see `extra`) are those before or those after, nothing between,
#   - the same command run again without faults ends as the first would have (0, or a conflict when it had been done),
#   - after that second run the folder holds the files of an undisturbed run and no others: no temporary stays
#     (in the cache one may stay until gc).
# shellcheck shell=sh disable=SC2015,SC2016,SC2034,SC2086 # bodies are strings, commands are split on purpose

calls='write pwrite64 fsync fdatasync syncfs rename renameat renameat2 link linkat unlink unlinkat rmdir mkdir mkdirat ftruncate fallocate'
export ASAN_OPTIONS=detect_leaks=0

strace -o /dev/null true 2>/dev/null || skip_all 'strace may not trace here (ptrace is not permitted)'

# Thousands of small synced writes: in memory, where that is possible. What the program asks for is the same.
if [ -z "${FAULT_ON_DISK:-}" ] && [ -w /dev/shm ]; then
    T_disk=$T
    T=$(mktemp -d /dev/shm/mlo-fault-XXXXXX)
    trap 'chmod -R u+rwX "$T" 2>/dev/null; rm -rf "$T" "$T_disk"' EXIT
    mkdir -p "$T/work" && cd "$T/work" || exit 1
fi

# digits FILE...: copies of the example's files (the repository itself may differ from its commit, which pack refuses).
digits() { for f in "$@"; do cp "$R/examples/digits/$f" . || return; done; }

# What must be before or after as a whole: names and digests; `extra` may be redefined to add more.
extra() { :; }
names() { grep -oE '"(name|digest)":"[^"]*"' || :; }
state_of()
{
    "$MLOPSCTL" ls --json >"$T/listing" || return
    names <"$T/listing"
    extra
}

index_names() { grep -oE '"org.opencontainers.image.ref.name": *"[^"]*"' .mlops/store/index.json | cut -d'"' -f4 | sort; }

# The paths of the case, without what SQLite makes and removes as it likes.
files_of() { find . ! -name 'ledger.db-*' ! -path "${sweep_random:-}" ! -path './.mlops/cache/*' | sort; }

cache_has_temporaries() { find .mlops/cache -name '.mlo-tmp-*' 2>/dev/null | grep .; }

fresh()
{
    cd "$T" || exit 1
    rm -rf "$T/case"
    cp -a "$T/template" "$T/case"
    cd "$T/case" || exit 1
}

check_after()
{
    "$MLOPSCTL" ledger verify -q >/dev/null || { echo "after $1: the ledger does not verify"; return 1; }
    "$MLOPSCTL" verify --all -q || { echo "after $1: the store does not verify"; return 1; }
    now=$(state_of) || { echo "after $1: the state cannot be read"; return 1; }
    if [ "$now" != "$before" ] && [ "$now" != "$after" ]; then
        printf 'after %s: neither before nor after\nbefore %s\nafter  %s\nnow    %s\n' "$1" "$before" "$after" "$now"
        return 1
    fi
}

# A failed call: the command fails with status 8 and says why, or does not need that call.
check_failure()
{
    [ "$status" -eq 0 ] || [ "$status" -eq 8 ] || { echo "$1: exit status $status"; cat "$T/out"; return 1; }
    if [ "$status" -eq 8 ] && [ ! -s "$T/out" ]; then
        # the call that failed may have been the message itself
        grep -q 'write(2' "$T/trace" || { echo "$1: fails without a word"; return 1; }
    fi
    if [ "$status" -eq 0 ] && [ "$now" != "$after" ]; then
        echo "$1: says it is done, but it is not"
        return 1
    fi
}

# The same command again: what it does now has happened before, or happens now.
check_again()
{
    find . -name '.mlo-tmp-*' -exec touch -d yesterday {} + # a temporary is swept when it has been idle for a while
    "$MLOPSCTL" $sweep_command >"$T/out" 2>&1
    again=$?
    case " 0 $sweep_again " in
    *" $again "*) ;;
    *) again=bad ;;
    esac
    if [ "$again" != 0 ] && { [ "$again" = bad ] || [ "$now" != "$after" ]; }; then
        echo "$1: the next run fails"
        cat "$T/out"
        return 1
    fi
    [ "$again" = 0 ] || "$MLOPSCTL" -q recover || { echo "$1: recover fails"; return 1; } # it began no run
    check_after "$1 and a second run" || return
    [ "$now" = "$after" ] || { echo "$1: the second run says it is done, but it is not"; return 1; }
    [ "$(index_names)" = "$(grep -oE '"name":"[^"]*"' "$T/listing" | cut -d'"' -f4 | sort)" ] || {
        echo "$1: index.json says other names than the ledger"
        index_names
        return 1
    }
    if ! files_of | cmp -s - "$T/files"; then
        echo "$1: left behind after a second run (>), or missing (<)"
        files_of | diff "$T/files" -
        return 1
    fi
    if cache_has_temporaries && { "$MLOPSCTL" -q gc --keep 1d; cache_has_temporaries; }; then
        echo "$1: gc leaves temporaries in the cache"
        return 1
    fi
}

# hit CALL N FAULT: one hit. Sets `fired` when the fault came to pass.
hit()
{
    where="$1 number $2, $3"
    fresh
    strace -f -qq -o "$T/trace" -e "trace=$1" -e "inject=$1:$3:when=$2" \
        "$MLOPSCTL" $sweep_command >"$T/out" 2>&1
    status=$?
    fired=
    grep -qE 'INJECTED|killed by SIGKILL' "$T/trace" && fired=1
    check_after "$where" || return 1
    case $3 in
    error=*) check_failure "$where" || return 1 ;;
    esac
    check_again "$where"
}

# sweep_fault FAULT: every call of an undisturbed run. strace counts per thread, so the longest thread's count is the limit.
sweep_fault()
{
    hits=0
    while read -r c count; do
        i=1 step=1
        [ "$c" != pwrite64 ] || [ -n "${FAULT_ALL:-}" ] || step=${sweep_pages:-1}
        while [ "$i" -le "$count" ]; do
            hit "$c" "$i" "$1" || { echo "($sweep_title) at $c $i of $count"; return 1; }
            [ -z "$fired" ] || hits=$((hits + 1))
            i=$((i + step))
        done
    done <"$T/counts"
    echo "$sweep_title: $hits places"
    [ "$hits" -ge 5 ] # a sweep that hits nothing proves nothing
}

# count_calls: "CALL COUNT" of an undisturbed run of the command, per thread the most.
count_calls()
{
    strace -f -qq -o "$T/trace" -e "trace=$(echo "$calls" | tr ' ' ,)" "$MLOPSCTL" $sweep_command || return
    awk '/<unfinished/ || !/resumed>/ { split($2, part, "("); n = ++seen[$1, part[1]]; if (n > most[part[1]]) most[part[1]] = n }
        END { for (c in most) print c, most[c] }' "$T/trace" | grep '^[a-z]' | sort >"$T/counts"
    [ -s "$T/counts" ]
}

# sweep TITLE ARGUMENTS-OF-MLOPSCTL [STATUSES-OF-A-SECOND-RUN]; with sweep_kills_only no call fails, for what takes long; with
# sweep_pages=N only every Nth of the pages that SQLite writes is hit, unless FAULT_ALL is set
sweep()
{
    sweep_title=$1 sweep_command=$2 sweep_again=${3:-"6 3"}
    cd "$T" || exit 1
    rm -rf "$T/template"
    mkdir "$T/template"
    cd "$T/template" && mkdir -m 700 .mlops
    setup >"$T/log" 2>&1 || { cat "$T/log"; echo "not ok - setup of $1"; exit 1; }
    fresh
    before=$(state_of)
    count_calls >"$T/log" 2>&1 || { cat "$T/log"; echo "not ok - $1 fails without faults"; exit 1; }
    after=$(state_of)
    files_of >"$T/files"
    test_expect "$1: killed at every write" 'sweep_fault signal=SIGKILL'
    [ -z "${sweep_kills_only:-}" ] || return 0
    test_expect "$1: disk full at every write" 'sweep_fault error=ENOSPC'
    test_expect "$1: input/output error at every write" 'sweep_fault error=EIO'
}
