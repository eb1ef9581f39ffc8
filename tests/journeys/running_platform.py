"""One `ese up` in a temporary home on free ports: driven through its public HTTP API, and killed in parts."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import psutil

from event_stream_engine.embedded import ports

T = TypeVar("T")

START_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 60.0
LOOK_SECONDS = 0.2
RENEW_SECONDS = 300.0
_LINK = re.compile(r"Sign in.*(http\S+/sign-in/link\?token=\S+)")
_UP = [sys.executable, "-m", "event_stream_engine.entrypoints.cli", "up"]
_TRANSIENT = (502, 503, 504)


class TookTooLong(AssertionError):
    """What was waited for did not happen in time; says what it was and what the platform printed last."""


class Refused(AssertionError):
    """The API answered with a problem document."""

    def __init__(self, method: str, path: str, status: int, body: bytes) -> None:
        super().__init__(f"{method} {path}: {status} {body[:600].decode(errors='replace')}")
        self.status = status


@dataclass
class Api:
    """A blocking client of one origin. While the server is being restarted it asks again, for `patience` seconds;
    a POST carries an Idempotency-Key, so that asking again is safe.

    With the refresh token of a session it renews its access token, which lives for 15 minutes, after
    `RENEW_SECONDS`."""

    origin: str
    token: str = ""
    refresh_token: str = ""
    patience: float = 30.0
    pause: Callable[[], object] = lambda: None
    renewed_at: float = float("-inf")

    def bearer(self) -> str:
        """A token that is good for ten minutes more; "" where nobody is signed in."""
        if self.refresh_token and time.monotonic() - self.renewed_at > RENEW_SECONDS:
            cookies = self._renewed()
            self.token, self.refresh_token = cookies["ese_access"], cookies["ese_refresh"]
            self.renewed_at = time.monotonic()
        return self.token

    def _renewed(self) -> dict[str, str]:
        """The cookies of a renewed session. Asked again within 20 seconds, the old refresh token still counts."""
        deadline = time.monotonic() + self.patience
        while True:
            request = urllib.request.Request(
                f"{self.origin}/api/v1/auth/refresh", b"", {"cookie": f"ese_refresh={self.refresh_token}"}
            )
            try:
                with _opener().open(request, timeout=30) as answer:
                    return cookies_of(answer.headers.get_all("set-cookie") or [])
            except urllib.error.HTTPError as refused:
                if refused.code not in _TRANSIENT:
                    raise Refused("POST", "/api/v1/auth/refresh", refused.code, refused.read()) from refused
            except (OSError, http.client.HTTPException):
                pass
            if time.monotonic() > deadline:
                raise TookTooLong(f"no answer from {request.full_url} within {self.patience:.0f} s")
            self.pause()

    def get(self, path: str, **query: Any) -> Any:
        given = urllib.parse.urlencode({k: v for k, v in query.items() if v is not None}, doseq=True)
        return self._ask("GET", f"{path}?{given}" if given else path)

    def post(self, path: str, body: Any = None) -> Any:
        content = b"" if body is None else json.dumps(body).encode()
        return self._ask("POST", path, content, {"content-type": "application/json", "idempotency-key": str(uuid4())})

    def patch(self, path: str, body: Any) -> Any:
        return self._ask("PATCH", path, json.dumps(body).encode(), {"content-type": "application/json"})

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path)

    def put(self, path: str, body: Any) -> Any:
        return self._ask("PUT", path, json.dumps(body).encode(), {"content-type": "application/json"})

    def upload(self, path: str, filename: str, content: bytes) -> Any:
        """A multipart form with one file."""
        boundary = uuid4().hex
        head = (
            f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="{filename}"\r\n'
            "content-type: text/csv\r\n\r\n"
        )
        body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
        return self._ask("POST", path, body, {"content-type": f"multipart/form-data; boundary={boundary}"})

    def request(self, method: str, path: str, headers: Mapping[str, str]) -> Any:
        """With headers of one's own and no body."""
        return self._ask(method, path, b"", headers)

    def everything(self, path: str, **query: Any) -> list[Any]:
        """All items of a list, page by page."""
        items: list[Any] = []
        cursor = None
        while True:
            page = self.get(path, limit=200, cursor=cursor, **query)
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return items

    def _ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Any:
        deadline = time.monotonic() + self.patience
        while True:
            try:
                status, content = self._once(method, path, body, headers or {})
            except (OSError, http.client.HTTPException) as error:
                status, content = 503, repr(error).encode()
            if status < 400:
                return json.loads(content) if content.strip() else None
            if status not in _TRANSIENT or time.monotonic() > deadline:
                raise Refused(method, path, status, content)
            self.pause()

    def _once(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        token = self.bearer()
        given = {**headers, **({"authorization": f"Bearer {token}"} if token else {})}
        request = urllib.request.Request(self.origin + path, body, given, method=method)
        try:
            with _opener().open(request, timeout=30) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay())


def _redirected_with_cookies(url: str, form: bytes) -> list[str]:
    """The cookies of a form's answer, which must lead on to another page."""
    try:
        with _opener().open(urllib.request.Request(url, form), timeout=30) as page:
            raise AssertionError(f"{url} answered {page.status}")
    except urllib.error.HTTPError as answer:
        if answer.code != 303:
            raise
        return answer.headers.get_all("set-cookie") or []


