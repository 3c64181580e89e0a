#!/bin/sh
# validate as people use it: inferred rules hold for their table, each kind of damage is found in its line, on any
# number of threads; bad rules, bad tables, exit codes, forms, and rules in mlops.yaml with a way back.
. "${0%/*}/lib.sh"

cp "$R/examples/credit/reference.csv" "$R/examples/credit/current.csv" .
# A table of every kind of column, 3000 rows: row N stands in line N + 1.
python3 - <<'END'
import datetime
with open("good.csv", "w") as f:
    f.write("id,code,city,price,note,opened,closed,flag,half\n")
    for i in range(3000):
        day = datetime.datetime(2026, 1, 1) + datetime.timedelta(minutes=i)
        f.write(f"{i},AB-{1000+i},{['Bern','Köln','Paris'][i%3]},{(i*37%1000)/7:.6f},note {'x'*(i%9)}{i},{day.isoformat()}Z,{(day+datetime.timedelta(hours=1)).isoformat()}Z,{'true' if i%2 else 'false'},{'' if i%2 else i%5}\n")
END
rules() { cat >rules.yaml; }
# says CODE JQ-FILTER OPTIONS...: validate with rules.yaml exits so, and the filter over its JSON is true.
says()
{
    want=$1 filter=$2
    shift 2
    expect_code "$want" mlopsctl validate "$@" --rules rules.yaml --json >out || { cat out; return 1; }
    jq -e "$filter" out >/dev/null || { jq -c '.rules[] | select(.verdict != "holds")' out; return 1; }
}

test_expect 'inferred rules hold for the table they come from, on one thread and on four' '
    mlopsctl validate --infer good.csv >rules.yaml && mlopsctl validate --infer good.csv --threads 1 | cmp - rules.yaml &&
    mlopsctl validate --infer good.csv --threads 4 | cmp - rules.yaml && mlopsctl validate good.csv --rules rules.yaml >out && grep -q "^valid: all" out'
test_expect 'what was inferred: types, keys, sets, patterns, order, missing values' '
    sed -n "/^    id:/,/^    code:/p" rules.yaml | grep -q "unique: true" && grep -qF "regex: '\''[A-Z]{2}-[0-9]{4}'\''" rules.yaml &&
    grep -q "in: \[Bern, '\''K.*ln'\'', Paris\]" rules.yaml && grep -q "length: {is: \[6, 17\], mostly: 0.99}" rules.yaml && grep -q "monotone: {is: increasing" rules.yaml &&
    grep -q "missing: 0.56  # 50.0 % were" rules.yaml'
test_expect 'the rules of the example hold, and find training data in the held-out' '
    expect_code 0 mlopsctl validate current.csv --rules "$R/examples/credit/rules.yaml" >out && grep -q "^valid" out && sed "1d" reference.csv | head -n 3 >>current.csv &&
    mlopsctl validate current.csv --rules "$R/examples/credit/rules.yaml" --json >out && jq -e ".warnings == 1 and .rules[0].rule == \"overlap\" and .rules[0].failed == 3 and .rules[0].examples[0].line == 302" out &&
    cp "$R/examples/credit/current.csv" .'
test_expect 'they hold for real tables too' '
    mlopsctl validate --infer reference.csv >credit.yaml && mlopsctl validate reference.csv --rules credit.yaml && mlopsctl validate current.csv --rules credit.yaml'

# damage LINE FIELD VALUE COLUMN RULE: one cell is changed; the rule of the column fails and names the line.
damage()
{
    awk -F, -v n="$1" -v f="$2" -v v="$3" 'BEGIN { OFS = "," } NR == n { $f = v } 1' good.csv >bad.csv &&
        says "${6:-1}" ".rules[] | select(.column == \"$4\" and .rule == \"$5\") | .verdict == \"fails\" and .examples[0].line == $1 and .examples[0].file == \"bad.csv\"" bad.csv
}
sed 's/, mostly: 0.99//' rules.yaml >strict && mv strict rules.yaml
test_expect 'each kind of damage is found in its line' '
    damage 2 1 x id type && damage 3001 1 x id type && damage 17 1 5 id unique && damage 40 1 2.5 id type && damage 99 2 AB-12345 code regex && damage 100 2 "" code nullable &&
    damage 1500 3 Rom city in && damage 2000 4 -1 price range && damage 2001 4 inf price finite && damage 77 5 "note xxxxxxxxxxxxxxxxxx" note length &&
    damage 900 6 2027-01-01 opened range && damage 901 8 maybe flag type'
