#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# database_health.sh FOLDER PORT: 0 when PostgreSQL answers a query on a new connection.
exec /usr/lib/postgresql/15/bin/psql -qAtX -h "$1" -p "$2" -U postgres -d postgres -c 'select 1'
