# SPDX-License-Identifier: Apache-2.0
"""Files through the gateway, both ways: long ones, slow ones, broken ones; the hub's memory stays
where it was. Telegram is the simulator, or, for what no simulator should have to hold, a server of
our own that plays a Bot API server beside the bots (where files may be 2 GB)."""

import http.client
import http.server
import json
import os
import re
import resource
import socket
import threading
import time
import unittest

import harness
from test_gateway import TOKEN, HubCase

MIB = 1 << 20
BOUNDARY = "edge"


def form(fields, name, content):
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
             for key, value in fields.items()]
    parts.append(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="document"; '
                 f'filename="{name}"\r\nContent-Type: application/octet-stream\r\n\r\n'.encode())
    return b"".join(parts) + content + f"\r\n--{BOUNDARY}--\r\n".encode()


FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


class BotServer:
    """Counts what is sent to it; /file/... is as long as asked for and waits at each stop."""

    def __init__(self, case):
        self.received, self.left, self.go, self.breaks = [], threading.Event(), threading.Event(), False
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, body):
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                size, sum_ = int(self.headers["Content-Length"]), 0
                left = size
                while left:
                    piece = self.rfile.read(min(left, 65536))
                    left -= len(piece)
                    sum_ += piece.count(b"\x07")
                outer.received.append((self.path, size, sum_))
                self.answer(b'{"ok":true,"result":[]}')

            def do_GET(self):
                size = int(re.search(r"(\d+)", self.path.rsplit("/", 1)[1]).group(1))
                self.send_response(200)
                self.send_header("Content-Type", "video/mp4")
                self.send_header("Content-Length", str(size))
                self.end_headers()
                try:
                    for at in range(0, size, MIB):
                        self.wfile.write(b"\x07" * min(MIB, size - at))
                        if at == 0:
                            outer.go.wait(20)
                            if outer.breaks:
                                self.connection.shutdown(socket.SHUT_RDWR)
                                return
                except OSError:
                    outer.left.set()

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        case.addCleanup(self.server.server_close)
        case.addCleanup(self.server.shutdown)
        case.addCleanup(self.go.set)


def memory_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))


