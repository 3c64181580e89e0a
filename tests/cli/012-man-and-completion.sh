#!/bin/sh
# Parser, help, man pages and completion know the same options.
. "${0%/*}/lib.sh"

# Long options of help on stdin, without the global ones.
help_options() { sed -n '/^options:/,/^\(examples\|options of every\)/s/^  \(-., \|    \)--\([a-z0-9-]*\).*/\2/p' | sort; }
# Long options of the OPTIONS section of a man page.
man_options() { sed -n '/BEGIN GENERATED OPTIONS/,/END GENERATED/p' "$1" | sed -n 's/\\-/-/g; s/^\(.*, \)\{0,1\}\\fB--\([a-z0-9-]*\)\\fR.*/\2/p' | sort -u; }

test_expect 'man pages are up to date with the tables' '
    "$R/scripts/gen-man" --check "$MLOPSCTL"
'
test_expect 'every command has a man page, and every page a command' '
    for c in $(mlopsctl help --names); do echo "mlopsctl-$c.1"; done | sort >want
    (cd "$R/man" && ls mlopsctl-*.1) | sort | diff want -
'
test_expect 'a man page lists exactly the options that help lists' '
    for c in $(mlopsctl help --names); do
        verbs_of "$c" | while read -r words; do mlopsctl $words -h </dev/null | help_options; done | sort -u >want
        man_options "$R/man/mlopsctl-$c.1" | diff want - || { echo "$c"; exit 1; }
    done
'
if have mandoc; then
    test_expect 'man pages are clean' '
        mandoc -Tlint -W warning "$R"/man/*.[1-8]
    '
else
    test_skip 'man pages are clean' 'mandoc is not installed'
fi
test_expect 'gen-man leaves prose alone and renews what is generated' '
    mkdir man && "$R/scripts/gen-man" "$MLOPSCTL" "$T/work/man" >/dev/null && cp man/mlopsctl-config.1 before &&
    sed -i "s/^\.SH DESCRIPTION/&\nBy hand./; s/show\\\\-origin/gone/" man/mlopsctl-config.1 && ! cmp -s before man/mlopsctl-config.1 &&
    "$R/scripts/gen-man" "$MLOPSCTL" "$T/work/man" && grep -q "^By hand.$" man/mlopsctl-config.1 && grep -v "^By hand.$" man/mlopsctl-config.1 | cmp - before
'

if have bash; then
    # complete WORDS...: what bash would offer for the line; the last word is being typed.
    cat >"$T/complete" <<'X'
eval "$("$MLOPSCTL" completion bash)"
mlopsctl() { "$MLOPSCTL" "$@"; }
COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=("$MLOPSCTL") COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
_mlopsctl
printf '%s\n' "${COMPREPLY[@]}"
X
    offers() { bash "$T/complete" "$1"; }
    test_expect 'bash completes commands' '
        offers "mlopsctl conf" | grep -qx config && offers "mlopsctl " | sort >got && mlopsctl help --names | sort | diff - got &&
        ! offers "mlopsctl __" | grep -q .
    '
    test_expect 'bash completes exactly the options of every command' '
        mlopsctl help | sed -n "/^options of every command/,\$s/^  \(-., \|    \)--\([a-z-]*\).*/\2/p" >globals
        for c in $(mlopsctl help --names); do
            mlopsctl "$c" -h | { help_options; cat globals; } | sort >want
            offers "mlopsctl $c -" | sed "s/^--//; s/=\$//" | sort >got
            mlopsctl "$c" -h | grep -q "^verbs:" || diff want got || { echo "$c"; exit 1; }
        done
    '
    test_expect 'bash completes choices, after a space and after =' '
        offers "mlopsctl --progress " | grep -qx plain && offers "mlopsctl config --progress=p" | grep -qx plain &&
        [ "$(offers "mlopsctl completion z")" = zsh ]
    '
    test_expect 'bash completes folders, settings and commands for help' '
        mkdir -p folder && touch file && offers "mlopsctl --home fo" | grep -qx folder && ! offers "mlopsctl --home fi" | grep -q file &&
        offers "mlopsctl config gc." | grep -qx gc.retention && [ "$(offers "mlopsctl help comp")" = completion ]
    '
    test_expect 'bash completes references, whose colon is a border of words' '
        tiny_model m.safetensors && mlopsctl pack m.safetensors -t credit:1.4.0 >/dev/null && [ "$(mlopsctl __complete refs)" = credit:1.4.0 ] &&
        [ "$(offers "mlopsctl show cred")" = credit:1.4.0 ] && [ "$(offers "mlopsctl show credit:1")" = 1.4.0 ]
    '
    test_expect 'a value is no command: options in between do not confuse it' '
        offers "mlopsctl --home config --json comp" | grep -qx completion && offers "mlopsctl --json config --show" | grep -qx -- --show-origin
    '
fi
for shell in zsh fish; do
    if have $shell; then
        test_expect "the script for $shell has no syntax error" '
            mlopsctl completion '$shell' >script && [ -s script ] && '$shell' -n script
        '
    else
        test_skip "the script for $shell has no syntax error" "$shell is not installed"
    fi
done
if have fish; then
    test_expect 'fish completes commands, options and choices' '
        mkdir -p bin && ln -sf "$MLOPSCTL" bin/mlopsctl && mlopsctl completion fish >script &&
        PATH=$PWD/bin:$PATH fish -N -c "source script; complete -C \"mlopsctl conf\"" | grep -q "^config" &&
        PATH=$PWD/bin:$PATH fish -N -c "source script; complete -C \"mlopsctl config --show\"" | grep -q "^--show-origin" &&
        PATH=$PWD/bin:$PATH fish -N -c "source script; complete -C \"mlopsctl completion z\"" | grep -q "^zsh"
    '
fi
if have zsh; then
    test_expect 'zsh loads the script' '
        mlopsctl completion zsh >script && zsh -f -c "autoload -U compinit; compinit -u -d $T/zcompdump; source ./script; whence -w _mlopsctl" | grep -q function
    '
fi
test_expect 'an unknown shell is a usage error' '
    expect_code 2 mlopsctl completion tcsh
'
test_done
