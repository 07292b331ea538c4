# SPDX-License-Identifier: Apache-2.0
"""Holdfast for programs in Python: alerts that arrive, and signs of life. Copy this file beside yours.

    import holdfast

    holdfast.alert("backup failed", "HIGH")         # the id of the alert, or None: the reason is on stderr
    holdfast.ready()                                # a service with `ready: notify` is up
    holdfast.beat()                                 # a service with `watchdog` still works

    with holdfast.monitor("nightly report", seconds=600):
        make_the_report()                           # an exception, or 10 minutes: a HIGH alert

Nothing here raises because the hub is away (`strict=True` of alert() does). The hub is looked for at
HOLDFAST_URL, else where the keeper says (HOLDFAST_RUN), else on port 8001 of this machine; its token
(`http.token` of holdfast.yaml) is HOLDFAST_TOKEN. Python 3.9 and later, the standard library alone.
"""

import functools
import http.client
import inspect
import json
import os
import pathlib
import re
import socket
import sys
import threading
import time
import traceback
import urllib.parse
import uuid

__all__ = ["NotAccepted", "alert", "beat", "monitor", "ready", "status"]

PATIENCE_SECONDS = 5.0  # all tries of one alert together; a hub that is restarted is back in less
PAUSE_SECONDS = 0.05    # after the first try, doubled after each
PAUSE_SECONDS_MAX = 0.5
ANSWER_BYTES_MAX = 1 << 20
WORD_BYTES_MAX = 256    # of a title, a service, a key
URL_USUAL = "http://127.0.0.1:8001"


class NotAccepted(Exception):
    """The hub has not taken an alert; the words say why, and what to do."""

    def __init__(self, why, again=None, sent=False):
        super().__init__(why)
        self.again = again  # a next try makes sense after so many seconds; None: it never does
        self.sent = sent    # and nobody knows what became of it


# --- alerts ---------------------------------------------------------------------------------------


def alert(text, priority="MEDIUM", *, title=None, service=None, type=None, dedup_key=None, group=None,
          strict=False):
    """Tells people, and returns the alert's id once the hub has it on disk: from then on it arrives.

    None when the hub did not take it within 5 seconds; stderr then says why, or NotAccepted does with
    `strict`. A second try within that time is the same alert. The fields are those of docs/alerts.md;
    `service` is this service where the keeper runs it. Any thread may call this; asyncio: to_thread()."""
    if dedup_key is None and type is None:  # the hub knows a repeat by its key, else by type and words
        dedup_key = uuid.uuid4().hex
    fields = {"text": text, "priority": priority, "title": title, "type": type, "dedup_key": dedup_key,
              "service": os.environ.get("HOLDFAST_SERVICE") if service is None else service, "group": group}
    fields = {name: _clean(value) for name, value in fields.items() if value is not None}
    try:
        return _post_until(json.dumps(fields).encode(), time.monotonic() + PATIENCE_SECONDS)
    except NotAccepted as error:
        if strict:
            raise
        _say(f"alert not accepted: {error}. It was: {fields.get('text', '')[:500]!r}")
        return None


def _clean(value):
    """As text that JSON can carry: lone surrogates (names of files) become question marks."""
    return str(value).encode("utf-8", "replace").decode()


