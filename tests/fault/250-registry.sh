#!/bin/sh
# A registry as a remote, and the program killed at every write: names here and tags there are old or new.
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"
. "$R/tests/tools/registry.sh"

have docker-registry || skip_all 'docker-registry is not installed'
have python3 || skip_all 'python3 is not installed'
# Its data are part of each case; the server itself has no state.
registry_start sweep "" "$T/case/registry" || skip_all "docker-registry does not start: $(cat "$T/registry-sweep/log")"
url=oci://$registry/team
sweep_random='./registry/*'
extra()
{
    "$MLOPSCTL" remote refs "$url" --json 2>/dev/null | grep -oE '"(name|tag|digest)":"[^"]*"'
    "$MLOPSCTL" remote check --deep "$url" -q 2>/dev/null || [ $? -eq 3 ] || echo "what the registry's tags lead to is not complete"
}
# in_place COMMAND...: with the template as the registry's folder.
in_place()
{
    rm -rf "$T/case" && ln -s "$T/template" "$T/case" && "$@"
    in_place_status=$?
    rm -f "$T/case"
    return $in_place_status
}
setup_pull()
{
    digits digits.safetensors digits-tuned.safetensors README.md
    mlopsctl pack digits-tuned.safetensors README.md -t m:1 && mlopsctl push m:1 "$url" && rm -rf .mlops && mkdir -m 700 .mlops && mlopsctl pack digits.safetensors -t other:1
}
setup_push()
{
    digits digits.safetensors digits-tuned.safetensors README.md
    mlopsctl pack digits.safetensors -t m:1 && mlopsctl pack digits-tuned.safetensors README.md -t m:2 && mlopsctl push m:1 "$url"
}
setup() { in_place setup_push; }
sweep_kills_only=1
sweep 'push to a registry' "push m:2 $url"
setup() { in_place setup_pull; }
sweep 'pull from a registry' "pull m:1 $url"
registry_stop
test_done
