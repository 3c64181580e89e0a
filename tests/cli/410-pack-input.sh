#!/bin/sh
# What pack and scan are given: things that are no files, names that attack, files that change, too many, too big, secret.
. "${0%/*}/lib.sh"

esc=$(printf '\033')
# refused STATUS TEXT PATH...: pack fails so and says so; no name comes of it, nothing raw reaches the terminal.
refused()
{
    status=$1 text=$2
    shift 2
    expect_code "$status" mlopsctl pack "$@" -t refused:1 >out 2>err || { cat err && return 1; }
    [ ! -s out ] && grep -q '^mlopsctl: pack: ' err && grep -qF -- "$text" err && ! grep -q "$esc" err &&
        expect_code 3 mlopsctl show refused:1 2>/dev/null || { echo "want: $text" && cat -v out err && return 1; }
}
tree() { rm -rf m && mkdir m && tiny_model m/model.safetensors; }
# As somebody whom permissions bind.
if [ "$(id -u)" -ne 0 ]; then
    nobody() { "$@"; }
    bound=yes
elif have setpriv && chmod 711 "$T" && setpriv --reuid 65534 --regid 65534 --clear-groups "$MLOPSCTL" version >/dev/null 2>&1; then
    nobody() { HOME=/nonexistent setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
    bound=yes
else
    bound=
fi

test_expect 'a socket and a device' '
    have python3 || exit 0
    tree && (cd m && python3 -c "import socket; socket.socket(socket.AF_UNIX).bind(\"s\")") && refused 4 "'"'s': a socket"'" m &&
    refused 4 "a device" /dev/null && refused 4 "a device" /dev/zero
'
test_expect 'scan of what is no file says so and does not wait for it' '
    mkfifo f && expect_code 4 timeout 20 "$MLOPSCTL" scan f 2>err && grep -q "no file and no folder" err && expect_code 4 mlopsctl scan /dev/zero 2>/dev/null &&
    mkdir d && mkfifo d/f && ln -s . d/loop && ln -s nowhere d/dangling && timeout 20 "$MLOPSCTL" scan d >/dev/null 2>err && grep -q "d/f.*no file" err && grep -q "d/loop.*symbolic link" err
'
test_expect 'a link that leads nowhere, one to itself, one out of the tree' '
    tree && ln -s nowhere m/dangling && refused 4 "'"'dangling': a symbolic link"'" m && ln -s self self && refused 8 "self" self && refused 3 "m/dangling" m/dangling &&
    rm m/dangling && ln -s /etc/passwd m/config.json && refused 4 "'"'config.json': a symbolic link"'" m
'
test_expect 'a link on the command line is followed, for it was asked for' '
    tree && ln -sfn m link && mlopsctl pack link -t linked:1 -n --json >1 && mlopsctl pack m -t linked:1 -n --json >2 && [ "$(json .digest <1)" = "$(json .digest <2)" ]
'
test_expect 'paths that are too long, too deep or not there' '
    tree && refused 3 "no/such/thing" no/such/thing && refused 3 "'"''"'" "" && refused 8 "name too long" "$(printf "%05000d" 0)" && refused 3 "No such file" "$(printf "a/%.0s" $(seq 3000))" &&
    (cd m && for i in $(seq 140); do mkdir d && cd d || exit 1; done; echo x >f) && refused 4 "deeper than" m && expect_code 4 mlopsctl scan m 2>/dev/null
'
test_expect 'names with control bytes, escapes, broken UTF-8 or backslashes are refused, of files and of folders' '
    for name in "a${esc}[31mb" "$(printf "a\007b")" "$(printf "a\nb")" "$(printf "a\377b")" "$(printf "a\300\257b")" "a\\b"; do
        tree && echo x >"m/$name" && refused 4 "unsafe name" m && [ "$(wc -l <err)" -le 2 ] &&
        rm "m/$name" && mkdir "m/$name" && echo x >"m/$name/f" && refused 4 "unsafe" m && [ "$(wc -l <err)" -le 2 ] || exit 1
    done
'
test_expect 'names that are text but not to be shown as they are: packed, and escaped wherever they are shown' '
    tree && c1=$(printf "a\302\233b") && bidi=$(printf "c\342\200\256d") && echo x >"m/$c1" && mkdir "m/$bidi" && echo y >"m/$bidi/f" &&
    mlopsctl pack m -t odd:1 && echo z >"m/$bidi/g" && mlopsctl pack m -t odd:2 && mlopsctl show odd:2 >shown && expect_code 1 mlopsctl diff odd:1 odd:2 >>shown &&
    mlopsctl scan m >>shown && mlopsctl unpack odd:2 -o u1 >>shown && cmp "m/$c1" "u1/$c1" && cmp "m/$bidi/g" "u1/$bidi/g" &&
    grep -qF "u{009B}" shown && grep -qF "u{202E}" shown && ! grep -q "$(printf "\302\233")" shown && ! grep -q "$(printf "\342\200\256")" shown
'
test_expect 'such names on the command line of any command, in text and in JSON' '
    bad="$(printf "a\033[2J\302\233\342\200\256\377\nb")" &&
    for c in "pack X -t a:1" "scan X" "show X" "tag X a:1" "untag X" "verify X" "export X -o o" "export a -o X/y" "import X" "unpack X" "sign X --key k" "diff X X" "push X r" "pull a:1 X" "rollback X" \
        "show-run X" "ls --X" "X" "help X" "ledger X" "ledger restore X" "ledger backup X/y" "config X" "log --since X" "completion X" "verify a --repair X" "pack . -t X" "pack . -t a --metric X" "remote refs X" "--home X/y/z ls"; do
        set -- && for w in $c; do case $w in *X*) w="${w%%X*}$bad${w#*X}" ;; esac; set -- "$@" "$w"; done
        for j in "" --json; do
            "$MLOPSCTL" "$@" $j >out 2>err
            got=$?
            [ $got -le 8 ] || { echo "$c: status $got" && cat err && exit 1; }
            if LC_ALL=C grep -q "$(printf "[\001-\010\013-\037\177]")" out err || LC_ALL=C grep -q "$(printf "\302\233")\|$(printf "\342\200\256")\|$(printf "\377")" out err; then echo "$c $j:" && cat -v out err && exit 1; fi
            [ -z "$j" ] || [ $got -eq 0 ] || jq -e .error.kind err >/dev/null || { echo "$c: no JSON" && cat -v err && exit 1; }
        done
    done
'
test_expect 'names that fall together without case: files, folders, a file and a folder' '
    tree && mkdir m/Data m/data && echo a >m/Data/x && echo b >m/data/y && refused 4 "collides with" m &&
    tree && mkdir m/Data && echo a >m/Data/x && echo b >m/data && refused 4 "collides with" m
'
test_expect 'two folders that hold the same path with other bytes' '
    mkdir one two && echo a >one/config.json && echo b >two/config.json && refused 4 "two different files" one two
'
if [ -n "$bound" ]; then
    test_expect 'a file, a folder and a workspace without permission are status 8' '
        tree && echo x >m/locked.txt && mkdir m/closed && chmod 755 "$T/work" m && chmod 000 m/locked.txt &&
        expect_code 8 nobody "$MLOPSCTL" pack m -t x:1 -n --home /nonexistent 2>err && grep -q "locked.txt.*[Pp]ermission" err &&
        rm -f m/locked.txt && chmod 000 m/closed && expect_code 8 nobody "$MLOPSCTL" pack m -t x:1 -n --home /nonexistent 2>err && grep -q "closed.*[Pp]ermission" err &&
        expect_code 8 nobody "$MLOPSCTL" scan m 2>err && grep -q "closed.*[Pp]ermission" err && chmod 755 m/closed &&
        mkdir -m 755 locked && expect_code 8 nobody "$MLOPSCTL" pack m -t x:1 --home "$PWD/locked/here" 2>err && grep -qi "permission" err && [ -z "$(ls -A locked)" ]
    '
    test_expect 'a ledger of somebody else is not read' '
        mlopsctl pack m -t mine:1 && chmod 700 .mlops && expect_code 8 nobody "$MLOPSCTL" ls --home "$PWD/.mlops" >out 2>err && [ ! -s out ] && grep -qi "permission" err
    '
else
    test_skip 'without permission' 'root reads everything and there is no setpriv'
    test_skip 'a ledger of somebody else' 'root reads everything and there is no setpriv'
fi
test_expect 'a file that changes while it is packed is a conflict, and nothing is named' '
    tree && head -c 60000000 /dev/zero >m/big.bin && tries=0 &&
    while [ $tries -lt 8 ]; do
        tries=$((tries + 1))
        (while :; do printf x >>m/big.bin; done) & writer=$!
        "$MLOPSCTL" pack m -t changing:1 -j 1 >out 2>err
        got=$?
        kill $writer; wait $writer 2>/dev/null
        [ $got -eq 0 ] || break
        mlopsctl untag changing:1
    done
    [ $got -eq 6 ] && grep -q "'"'big.bin'"'.*changed while" err && expect_code 3 mlopsctl show changing:1 2>/dev/null && mlopsctl verify --all
'
test_expect 'a file that is cut short or replaced meanwhile' '
    have strace || exit 0
    tree && head -c 3000000 /dev/zero >m/big.bin && (sleep 0.2; : >m/big.bin) &
    strace -f -qq -o /dev/null -e trace=copy_file_range,pread64,write -e inject=copy_file_range,pread64:delay_enter=50000 "${PLAIN:-$MLOPSCTL}" pack m -t cut:1 -j 1 >out 2>err
    got=$?
    wait
    case $got in 6 | 4) expect_code 3 mlopsctl show cut:1 2>/dev/null ;; 0) mlopsctl verify cut:1 ;; *) cat err && false ;; esac