def _say(words):
    token = os.environ.get("HOLDFAST_TOKEN", "").strip()
    try:
        sys.stderr.write(f"holdfast: {words.replace(token, '***') if token else words}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass  # no stderr: a program without a terminal may have closed it


def _post_until(body, deadline):
    """Asks again until there is an answer that counts, or no time."""
    pause, unsure = PAUSE_SECONDS, False
    while True:
        try:
            return _post(body, max(0.1, deadline - time.monotonic()))
        except NotAccepted as error:
            unsure = unsure or error.sent
            wait = None if error.again is None else max(error.again, pause)
            if wait is None or time.monotonic() + wait > deadline:
                if unsure:
                    raise NotAccepted(f"{error}; nobody knows whether a try was taken: `holdfast alerts` shows "
                                      "what the hub has", error.again, True) from None
                raise
        time.sleep(wait)
        pause = min(pause * 2, PAUSE_SECONDS_MAX)


def _post(body, seconds):
    """One try: the id, or NotAccepted."""
    url = _hub_url()
    try:
        at = urllib.parse.urlsplit(url)
        kind = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}[at.scheme]
        where, hub = f"{at.hostname}:{at.port or kind.default_port}", kind(at.hostname or "", at.port, timeout=seconds)
        if not at.hostname:
            raise ValueError
    except (KeyError, ValueError, http.client.InvalidURL):
        raise NotAccepted(f"HOLDFAST_URL is no address of a hub; expected is one such as {URL_USUAL}") from None
    headers, sent = {"Content-Type": "application/json", "Connection": "close", **_bearer()}, False
    try:
        try:
            hub.request("POST", at.path.rstrip("/") + "/v1/alerts", body, headers)
        except (BrokenPipeError, ConnectionResetError):
            pass  # a hub that refuses early closes before it has read all: what it said is there
        sent = True
        answer = hub.getresponse()
        words = answer.read(ANSWER_BYTES_MAX)
        if answer.length or answer.status == 202 and answer.length is None and not answer.chunked:
            raise http.client.IncompleteRead(words)  # the hub always says how much there is
        return _id_of(where, answer.status, answer.getheader("Retry-After"), words, "Authorization" in headers)
    except (OSError, http.client.HTTPException, ValueError) as error:
        strange = type(error) is http.client.BadStatusLine and not "HTTP/1.".startswith(error.line[:7])
        if strange or isinstance(error, ValueError):
            raise _no_hub(where) from None
        reason = getattr(error, "strerror", None) or str(error) or error.__class__.__name__
        raise NotAccepted(f"the hub on {where} got it and did not answer ({reason})" if sent else
                          f"no hub answers on {where} ({reason}); `holdfast status` shows it, `holdfast up` starts "
                          "it, HOLDFAST_URL names another", 0, sent) from None
    finally:
        hub.close()


def _no_hub(where, again=None):
    return NotAccepted(f"what answers on {where} is not the hub; `holdfast status` shows where it is, HOLDFAST_URL "
                       "names it", again)


def _hub_url():
    """Read anew for each try: a hub that is restarted may be on another port."""
    url, run = os.environ.get("HOLDFAST_URL"), os.environ.get("HOLDFAST_RUN")
    if url:
        return url
    try:
        return f"http://127.0.0.1:{int(pathlib.Path(run, 'hub.port').read_text())}" if run else URL_USUAL
    except (OSError, ValueError):
        return URL_USUAL


def _bearer():
    token = os.environ.get("HOLDFAST_TOKEN", "").strip()
    if not re.fullmatch(r"[!-~]*", token):
        raise NotAccepted("HOLDFAST_TOKEN has spaces or letters that no header can carry; it must be "
                          "http.token of holdfast.yaml")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _id_of(where, status, retry_after, body, had_token):
    """The id in the hub's answer, or NotAccepted with what the hub says of it."""
    try:
        answer = json.loads(body)
        said = int(answer["id"]) if status == 202 else str(answer["detail"])
    except (ValueError, KeyError, TypeError):
        raise _no_hub(where, 0 if status >= 500 else None) from None
    if status == 202:
        return said
    if status in (401, 403, 429):  # 429: too many wrong ones
        what = "this token" if had_token else "a request without a token"
        raise NotAccepted(f"the hub on {where} refuses {what} ({said}); HOLDFAST_TOKEN must be http.token of "
                          "holdfast.yaml")
    after = int(retry_after) if retry_after and retry_after.isdigit() else 0
    raise NotAccepted(f"the hub on {where} refuses it: {said}" + f" (again in {after} s)" * (after > 0),
                      after if status >= 500 else None)


