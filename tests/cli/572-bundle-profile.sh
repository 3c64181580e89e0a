#!/bin/sh
# A profile in a bundle: packed, shown, verified, sent and fetched, and what drift --reference NAME makes of it.
. "${0%/*}/lib.sh"

cp "$R/examples/credit/reference.csv" "$R/examples/credit/current.csv" .
awk -F, 'BEGIN { OFS = "," } NR > 1 { $4 = int($4 * 1.8); if (NR % 3 == 0) $10 = "" } 1' current.csv >moved.csv
mkdir model && tiny_model model/model.safetensors && mlopsctl profile reference.csv -o train.profile >/dev/null

test_expect 'the bundle says that it has one, and of how many rows' '
    mlopsctl pack model -t credit:1.4.0 -t credit --profile train.profile &&
    mlopsctl show credit:1.4.0 --json >out && jq -e ".profile == \"reference.profile\" and .profile_rows == $(($(wc -l <reference.csv) - 1)) and .profile_columns > 10" out &&
    jq -e ".files[] | select(.path == \"reference.profile\") | .kind == \"dataset\"" out && mlopsctl show credit:1.4.0 | grep -q "^profile  *reference.profile"'
test_expect 'it is a layer of its own, the bytes of the file' '
    mlopsctl show credit --raw manifest | jq -e --arg d "sha256:$(sha256sum <train.profile | cut -c1-64)" ".layers[] | select(.digest == \$d) | .mediaType == \"application/vnd.cncf.model.dataset.v1.raw\"" &&
    mlopsctl unpack credit -o there && cmp there/reference.profile train.profile'
test_expect 'the same files give the same digest' '
    mlopsctl pack model -t credit:1.4.0 --profile train.profile --dry-run --json >out && [ "$(jq -r .digest out)" = "$(mlopsctl show credit --json | jq -r .digest)" ]'
test_expect 'drift against the bundle says what drift against its table says' '
    expect_code 1 mlopsctl drift -r reference.csv -c moved.csv --json >a && expect_code 1 mlopsctl drift -r credit:1.4.0 -c moved.csv --json >b && cmp a b &&
    expect_code 1 mlopsctl drift -r credit -c moved.csv --json >b && cmp a b && mlopsctl drift -r credit -c current.csv &&
    expect_code 1 mlopsctl drift -r "$(mlopsctl show credit --json | jq -r .digest)" -c moved.csv --json >b && cmp a b'
test_expect 'a table is counted like the bundle, and two bundles are compared' '
    mlopsctl profile --like credit:1.4.0 moved.csv -o moved.profile && mlopsctl profile --like train.profile moved.csv -o m.profile && cmp moved.profile m.profile &&
    mlopsctl pack model -t credit:2.0 --profile moved.profile && expect_code 1 mlopsctl drift -r credit:1.4.0 -c credit:2.0 --json >b && cmp a b'
test_expect 'a file of that name comes first' '
    cp moved.csv credit && mlopsctl drift -r credit -c moved.csv && expect_code 1 mlopsctl drift -r credit:latest -c moved.csv && rm credit'
test_expect 'push and pull carry it' '
    mlopsctl push credit:1.4.0 ./remote && mkdir -p elsewhere/.mlops && cp moved.csv elsewhere && cd elsewhere && mlopsctl pull credit:1.4.0 ../remote &&
    expect_code 1 mlopsctl drift -r credit:1.4.0 -c moved.csv --json >b && cmp ../a b && mlopsctl verify credit:1.4.0'
test_expect 'export and import too' '
    mlopsctl export credit:1.4.0 -o c.tar && mkdir -p third/.mlops && cp moved.csv third && cd third && mlopsctl import ../c.tar && expect_code 1 mlopsctl drift -r credit:1.4.0 -c moved.csv --json >b && cmp ../a b'
test_expect 'verify sees that it was changed, and drift does not believe it' '
    cp -r .mlops kept && blob=.mlops/store/blobs/sha256/$(sha256sum <train.profile | cut -c1-64) && chmod u+w "$blob" && sed -i "s/\"rows\":[0-9]*/\"rows\":9/" "$blob" &&
    expect_code 1 mlopsctl verify credit:1.4.0 >out && grep -q damaged out && expect_code 4 mlopsctl drift -r credit:1.4.0 -c moved.csv 2>err &&
    chmod -R u+w .mlops && rm -rf .mlops && mv kept .mlops && mlopsctl verify credit:1.4.0'
test_expect 'what is no profile is not packed' '
    expect_code 4 mlopsctl pack model -t credit:3.0 --profile reference.csv 2>err && grep -q "is no profile" err && grep -q "mlopsctl profile" err &&
    head -c 300 train.profile >cut.profile && expect_code 4 mlopsctl pack model -t credit:3.0 --profile cut.profile && expect_code 3 mlopsctl pack model -t credit:3.0 --profile missing &&
    ! mlopsctl show credit:3.0'
test_expect 'a bundle without one says so; so does what is neither' '
    mlopsctl pack model -t bare:1 && expect_code 3 mlopsctl drift -r bare:1 -c moved.csv 2>err && grep -q "has no profile" err && grep -q -e --profile err &&
    expect_code 3 mlopsctl drift -r credit:9 -c moved.csv 2>err && grep -q ".credit:9. is neither a file nor a bundle" err &&
    mlopsctl pack model -t bare:2 --bare --profile train.profile && expect_code 1 mlopsctl drift -r bare:2 -c moved.csv --json >b && cmp a b'
test_expect 'its rows are gone: no periods of it' '
    expect_code 2 mlopsctl drift -r credit:1.4.0 --reference-from 7d -c moved.csv 2>err && grep -q "keeps no rows" err'
test_done
