"""The playground's server: who may use it, what it answers to anything, and how it starts."""

import argparse
import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asgi import Answer, request
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sklearn", reason="needs the extra `play`")
pytest.importorskip("starlette", reason="needs the extra `play`")

from tinygrad_cls import _torch
from tinygrad_cls.experiments import MissingExtra
from tinygrad_cls.playground import app as web
from tinygrad_cls.playground import command
from tinygrad_cls.playground.frames import pack, unpack
from tinygrad_cls.playground.guard import HEADERS, Guard
from tinygrad_cls.playground.recipe import PRESETS, from_json
from tinygrad_cls.playground.requests import BODY
from tinygrad_cls.playground.session import Session

PORT, TOKEN = 8517, "the-token-of-the-tests"
HOST = f"127.0.0.1:{PORT}"
OWN = {
    "host": HOST,
    "origin": f"http://{HOST}",
    "x-token": TOKEN,
    "content-type": "application/json",
}
SMALL = {
    "v": 1,
    "samples": 40,
    "layers": [{"units": 3, "activation": "relu"}, {"units": 2, "activation": "tanh"}],
}


class Page:
    """What the page does, and what others try."""

    def __init__(self) -> None:
        self.app = web.create(PORT, TOKEN)

    def send(self, method: str, path: str, body: bytes = b"", **changed: str | None) -> Answer:
        """Headers are those of the page, but for what is `changed`; None leaves one out."""
        headers = OWN | {name.replace("_", "-"): value for name, value in changed.items()}
        given = [(name, value) for name, value in headers.items() if value is not None]
        return request(self.app, method, path, body, given)

    def post(self, path: str, data: Any) -> Answer:
        return self.send("POST", path, json.dumps(data).encode())

    def open(self, **recipe: Any) -> Any:
        answer = self.post("/runs", {"recipe": SMALL | recipe})
        assert answer.status == 201, answer.body
        return answer.json

    def frame(self, run: str, **asked: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        answer = self.post(f"/runs/{run}/frame", asked)
        assert answer.status == 200, answer.body
        return unpack(answer.body)


def no_pytorch() -> Any:
    raise ImportError("torch is not installed")


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_torch, "pytorch", no_pytorch)


@pytest.fixture
def page(no_torch: None, monkeypatch: pytest.MonkeyPatch) -> Page:
    monkeypatch.setattr(web, "SECONDS", 600)  # a busy machine does all steps, too
    return Page()


# --- Security -------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", [HOST, f"localhost:{PORT}", f"LocalHost:{PORT}"])
def test_this_computers_names_may_ask(page: Page, host: str) -> None:
    assert page.send("GET", "/presets", host=host, origin=None).status == 200
    assert page.send("DELETE", "/runs/x", host=host, origin=f"http://{host.lower()}").status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",  # whose name resolves to 127.0.0.1
        f"evil.example:{PORT}",
        "127.0.0.1",
        "127.0.0.1:80",
        f"127.0.0.1.evil.example:{PORT}",
        f"0.0.0.0:{PORT}",
        "",
        None,
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_foreign_host_is_refused(page: Page, host: str | None, method: str) -> None:
    for origin in (f"http://{host}", None):
        answer = page.send(method, "/", host=host, origin=origin)
        assert answer.status == 400
        assert answer.error == "this server is 127.0.0.1:8517: open that address"
        assert TOKEN.encode() not in answer.body


def test_two_hosts_are_none(page: Page) -> None:
    headers = [("host", HOST), ("host", "evil.example")]
    assert request(page.app, "GET", "/", b"", headers).status == 400


def test_at_port_80_browsers_leave_it_out(no_torch: None) -> None:
    app = web.create(80, TOKEN)
    assert request(app, "GET", "/presets", b"", [("host", "localhost")]).status == 200
    assert request(app, "GET", "/presets", b"", [("host", "evil.example")]).status == 400


FOREIGN = [
    "http://evil.example",
    "null",
    "",
    f"https://{HOST}",
    f"http://localhost:{PORT}",  # another name than the Host's
    "http://127.0.0.1:8518",
    f"http://{HOST}.evil.example",
]


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_foreign_origin_is_refused(page: Page, origin: str, method: str) -> None:
    path = {"GET": "/presets", "POST": "/runs", "DELETE": "/runs/x"}[method]
    answer = page.send(method, path, b'{"recipe":{"v":1}}', origin=origin)
    assert (answer.status, answer.error) == (403, "a page of another site may not use this server")


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "OPTIONS", "PATCH"])
def test_changes_need_an_origin_and_the_token(page: Page, method: str) -> None:
    assert page.send(method, "/runs", origin=None).error.endswith("must tell its Origin")
    for token in (None, "", "x", TOKEN + "x", TOKEN[:-1], TOKEN.upper(), "é"):
        answer = page.send(method, "/runs", x_token=token)
        assert answer.status == 403
        assert "load it again" in answer.error
    assert page.send(method, "/runs").status in (201, 400, 405)


