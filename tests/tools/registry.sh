# Sourced after tests/cli/lib.sh: Debian's docker-registry on a port of the kernel's choice.
#
#     registry_start NAME [LINES OF CONFIGURATION [DATA]]    # sets $registry to 127.0.0.1:PORT; DATA: $T/registry-NAME/data
#     registry_stop
# shellcheck shell=sh disable=SC2034

# Process ids are kept in files: test bodies run in subshells.
registry_start()
{
    registry_folder=$T/registry-$1
    mkdir -p "$registry_folder"
    cat >"$registry_folder/config.yml" <<-END
	version: 0.1
	log: {level: info, accesslog: {disabled: true}}
	storage: {filesystem: {rootdirectory: ${3:-$registry_folder/data}}, maintenance: {uploadpurging: {enabled: false}}, delete: {enabled: ${registry_delete:-true}}}
	http: {addr: "127.0.0.1:0", secret: of-the-tests${registry_tls:-}}
	END
    [ -z "${2:-}" ] || printf '%s\n' "$2" >>"$registry_folder/config.yml"
    docker-registry serve "$registry_folder/config.yml" >"$registry_folder/log" 2>&1 &
    echo $! >>"$T/registry.pids"
    i=0
    while ! registry=$(grep -o 'listening on 127.0.0.1:[0-9]*' "$registry_folder/log" 2>/dev/null) && [ $i -lt 100 ]; do
        i=$((i + 1))
        sleep 0.1
    done
    registry=${registry#listening on }
    [ -n "$registry" ]
}
# kill_listed FILE: the processes whose ids it holds.
kill_listed()
{
    [ -e "$1" ] || return 0
    while read -r registry_pid; do kill "$registry_pid" 2>/dev/null; done <"$1"
    rm -f "$1"
}
registry_stop()
{
    kill_listed "$T/registry.pids"
    kill_listed "$T/double.pids"
}
trap 'registry_stop; chmod -R u+rwX "$T" 2>/dev/null; rm -rf "$T"' EXIT

# curl_tags REPOSITORY: its tags, as the registry lists them.
curl_tags()
{
    python3 -c 'import sys, urllib.request as u
try: print(u.urlopen("http://" + sys.argv[1]).read().decode())
except u.HTTPError: pass' "$registry/v2/$1/tags/list"
}
# registry_forget FILE: the blob of these bytes is gone from the registry's disk.
registry_forget()
{
    hex=$(sha256sum "$1" | cut -c1-64)
    rm -r "$registry_folder/data/docker/registry/v2/blobs/sha256/$(printf %.2s "$hex")/$hex"
}

# double_start [FAULT...]: the strict double (tests/tools/registry-double.py) in place of the one before; sets $registry, its log
# is $double_log.
double_start()
{
    kill_listed "$T/double.pids"
    double=$(mktemp -d "$T/double-XXXXXX") double_log=$double/log
    python3 "$R/tests/tools/registry-double.py" "$double/port" "$double_log" "$@" >"$double/err" 2>&1 &
    echo $! >>"$T/double.pids"
    i=0
    while [ ! -e "$double/port" ] && [ $i -lt 200 ]; do
        i=$((i + 1))
        sleep 0.05
    done
    read -r double_port _ <"$double/port" || { cat "$double/err"; return 1; }
    registry=127.0.0.1:$double_port
}
# What the client has done that no client may do.
double_is_content()
{
    ! grep FAULT: "$double_log"
}
# docker_login HOST MEMBERS: what docker keeps for it, such as "auth":"BASE64".
docker_login()
{
    mkdir -p "$HOME/.docker" && printf '{"auths":{"%s":{%s}}}' "$1" "$2" >"$HOME/.docker/config.json" && chmod 600 "$HOME/.docker/config.json"
}
# One bundle for the double's tests: m:1, of 6 MB, with $DIGEST.
double_bundle()
{
    mkdir model && tiny_model model/model.safetensors && echo '# tiny' >model/README.md && head -c 6000000 /dev/urandom >model/blob.bin
    mlopsctl pack model -t m:1 >"$T/log" 2>&1 || skip_all "pack does not work: $(cat "$T/log")"
    DIGEST=$(mlopsctl show m:1 --json | jq -r .digest)
}
# double_round: push m:1, and pull it into a new home ($home); the same bundle arrives, and the double has nothing to complain of.
double_round()
{
    home=$(mktemp -d "$T/home-XXXXXX")
    mlopsctl push m:1 "oci://$registry/team" && mlopsctl pull m:1 "oci://$registry/team" --home "$home" && double_came
}
double_came() { [ "$(mlopsctl show m:1 --json --home "$home" | jq -r .digest)" = "$DIGEST" ] && mlopsctl verify --all --home "$home" && double_is_content; }
# double_count PATTERN: lines of its log.
double_count() { grep -c "$1" "$double_log"; }
