#!/bin/sh
# examples/embed: the script runs and says what its README says; its cosines are right.
. "${0%/*}/lib.sh"
E=$R/examples/embed

test_expect 'the README names every file' 'for f in "$E"/*; do case $f in */README.md) ;; *) grep -q "^| .${f##*/}. |" "$E/README.md" || { echo "$f"; exit 1; } ;; esac; done'
test_expect 'the nearest are those of the README' '
    "$E/neighbours.sh" >out && sed -n "/^0\./p" "$E/README.md" | cut -d" " -f3- >want && [ "$(wc -l <want)" -eq 3 ] && cut -d" " -f3- out | cmp - want && "$E/neighbours.sh" "the cat and the dog" | head -1 | grep -q "T6  the small cat and the dog"
'
test_expect 'the cosines are those of the vectors' '
    mlopsctl pack "$G/embed/tiny" -t tiny:1 --allow-dirty >/dev/null && mlopsctl predict -q tiny:1 "$E/tickets.csv" --text-column subject --keep id --output-format jsonl >vectors &&
    mlopsctl predict -q tiny:1 --text "drift in the data of our model" >text && "$E/neighbours.sh" | awk "{ print \$1, \$2 }" >got &&
    jq -r --slurpfile t text "def dot(a; b): [a, b] | transpose | map(.[0] * .[1]) | add; (.embedding as \$v | \$t[0].embedding as \$w | dot(\$v; \$w) / (dot(\$v; \$v) * dot(\$w; \$w) | sqrt)) as \$c | \"\(\$c) \(.id)\"" vectors | sort -rg | head -3 | awk "{ printf \"%.3f %s\n\", \$1, \$2 }" >want &&
    awk "{ printf \"%.3f %s\n\", \$1, \$2 }" got | cmp - want
'
test_expect 'an encoder of ones own, a table of ones own; one without the column says so' '
    cp -R "$G/embed/tiny" mine && printf "id,subject\nA,the old cat\nB,data\n" >t.csv && "$E/neighbours.sh" "old cat" t.csv mine | head -1 | grep -q " A  the old cat" &&
    printf "id,text\nA,x\n" >u.csv && expect_code 4 "$E/neighbours.sh" x u.csv mine 2>err && grep -q "lacks .subject." err
'
test_done
