#!/bin/sh
# The report of drift as files: what each form says, hostile data in it, and what a failed write leaves.
. "${0%/*}/lib.sh"

cp "$R/examples/credit/reference.csv" "$R/examples/credit/current.csv" .
awk -F, 'BEGIN { OFS = "," } NR > 1 { $4 = int($4 * 1.8); if (NR % 3 == 0) $10 = "" } 1' current.csv >moved.csv
# A name and categories that would run as a script, end an attribute, forge an annotation or a sample.
python3 - <<'END'
import csv
evil = ['<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', "'; alert(1) //", 'a\n::error::forged', 'x"} 1\nforged{y="', ']]>&amp;&#60;', '\x1b[31mred', '\u202egnp']
def write(name, shift, words):
    with open(name, 'w', newline='') as f:
        w = csv.writer(f)
        w.writerow(['w', '</script><script>alert(2)</script>', 'q"\n::error::forged{,:%', 'n'])
        for i in range(400):
            w.writerow([words[i % len(words)], words[(i + shift) % len(words)] + 'z' * (i % 2 * shift), i % 7 + shift, i % 5])
write('evil-a.csv', 0, evil[:5])
write('evil-b.csv', 3, evil[1:])
END
forms() { mlopsctl drift "$@" --html d.html --junit d.xml --prometheus d.prom --github 2>d.github; }

test_expect 'no drift: JUnit passes, Prometheus says 0, GitHub a notice' '
    forms -r reference.csv -c current.csv >out && grep -q "failures=\"0\"" d.xml && ! grep -q "<failure" d.xml &&
    grep -qx "mlopsctl_drift 0" d.prom && grep -q "^::notice title=drift::no drift" d.github && [ "$(grep -c :: d.github)" = 1 ]'
test_expect 'drift: failures, samples and errors name the columns' '
    expect_code 1 forms -r reference.csv -c moved.csv >out &&
    grep -q "failures=\"3\"" d.xml && grep -q "name=\"amount\"" d.xml &&
    grep -qx "mlopsctl_drift 1" d.prom && grep -qx "mlopsctl_drift_column{column=\"age\"} 1" d.prom &&
    grep -qx "mlopsctl_drift_column{column=\"savings\"} 0" d.prom &&
    grep -q "^::error title=drift::drift: 2 of 14" d.github && grep -q "^::error title=drift in amount::PSI" d.github'
test_expect 'what does not make the table drift does not fail the suite' '
    forms -r reference.csv -c moved.csv --share 0.5 >out && grep -q "failures=\"0\"" d.xml && [ "$(grep -c "<skipped" d.xml)" = 2 ] &&
    grep -qx "mlopsctl_drift 0" d.prom && grep -q "^::warning title=drift in age::" d.github'
test_expect 'the forms do not change what is printed' '
    expect_code 1 mlopsctl drift -r reference.csv -c moved.csv --json >a &&
    expect_code 1 forms -r reference.csv -c moved.csv --json >b && cmp a b'
test_expect 'the page says the verdict first and holds a row and the charts of each column' '
    expect_code 1 forms -r reference.csv -c moved.csv >out && grep -q "<h1>.*Drift: 2 of 14 columns changed" d.html &&
    [ "$(grep -c "^<tr class=" d.html)" = 14 ] && [ "$(grep -o "aria-label=\"Histogram\"" d.html | wc -l)" = 14 ] &&
    ! grep -qE "https?:|src=|url\(|@import" d.html && [ "$(wc -c <d.html)" -le 60000 ]'
test_expect 'the same data gives the same bytes, from a profile too' '
    cp d.html first.html && expect_code 1 forms -r reference.csv -c moved.csv >out && cmp d.html first.html &&
    mlopsctl profile reference.csv -o ref.profile && cp reference.csv kept.csv && mv ref.profile reference.csv &&
    expect_code 1 forms -r reference.csv -c moved.csv >out && mv kept.csv reference.csv && cmp d.html first.html'
test_expect 'hostile names end nothing and forge nothing' '
    expect_code 1 forms -r evil-a.csv -c evil-b.csv >out && python3 - <<END
import re, xml.etree.ElementTree as e
root = e.parse("d.xml").getroot()
names = [c.get("name") for c in root.iter("testcase")]
assert "</script><script>alert(2)</script>" in names, names
assert {t.tag for t in root.iter()} <= {"testsuites", "testsuite", "testcase", "failure", "skipped"}
page = e.fromstring(open("d.html").read().split("\n", 1)[1])
assert [t.tag for t in page.iter() if t.tag in ("script", "img", "iframe", "object", "style")] == ["style", "script"]
assert not any(k.startswith("on") or (k == "href" and not v.startswith("#c")) for t in page.iter() for k, v in t.items())
assert "<script>alert(1)</script>" in "".join(page.itertext())
for line in open("d.prom", newline="\n"):
    assert re.fullmatch(r"# (HELP|TYPE) mlopsctl_drift\w* .*\n|mlopsctl_drift\w*(\{(\w+=\"(\\\\.|[^\"\\\\\n])*\",?)+\})? \S+\n", line), line
for line in open("d.github", newline="\n"):
    assert re.fullmatch(r"::error title=drift( in [^:,]*)?::[^\n]*\n", line), line
END'
if have chromium; then
    dom_of() { chromium --headless=new --no-sandbox --dump-dom "file://$PWD/$1" 2>browser.log; }
    # shellcheck disable=SC2016
    test_expect 'a browser runs the script of the page and nothing of the data' '
        for t in a b; do sed "s/alert([0-9])/document.documentElement.id=1/g" evil-$t.csv >run-$t.csv; done &&
        printf "%s\n" "<html lang=\"en\"><img src=x onerror=document.documentElement.id=1>" >control.html && dom_of control.html | grep -q "<html lang=\"en\" id=\"1\">" &&
        expect_code 1 mlopsctl drift -r run-a.csv -c run-b.csv --prediction w --window 100 --html x.html >out &&
        dom_of x.html >dom && grep -q "<button type=\"button\">PSI</button>" dom && grep -q "Over time" dom && grep -q "prediction_psi" dom &&
        grep -q "<html lang=\"en\"><head>" dom && ! grep -q "<img" dom && [ "$(grep -o "<script" dom | wc -l)" = 1 ]'
else
    test_skip 'a browser runs the script of the page and nothing of the data' 'chromium is not installed'
fi
test_expect 'a report that cannot be written leaves the old one and says so' '
    echo old >d.prom && mkdir locked && echo old >locked/d.xml && chmod 500 locked &&
    if [ "$(id -u)" -ne 0 ]; then expect_code 8 mlopsctl drift -r reference.csv -c moved.csv --junit locked/d.xml; fi &&
    expect_code 3 mlopsctl drift -r reference.csv -c moved.csv --html missing/d.html --prometheus d.prom 2>err && grep -q missing err &&
    [ "$(cat d.prom)" = old ] && [ "$(cat locked/d.xml)" = old ]'
test_expect 'so does data that cannot be read' '
    cp d.prom kept && expect_code 3 mlopsctl drift -r reference.csv -c nothing.csv --prometheus d.prom && cmp d.prom kept'
test_done
