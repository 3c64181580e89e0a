#!/bin/sh
# The documents of drift --json and validate --json have the members that docs/*.schema.json say, and no others.
. "${0%/*}/lib.sh"

agree() { python3 "$R/tests/tools/schema-check.py" "$@"; }
mlopsctl_json() { mlopsctl "$@" --json || [ $? -eq 1 ]; }
drift() { mlopsctl_json drift -r ref.csv "$@"; }
cp "$R/examples/credit/reference.csv" ref.csv
awk -F, 'BEGIN { OFS = "," } NR == 1 { print $0, "day", "word"; next }
    { $4 = NR > 150 ? int($4 * 1.8) : $4; print $0, "2026-01-" (NR > 150 ? "02" : "01"), "w" NR % 5 }' "$R/examples/credit/current.csv" >cur.csv
awk -F, 'BEGIN { OFS = "," } NR == 1 { print $0, "day", "word"; next } { print $0, "2025-12-01", "w" NR % 4 }' ref.csv >ref2.csv && mv ref2.csv ref.csv
cut -d , -f 1-6 cur.csv >less.csv
sed '1s/amount/other/' cur.csv >other.csv

test_expect 'every form of drift has the members of its schema' '
    drift -c cur.csv >plain && drift -c less.csv >less && drift -c other.csv --label bad --prediction job >facts && drift -c cur.csv --window day --time day --tests all >all &&
    drift -c cur.csv --name n --since last --accept >first && drift -c cur.csv --name n --since last >none && jq -e .nothing_new none &&
    drift -c cur.csv --record --on-drift true >recorded && jq -e ".hooks == \"called\"" recorded &&
    jq -e "keys == ([\"schema\", \"command\", \"drift\", \"verdict\", \"rows_reference\", \"rows_current\", \"ragged_reference\", \"ragged_current\", \"share_drifted\", \"share_limit\", \"facts\", \"columns\"] | sort)" plain &&
    for f in plain less facts all first none recorded; do agree "$R/docs/drift.schema.json" $f || exit; done'
test_expect 'and no member of it is without an example' 'agree "$R/docs/drift.schema.json" plain less facts all first none recorded'
test_expect 'a document with one member more or less is told' '
    jq ".columns[0].more = 1" plain >more && ! agree "$R/docs/drift.schema.json" more && jq "del(.columns[0].psi_limit)" plain >fewer && ! agree "$R/docs/drift.schema.json" fewer'
test_expect 'so do the forms of validate' '
    mlopsctl validate --infer cur.csv >rules.yaml && mlopsctl_json validate cur.csv --rules rules.yaml --all >holds && mlopsctl_json validate ref.csv --rules rules.yaml >fails &&
    jq -e ".valid == false" fails &&
    printf "validate:\n  columns:\n    i32_c_r: {range: {max: 1}}\n" >i.yaml && mlopsctl_json validate "$G/parquet/all.v1-none.parquet" --rules i.yaml >rows &&
    agree "$R/docs/validation.schema.json" holds fails rows'
test_done
