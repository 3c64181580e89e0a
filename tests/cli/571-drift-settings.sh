#!/bin/sh
# The section `drift` of mlops.yaml: limits, columns, which kinds count; options are stronger; slips have file and line.
. "${0%/*}/lib.sh"

cp "$R/examples/credit/reference.csv" "$R/examples/credit/current.csv" .
awk -F, 'BEGIN { OFS = "," } NR > 1 { $4 = int($4 * 1.8); if (NR % 3 == 0) $10 = "" } 1' current.csv >moved.csv # amounts, and ages that are missing
settings() { cat >mlops.yaml; }
drift() { mlopsctl drift -r reference.csv -c moved.csv "$@"; }
# verdict_of COLUMN: of the last JSON report
verdict_of() { jq -r --arg c "$1" '.columns[] | select(.column == $c) | .verdict' out; }

test_expect 'limits of a column' '
    settings <<END
drift:
  columns:
    amount: {psi: 5}
    age: {missing: 0.5, psi: 5}
END
    drift --json >out && [ "$(verdict_of amount)" = stable ] && [ "$(verdict_of age)" = stable ]'
test_expect 'a column that is ignored is not compared' '
    settings <<END
drift:
  columns:
    age:
      ignore: true
    amount:
      role: ignore
END
    drift --json >out && [ "$(verdict_of amount)" = ignored ] && [ "$(verdict_of age)" = ignored ]'
test_expect 'a name may hold dots' '
    sed "1s/amount/loan.amount.eur/" reference.csv >dots-r.csv && sed "1s/amount/loan.amount.eur/" moved.csv >dots-c.csv &&
    settings <<END
drift:
  columns:
    loan.amount.eur: {ignore: true}
    age: {ignore: true}
END
    mlopsctl drift -r dots-r.csv -c dots-c.csv'
test_expect 'a type is as it is given' '
    settings <<END
drift:
  columns:
    credits: {type: text}
END
    expect_code 1 drift --json >out && jq -e ".columns[] | select(.column == \"credits\") | .ks == null" out'
test_expect 'a profile is made with the same settings, and options are stronger' '
    settings <<END
drift:
  columns:
    credits: {type: text}
    amount: {role: prediction}
    age: {ignore: true}
    other: {role: label}
END
    mlopsctl profile reference.csv -o ref.profile --score amount &&
    jq -e "[.columns[] | select(.name == \"credits\") | .type] == [\"text\"]" ref.profile &&
    jq -e "[.columns[] | select(.role == \"score\") | .name] == [\"amount\"]" ref.profile &&
    jq -e "[.columns[] | select(.role == \"ignore\") | .name] == [\"age\"]" ref.profile'
test_expect 'the share of features decides, and importance weighs them' '
    settings <<END
drift:
  share: 0.3
END
    drift --json >out && jq -e "(.share_drifted - 2 / 14) | fabs < 1e-9" out &&
    cat >>mlops.yaml <<END &&
  columns:
    amount: {importance: 28}
END
    expect_code 1 drift --json >out && jq -e "(.share_drifted - 29 / 41) | fabs < 1e-9" out'
test_expect 'a prediction counts by itself, with a limit of its own' '
    settings <<END
drift:
  share: 0.9
  columns:
    amount: {role: prediction}
END
    expect_code 1 drift >out && grep -q "most of all amount" out &&
    cat >>mlops.yaml <<END &&
  prediction: {psi: 2}
END
    drift'
test_expect 'options are stronger than the settings' '
    settings <<END
drift: {share: 0.9, fail-on: operation}
END
    drift && drift --share 0 && expect_code 1 drift --share 0 --fail-on feature && drift --fail-on feature'
test_expect 'only the kinds that were named make the table drift' '
    settings </dev/null && drift --fail-on concept,prediction && expect_code 1 drift --fail-on quality && expect_code 1 drift --fail-on concept --fail-on feature &&
    settings <<END
drift:
  fail-on: [concept, prediction]
END
    drift --junit d.xml --github 2>err && grep -q "failures=\"0\"" d.xml && grep -q "^::warning title=drift in age" err'
test_expect 'what does not count is no failure beside what does' '
    expect_code 1 drift --fail-on quality --junit d.xml --github --html d.html 2>err && grep -q "failures=\"2\"" d.xml &&
    grep -q "^::error title=drift in age" err && grep -q "^::warning title=drift in amount" err && grep -q "only changes of these kinds count: quality" d.html &&
    grep -q "most of all age" err'
test_expect 'slips are named with file and line' '
    settings <<END
drift:
  psi: 0.2
  columns:
    age:
      pis: 0.3
END
    expect_code 2 drift 2>err && grep -q "mlops.yaml:5: a column has no setting .pis." err && grep -q "did you mean psi" err &&
    printf "drift:\n  shares: 0.3\n" >mlops.yaml && expect_code 2 drift 2>err && grep -q "mlops.yaml:2: drift has no setting .shares." err &&
    printf "drift:\n  columns:\n    age: {role: target}\n" >mlops.yaml && expect_code 2 drift 2>err && grep -q "mlops.yaml:3: role must be one of" err &&
    printf "drift:\n  columns:\n    age: {importance: 0}\n" >mlops.yaml && expect_code 2 drift 2>err && grep -q "mlops.yaml:3: importance must be above 0" err &&
    printf "drift:\n  share: 2\n" >mlops.yaml && expect_code 2 drift 2>err && grep -q "mlops.yaml:2: share must be at most 1" err &&
    printf "drift:\n  fail-on: feeture\n" >mlops.yaml && expect_code 2 drift 2>err && grep -q "mlops.yaml:2: there is no kind of drift called" err'
test_expect 'so are options that make no sense' '
    : >mlops.yaml && expect_code 2 drift --psi 0 2>err && grep -q -e "--psi must be above 0" err && expect_code 2 drift --p 1.5 && expect_code 2 drift --share -1 && expect_code 2 drift --fail-on ,'
test_expect 'a column that neither side has is warned of' '
    printf "drift:\n  columns:\n    agee: {psi: 1}\n" >mlops.yaml && expect_code 1 drift 2>err && grep -q "column .agee., which neither side has" err'
test_done
