#!/bin/sh
# Makes what services sign their calls with, and the key set by which tokens are believed, in a folder:
#   deploy/keys.sh deploy/overlays/dev/keys
# service.pem is secret, jwks.json is public. What is there already is kept. Needs openssl 3.
set -eu
folder=${1:?which folder? deploy/keys.sh deploy/overlays/dev/keys}
umask 077
mkdir -p "$folder"
url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
[ -e "$folder/service.pem" ] || openssl genpkey -algorithm ed25519 -out "$folder/service.pem"
# The last 32 bytes of the public key's DER are the key itself (RFC 8410); the id is its thumbprint (RFC 7638).
x=$(openssl pkey -in "$folder/service.pem" -pubout -outform DER | tail -c 32 | url)
kid=$(printf '{"crv":"Ed25519","kty":"OKP","x":"%s"}' "$x" | openssl dgst -sha256 -binary | url)
[ -e "$folder/jwks.json" ] ||
  printf '{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"%s","x":"%s"}]}\n' "$kid" "$x" \
    >"$folder/jwks.json"
