#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A mail server (aiosmtpd) on loopback for the tests: PORT FOLDER [--password WORD] [--later N]; each
mail becomes a file; with --later the first N are put off with a 451."""

import argparse
import pathlib
import signal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

parser = argparse.ArgumentParser()
parser.add_argument("port", type=int)
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--password")
parser.add_argument("--unknown")
parser.add_argument("--later", type=int, default=0)
options = parser.parse_args()
options.folder.mkdir(exist_ok=True)


class Handler:
    count = 0

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address == options.unknown:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if options.later > 0:
            options.later -= 1
            print("later", flush=True)
            return "451 try again later"
        Handler.count += 1
        head = f"X-RcptTo: {', '.join(envelope.rcpt_tos)}\r\n".encode()
        (options.folder / f"{Handler.count:04}.eml").write_bytes(head + envelope.content)
        return "250 taken"


def check(server, session, envelope, mechanism, data):
    right = data.password.decode() == options.password
    return AuthResult(success=right, handled=False)


more = {"authenticator": check, "auth_required": True, "auth_require_tls": False} if options.password else {}
controller = Controller(Handler(), hostname="127.0.0.1", port=options.port, **more)
controller.start()
print("ready", flush=True)
signal.sigwait({signal.SIGTERM, signal.SIGINT})
controller.stop()
