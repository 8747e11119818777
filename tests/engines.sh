#!/bin/sh
# What the tests run on besides SQLite and the embedded log: PostgreSQL and NATS. Installs what is missing where that is
# possible; DATABASE_URL and NATS_URL name servers that are there instead.
set -eu
missing=""
if [ -z "${DATABASE_URL:-}" ] && ! ls /usr/lib/postgresql/*/bin/initdb /usr/local/bin/initdb /opt/homebrew/bin/initdb >/dev/null 2>&1; then
    missing="postgresql"
fi
if [ -z "${NATS_URL:-}" ] && ! command -v nats-server >/dev/null; then
    missing="$missing nats-server"
fi
[ -n "$missing" ] || exit 0
as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo -n"
echo "installing$missing"
# The servers that the packages start are not used: each test process starts its own.
if command -v apt-get >/dev/null \
    && $as_root apt-get update -qq \
    && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; then
    exit 0
fi
echo "the tests need$missing and cannot install it; install it with your package manager" \
    "(Debian: apt-get install$missing), or set DATABASE_URL (a superuser's URL) and NATS_URL" >&2
exit 1
