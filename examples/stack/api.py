# SPDX-License-Identifier: Apache-2.0
"""The API of the stack: which updates were handled, kept in PostgreSQL.

  GET  /ping        alive, whatever the database does
  GET  /health      200 when the database answers, else 503
  GET  /handled/ID  {"handled": true|false}
  POST /handled     {"update_id": 7, "text": "..."} -> {"new": true|false}
  GET  /handled     {"count": N, "ids": [the last 1000]}
"""

import asyncio
import json
import os
import threading

import psycopg2

TABLE = """create table if not exists handled (
    update_id bigint primary key, text text not null, at timestamptz not null default now())"""


class Database:
    """One connection, opened again when it broke. Used from one thread at a time."""

    def __init__(self, url):
        self.url, self.connection, self.lock = url, None, threading.Lock()

    def query(self, words, *values):
        with self.lock:
            for attempt in (1, 2):
                try:
                    return self._query(words, values)
                except (psycopg2.OperationalError, psycopg2.InterfaceError):
                    self.connection = None
                    if attempt == 2:
                        raise

    def _query(self, words, values):
        if self.connection is None:
            self.connection = psycopg2.connect(self.url, connect_timeout=2)
            self.connection.autocommit = True
            self.connection.cursor().execute(TABLE)
        cursor = self.connection.cursor()
        cursor.execute(words, values)
        return cursor.fetchall()


database = Database(os.environ["DATABASE_URL"])


def handle(method, path, body):
    """Status and answer of one request. Every statement may be sent twice: the id is the key."""
    if path == "/ping":
        return 200, {"pong": True}
    if path == "/health":
        return 200, {"database": bool(database.query("select 1"))}
    if path == "/handled" and method == "POST":
        data = json.loads(body)
        rows = database.query("insert into handled (update_id, text) values (%s, %s) "
                              "on conflict do nothing returning update_id",
                              int(data["update_id"]), str(data["text"]))
        return 200, {"new": bool(rows)}
    if path == "/handled":
        rows = database.query("select update_id from handled order by update_id desc limit 1000")
        count = database.query("select count(*) from handled")[0][0]
        return 200, {"count": count, "ids": [row[0] for row in rows]}
    if path.startswith("/handled/"):
        rows = database.query("select 1 from handled where update_id = %s", int(path[9:]))
        return 200, {"handled": bool(rows)}
    return 404, {"error": "no such path"}


async def read_body(receive):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    body = await read_body(receive)
    try:
        status, answer = await asyncio.to_thread(handle, scope["method"], scope["path"], body)
    except psycopg2.Error as error:
        status, answer = 503, {"error": f"the database does not answer: {error}".strip()}
    except (KeyError, ValueError) as error:
        status, answer = 400, {"error": f"not understood: {error}"}
    await send({"type": "http.response.start", "status": status,
                "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})
