#!/bin/sh
# Every example of help and man pages, and every command line of the README, run as written.
. "${0%/*}/lib.sh"

mkdir "$T/bin" && ln -s "$MLOPSCTL" "$T/bin/mlopsctl" && PATH=$T/bin:$PATH
# What the examples speak of: two versions of a model that differ, data, a remote that holds one, an exported file, a copy
# of the ledger, settings.
mkdir "$T/template" && cd "$T/template" && mkdir -m 700 .mlops && mkdir model && tiny_model model/model.safetensors && tiny_model model.safetensors &&
    echo '{"model_type":"tiny"}' >model/config.json && echo '# tiny' >model/README.md && printf 'a,b\n1,2\n' >train.csv || exit 8
{
    cp "$R/examples/credit/reference.csv" "$R/examples/credit/current.csv" . && mlopsctl profile reference.csv -o ref.profile && cp ref.profile reference.profile &&
        mlopsctl profile --like ref.profile current.csv -o a.profile && cp a.profile b.profile
    mlopsctl pack model -t credit:1.3.0 && sed 's/tiny/small/' -i model/config.json && printf '\377' | dd of=model/model.safetensors bs=1 seek=70 conv=notrunc 2>/dev/null &&
        mlopsctl pack model -t credit:1.4.0 -t credit --profile ref.profile && mlopsctl push credit:1.4.0 ./models && mlopsctl export credit:1.4.0 -o credit.tar && mlopsctl tag credit:1.4.0 credit:champion
    cp "$R/examples/credit/credit-1.4.0.onnx" . && cut -d, -f1-13 current.csv >loans.csv && mlopsctl pack credit-1.4.0.onnx -t loans:1.4.0 --samples loans.csv && cp -r "$R/tests/golden/embed/tiny" minilm && mlopsctl pack minilm -t minilm:1 && cp "$R/examples/embed/tickets.csv" .
    cp -r "$R/tests/golden/onnx/cases" . && cp cases/broadcast/model.onnx . &&
        awk 'BEGIN { print "paid,answer"; for (i = 0; i < 500; i++) print i % 2 "," (i % 7 ? i % 2 : 0) }' >answers.csv && cp answers.csv then.csv &&
        awk -F, 'NR == 1 { split($0, n, ","); next } { printf "{\"time\":\"2026-10-%02dT%02d:00:00Z\",\"status\":200,\"latency_ms\":%d,\"model\":\"credit:1.4.0\",\"inputs\":{", NR % 28 + 1, NR % 24, 20 + NR % 30
            for (i = 1; i <= NF; i++) printf "%s\"%s\":%s", (i > 1 ? "," : ""), n[i], ($i == "" ? "null" : $i)
            print "},\"outputs\":{}}" }' current.csv >requests.jsonl
} >/dev/null || exit 8

# The registry of the examples: localhost:5000 stands for it.
. "$R/tests/tools/registry.sh"
registry=
if have docker-registry && have python3 && registry_start examples; then
    mlopsctl -q push credit:1.4.0 "oci://$registry/team" || exit 8
fi
# The account of the runpod examples.
if have python3; then
    . "$R/tests/tools/runpod.sh" && runpod_start