def test_two_tokens_are_none(page: Page) -> None:
    headers = [*((k, v) for k, v in OWN.items()), ("x-token", TOKEN)]
    assert request(page.app, "DELETE", "/runs/x", b"", headers).status == 403


def test_reading_needs_no_token(page: Page) -> None:
    assert page.send("GET", "/", x_token=None, origin=None).status == 200
    assert page.send("HEAD", "/", x_token=None, origin=None).status == 200


def test_the_token_is_the_pages_and_each_servers_own(page: Page) -> None:
    shown = page.send("GET", "/")
    assert f'<meta name="token" content="{TOKEN}">'.encode() in shown.body
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    tokens = {web.create(PORT).token for _ in range(20)}
    assert len(tokens) == 20
    assert min(map(len, tokens)) >= 43  # 32 random bytes


def test_every_answer_has_the_headers(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    run = page.open()["id"]
    answers = {
        200: [page.send("GET", "/"), page.send("GET", "/presets"), page.send("DELETE", "/runs/x")],
        201: [page.post("/runs", {"recipe": SMALL})],
        400: [page.send("GET", "/", host="evil.example"), page.send("POST", "/runs", b"{")],
        403: [page.send("POST", "/runs", x_token="x"), page.send("GET", "/", origin="null")],
        404: [page.send("GET", "/nothing"), page.post("/runs/x/frame", {})],
        405: [page.send("DELETE", "/presets")],
        413: [page.send("POST", "/runs", b" " * (BODY + 1))],
        415: [page.send("POST", "/runs", content_type="text/plain")],
    }
    answers[200].append(page.post(f"/runs/{run}/frame", {}))
    monkeypatch.setattr(Session, "advance", fail)
    answers[500] = [page.post(f"/runs/{run}/frame", {})]
    for status, those in answers.items():
        for answer in those:
            assert answer.status == status, answer.body
            assert HEADERS.items() <= answer.headers.items()
            assert status < 400 or answer.error
    policy = dict(part.split(" ", 1) for part in HEADERS["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "connect-src": "'self'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert HEADERS["x-content-type-options"] == "nosniff"
    assert HEADERS["referrer-policy"] == "no-referrer"
    assert HEADERS["cross-origin-opener-policy"] == "same-origin"


def test_a_failure_is_told_and_the_server_goes_on(
    page: Page, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = page.open()["id"]
    with monkeypatch.context() as patched:
        patched.setattr(Session, "neuron", lambda *_: 1 / 0)
        answer = page.post(f"/runs/{run}/neuron", {})
    assert answer.status == 500
    assert answer.error == "the server failed at this request (ZeroDivisionError) and goes on"
    assert "ZeroDivisionError" in caplog.text
    assert page.post(f"/runs/{run}/neuron", {}).status == 200


def test_the_guard_answers_where_its_app_does_not() -> None:
    async def broken(*_: Any) -> None:
        raise KeyError("x")

    guard = Guard(broken, PORT, TOKEN)
    answer = request(guard, "GET", "/", b"", [("host", HOST)])
    assert (answer.status, answer.error[:38]) == (500, "the server failed at this request (Key")
    assert HEADERS.items() <= answer.headers.items()


def test_web_sockets_are_closed(page: Page) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(page.app({"type": "websocket", "headers": []}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_only_files_of_the_page_are_served(page: Page) -> None:
    for name in web.static_files():
        answer = page.send("GET", f"/static/{name}")
        assert answer.status == 200
        assert answer.headers["content-type"] == web.TYPES[Path(name).suffix]
    for name in (
        "app.py",
        "../app.py",
        "..%2fapp.py",
        "index.html",
        "",
        ".",
        "..",
        "\0",
        "a" * 999,
    ):
        assert page.send("GET", f"/static/{name}").status == 404, name
    names = {path.name for folder in web.FOLDERS for path in folder.iterdir()}
    assert web.static_files().keys() <= names


# --- Bodies ---------------------------------------------------------------------------------------


def test_a_large_body_is_not_kept(page: Page) -> None:
    answer = page.send("POST", "/runs", b'{"csv":"' + b"1,2,a\\n" * 300_000 + b'"}')
    assert answer.status == 413
    assert answer.error == "more than 1 MiB were sent: a CSV may have 5,000 rows at most"
    assert page.open()["id"]


def test_reading_ends_at_some_point(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygrad_cls.playground.requests.DRAINED", BODY + 10)
    assert page.send("POST", "/runs", b" " * (2 * BODY)).status == 413


BODIES = {
    "empty": b"",
    "not JSON": b"{recipe}",
    "a list": b"[]",
    "a number": b"1",
    "NaN": b'{"steps": NaN}',
    "Infinity": b'{"steps": -Infinity}',
    "deep": b"[" * 200_000,
    "deep objects": b'{"a":' * 100_000,
    "a long number": b'{"steps":' + b"9" * 5000 + b"}",
    "not UTF-8": b'{"a": "\xff"}',
    "two": b"{}{}",
    "null bytes": b"\0" * 10,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_what_is_no_object_is_refused(page: Page, body: bytes) -> None:
    answer = page.send("POST", "/runs", body)
    assert answer.status == 400
    assert answer.error.startswith("a request's body must be")


def test_a_body_says_what_it_is(page: Page) -> None:
    for kind in (None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert page.send("POST", "/runs", b"{}", content_type=kind).status == 415
    kind = "Application/JSON; charset=utf-8"
    sent = json.dumps({"recipe": SMALL}).encode()
    assert page.send("POST", "/runs", sent, content_type=kind).status == 201


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-3, 40)
    | st.floats()
    | st.sampled_from([*PRESETS, "relu", "csv", "map", "1,2,a\n3,4,b\n" * 5, "\ud800", "\0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
RECIPE = st.fixed_dictionaries(
    {"v": st.just(1), "samples": st.just(30)},
    optional=dict.fromkeys(("data", "noise", "test", "lr", "batch", "loss", "layers"), JSON),
)
KEYS = ("steps", "since", "parts", "layer", "unit", "x", "samples", "csv", "csv_name")
WHERE = st.sampled_from(
    ["/runs", "/export", *(f"/runs/RUN/{e}" for e in ("frame", "neuron", "probability", "trace"))]
)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Page, str]]:
    """One for all hostile examples, which it must outlive."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_torch, "pytorch", no_pytorch)
        page = Page()
        yield page, page.open()["id"]


@given(
    WHERE,
    st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, JSON) | {"recipe": RECIPE | JSON}),
    st.sets(st.sampled_from([*KEYS, "recipe"]), max_size=2),
)
def test_no_request_brings_it_down(
    server: tuple[Page, str], where: str, data: dict[str, Any], only: set[str]
) -> None:
    page, run = server
    if only:  # else nearly all have a key that is not known there
        data = {key: value for key, value in data.items() if key in only}
    answer = page.post(where.replace("RUN", run), data)
    assert answer.status in (200, 201, 400, 413), answer.body
    if answer.status >= 400:
        assert len(answer.error) < 500


# --- Runs -----------------------------------------------------------------------------------------


def test_what_the_page_learns_first(page: Page) -> None:
    told = page.send("GET", "/presets").json
    assert told["torch"] is False
    assert [preset["name"] for preset in told["presets"]] == [*PRESETS]
    for preset in told["presets"]:
        assert from_json(preset["recipe"]) == (PRESETS[preset["name"]], [])


def test_a_run(page: Page) -> None:
    run = page.open(lr=1e9)
    assert run["notes"] == ["lr 1000000000.0 is too large: 100 is used"]
    assert run["recipe"]["lr"] == 100
    assert (len(run["points"]["train"]), len(run["points"]["test"])) == (32, 8)
    assert [layer["units"] for layer in run["layers"]] == [3, 2, 1]
    assert [layer["activation"] for layer in run["layers"]] == ["relu", "tanh", "none"]
    header, arrays = page.frame(run["id"], steps=2)
    assert (header["step"], header["state"], header["reference"]) == (2, "running", None)
    assert header["new"]["step"] == [1, 2]
    assert arrays["weights"].shape == arrays["gradients"].shape == (run["parameters"],)
    assert arrays["wrong"].shape == (40,)
    header, arrays = page.frame(run["id"], steps=0, since=0, parts=["map"])
    assert header["new"]["step"] == [1, 2]
    assert arrays.keys() == {"map"}
    assert page.frame(run["id"], steps=10**9, parts=[])[0]["step"] <= 502
    again = page.post(f"/runs/{run['id']}/reset", {}).json
    assert again == run | {"notes": []}
    assert page.frame(run["id"], steps=0)[0]["state"] == "ready"


def test_a_frame_is_the_session(page: Page) -> None:
    run = page.open()
    header, arrays = page.frame(run["id"], steps=7)
    session = Session(from_json(SMALL)[0])
    snapshot = session.advance(7)
    assert header["new"] == snapshot.new
    assert header["norms"] == snapshot.norms
    assert arrays.keys() == snapshot.arrays.keys()
    for name, array in snapshot.arrays.items():
        assert arrays[name].dtype == array.dtype
        assert np.array_equal(arrays[name], array)
    asked = page.post(f"/runs/{run['id']}/neuron", {"layer": 1, "unit": 1}).json
    assert asked == session.neuron(1, 1)
    asked = page.post(f"/runs/{run['id']}/probability", {"x": [0.5, 0]}).json
    assert asked["probabilities"] == session.probabilities([0.5, 0])
    assert asked["class"] == np.argmax(asked["probabilities"])


def test_a_frame_lies_as_it_says(page: Page) -> None:
    packed = pack(Session(from_json(SMALL)[0]).advance(1))
    length = int.from_bytes(packed[:4], "little")
    start = -(-(4 + length) // 8) * 8
    assert packed[4 + length : start] == bytes(start - 4 - length)
    for part in json.loads(packed[4 : 4 + length])["arrays"]:
        assert part["offset"] % 8 == 0
        assert part["dtype"] in ("f4", "i4", "u1")


def test_a_diverged_run_is_json_all_the_same(page: Page) -> None:
    linear = [{"units": 10, "activation": "none"}] * 3
    run = page.open(lr=100, layers=linear)["id"]
    header, arrays = page.frame(run, steps=99)
    assert header["state"] == "diverged"
    assert header["message"].startswith(f"diverged at step {header['step']}: ")
    assert None in (header["new"]["loss"][-1], header["new"]["test_loss"][-1])
    assert np.isfinite(arrays["map"]).all()


def test_of_17_runs_the_longest_unused_is_dropped(page: Page) -> None:
    first, second, *_ = (page.open()["id"] for _ in range(16))
    page.frame(first, steps=0)
    newest = page.open()["id"]
    lost = page.post(f"/runs/{second}/frame", {})
    assert (lost.status, lost.error[:9]) == (404, "run lost:")
    page.frame(first, steps=0)
    page.frame(newest, steps=0)
    assert page.send("DELETE", f"/runs/{newest}").json == {}
    assert page.post(f"/runs/{newest}/reset", {}).status == 404


REFUSED = {
    "no recipe": ("/runs", {}, "a recipe is an object with keys such as data and lr, not None"),
    "another version": ("/runs", {"recipe": {"v": 7}}, "version 7, and this playground reads"),
    "an unknown key": ("/runs", {"recipie": {"v": 1}}, "nothing here is called 'recipie'"),
    "no csv": ("/runs", {"recipe": {"v": 1, "data": "csv"}}, "the CSV is empty"),
    "a csv's name": (
        "/runs",
        {"recipe": {"v": 1, "data": "csv"}, "csv": "1,2\n", "csv_name": "pets.csv"},
        "pets.csv has 2 columns",
    ),
    "a csv that is none": ("/runs", {"recipe": {"v": 1}, "csv": 5}, "csv and csv_name are texts"),
    "words for steps": ("/runs/RUN/frame", {"steps": "5"}, "steps must be a whole number"),
    "half a step": ("/runs/RUN/frame", {"steps": 0.5}, "steps must be a whole number"),
    "parts": ("/runs/RUN/frame", {"parts": ["maps"]}, "parts is a list of map, neurons"),
    "unit": ("/runs/RUN/neuron", {"unit": 3}, "there is no unit 3 in layer 0"),
    "a point": ("/runs/RUN/probability", {"x": [1]}, "two numbers"),
    "a far point": ("/runs/RUN/probability", {"x": [1, 1e301]}, "two numbers"),
    "samples": ("/runs/RUN/trace", {"samples": "all"}, "samples is a list"),
    "no samples": ("/runs/RUN/trace", {"samples": []}, "1 to 16 points can be traced, not 0"),
    "a sample": ("/runs/RUN/trace", {"samples": [32]}, "no training point 32: they are 0 to 31"),
    "an export": ("/export", {"recipe": {"v": 1, "lr": []}}, "lr must be a number"),
}


@pytest.mark.parametrize(("path", "data", "why"), REFUSED.values(), ids=REFUSED)
def test_refusals_are_one_sentence(page: Page, path: str, data: Any, why: str) -> None:
    answer = page.post(path.replace("RUN", page.open()["id"]), data)
    assert answer.status == 400
    assert why in answer.error


def test_backward_as_the_steppers_scene(page: Page) -> None:
    run = page.open()["id"]
    page.frame(run, steps=1)
    made = page.post(f"/runs/{run}/trace", {"samples": [3, 1]}).json
    assert made["about"] == "step 1, training points 3, 1"
    assert made["steps"]
    assert made["graph"].startswith("<svg")


def test_scripts(page: Page) -> None:
    made = page.post("/export", {"recipe": SMALL, "steps": 12}).json
    assert made.keys() == {"tinygrad_cls", "pytorch"}
    assert "STEPS, EVERY = 12, 1\n" in made["pytorch"]


# --- The command ----------------------------------------------------------------------------------


def play(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_play(parser.add_subparsers().add_parser)
    given = parser.parse_args(["play", *arguments])
    return int(given.command(given))


def test_a_port_in_use() -> None:
    with socket.socket() as taken:
        taken.bind((command.ADDRESS, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(command.PlayError) as caught:
            play("--port", str(port), "--no-browser")
    assert str(caught.value) == (
        f"port {port} is in use: choose another with --port N, or any free one with --port 0"
    )


def test_wrong_calls() -> None:
    with pytest.raises(command.PlayError, match="--port 65536: a port is a number from 0 to 65535"):
        play("--port", "65536")
    with pytest.raises(command.PlayError, match="no preset 'mnist'; there are 1 circles-linear"):
        play("--preset", "mnist", "--port", "0")


@pytest.mark.parametrize("missing", ["uvicorn", "starlette", "sklearn"])
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "tinygrad_cls.playground.app")
    with pytest.raises(MissingExtra, match=rf"{missing} .*pip install 'tinygrad_cls\[play\]'"):
        play("--port", "0", "--no-browser")


def test_only_this_computer_reaches_it() -> None:
    with command.listening(0) as door:
        address, port = door.getsockname()
        assert (address, door.proto) == ("127.0.0.1", socket.IPPROTO_TCP)
        with socket.socket() as other:  # the port of all other addresses is free
            other.bind(("127.0.0.2", port))


def test_browsers(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Any:
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(webbrowser, "get", none)
    assert command.show("http://127.0.0.1:1/") is False
    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.GenericBrowser("lynx"))
    assert command.show("http://127.0.0.1:1/") is False  # it would take the terminal
    opened: list[str] = []
    window = webbrowser.BackgroundBrowser("firefox")
    monkeypatch.setattr(window, "open", lambda url: opened.append(url) or True)
    monkeypatch.setattr(webbrowser, "get", lambda: window)
    assert command.show("http://127.0.0.1:1/") is True
    assert opened == ["http://127.0.0.1:1/"]


SERVE = """
import argparse, sys, webbrowser
webbrowser.get = lambda: webbrowser.GenericBrowser("lynx")
from tinygrad_cls.playground.command import add_play
parser = argparse.ArgumentParser()
add_play(parser.add_subparsers().add_parser)
given = parser.parse_args(sys.argv[1:])
sys.exit(given.command(given))
"""


def test_a_server_from_start_to_end() -> None:
    command = [sys.executable, "-c", SERVE, "play", "--port", "0", "--preset", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        try:
            assert p.stdout is not None
            line = p.stdout.readline()
            found = re.fullmatch(
                r"The playground is at (http://127\.0\.0\.1:\d+/)#(v=1&.*) \(Ctrl-C ends it\)\n",
                line,
            )
            assert found, line
            assert found[2] == PRESETS["circles-linear"].to_hash()
            assert p.stdout.readline() == "no browser was found: open that address in one\n"
            with urllib.request.urlopen(found[1], timeout=30) as answer:
                assert b'name="token"' in answer.read()
                assert (
                    answer.headers["content-security-policy"] == HEADERS["content-security-policy"]
                )
                assert answer.headers["server"] is None
            foreign = urllib.request.Request(found[1], headers={"Host": "evil.example"})
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(foreign, timeout=30)
            caught.value.close()
            p.send_signal(signal.SIGINT)
            out, error = p.communicate(timeout=30)
        finally:
            p.kill()
    assert (p.returncode, out, error) == (0, "The playground has ended\n", "")


def test_requests_of_one_run_wait_for_each_other(page: Page) -> None:
    run = page.open()["id"]
    threads = [
        threading.Thread(target=page.frame, args=(run,), kwargs={"steps": 5}) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    header, _ = page.frame(run, steps=0, since=0)
    assert header["step"] == 30
    assert header["new"] == Session(from_json(SMALL)[0]).advance(30, ()).new


def test_the_guard_lets_the_lifespan_pass() -> None:
    seen: list[str] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    asyncio.run(Guard(inner, PORT, TOKEN)({"type": "lifespan"}, None, None))
    assert seen == ["lifespan"]
