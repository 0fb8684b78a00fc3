#!/usr/bin/env bash
# Makes the secrets of docker-compose.yml in docker/secrets, or in the folder that is given, and prints the lines of .env
# that name them. What is there already stays as it is. Needs openssl.
#
# Compose mounts a secret's file as it is, and the user in the container is another one than yours: so the files can be
# read by all, and the folder, which no container gets, by you only.
set -euo pipefail
umask 077
cd "$(dirname "$0")/.."
folder=${1:-docker/secrets}
mkdir -p "$folder"
printf '*\n' >"$folder/.gitignore"

make() { # NAME COMMAND...: the command's output becomes the file, whole or not at all
  local file=$folder/$1
  shift
  [ -e "$file" ] && return
  "$@" >"$file.new"
  chmod 444 "$file.new"
  mv "$file.new" "$file"
}
make seed_key openssl rand -hex 32
make signing_key openssl genpkey -algorithm ed25519
make postgres_password openssl rand -hex 24
make store_url printf 'postgresql://soundproof:%s@postgres/soundproof\n' "$(cat "$folder/postgres_password")"

cat <<END
SOUNDPROOF_SEED_KEY_FILE=$folder/seed_key
SOUNDPROOF_SIGNING_KEY_FILE=$folder/signing_key
# With --profile postgres:
#POSTGRES_PASSWORD_FILE=$folder/postgres_password
#SOUNDPROOF_STORE_FILE=$folder/store_url
END