'
test_expect 'an empty folder, one that holds nothing but ignored files, and a file without bytes' '
    mkdir -p empty/sub ign && echo "*" >ign/.mlopsignore && echo x >ign/a && refused 4 "no files" empty && refused 4 "no files" ign &&
    tree && : >m/empty.txt && mlopsctl pack m -t zero:1 && mlopsctl unpack zero:1 -o z && [ -e z/empty.txt ] && [ ! -s z/empty.txt ] && mlopsctl verify zero:1 --deep &&
    : >nothing.bin && mlopsctl pack nothing.bin -t zero:2 && mlopsctl verify zero:2
'
test_expect 'weights without bytes are no weights' '
    mkdir w && : >w/model.safetensors && refused 4 "is named like safetensors" w
'
test_expect 'ten thousand small files' '
    fast=/dev/shm && [ -w "$fast" ] || fast=$T
    d=$(mktemp -d "$fast/mlo-many-XXXXXX") && trap "rm -rf $d" EXIT && (cd "$d" && seq 10000 | split -l 1 -a 4 - f) && tiny_model "$d/model.safetensors" &&
    mlopsctl pack "$d" -t many:1 --json >out && json ".files == 10001" <out && mlopsctl verify many:1
'
test_expect 'secrets in files of every shape, by content and by name' '
    token="ghp_""$(printf "%s" 0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R)" && tree && echo "token: $token" >m/config.yaml && refused 4 "config.yaml" m && ! grep -q "$token" err &&
    tree && printf -- "-----BEGIN %s KEY-----\nMIIE\n-----END %s KEY-----\n" "RSA PRIVATE" "RSA PRIVATE" >m/notes.md && refused 4 "notes.md" m &&
    for name in .env .env.production id_rsa .netrc credentials.json .git-credentials .npmrc .pypirc; do tree && echo nothing >"m/$name" && "$MLOPSCTL" pack m -t x:1 -n >/dev/null 2>err; echo "$name $?"; done >got &&
    grep -q "^.env 4" got && grep -q "^id_rsa 4" got && cat got
