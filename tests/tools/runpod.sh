# Sourced after lib.sh by tests that talk to RunPod's double:
#
#     . "$R/tests/tools/runpod.sh"
#     runpod_start
#     test_expect 'makes a volume' 'mlopsctl runpod volume create v --size 10 --dc EU-RO-1 && runpod_strict'
#     runpod_ctl set '{"no_capacity": ["NVIDIA L4"]}'       (tests/tools/runpod-double.py says what there is)
#     runpod_asked POST /v2/pods                            (how often that was asked so far)
#
# The double ends with the test that started it, also when that is killed.
# shellcheck shell=sh
RUNPOD_DOUBLE=$R/tests/tools/runpod-double.py

# Starts it in $T/runpod and points the settings and variables of the current shell at it.
runpod_start()
{
    have python3 || skip_all 'needs python3'
    python3 "$RUNPOD_DOUBLE" serve "$T/runpod" "$@" >/dev/null 2>"$T/runpod.err" &
    runpod_tries=0
    until [ -e "$T/runpod/url" ]; do
        runpod_tries=$((runpod_tries + 1))
        [ "$runpod_tries" -lt 200 ] || skip_all "the RunPod double does not start: $(cat "$T/runpod.err")"
        sleep 0.05
    done
    RUNPOD_URL=$(cat "$T/runpod/url")
    RUNPOD_API_KEY=rpa_double_full
    MLOPSCTL_RUNPOD_API=$RUNPOD_URL/v2
    MLOPSCTL_RUNPOD_JOBS=$RUNPOD_URL/jobs/v2
    MLOPSCTL_RUNPOD_BALANCER="$RUNPOD_URL/lb/{id}"
    MLOPSCTL_RUNPOD_PROXY="$RUNPOD_URL/proxy/{id}/{port}"
    MLOPSCTL_RUNPOD_POLL=50ms
    export MLOPSCTL_RUNPOD_PROXY MLOPSCTL_RUNPOD_POLL RUNPOD_URL RUNPOD_API_KEY MLOPSCTL_RUNPOD_API MLOPSCTL_RUNPOD_JOBS MLOPSCTL_RUNPOD_BALANCER
}
runpod_ctl() { python3 "$RUNPOD_DOUBLE" ctl "$T/runpod" "$@"; }
# Nothing was asked of it so far that a correct client does not ask.
runpod_strict() { runpod_ctl strict; }
runpod_asked() { jq -s --arg m "$1" --arg p "$2" '[.[] | select(.method == $m and .path == $p)] | length' "$T/runpod/requests.jsonl"; }
