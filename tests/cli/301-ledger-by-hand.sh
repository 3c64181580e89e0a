#!/bin/sh
# The check by hand that docs/ledger.md shows agrees with the program.
. "${0%/*}/lib.sh"
have python3 || skip_all 'no python3'

sed -n '/^```python/,/^```/p' "$R/docs/ledger.md" | sed '1d;$d' >check.py
tiny_model model.safetensors

test_expect 'the documented check accepts what the program wrote' '
    mlopsctl pack model.safetensors -t m:1 --metric auc=0.5 -m "with a note" -q && mlopsctl tag m:1 m:live -q &&
    mlopsctl rollback --last -q && [ "$(python3 check.py .mlops/ledger.db)" = intact ]
'
test_expect 'and finds an edited row' '
    python3 -c "
import sqlite3
db = sqlite3.connect(\".mlops/ledger.db\")
db.executescript(\"DROP TRIGGER runs_update; UPDATE runs SET note = 1 WHERE id = 2\")" &&
    must_fail python3 check.py .mlops/ledger.db && expect_code 1 mlopsctl ledger verify
'
test_done