'
test_expect 'a secret is nowhere in ledger, store, export or log: refused, or given on the command line' '
    secret=wJalrXUtnFEMI7MDENGbPxRfiCYzzzKEYq8 && tree && echo "aws_secret_access_key = $secret" >m/train.py &&
    refused 4 "train.py" m && ! grep -q "$secret" err && rm m/train.py &&
    mlopsctl pack m -t s:1 -m "password=$secret" --description "see https://bob:$secret@example.org/x" >out 2>err || cat err
    mlopsctl push s:1 "s3://key:$secret@bucket/x" >>out 2>>err
    mlopsctl pack m -t s:2 -m "AWS_SECRET_ACCESS_KEY=$secret" --dataset "no-such-file?token=$secret" >>out 2>>err
    mlopsctl log -n 0 --json >log && mlopsctl ledger export >exported && mlopsctl ledger backup b.db && for r in $(jq -r ".runs[].run" log); do mlopsctl show-run "$r"; done >runs
    for f in log exported b.db runs .mlops/ledger.db .mlops/ledger.db-wal; do [ ! -e "$f" ] || ! grep -qa "$secret" "$f" || { echo "in $f" && grep -a -o ".\{60\}$secret" "$f" | head -n 3 && exit 1; }; done
    ! grep -rqa "$secret" .mlops/cache .mlops/store/index.json .mlops/tmp
'
test_expect 'accepted secrets are packed, and still not in the ledger' '
    secret=wJalrXUtnFEMI7MDENGbPxRfiCYzzzKEYq8 && tree && echo "aws_secret_access_key = $secret" >m/train.py && echo "A=$secret" >m/.env &&
    mlopsctl pack m -t accepted:1 --accept-secrets && mlopsctl unpack accepted:1 -o u && cmp m/train.py u/train.py && cmp m/.env u/.env && ! grep -qa "$secret" .mlops/ledger.db && ! grep -rqa "$secret" .mlops/cache
'
test_done
