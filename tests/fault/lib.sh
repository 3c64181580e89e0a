# Sweeps of system-call faults, sourced after tests/cli/lib.sh by tests/fault/NNN-*.sh. tests/tools/strike.c stops the program
# at one call and kills it, or lets the call fail; afterwards the state must be what it was or what it should become.
#
#     setup() { ...; }                 # makes the state in the current folder, once
#     sweep 'pack' 'pack m -t m:2'
#
# A first, undisturbed run counts the writing calls. For every kind of call that was used and every n up to
# its count: a fresh copy of the state, the command with its n-th such call hit, then
#   - the ledger's chain and every named bundle verify,
#   - names (and the watched extra: see `extra`) are those before or those after, nothing between,
#   - the same command run again without faults ends as the first would have (0, or a conflict when it had been done),
#   - after that second run the folder holds the files of an undisturbed run and no others: no temporary stays
#     (in the cache one may stay until gc).
# How many places were hit of how many there are stands in a comment of the output.
# shellcheck shell=sh disable=SC2015,SC2016,SC2034,SC2086 # bodies are strings, commands are split on purpose

calls=write,pwrite64,fsync,fdatasync,syncfs,rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir,mkdir,mkdirat,ftruncate,fallocate
export ASAN_OPTIONS=detect_leaks=0
tools=$(dirname "$MLOPSCTL")/tools
strike() { "$tools/strike" "$@"; }
turns() { "$tools/turns" "$@"; } # several reading commands in one process: most of what a sweep does is starting the program

strike /dev/null count write true 2>/dev/null || skip_all 'strike may not ask about system calls here (seccomp is not permitted, or make tools has not been run)'

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
    turns ledger verify -q , verify --all -q , ls --json >"$T/listing" || return
    names <"$T/listing"
    extra
}

# Names that only the ledger (<) or only index.json (>) has.
other_names()
{
    index=.mlops/store/index.json
    [ -e "$index" ] || index=
    awk -F '"' 'FILENAME ~ /listing$/ { for (i = 2; i < NF; i++) if ($i == "name") n[$(i + 2)]++ }
        FILENAME ~ /index.json$/ { for (i = 2; i < NF; i++) if ($i == "org.opencontainers.image.ref.name") n[$(i + 2)]-- }
        END { for (i in n) if (n[i]) print (n[i] > 0 ? "<" : ">"), i }' "$T/listing" $index
}

# The paths of the case, without what SQLite makes and removes as it likes.
files_of() { find . ! -name 'ledger.db-*' ! -path "${sweep_random:-}" ! -path './.mlops/cache/*'; }
# Those that should not be there (>), and those that are missing (<).
other_files()
{
    files_of | awk 'NR == FNR { want[$0]; next } $0 in want { delete want[$0]; next } { print ">", $0 }
        END { for (i in want) print "<", i }' "$T/files" -
}

cache_has_temporaries() { find .mlops/cache -name '.mlo-tmp-*' -print -quit 2>/dev/null >"$T/left"; [ -s "$T/left" ]; }

fresh()
{
    cd "$T" || exit 1
    rm -rf "$T/case"
    cp -a "$T/template" "$T/case"
    cd "$T/case" || exit 1
}

check_after()
{
    now=$(state_of) || { echo "after $1: ledger or store do not verify, or the state cannot be read"; return 1; }
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
        grep -qx 'write 2' "$T/struck" || { echo "$1: fails without a word"; return 1; }
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
    other_names >"$T/other" && [ ! -s "$T/other" ] || {
        echo "$1: index.json says other names than the ledger"
        cat "$T/other"
        return 1
    }
    other_files >"$T/other" && [ ! -s "$T/other" ] || {
        echo "$1: left behind after a second run (>), or missing (<)"
        cat "$T/other"
        return 1
    }
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
    strike "$T/struck" "$3" "$1" "$2" "$MLOPSCTL" $sweep_command >"$T/out" 2>&1
    status=$?
    fired=
    [ ! -s "$T/struck" ] || fired=1
    check_after "$where" || return 1
    [ "$3" = kill ] || check_failure "$where" || return 1
    check_again "$where"
}

# sweep_fault FAULT: every call of an undisturbed run.
sweep_fault()
{
    hits=0 places=0
    while read -r c count; do
        i=1
        while [ "$i" -le "$count" ]; do
            hit "$c" "$i" "$1" || { echo "($sweep_title) at $c $i of $count"; return 1; }
            [ -z "$fired" ] || hits=$((hits + 1))
            i=$((i + 1)) places=$((places + 1))
        done
    done <"$T/counts"
    echo "$sweep_title, $1: $hits of $places places" >"$T/places"
    [ "$hits" -ge 5 ] # a sweep that hits nothing proves nothing
}

sweep_expect()
{
    rm -f "$T/places"
    test_expect "$1" "sweep_fault $2"
    [ ! -e "$T/places" ] || sed 's/^/# /' "$T/places"
}

# sweep TITLE ARGUMENTS-OF-MLOPSCTL [STATUSES-OF-A-SECOND-RUN]; with sweep_kills_only no call fails, for what takes long
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
    strike "$T/counts" count "$calls" "$MLOPSCTL" $sweep_command >"$T/log" 2>&1 || { cat "$T/log"; echo "not ok - $1 fails without faults"; exit 1; }
    after=$(state_of)
    files_of >"$T/files"
    sweep_expect "$1: killed at every write" kill
    [ -z "${sweep_kills_only:-}" ] || return 0
    sweep_expect "$1: disk full at every write" ENOSPC
    sweep_expect "$1: input/output error at every write" EIO
}
