# Sourced by every command-line test. TAP from POSIX sh:
#
#     . "${0%/*}/lib.sh"
#     test_expect 'packs a folder' '
#         mlopsctl pack model -t m:1 >out &&
#         grep -q "packed m:1" out
#     '
#     test_done
#
# Each test file has a scratch folder ($T/work) with an empty .mlops as current folder, its own HOME, no MLOPSCTL_*,
# AWS_*, RUNPOD_* or proxy variables, no colour, SOURCE_DATE_EPOCH fixed. $MLOPSCTL is the program under test; `mlopsctl` runs it. $G is the
# folder of golden files, $R the repository. Each body runs in a subshell and must end with status 0.
# shellcheck shell=sh

R=$(cd "$(dirname "$0")/../.." && pwd)
G=$R/tests/golden
: "${MLOPSCTL:=$R/build/gcc/mlopsctl}"
MLOPSCTL=$(realpath "$MLOPSCTL")
# An uninstrumented build, for tests that preload a library or trace; the same program when none is given.
PLAIN=$(realpath "${PLAIN:-$MLOPSCTL}")
export PLAIN
T=$(mktemp -d "${TMPDIR:-/tmp}/mlo-cli-XXXXXX")
trap 'chmod -R u+rwX "$T" 2>/dev/null; rm -rf "$T"' EXIT
trap 'exit 130' INT TERM
for v in $(env | sed -nE 's/^((MLOPSCTL|AWS|RUNPOD|DOCKER|REGISTRY)_[A-Z0-9_]*|(no|all|https?)_proxy|(NO|ALL|HTTPS?)_PROXY|SSL_CERT_FILE|CURL_CA_BUNDLE|XDG_RUNTIME_DIR)=.*/\1/p'); do
    unset "$v"
done
export MLOPSCTL G R T
export HOME="$T/home" XDG_CONFIG_HOME="$T/home/.config" XDG_DATA_HOME="$T/home/.local/share" LC_ALL=C.UTF-8 TZ=UTC
export NO_COLOR=1 SOURCE_DATE_EPOCH=1767225600 GIT_CONFIG_NOSYSTEM=1 GIT_CEILING_DIRECTORIES="$T"
export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@example.org GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@example.org
export LSAN_OPTIONS="suppressions=$R/tests/lsan.supp:print_suppressions=0"
export ASAN_OPTIONS="${ASAN_OPTIONS:-exitcode=99:handle_sigill=1}" UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
mkdir -p "$HOME" "$T/work/.mlops"
chmod 700 "$T/work/.mlops"
cd "$T/work" || exit 1

test_n=0 test_bad=0
mlopsctl() { "$MLOPSCTL" "$@"; }

test_expect()
{
    test_n=$((test_n + 1))
    if (eval "$2") >"$T/log" 2>&1 </dev/null; then
        echo "ok $test_n - $1"
    else
        echo "not ok $test_n - $1"
        sed 's/^/#   /' "$T/log" | head -n 60
        test_bad=$((test_bad + 1))
    fi
}
test_skip()
{
    test_n=$((test_n + 1))
    echo "ok $test_n - $1 # SKIP $2"
}
# The whole file is skipped.
skip_all()
{
    echo "1..0 # SKIP $1"
    exit 0
}
test_done()
{
    echo "1..$test_n"
    [ "$test_bad" -eq 0 ]
    exit
}
# expect_code 4 mlopsctl ...: this very exit status; no crash, no sanitizer report.
expect_code()
{
    want=$1
    shift
    "$@"
    got=$?
    [ "$got" -eq "$want" ] || {
        echo "exit status $got, want $want: $*"
        return 1
    }
}
# Fails by a documented status (1-9), not by a crash.
must_fail()
{
    "$@"
    got=$?
    if [ "$got" -lt 1 ] || [ "$got" -gt 9 ]; then
        echo "exit status $got: $*"
        return 1
    fi
}
# Every command that does something, its words in one line: "pack", "ledger verify", "runpod pod create".
verbs_of()
{
    for v in $(mlopsctl help "$@" | sed -n '/^verbs:/,/^$/s/^  \([a-z-]*\) .*/\1/p'); do verbs_of "$@" "$v"; done | grep . || echo "$@"
}
all_commands() { for name in $(mlopsctl help --names); do verbs_of "$name"; done; }
# json '.field' <doc: through jq, false and null fail.
json() { jq -er "$1"; }
have() { command -v "$1" >/dev/null 2>&1; }
# tiny_model FILE: the 72-byte safetensors w = F32 [1.0, -2.0],
# sha256:9c54a301d1883c1238adad7212e1c8b7a0ee5a828aa7b9a5fc5c4b58af05fe54.
tiny_model()
{
    printf '\070\000\000\000\000\000\000\000{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  \000\000\200\077\000\000\000\300' >"$1"
}
