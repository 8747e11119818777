#!/bin/sh
# What the tests run on besides SQLite and the embedded log: PostgreSQL and NATS. Installs what is missing where that is
# possible. DATABASE_URL (a superuser's) and NATS_URL name servers that tests take in place of their own; some kill or
# configure theirs, so the programs are needed all the same.
set -eu
any() {
    for program; do
        [ ! -x "$program" ] || return 0
    done
    return 1
}
missing=""
# Where shared/testkit looks for it.
if ! any /usr/lib/postgresql/*/bin/initdb /usr/local/bin/initdb /usr/bin/initdb /opt/homebrew/bin/initdb; then
    missing="postgresql"
fi
if ! command -v nats-server >/dev/null; then
    missing="$missing nats-server"
fi
[ -n "$missing" ] || exit 0
as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo -n"
echo "installing" $missing
# The servers that the packages start are not used: each test process starts its own.
if command -v apt-get >/dev/null \
    && $as_root apt-get update -qq \
    && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; then
    exit 0
fi
echo "the tests need" $missing "and cannot install it; install it with your package manager" \
    "(Debian: apt-get install" $missing")" >&2
exit 1
