# Sourced after tests/cli/lib.sh: Debian's docker-registry on a port of the kernel's choice.
#
#     registry_start NAME [LINES OF CONFIGURATION]    # sets $registry to 127.0.0.1:PORT; data in $T/registry-NAME
#     registry_stop
# shellcheck shell=sh disable=SC2034

registry_pids=
registry_start()
{
    registry_folder=$T/registry-$1
    mkdir -p "$registry_folder"
    cat >"$registry_folder/config.yml" <<-END
	version: 0.1
	log: {level: info, accesslog: {disabled: true}}
	storage: {filesystem: {rootdirectory: $registry_folder/data}, delete: {enabled: ${registry_delete:-true}}}
	http: {addr: "127.0.0.1:0", secret: of-the-tests}
	END
    [ -z "${2:-}" ] || printf '%s\n' "$2" >>"$registry_folder/config.yml"
    docker-registry serve "$registry_folder/config.yml" >"$registry_folder/log" 2>&1 &
    registry_pids="$registry_pids $!"
    i=0
    while ! registry=$(grep -o 'listening on 127.0.0.1:[0-9]*' "$registry_folder/log") && [ $i -lt 100 ]; do
        i=$((i + 1))
        sleep 0.1
    done
    registry=${registry#listening on }
    [ -n "$registry" ]
}
registry_stop()
{
    # shellcheck disable=SC2086 # a list
    [ -z "$registry_pids" ] || kill $registry_pids 2>/dev/null
    registry_pids=
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