def cookies_of(headers: Iterable[str]) -> dict[str, str]:
    """Names and values of Set-Cookie headers."""
    return dict(header.split(";")[0].split("=", 1) for header in headers)  # type: ignore[misc]


@dataclass
class RunningPlatform:
    """`with RunningPlatform(faults={…}) as platform:` is ready and signed in; afterwards nothing of it is left."""

    environment: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    _printed: threading.Condition = field(default_factory=threading.Condition)

    def __enter__(self) -> "RunningPlatform":
        self.home = Path(tempfile.mkdtemp(prefix="ese-journey-"))
        self.home.chmod(0o755)
        http_port, sandbox_port = ports.any_free(), ports.any_free()
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("ESE_", "TWILIO_"))}
        for name in ("DATABASE_URL", "REDIS_URL"):
            ours.pop(name, None)
        self._environment = {
            **ours,
            "ESE_HOME": str(self.home / ".ese"),
            "ESE_HTTP_PORT": str(http_port),
            "ESE_SANDBOX_PORT": str(sandbox_port),
            "ESE_SANDBOX_FAULTS": json.dumps(dict(self.faults)),
            "PYTHONUNBUFFERED": "1",
            **self.environment,
        }
        self._launch()
        try:
            self._sign_in()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def start(self) -> None:
        """Again, in the same home and on the same ports; the session goes on."""
        self.lines.clear()
        self._launch()
        self.wait_until("it is ready", lambda: any("is ready" in line for line in list(self.lines)), START_SECONDS_MAX)

    def _launch(self) -> None:
        self.process = subprocess.Popen(
            _UP, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def stop(self) -> None:
        """As Ctrl-C does; what does not end by itself is killed."""
        family = self._family()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS_MAX)
        _, alive = psutil.wait_procs(family, timeout=10)
        self.left_running = [process.pid for process in alive if process.status() != psutil.STATUS_ZOMBIE]
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self._reader.join(10)

    # ---- waiting

    def wait_until(self, what: str, probe: Callable[[], T], seconds: float) -> T:
        """The first true answer of `probe`, asked whenever the platform prints and every `LOOK_SECONDS`."""
        deadline = time.monotonic() + seconds
        while True:
            answer = probe()
            if answer:
                return answer
            if time.monotonic() > deadline:
                last = "\n".join(self.lines[-25:])
                raise TookTooLong(f"not within {seconds:.0f} s: {what}\n{last}")
            if self.process.poll() is not None:
                raise TookTooLong(f"the platform ended while waiting for: {what}\n" + "\n".join(self.lines[-25:]))
            self.look()

    def look(self) -> None:
        """Wait for the next line of the terminal, at most `LOOK_SECONDS`."""
        with self._printed:
            self._printed.wait(LOOK_SECONDS)

    def verify(self) -> tuple[bool, str]:
        """`ese verify` on this platform: whether it holds, and what it printed."""
        status, printed = self.ese("verify")
        return status == 0, printed

    def ese(self, *command: str) -> tuple[int, str]:
        """A command on this platform: its status, and what it printed."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("ESE_", "TWILIO_"))}
        done = subprocess.run(
            [*_UP[:-1], *command], env={**ours, "ESE_HOME": str(self.home / ".ese")}, capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr[-2000:]

    # ---- its processes

    def running(self) -> dict[str, Any]:
        """What `ese up` wrote down about itself."""
        try:
            found: dict[str, Any] = json.loads((self.home / ".ese" / "runtime.json").read_text())
        except (OSError, ValueError):
            return {}
        return found

    def pid(self, role: str) -> int:
        """The process of `serve`, `relay`, `consume`, `work` or `sandbox`."""
        return int(self.running()["processes"][role])

    def children_of(self, role: str) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid(role)).children(recursive=True)
        return []

    def kill(self, role: str) -> int:
        """SIGKILL to the process of a role and to all it had started; its process id."""
        pid = self.pid(role)
        victims = [psutil.Process(pid), *self.children_of(role)]
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        return pid

    def kill_a_child_of(self, role: str) -> int:
        """SIGKILL to one process of a pool; its process id."""
        child = self.children_of(role)[0]
        child.kill()
        return child.pid

    def wait_replaced(self, role: str, killed: int, seconds: float = 30) -> None:
        """Until the supervisor has started the role again, and the API serves if it was the API."""
        self.wait_until(f"{role} starts again", lambda: self.running()["processes"].get(role) != killed, seconds)
        if role == "serve":
            self.api.get("/health")

    # ---- starting

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._printed:
                self.lines.append(line.decode(errors="replace").rstrip())
                self._printed.notify_all()

    def _sign_in(self) -> None:
        """Follow the printed link as a browser would: open it, press its button, keep the session."""
        link = self.wait_until("the sign-in link", self._link, START_SECONDS_MAX)
        origin, _, token = link.partition("/sign-in/link?token=")
        with _opener().open(link, timeout=30) as page:
            assert b"<form" in page.read()
        form = urllib.parse.urlencode({"token": token}).encode()
        cookies = cookies_of(_redirected_with_cookies(f"{origin}/sign-in/link", form))
        self.api = Api(origin, refresh_token=cookies["ese_refresh"], pause=self.look)
        self.sandbox = Api(self.running()["environment"]["TWILIO_API_BASE_URL"], pause=self.look)

    def _link(self) -> str | None:
        return next((found.group(1) for line in list(self.lines) if (found := _LINK.search(line))), None)

    def _family(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []
