#!/bin/sh
# Rules put into mlops.yaml in place of others: the file is the former one or the new one, whatever fails; what a killed
# run left is taken back or finished by the next.
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"
extra() { cat mlops.yaml; }
setup()
{
    printf 'a\n1\n2\n' >t.csv
    printf '# mine\nvalidate:\n  rows: {min: 1} # enough\n# end\n' >mlops.yaml
}
sweep 'validate --write --replace' 'validate --infer t.csv --write --replace'
test_done
