#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# database.sh FOLDER PORT: makes the database the first time, then becomes PostgreSQL.
set -eu
folder=$1 port=$2
bin=/usr/lib/postgresql/15/bin
if [ ! -f "$folder/PG_VERSION" ]; then
    mkdir -p "$folder"
    chmod 700 "$folder"
    password=$(mktemp)
    trap 'rm -f "$password"' EXIT
    printf '%s\n' "$DATABASE_PASSWORD" >"$password"
    # Locally by the socket in our own folder (mode 700), over TCP by password.
    "$bin/initdb" -D "$folder" -U postgres -E UTF8 --locale=C.UTF-8 \
        --auth-local=trust --auth-host=scram-sha-256 --pwfile="$password"
    rm -f "$password"
    trap - EXIT
fi
exec "$bin/postgres" -D "$folder" -p "$port" -k "$folder" -c listen_addresses=127.0.0.1
