# Sourced after runpod.sh by the tests of pods: short words for the double's account.
# shellcheck shell=sh
run_id() { mlopsctl log --json -n 1 | jq -s -r '.[0] | .run // .id // .runs[0].run // .runs[0].id'; }
pods() { mlopsctl runpod pod ls --json; }
count() { pods | jq '.pods | length'; }
id_of() { pods | jq -r --arg n "$1" '.pods[] | select(.name == $n) | .id'; }
create() { mlopsctl runpod pod create --image i --lease 2h --yes "$@"; }
# The account is empty again, with all switches as they were.
clean()
{
    runpod_ctl set '{"no_stock":[],"no_capacity":[],"ambiguous":[],"fail":[],"error_pods":[],"stuck_pods":[],"start_refused":[],"cost_factor":{"NVIDIA L4":1},"slow":[],"log_close_after":0,"balance":25,"delays":{"service":0.0}}' >/dev/null || return
    for p in $(pods | jq -r '.pods[].id'); do mlopsctl -q runpod pod rm "$p" --yes || return; done
}

