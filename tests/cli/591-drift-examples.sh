#!/bin/sh
# The files of examples/drift do what they say: their commands are taken out of them and run.
. "${0%/*}/lib.sh"

E=$R/examples/drift
mkdir "$T/bin" && ln -s "$MLOPSCTL" "$T/bin/mlopsctl" && PATH=$T/bin:$PATH
cp "$R/examples/credit/reference.csv" train.csv && cp "$R/examples/credit/current.csv" .
awk -F, 'BEGIN { OFS = "," } NR > 1 { $4 = int($4 * 1.8); if (NR % 3 == 0) $10 = "" } 1' current.csv >moved.csv
# cron's line without its five fields, as cron would run it but for PATH and the project's folder.
cron() { sed -n 's/^7 2 \* \* \* //p' "$E/crontab" >line && [ "$(wc -l <line)" -eq 1 ] && PROJECT=$T/project sh -c "$(cat line)"; }

test_expect 'cron: silent without drift, silent with nothing new, an alarm and its command at the second drift in three' '
    mkdir -p "$T/project/incoming" "$T/project/.mlops" && cp train.csv "$E/on-drift.sh" "$T/project" && here=$PWD &&
    (cd "$T/project" && mlopsctl -q drift -r train.csv -c train.csv --name nightly --accept) && cp current.csv "$T/project/incoming/1.csv" &&
    cron >out 2>&1 && [ ! -s out ] && cron >out 2>&1 && [ ! -s out ] && cp moved.csv "$T/project/incoming/2.csv" && cron >out 2>&1 && [ ! -s out ] && [ ! -e "$T/project/alarms.log" ] &&
    { cat moved.csv; tail -n +2 current.csv | head -n 20; } >"$T/project/incoming/3.csv" && expect_code 1 cron >out 2>&1 && head -n 1 out | grep -q "^nightly  *drift: " &&
    grep -q "of .nightly.: drift: .*worst: age, page: /.*/nightly.html" "$T/project/alarms.log" && grep -q "<h1>" "$T/project/nightly.html"'
test_expect 'what is accepted by the line of the README is no drift the next night' '
    cd "$T/project" && mlopsctl -q drift -r baseline -c incoming/3.csv --name nightly --accept >out && cp incoming/3.csv incoming/4.csv && cron >out 2>&1 && [ ! -s out ] && [ "$(wc -l <alarms.log)" -eq 1 ]'
if have make; then
    test_expect 'make: the profile is made once, drift fails the target, the page and JUnit are there' '
        mkdir make && cp "$E/Makefile" train.csv make && cp current.csv make/today.csv && make -C make drift >out && grep -q "profiled 700 rows" out && make -C make drift >out && ! grep -q profiled out &&
        cp moved.csv make/today.csv && expect_code 2 make -C make drift >out 2>&1 && [ -s make/drift.html ] && grep -q "<failure" make/drift.xml'
else
    test_skip 'make' 'make is not installed'
fi
if python3 -c 'import yaml' 2>/dev/null || /usr/bin/python3 -c 'import yaml' 2>/dev/null; then
    python3 -c 'import yaml' 2>/dev/null && python=python3 || python=/usr/bin/python3
    # of FILE EXPRESSION: of the document d.
    of() { "$python" -c 'import sys, yaml; d = yaml.safe_load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$E/$1" "$2"; }
    test_expect 'GitHub Actions: a workflow with a schedule, whose step passes, and fails with annotations on drift' '
        [ "$(of github-actions.yml "d[True][\"schedule\"][0][\"cron\"]")" = "7 2 * * *" ] && of github-actions.yml "d[\"jobs\"][\"drift\"][\"steps\"][1][\"run\"]" >step &&
        mlopsctl -q profile train.csv -o train.profile && cp current.csv today.csv && bash -e step >out && cp moved.csv today.csv && expect_code 1 bash -e step >out 2>err && grep -q "^::" err &&
        for f in $(of github-actions.yml "d[\"jobs\"][\"drift\"][\"steps\"][2][\"with\"][\"path\"]"); do [ -s $f ] || exit; done'
    test_expect 'Kubernetes: shards profiled one by one merge to the profile of the whole, and are compared' '
        mkdir -p data/shards && mlopsctl -q profile train.csv -o data/reference.profile && n=$(of kubernetes-shards.yaml "d[\"spec\"][\"completions\"]") && DATA=$PWD/data && export DATA &&
        i=0 && while [ $i -lt $n ]; do { head -n 1 moved.csv; tail -n +2 moved.csv | awk -v n=$n -v i=$i "NR % n == i"; } >data/shards/$i.csv && i=$((i + 1)) || exit; done &&
        container="d[\"spec\"][\"template\"][\"spec\"][\"containers\"][0]" && [ "$(of kubernetes-shards.yaml "$container[\"command\"][1]")" = "-euc" ] &&
        of kubernetes-shards.yaml "$container[\"args\"][0]" >profile.sh && i=0 && while [ $i -lt $n ]; do JOB_COMPLETION_INDEX=$i /bin/sh -eu profile.sh >out || exit; i=$((i + 1)); done &&
        of kubernetes-merge.yaml "$container[\"args\"][0]" >merge.sh && expect_code 1 /bin/sh -eu merge.sh >out && grep -q "^drift: 2 of 14" out && [ -s data/drift.html ] &&
        mlopsctl -q profile --like data/reference.profile moved.csv -o whole.profile && cmp whole.profile data/today.profile &&
        [ "$(of kubernetes-merge.yaml "d[\"spec\"][\"podFailurePolicy\"][\"rules\"][0][\"onExitCodes\"][\"values\"]")" = "[1]" ]'
else
    test_skip 'GitHub Actions and Kubernetes' 'python3 has no yaml'
fi
test_expect 'every file is named in the README, and every one named is there' '
    for f in "$E"/*; do f=${f##*/}; [ "$f" = README.md ] || grep -q "^| .$f. |" "$E/README.md" || { echo "$f"; exit 1; }; done &&
    for f in $(sed -n "s/^| [^a-z]\([a-zA-Z.-]*\)[^a-z] |.*/\1/p" "$E/README.md"); do [ -e "$E/$f" ] || { echo "$f"; exit 1; }; done'
test_done