test_expect 'a warning is said and does not fail, unless it is to' '
    damage 900 6 2025-12-31T23:59:59Z opened monotone 1 && rules <<X && damage 900 6 2026-01-01T00:00:00Z opened monotone 0 && expect_code 1 mlopsctl validate bad.csv --rules rules.yaml --fail-on warning
validate: {columns: {opened: {type: time, monotone: {is: increasing, severity: warning}}}}
X'

rules <<'X'
validate:
  rows: [10, 5000]
  schema: {extra: [half], order: true}
  columns:
    id: {type: integer, nullable: false, unique: true, monotone: strictly-increasing}
    code: {regex: 'AB-\d{4}', length: 7, not-in: [AB-0000]}
    city: {in: [Bern, Köln, Paris], constant: false}
    price: {range: {min: 0, below: 143}, mean: [60, 80], sd: [30, 50], quantiles: {0.5: [70, 72], 0.99: {max: 142}}, finite: true}
    note: {missing: 0}
    opened: {fresh: 3d, range: {min: 2026-01-01, max: now}}
    closed: time
    flag: bool
    ghost: {optional: true, type: number}
  table:
    - unique: [code, city]
    - compare: opened < closed
    - compare: price >= 0
    - compare: "city != 'Rom'"
    - compare: opened <= now
    - together: [opened, closed]
    - conflict: {features: [code], label: city}
    - overlap: {with: other.csv, key: [id]}
