#!/bin/sh
# config and mlops.yaml.
. "${0%/*}/lib.sh"

test_expect 'lists every setting with its default' '
    mlopsctl config >out && grep -q "^gc.retention  *90d$" out && grep -q "^remote.default  *-$" out
'
test_expect 'the strongest place wins and is named' '
    mkdir -p "$XDG_CONFIG_HOME/mlopsctl" sub && printf "gc:\n  retention: 10d\nuser.name: ann\n" >"$XDG_CONFIG_HOME/mlopsctl/config.yaml" &&
    printf "# project\ngc:\n  retention: 20d\n" >mlops.yaml && cd sub &&
    [ "$(mlopsctl config gc.retention)" = 20d ] && [ "$(mlopsctl config user.name)" = ann ] &&
    mlopsctl config --show-origin | grep -q "^gc.retention .*mlops.yaml:3$" &&
    [ "$(MLOPSCTL_GC_RETENTION=30d mlopsctl config gc.retention)" = 30d ] &&
    [ "$(MLOPSCTL_GC_RETENTION=30d mlopsctl config gc.retention --json | json .origin)" = "environment MLOPSCTL_GC_RETENTION" ] &&
    [ "$(MLOPSCTL_S3_REGION=eu-west-1 mlopsctl config s3.region)" = eu-west-1 ] &&
    [ "$(mlopsctl config gc.retention --json | json .origin)" = "$T/work/mlops.yaml:3" ]
'
test_expect 'a relative XDG_CONFIG_HOME counts for nothing' '
    mkdir -p rel/mlopsctl && printf "user.name: bob\n" >rel/mlopsctl/config.yaml && rm -f mlops.yaml &&
    expect_code 1 env XDG_CONFIG_HOME=rel HOME="$T/nobody" "$MLOPSCTL" config user.name
'
test_expect 'a setting without value is a no' '
    expect_code 1 mlopsctl config remote.default >out && [ ! -s out ]
'
test_expect 'an unknown key in a file is refused with file, line and neighbour' '
    printf "gc:\n  retenton: 1d\n" >mlops.yaml && expect_code 2 mlopsctl config 2>err &&
    grep -q "mlops.yaml:2: there is no setting .gc.retenton." err && grep -q "did you mean gc.retention?" err
'
test_expect 'broken YAML is invalid data with its line' '
    printf "a: [1\nb: }\n" >mlops.yaml && expect_code 4 mlopsctl config 2>err && grep -q "mlops.yaml:2: " err
'
test_expect 'anchors are refused' '
    printf "a: &x 1\nb: *x\n" >mlops.yaml && expect_code 4 mlopsctl config 2>err && grep -q "anchors" err
'
test_expect 'a broken file does not stop help and version' '
    mlopsctl help >/dev/null && mlopsctl version >/dev/null && mlopsctl pack -h >/dev/null 2>&1; mlopsctl config -h >/dev/null
'
test_expect 'a wrong variable is refused by its name' '
    rm -f mlops.yaml && expect_code 2 env MLOPSCTL_PACK_THREADS=many "$MLOPSCTL" config 2>err && grep -q MLOPSCTL_PACK_THREADS err
'
test_expect 'a pipe for mlops.yaml does not hang' '
    mkfifo mlops.yaml && timeout 5 "$MLOPSCTL" config >/dev/null; s=$?; rm -f mlops.yaml; [ $s -eq 0 ]
'
test_expect 'pack takes from settings what no option said' '
    tiny_model m.safetensors && printf "pack: {license: MIT, threads: 1}\n" >mlops.yaml &&
    mlopsctl pack m.safetensors -t m:1 >/dev/null && mlopsctl show m:1 --json | grep -q "\"MIT\"" &&
    mlopsctl pack m.safetensors -t m:2 --license Apache-2.0 >/dev/null && ! mlopsctl show m:2 --json | grep -q "\"MIT\"" &&
    expect_code 2 env MLOPSCTL_PACK_THREADS=100000 "$MLOPSCTL" pack m.safetensors -t m:3 2>err && grep -q "pack.threads" err
'
test_expect 'a list of settings shows no password, and variables of keys with digits count' '
    MLOPSCTL_NET_PROXY=http://ann:hunter2@proxy:3128 mlopsctl config >out && grep -q "^net.proxy .*proxy:3128" out && ! grep -q hunter2 out &&
    [ "$(MLOPSCTL_S3_REGION=eu-1 mlopsctl config s3.region)" = eu-1 ]
'
test_expect 'the examples of config run' '
    mlopsctl config --show-origin >/dev/null && mlopsctl config gc.retention >/dev/null
'
test_done