# --- signs of life --------------------------------------------------------------------------------


def beat():
    """This service works: its `watchdog` begins anew. Call it well within that time, from the work itself:
    a thread that does nothing else would beat on while the work hangs. False: nobody listens."""
    return _notify("WATCHDOG=1")


def ready(status=None):
    """This service is up: what `needs` it may start (`ready: notify`). `status` as in status()."""
    return _notify("READY=1" + ("" if status is None else f"\nSTATUS={_line(status)}"))


def status(text):
    """What it is doing, in a few words: `holdfast status` shows them."""
    return _notify(f"STATUS={_line(text)}")


def _line(text):
    return " ".join(_clean(text).split())[:1000]


def _notify(words):
    """sd_notify, also for systemd. The keeper's socket takes words while the keeper is restarted."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as keeper:
            keeper.settimeout(1.0)
            keeper.sendto(words.encode(), "\0" + path[1:] if path.startswith("@") else path)
        return True
    except (OSError, ValueError):
        return False


# --- work that must not fail silently -------------------------------------------------------------


class monitor:
    """Around a piece of work: `with monitor("backup", seconds=600):`, or `@monitor()` on a function, also an
    async one. An exception raises an alert and goes on; so does sys.exit() with anything but 0. More than
    `seconds` raises one at once, while the work still hangs. The same within 300 s is one alert."""

    def __init__(self, name=None, *, seconds=None, priority="HIGH", service=None):
        if name is not None and not isinstance(name, str):
            raise TypeError("holdfast.monitor: the name must be text; on a function write @holdfast.monitor()")
        self.name, self.seconds, self.priority, self.service = name, seconds, priority, service
        self.begun = None

    def __enter__(self):
        if self.begun is not None:
            raise RuntimeError("holdfast.monitor: this one watches a piece of work already; make one for each")
        self.once, self.timer, self.begun = threading.Lock(), None, time.monotonic()
        if self.seconds is not None:
            self.timer = threading.Timer(self.seconds, self._late)
            self.timer.daemon = True
            self.timer.start()
        return self

    def __exit__(self, kind, error, trace):
        if self.timer:
            self.timer.cancel()
            self.timer.join()  # an alert on its way is not cut off by the end of the program
            if time.monotonic() - self.begun > self.seconds:
                self._late()  # the work never let the timer run
        self.begun = None
        if isinstance(error, Exception) or isinstance(error, SystemExit) and error.code not in (None, 0):
            frames = traceback.extract_tb(trace)
            place = f"\n{frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""
            self._tell(kind.__name__, "".join(traceback.format_exception_only(kind, error)).strip() + place)
        return False

    def __call__(self, work):
        if inspect.isgeneratorfunction(work) or inspect.isasyncgenfunction(work):
            raise TypeError(f"holdfast.monitor: {work.__qualname__} is a generator, whose work is done later; "
                            "write `with holdfast.monitor(...):` inside it")

        def mine():  # each call is a piece of work of its own
            return monitor(self.name or work.__qualname__, seconds=self.seconds, priority=self.priority,
                           service=self.service)

        @functools.wraps(work)
        def plain(*words, **named):
            with mine():
                return work(*words, **named)

        @functools.wraps(work)
        async def waiting(*words, **named):
            with mine():
                return await work(*words, **named)

        return waiting if inspect.iscoroutinefunction(work) else plain

    def _late(self):
        if self.once.acquire(blocking=False):
            self._tell("late", f"takes longer than {self.seconds:g} s")

    def _tell(self, what, text):
        name = self.name or "monitored work"
        alert(text[:4000], self.priority, title=_cut(name), service=self.service,
              dedup_key=_cut(f"monitor:{self.service or os.environ.get('HOLDFAST_SERVICE', '')}:{what}:{name}"))


def _cut(words):
    return _clean(words).encode()[:WORD_BYTES_MAX].decode(errors="ignore")