X
{ head -1 good.csv; tail -n 5 good.csv | sed 's/^/9/'; } >other.csv
test_expect 'rules of every kind hold' 'says 0 ".valid and .rows == 3000 and .errors == 0" good.csv --now 2026-01-04T12:00:00Z'
test_expect 'and fail where they should' '
    sed -i "502s/AB-[0-9]*/AB-1000/; 501s/Köln/Rom/; 501s/Bern/Rom/; 501s/Paris/Rom/" good.csv && cp good.csv bad.csv && awk -F, "BEGIN { OFS = \",\" } NR == 600 { t = \$6; \$6 = \$7; \$7 = t } NR == 700 { \$7 = \"\" } 1" bad.csv >worse.csv &&
    head -4 good.csv | tail -n 1 >>worse.csv && sed -n 5p good.csv >>other.csv &&
    says 1 "[.rules[] | select(.verdict == \"fails\") | {(.rule + \" \" + (.column // \"\")): (.examples[0].line // 0)}] | add |
        .[\"unique id\"] == 3002 and .[\"monotone id\"] == 3002 and .[\"in city\"] == 501 and .[\"compare opened, closed\"] == 600 and .[\"together opened, closed\"] == 700 and
        .[\"conflict code\"] == 502 and .[\"overlap id\"] == 5 and .[\"fresh opened\"] == 0 and .[\"compare city\"] == 501" worse.csv --now 2026-01-08'
test_expect 'the same bytes on one thread and on four, over several files too' '
    { head -1 worse.csv; tail -n 2000 worse.csv; } >second.csv && for i in 1 2 3 4 5 6; do tail -n 3000 worse.csv >>second.csv; done &&
    for n in 1 2 4; do expect_code 1 mlopsctl validate worse.csv second.csv --rules rules.yaml --threads $n --now 2026-01-08 --json >out.$n || exit; done &&
    cmp out.1 out.2 && cmp out.1 out.4 && jq -e ".rows == 23001 and ([.rules[].examples[] | .file] | unique == [\"second.csv\", \"worse.csv\"])" out.1'
test_expect 'so it is when not every key can be remembered, and then nothing is said to be unique' '
    for n in 1 4; do expect_code 1 mlopsctl validate worse.csv second.csv --rules rules.yaml --threads $n --keys 64 --json >out.$n || exit; done && cmp out.1 out.4 &&
    rules <<X && says 1 ".rules[] | select(.rule == \"unique\") | .verdict == \"unchecked\" and (.why | test(\"remembered\"))" good.csv --keys 64
validate: {columns: {id: {unique: true}}}
X'

test_expect 'mostly: exactly the share holds, a hair more does not' '
    { echo v; for i in 1 2 3 4 5 6 7 8 9 99; do echo $i; done; } >ten.csv && rules <<X && says 0 ".valid" ten.csv &&
validate: {columns: {v: {range: {max: 9, mostly: 0.9}}}}
X
    sed -i "s/0.9}/0.91}/" rules.yaml && says 1 ".rules[] | select(.rule == \"range\") | .failed == 1 and .checked == 10" ten.csv'
test_expect 'the number of examples is as asked' '
    rules <<X && says 1 ".rules[0].failed == 10 and (.rules[0].examples | length) == 2" ten.csv
validate: {examples: 2, columns: {v: {range: {min: 100}}}}
X'
test_expect 'a missing column fails its own rules, the others go on' '
    rules <<X && says 1 "[.rules[] | .verdict] == [\"no column\", \"no column\", \"no column\", \"no column\", \"holds\", \"holds\", \"holds\"]" ten.csv &&
validate:
  columns: {gone: {type: number, range: [0, 1]}, v: integer}
  table: [unique: [v, gone]]
X
    grep -q "there is no column .gone" out'
test_expect 'columns: none extra, and their order' '
    rules <<X && says 1 "[.rules[] | select(.verdict == \"fails\") | .why] == [\"column '\''half'\'' is not listed\", \"column '\''id'\'' stands before '\''code'\''\"]" good.csv
validate: {schema: {extra: false, order: true}, columns: {code: , id: , city: , price: , note: , opened: , closed: , flag: }}
X'
test_expect 'lines that are no rows are a fault of their own, in order of lines' '
    { cat ten.csv; echo 1,2; echo 3; echo 4,5,6; } >ragged.csv && rules <<X && says 1 ".ragged == 2 and ([.rules[0].examples[].line] == [12, 14]) and .rows == 11" ragged.csv --format csv &&
validate: {columns: {v: }}
X
    sed -i "s/validate: {/&ragged: 2, /" rules.yaml && says 0 .valid ragged.csv --format csv'
test_expect 'a table without rows, and one with a single row' '
    head -1 good.csv >none.csv && head -2 good.csv >one.csv && rules <<X && says 1 ".rows == 0 and ([.rules[] | select(.verdict != \"holds\") | .rule + \" \" + .verdict] == [\"rows fails\", \"mean unchecked\", \"fresh unchecked\"])" none.csv && says 0 .valid one.csv --now 2026-01-01T01:00:00Z &&
validate:
  rows: {min: 1}
  columns: {id: {nullable: false, unique: true, constant: true, monotone: increasing}, price: {mean: [0, 0]}, opened: {fresh: 1h}}
X
    for f in none one; do mlopsctl validate --infer $f.csv >inferred.yaml && mlopsctl validate $f.csv --rules inferred.yaml || exit; done'
test_expect 'JSON Lines, gzip and standard input' '
    printf "%s\n" "{\"v\":1}" "{\"v\":\"x\"}" "{\"v\":3}" >v.jsonl && rules <<X && says 1 ".rules[0].examples[0].line == 2 and .rules[0].rule == \"type\"" v.jsonl &&
validate: {columns: {v: number}}
X
    gzip -k ten.csv && says 0 ".rows == 10" ten.csv.gz && "$MLOPSCTL" validate - --rules rules.yaml <ten.csv'
test_expect 'Parquet has rows in place of lines' '
    echo "validate: {columns: {i32_c_r: {range: [-5, 4]}}}" >rules.yaml &&
    for v in v1 v2; do says 1 "[.rules[0].examples[].row] == [12, 36]" "$R/tests/golden/parquet/all.$v-zstd.parquet" || exit; done'

test_expect 'what is no table, and what is not there' '
    expect_code 3 mlopsctl validate nothing.csv --rules rules.yaml 2>err && grep -q nothing.csv err && : >empty.csv && expect_code 4 mlopsctl validate empty.csv --rules rules.yaml &&
    head -c 3000 /dev/zero >noise && expect_code 4 mlopsctl validate noise --rules rules.yaml && expect_code 3 mlopsctl validate ten.csv --rules gone.yaml &&
    expect_code 3 mlopsctl validate ten.csv 2>err && grep -q "infer REFERENCE --write" err && expect_code 2 mlopsctl validate && expect_code 2 mlopsctl validate ten.csv --write'
# refused TEXT LINE WORDS: the rules are refused with this line and these words.
refused()
{
    printf '%b' "$1" >bad.yaml && expect_code "${4:-2}" mlopsctl validate ten.csv --rules bad.yaml 2>err && grep -q "bad.yaml:$2: .*$3" err || { cat err; return 1; }
}
test_expect 'bad rules are refused by file and line' '
    refused "validate:\n  columns:\n    v: {rnage: [0, 1]}\n" 3 "no rule .rnage" && grep -q "did you mean range" err &&
    refused "validate:\n  row: 3\n" 2 "no rule .row." && refused "validate:\n  columns:\n    v:\n      range: [2, 1]\n" 4 "above the upper" &&
    refused "validate:\n  columns:\n    v: {regex: \"(\"}\n" 3 "regex: missing closing parenthesis" && refused "validate:\n  columns: {v: {type: float}}\n" 2 "type must be" &&
    refused "validate:\n  columns:\n    v: {type: number,\n        regex: x}\n" 4 "needs a text column" && refused "validate:\n  table:\n    - compare: a <\n" 3 "two sides" &&
    refused "validate:\n  table:\n    - unique: [a]\n      severity: bad\n" 4 "severity must be" && refused "validate:\n  columns: {v: {mean: {min: 0, mostly: 0.5}}}\n" 2 "takes no mostly" &&
    refused "validate: {columns: {v: {quantiles: {2: [0, 1]}}}}\n" 1 "from 0 to 1" && refused "validate:\n\t- x\n" 2 "" 4 && refused "validate: {columns: {v: {range: [0, now]}}}\n" 1 "the other a time"'
test_expect 'a pattern that would take for ever does not' '
    { echo v; printf "%040d\n" 0 | tr 0 a; echo b; } >slow.csv && rules <<X && says 1 ".rules[0].failed == 2" slow.csv
validate: {columns: {v: {regex: "(a+)+c"}}}
X'

test_expect 'rows against the check before, of the same name, that held' '
    rules <<X && says 0 ".rules[] | select(.rule == \"change\") | .verdict == \"skipped\"" ten.csv && says 1 ".rules[0] | .rule == \"change\" and (.why | test(\"3000 rows after 10\"))" good.csv &&
validate: {name: ten, rows: {change: 0.5}, columns: {}}
X
    head -6 ten.csv >five.csv && head -5 ten.csv >four.csv && says 1 ".rules[0].verdict == \"fails\"" four.csv && says 0 ".valid" five.csv && says 0 ".valid" four.csv &&
    sed -i "s/name: ten/name: other/" rules.yaml && says 0 ".valid" good.csv && mlopsctl log --json | jq -es "[.[].runs[]?] | length >= 0" >/dev/null && mlopsctl ledger verify'

test_expect '--write keeps what people wrote; rollback takes the rules out again' '
    printf "# mine\nremotes:\n  prod: /x # here\n# end\n" >mlops.yaml && cp mlops.yaml before && mlopsctl validate --infer ten.csv --write && head -4 mlops.yaml | cmp - before &&
    mlopsctl validate ten.csv && cp mlops.yaml with && expect_code 6 mlopsctl validate --infer good.csv --write && cmp mlops.yaml with && mlopsctl rollback --last && cmp mlops.yaml before'
test_expect '--replace puts the new rules in place of the old, and rollback the old back' '
    mlopsctl validate --infer ten.csv --write && printf "\n# after\nuser: {name: ann}\n" >>mlops.yaml && cp mlops.yaml with && mlopsctl validate --infer good.csv --write --replace && grep -q "^# after" mlops.yaml &&
    mlopsctl validate good.csv >/dev/null && mlopsctl rollback --last && cmp mlops.yaml with'
test_expect 'rules that were edited since are not taken away' '
    mlopsctl validate --infer good.csv --write --replace && sed -i "s/rows: .*/rows: {min: 7}/" mlops.yaml && cp mlops.yaml edited && expect_code 6 mlopsctl rollback --last 2>err && grep -q "changed since" err && cmp mlops.yaml edited'

test_expect 'JUnit, GitHub and the text say the same' '
    rules <<X && expect_code 1 mlopsctl validate ten.csv --rules rules.yaml --junit v.xml --github >out 2>err &&
validate:
  columns: {v: {range: [0, 5], in: {is: [1, 2, 3], severity: warning}, mean: {min: 0, severity: info}}}
X
    grep -q "tests=\"5\" failures=\"1\" errors=\"0\" skipped=\"1\"" v.xml && grep -q "^::error title=validate::not valid: 2 of 5 rules do not hold for 10 rows: 1 of severity error, 1 of severity warning" err &&
    grep -q "^::error file=ten.csv,line=7,title=validate in v::range 0 .. 5: 5 of 10 values outside, 50.0 %" err && grep -q "^::warning file=ten.csv,line=5,title=validate in v::in" err &&
    head -1 out | grep -q "^not valid" && sed -n 3p out | grep -q "^v .*range .*fails .*error" && sed -n 4p out | grep -q "^v .*in .*fails .*warning"'
test_expect 'names and values of the data forge nothing' '
    printf "%s\n" "\"a<b>\n::error::forged\"" "\"\$(x)\n::error::forged\"" >evil.csv && mlopsctl validate --infer evil.csv >evil.yaml && mlopsctl validate evil.csv --rules evil.yaml >out &&
    printf "validate:\n  columns: {gone\\\\n: , v: {in: [1]}}\n" >/dev/null && ! grep -q "^::error::forged" out'
test_expect 'the JSON is as its schema says' '
    says 1 . ten.csv && python3 "$R/tests/tools/schema-check.py" "$R/docs/validation.schema.json" out'
test_done
