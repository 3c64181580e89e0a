# Sweeps of system-call faults, sourced after tests/cli/lib.sh by tests/fault/NNN-*.sh. strace stops the program at one call
# and kills it, or lets the call fail; afterwards the state must be what it was or what it should become.
#
#     setup() { ...; }                 # makes the state in the current folder, once
#     sweep 'pack' 'mlopsctl pack m -t m:2'
#
# For every kind of writing call and every n: a fresh copy of the state, the command with its n-th such call hit, then
#   - `ledger verify` and `verify --all` pass,
#   - names (and the watched extra: see `extra`) are those before or those after, nothing between,
#   - the same command run again without faults ends as the first would have (0, or 6 when it had been done already).
# shellcheck shell=sh disable=SC2015,SC2016,SC2034,SC2086 # bodies are strings, commands are split on purpose

calls='write pwrite64 fsync fdatasync rename renameat renameat2 link linkat unlink unlinkat mkdir mkdirat ftruncate'
export ASAN_OPTIONS=detect_leaks=0

strace -o /dev/null true 2>/dev/null || skip_all 'strace may not trace here (ptrace is not permitted)'

# What must be before or after as a whole: names and digests; `extra` may be redefined to add more.
extra() { :; }
state_of()
{
    "$MLOPSCTL" ls --json | jq -c '[.bundles[]? | {name: .name, digest: .digest}] | sort' && extra
}

fresh()
{
    rm -rf "$T/case"
    cp -a "$T/template" "$T/case"
    cd "$T/case" || exit 1
}

check_after()
{
    "$MLOPSCTL" ledger verify -q || { echo "after $1: the ledger does not verify"; return 1; }
    "$MLOPSCTL" verify --all -q || { echo "after $1: the store does not verify"; return 1; }
    now=$(state_of) || { echo "after $1: the state cannot be read"; return 1; }
    if [ "$now" != "$before" ] && [ "$now" != "$after" ]; then
        printf 'after %s: neither before nor after\nbefore %s\nafter  %s\nnow    %s\n' "$1" "$before" "$after" "$now"
        return 1
    fi
}

# One hit. Sets `fired` when the fault came to pass.
hit()
{
    call=$1 n=$2 fault=$3 command=$4
    fresh
    strace -f -qq -o "$T/trace" -e "trace=$call" -e "inject=$call:$fault:when=$n" "$MLOPSCTL" $command >"$T/out" 2>&1
    status=$?
    fired=
    grep -qE 'INJECTED|killed by SIGKILL' "$T/trace" && fired=1
    where="$call number $n, $fault"
    check_after "$where" || return 1
    case $fault in
    error=*)
        [ "$status" -eq 0 ] || [ "$status" -eq 8 ] || { echo "$where: exit status $status"; cat "$T/out"; return 1; }
        if [ "$status" -eq 8 ] && [ ! -s "$T/out" ]; then
            # the call that failed may have been the message itself
            grep -q 'write(2' "$T/trace" || { echo "$where: fails without a word"; return 1; }
        fi
        if [ "$status" -eq 0 ] && [ "$now" != "$after" ]; then
            echo "$where: says it is done, but it is not"
            return 1
        fi
        ;;
    esac
    "$MLOPSCTL" $command >"$T/out" 2>&1
    again=$?
    if [ "$again" -ne 0 ] && { [ "$again" -ne 6 ] && [ "$again" -ne 3 ] || [ "$now" != "$after" ]; }; then
        echo "$where: the next run fails with $again"
        cat "$T/out"
        return 1
    fi
    check_after "$where and a second run"
}

# sweep_fault TITLE COMMAND FAULT: every call, every number.
sweep_fault()
{
    hits=0
    for c in $calls; do
        i=1
        while :; do
            hit "$c" "$i" "$3" "$2" || { echo "($1) at $c $i"; return 1; }
            [ -n "$fired" ] || break
            hits=$((hits + 1)) i=$((i + 1))
        done
    done
    echo "$1: $hits places"
    [ "$hits" -ge 5 ] # a sweep that hits nothing proves nothing
}

# sweep TITLE ARGUMENTS-OF-MLOPSCTL
sweep()
{
    rm -rf "$T/template"
    mkdir "$T/template"
    cd "$T/template" && mkdir -m 700 .mlops && setup >"$T/log" 2>&1 || { cat "$T/log"; echo "not ok - setup of $1"; exit 1; }
    fresh
    before=$(state_of)
    "$MLOPSCTL" $2 >"$T/log" 2>&1 || { cat "$T/log"; echo "not ok - $1 fails without faults"; exit 1; }
    after=$(state_of)
    sweep_title=$1 sweep_command=$2
    test_expect "$1: killed at every write" 'sweep_fault "$sweep_title" "$sweep_command" signal=SIGKILL'
    test_expect "$1: disk full at every write" 'sweep_fault "$sweep_title" "$sweep_command" error=ENOSPC'
    test_expect "$1: input/output error at every write" 'sweep_fault "$sweep_title" "$sweep_command" error=EIO'
}