class Files(HubCase):
    def start_beside(self):
        server = BotServer(self)
        self.write_config(self.config_of(bots={"main": {"token": TOKEN, "api_url": server.url}}))
        # What the sanitizer keeps of freed memory is not the hub's.
        hub = self.start("holdfast-hub", "--config", self.config, "--run", self.run_folder,
                         env={"ASAN_OPTIONS": "quarantine_size_mb=1:malloc_context_size=2"})
        self.wait_http(self.url("hub", "/ping"))
        return server, hub

    def open_file(self, size):
        connection = http.client.HTTPConnection("127.0.0.1", self.port("hub"), timeout=30)
        self.addCleanup(connection.close)
        connection.request("GET", f"/telegram/file/botmain/videos/{size}.mp4")
        return connection

    def spooled(self):
        return [name for name in os.listdir(self.data_folder() / "hub") if "upload" in name]

    def test_up_and_down_through_the_simulator(self):
        self.start_both()
        content = os.urandom(MIB) * 20
        sent = harness.http("POST", self.hub_url("/telegram/botmain/sendDocument"),
                            form({"chat_id": 42}, "a.bin", content), headers=FORM, seconds=60)
        self.assertTrue(sent.json["ok"], sent)
        file = sent.json["result"]["document"]
        self.assertEqual(file["file_size"], len(content))
        path = self.call("getFile", file_id=file["file_id"]).json["result"]["file_path"]
        got = self.get(self.hub_url(f"/telegram/file/botmain/{path}"), seconds=60)
        self.assertEqual(got.status, 200)
        self.assertEqual(int(got.headers["Content-Length"]), len(content))
        self.assertTrue(got.body == content)
        self.assertEqual(self.get(self.hub_url("/telegram/file/botmain/no/such")).status, 404)
        self.assertEqual(self.spooled(), [])

    def test_400_mib_up_leave_the_memory_as_it_was(self):
        server, hub = self.start_beside()
        body = form({"chat_id": 42}, "v.mp4", b"\x07" * (200 * MIB))
        before = memory_kib(hub.pid)
        for _ in range(2):
            sent = harness.http("POST", self.hub_url("/telegram/botmain/sendVideo"), body,
                                headers=FORM, seconds=60)
            self.assertTrue(sent.json["ok"], sent)
        self.assertLess(memory_kib(hub.pid) - before, 24 * 1024)
        uploads = [one for one in server.received if one[0].endswith("/sendVideo")]
        self.assertEqual(uploads, [(f"/bot{TOKEN}/sendVideo", len(body), 200 * MIB)] * 2)

    def test_the_first_bytes_come_before_the_last_ones_exist(self):
        server, hub = self.start_beside()
        before = memory_kib(hub.pid)
        answer = self.open_file(300 * MIB).getresponse()
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "video/mp4"))
        self.assertEqual(len(answer.read(MIB)), MIB)  # the server waits behind it
        server.go.set()
        time.sleep(1)  # a reader who takes his time holds up the server, not the hub's memory
        self.assertLess(memory_kib(hub.pid) - before, 24 * 1024)
        left = 299 * MIB
        while left:
            piece = answer.read(min(left, MIB))
            self.assertEqual(piece.count(b"\x07"), len(piece))
            self.assertTrue(piece, "it broke off")
            left -= len(piece)
        self.assertLess(memory_kib(hub.pid) - before, 24 * 1024)

    def test_what_breaks_off_is_not_whole(self):
        server, hub = self.start_beside()
        answer = self.open_file(3 * MIB).getresponse()
        self.assertEqual(len(answer.read(MIB)), MIB)
        server.breaks = True
        server.go.set()
        with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
            answer.read()
        self.wait("it is said", lambda: "broke off on its way from Telegram" in hub.stderr)
        self.assertEqual(self.get(self.url("hub", "/ping")).status, 200)

    def test_who_leaves_is_not_downloaded_for(self):
        server, _ = self.start_beside()
        connection = self.open_file(2000 * MIB)
        answer = connection.getresponse()
        answer.read(MIB)
        answer.close()
        connection.close()
        server.go.set()
        self.assertTrue(server.left.wait(10), "the hub still takes the file")
        connection = self.open_file(5000 * MIB)  # leaves before it begins
        connection.close()
        self.assertEqual(self.get(self.url("hub", "/ping")).status, 200)

    def test_a_stop_in_the_middle_ends(self):
        server, hub = self.start_beside()
        answer = self.open_file(2000 * MIB).getresponse()
        answer.read(MIB)
        hub.signal(15)
        self.assertEqual(hub.wait(20), 0)
        server.go.set()

    def test_an_upload_is_sent_when_telegram_is_back(self):
        sim, _ = self.start_both()
        sim.stop()
        content, answers = os.urandom(3 * MIB), []
        caller = threading.Thread(target=lambda: answers.append(harness.http(
            "POST", self.hub_url("/telegram/botmain/sendDocument"),
            form({"chat_id": 42}, "a.bin", content), headers=FORM, seconds=60)))
        caller.start()
        time.sleep(1)
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        caller.join()
        self.assertTrue(answers[0].json["ok"], answers[0])
        self.assertEqual(answers[0].json["result"]["document"]["file_size"], len(content))

    def test_a_full_disk_refuses_long_ones_alone(self):
        _, hub = self.start_both()
        resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, (2 * MIB, resource.RLIM_INFINITY))
        refused = self.raw_post("sendDocument", form({"chat_id": 42}, "a.bin", b"x" * (8 * MIB)))
        self.assertIn(" 507 ", refused.split("\r\n", 1)[0])
        detail = json.loads(refused.split("\r\n\r\n", 1)[1])["detail"]
        self.assertIn("needs room on the disk of", detail)
        self.assertTrue(self.call("sendMessage", chat_id=42, text="short").json["ok"])

    def raw_post(self, method, body, size=None, who="main"):
        """The answer may come in the middle of the body."""
        with socket.create_connection(("127.0.0.1", self.port("hub")), timeout=20) as link:
            head = (f"POST /telegram/bot{who}/{method} HTTP/1.1\r\nHost: x\r\n"
                    f"Content-Type: {FORM['Content-Type']}\r\n"
                    f"Content-Length: {size or len(body)}\r\n\r\n")
            link.sendall(head.encode())
            try:
                link.sendall(body)
            except OSError:
                pass
            answer = b""
            try:
                while piece := link.recv(65536):
                    answer += piece
            except ConnectionError:
                pass
            return answer.decode()

    def test_limits(self):
        self.start_both()
        too_long = self.raw_post("sendDocument", b"", size=2048 * MIB + 1)
        self.assertIn(" 413 ", too_long)
        self.assertIn("2048 MiB", too_long)
        for who, method in (("nobody", "sendDocument"), ("main", "getUpdates")):  # no room for these
            refused = self.raw_post(method, b"", size=65 * MIB, who=who)
            self.assertIn("64 MiB", refused)
        alert = harness.http("POST", self.hub_url("/v1/alerts"), b"{" * (2 * MIB))
        self.assertNotEqual(alert.status, 202)


if __name__ == "__main__":
    unittest.main()