fi
all_commands >"$T/commands"
# an_endpoint NAME TYPE: unless there is one of that name.
an_endpoint()
{
    mlopsctl runpod endpoint ls | grep -q " $1 " ||
        mlopsctl runpod endpoint create "$1" --type "$2" --image i --pool AMPERE_16 --port 8000/http -e PORT=8000 >/dev/null
}
a_balancer() { an_endpoint credit load-balancer; }
# The account as the pod examples want it: one pod, called train.
one_pod()
{
    for pod in $(mlopsctl runpod pod ls --json | jq -r '.pods[].id'); do mlopsctl -q runpod pod rm "$pod" --yes || return; done
    [ "$1" = create ] || mlopsctl -q runpod pod create --image pytorch/pytorch --name train --gpu 'RTX 4090' --ssh --port 80/http --lease 1h --wait --yes 2>/dev/null || return
    [ "$1" != start ] || mlopsctl -q runpod pod stop train
}
# What one of them must or must not find.
prepare()
{
    case $1 in
    export) rm credit.tar ;;
    'ledger restore') mlopsctl ledger backup ledger-copy.db >/dev/null ;;
    'remote rm') mlopsctl remote add prod ./models >/dev/null ;;
    'runpod sync')
        mkdir -p volume/checkpoints && tiny_model volume/checkpoints/last.safetensors && mlopsctl runpod volume create models --size 10 --dc EU-RO-1 --yes --json >v &&
            RUNPOD_VOLUME_ID=$(jq -r .id v) MLOPSCTL_RUNPOD_MOUNT=$PWD/volume && export RUNPOD_VOLUME_ID MLOPSCTL_RUNPOD_MOUNT ;;
    'runpod pod '*) one_pod "${1##* }" >/dev/null ;;
    rollback | show-run | log) mlopsctl untag credit:champion >/dev/null ;;
    'runpod endpoint releases' | 'runpod endpoint workers') a_balancer ;;
    'runpod endpoint call') echo '{}' >request.json && a_balancer ;;
    'runpod endpoint run' | 'runpod endpoint status' | 'runpod endpoint cancel')
        echo '{"a":1}' >job.json && an_endpoint batch queue ;;
    'runpod template create') export TOKEN=t ;;
    'runpod template rm') mlopsctl runpod template ls | grep -q credit || mlopsctl runpod template create credit --image i >/dev/null ;;
    'runpod registry add') echo t >token.txt ;;
    validate) mlopsctl validate --infer reference.csv >rules.yaml ;;
    esac
}
# The status that an example ends with, when it is not 0: a "no" is an answer.
answer()
{
    case $1 in
    'mlopsctl diff '*) echo 1 ;;
    *'volume du '* | *' --logs x1y2z3' | *' batch 5b1e8c1a-u1') echo 3 ;; # no S3 key; no such worker or job
    'mlopsctl pu'*s3://* | 'mlopsctl pu'*runpod://*) echo 3 ;; # there is no key here; tests/cli/23* speak to services
    *) echo 0 ;;
    esac
}
# Examples of one command follow each other in one workspace.
run_examples()
{
    cp -r "$T/template" "$T/run" && cd "$T/run" && prepare "$1" || return 1
    # shellcheck disable=SC2086 # a command and its verb
    mlopsctl help $1 | sed -n '/^examples:/,/^$/s/^  \(mlopsctl .*\)/\1/p' >"$T/examples"
    [ -s "$T/examples" ] || { echo "no examples" && return 1; }
    while IFS= read -r line; do
        case $line in
        *localhost:5000*)
            [ -n "$registry" ] || continue
            line=$(echo "$line" | sed "s/localhost:5000/$registry/")
            ;;
        esac
        sh -c "$line" </dev/null
        got=$?
        case $line in 'mlopsctl doctor'*) [ $got -le 1 ] && continue ;; esac
        [ $got -eq "$(answer "$line")" ] || { echo "status $got: $line" && return 1; }
    done <"$T/examples"
}

while read -r c; do
    test_expect "examples: $c" "run_examples '$c'"
    chmod -R u+w "$T/run" && rm -rf "$T/run"
done <"$T/commands"
cat >"$T/unroff.sed" <<'END'
s/\\-/-/g
s/\\(aq/'/g
s/\\(dq/"/g
s/\\&//g
s/\\e/\\/g
END
test_expect 'man pages hold the same examples' '
    while read -r c; do
        page=$R/man/mlopsctl-${c%% *}.1 && sed -f "$T/unroff.sed" "$page" >"$T/page" &&
        mlopsctl help $c | sed -n "/^examples:/,/^\$/s/^  \(mlopsctl .*\)/\1/p" >"$T/examples" &&
        while IFS= read -r line; do grep -qxF -- "$line" "$T/page" || { echo "$page lacks: $line" && exit 1; }; done <"$T/examples" || exit 1
    done <"$T/commands"
'
test_expect 'the README runs as written, from a clone' '
    mkdir "$T/clone" && cd "$T/clone" && cp -r "$R/examples" . && unset SOURCE_DATE_EPOCH &&
    sed -n "s/^\\$ \(mlopsctl .*\)/\1/p" "$R/README.md" >"$T/lines" && [ "$(wc -l <"$T/lines")" -ge 6 ] &&
    while IFS= read -r line; do
        sh -c "$line" </dev/null || { echo "status $?: $line" && exit 1; }
    done <"$T/lines"
'
test_expect 'commands that the README names exist' '
    for c in $(grep -o "\`mlopsctl [a-z-]*" "$R/README.md" | sed "s/.* //" | sort -u); do mlopsctl help "$c" >/dev/null || exit 1; done
'
registry_stop
test_done
