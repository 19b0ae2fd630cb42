"""The playground's web app: pages, JSON, and one binary frame for every frame of the page.

A request works in a thread of its own; those of one run wait for each other. What may be asked is
the table of routes in `create`, what is answered is in `about`, `described` and `frames.pack`.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import __version__, _torch
from ..experiments import DataError, extra
from ..trace.scene import scene
from .data import CLASSES, FEATURES, NOISE, ROWS
from .export import scripts
from .frames import pack, to_json
from .guard import FAILED, Guard
from .model import linears
from .recipe import CHOICES, LIMITS, PRESETS, RecipeError, from_json, titles
from .requests import CSV, Refused, body, is_finite, known, pasted, whole
from .session import PARTS, Session
from .views import MAP, NEURON_MAP

with extra("play"):
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import Response
    from starlette.routing import Route

RUNS = 16
STEPS = 500
"""The most steps that one frame does."""
SECONDS = 0.25
"""After which a frame is sent, however many steps are done."""
LARGEST = 2**53
EXPORTED = 100_000
"""The most steps of a script."""

HERE = Path(__file__).parent
FOLDERS = (HERE.parent / "trace" / "page_files", HERE / "static")
TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


class Runs:
    """The sessions by their ids. Of more than RUNS the one that was longest unused is dropped."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, session: Session) -> str:
        name = secrets.token_urlsafe(9)
        with self._lock:
            self._runs[name] = session
            while len(self._runs) > RUNS:
                self._runs.popitem(last=False)
        return name

    def get(self, name: str) -> Session:
        with self._lock:
            if name not in self._runs:
                raise Refused(404, "run lost: the server was restarted, or has newer runs")
            self._runs.move_to_end(name)
            return self._runs[name]

    def drop(self, name: str) -> None:
        with self._lock:
            self._runs.pop(name, None)


class Playground:
    """What is done for each request."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.runs = Runs()

    def home(self, _: Request) -> Response:
        """The page, which shows the token to its own scripts."""
        page = (HERE / "static" / "index.html").read_text(encoding="utf-8")
        return Response(page.replace("{{token}}", self.token), media_type="text/html")

    def static(self, request: Request) -> Response:
        """A file of the page."""
        if (path := static_files().get(request.path_params["name"])) is None:
            raise Refused(404, "there is no such file")
        return Response(path.read_bytes(), media_type=TYPES[path.suffix])

    def presets(self, _: Request) -> Response:
        """What the page needs to know before the first run."""
        return answer(about())

    def drop(self, request: Request) -> Response:
        """The reader has left this run."""
        self.runs.drop(request.path_params["run"])
        return answer({})

    def open(self, data: dict[str, Any]) -> Response:
        """A new run."""
        known(data, "recipe", "csv", "csv_name")
        recipe, notes = from_json(data.get("recipe"))
        session = Session(recipe, *pasted(data))
        return answer(described(self.runs.add(session), session, notes), 201)

    def export(self, data: dict[str, Any]) -> Response:
        """A run as scripts."""
        known(data, "recipe", "steps", "csv", "csv_name")
        recipe, _ = from_json(data.get("recipe"))
        return answer(scripts(recipe, whole(data, "steps", 1, 1, EXPORTED), *pasted(data)))

    def frame(self, session: Session, data: dict[str, Any]) -> Response:
        """Train some steps, and show where they lead."""
        known(data, "steps", "since", "parts", "reference_since")
        parts = data.get("parts", [*PARTS])
        if not isinstance(parts, list) or any(part not in PARTS for part in parts):
            raise Refused(400, f"parts is a list of {', '.join(PARTS)}")
        snapshot = session.advance(
            whole(data, "steps", 1, 0, STEPS),
            parts,
            whole(data, "since", None, 0, LARGEST),
            SECONDS,
            whole(data, "reference_since", None, 0, LARGEST),
        )
        return Response(pack(snapshot), media_type="application/octet-stream")

    def neuron(self, session: Session, data: dict[str, Any]) -> Response:
        """What a neuron computes."""
        known(data, "layer", "unit")
        layer, unit = (whole(data, key, 0, -1, LARGEST) for key in ("layer", "unit"))
        return answer(session.neuron(layer, unit))

    def probability(self, session: Session, data: dict[str, Any]) -> Response:
        """Of each class at a point of the picture."""
        known(data, "x")
        x = data.get("x")
        if not isinstance(x, list) or len(x) != 2 or not all(map(is_finite, x)):
            raise Refused(400, "x is a point of the picture: two numbers")
        p = session.probabilities([float(number) for number in x])
        return answer({"probabilities": p, "class": p.index(max(p))})

    def trace(self, session: Session, data: dict[str, Any]) -> Response:
        """Backward of a few training points, for the stepper."""
        known(data, "samples")
        samples = data.get("samples", [0, 1, 2, 3])
        if not isinstance(samples, list) or not all(type(i) is int for i in samples):
            raise Refused(400, "samples is a list of numbers of training points")
        recorded = session.trace_backward(samples)
        about = f"step {session.step}, training points {', '.join(map(str, samples))}"
        return answer(scene(recorded, title="Backward, step by step", about=about, lines=False))


def create(port: int, token: str | None = None) -> Guard:
    """The app, for a server at `port`. token: what the page shows; by default a new random one."""
    token = token or secrets.token_urlsafe(32)
    does = Playground(token)

    def page(work: Callable[[Request], Response]) -> Any:
        async def endpoint(request: Request) -> Response:
            return await run_in_threadpool(work, request)

        return endpoint

    def post(work: Callable[[dict[str, Any]], Response]) -> Any:
        async def endpoint(request: Request) -> Response:
            return await run_in_threadpool(work, await body(request))

        return endpoint

    def of_a_run(work: Callable[[Session, dict[str, Any]], Response]) -> Any:
        async def endpoint(request: Request) -> Response:
            data, name = await body(request), request.path_params["run"]
            return await run_in_threadpool(lambda: work(does.runs.get(name), data))

        return endpoint

    async def reset(request: Request) -> Response:
        known(await body(request))
        name = request.path_params["run"]

        def work() -> Response:
            session = does.runs.get(name)
            session.reset()
            return answer(described(name, session, []))

        return await run_in_threadpool(work)

    routes = [
        Route("/", page(does.home)),
        Route("/static/{name}", page(does.static)),
        Route("/presets", page(does.presets)),
        Route("/runs", post(does.open), methods=["POST"]),
        Route("/runs/{run}", page(does.drop), methods=["DELETE"]),
        Route("/runs/{run}/reset", reset, methods=["POST"]),
        Route("/runs/{run}/frame", of_a_run(does.frame), methods=["POST"]),
        Route("/runs/{run}/neuron", of_a_run(does.neuron), methods=["POST"]),
        Route("/runs/{run}/probability", of_a_run(does.probability), methods=["POST"]),
        Route("/runs/{run}/trace", of_a_run(does.trace), methods=["POST"]),
        Route("/export", post(does.export), methods=["POST"]),
    ]
    app = Starlette(routes=routes, exception_handlers={
        HTTPException: refusal, Refused: refusal, RecipeError: refusal, DataError: refusal,
        ClientDisconnect: refusal, Exception: refusal,
    })  # fmt: skip
    app.router.redirect_slashes = False
    return Guard(app, port, token)


# --- Answers --------------------------------------------------------------------------------------


def answer(data: Any, status: int = 200) -> Response:
    """Data as JSON."""
    return Response(to_json(data), status, media_type="application/json")


def refusal(_: Request, error: Exception) -> Response:
    """An error as JSON: {"error": a sentence}."""
    match error:
        case HTTPException():
            status, why = error.status_code, f"there is no such request: {error.detail}"
        case Refused():
            status, why = error.status, str(error)
        case ClientDisconnect():
            status, why = 400, "the request was cut off"
        case RecipeError() | DataError():
            status, why = 400, str(error)
        case _:
            status, why = 500, FAILED.format(type(error).__name__)
    return answer({"error": why}, status)


def static_files() -> dict[str, Path]:
    """All files that are served, by name: nothing else can be asked for."""
    found = (path for folder in FOLDERS for path in sorted(folder.glob("*.*")))
    return {path.name: path for path in found if path.suffix in TYPES}


def about() -> dict[str, Any]:
    """What the page needs to know before the first run."""
    try:
        torch = _torch.pytorch() is not None
    except (ImportError, OSError):
        torch = False
    return {
        "version": __version__,
        "torch": torch,
        "presets": [
            {"number": i, "name": name, "title": title, "recipe": PRESETS[name].to_json()}
            for i, (name, title) in enumerate(titles().items(), 1)
        ],
        "limits": {name: [low, high] for name, (low, high) in LIMITS.items()},
        "choices": CHOICES,
        "noise": NOISE,
        "csv": {"rows": ROWS, "bytes": CSV, "features": FEATURES, "classes": CLASSES},
        "steps": STEPS,
        "map": MAP,
        "neuron_map": NEURON_MAP,
    }


def described(name: str, session: Session, notes: list[str]) -> dict[str, Any]:
    """A run as the page gets it when it begins."""
    data, recipe = session.data, session.recipe
    activations = [layer.activation for layer in recipe.layers] + ["none"]
    layers = [
        {
            "name": f"layer_{i}",
            "inputs": layer.in_features,
            "units": layer.out_features,
            "activation": activation,
        }
        for i, (layer, activation) in enumerate(
            zip(linears(session.model), activations, strict=True), 1
        )
    ]
    sets = {"train": (data.X_train, data.y_train), "test": (data.X_test, data.y_test)}
    reference = session.reference
    return {
        "id": name,
        "recipe": recipe.to_json(),
        "notes": notes + session.notes,
        "features": data.features,
        "classes": data.classes,
        "points": {
            part: [[*xy, label] for xy, label in zip(X[:, :2].tolist(), y.tolist(), strict=True)]
            for part, (X, y) in sets.items()
        },
        "extent": data.extent,
        "layers": layers,
        "parameters": sum(p.numel() for p in session.parameters.values()),
        "reference": {
            "kind": reference.kind,
            "why": reference.why,
            "tolerance": reference.tolerance,
            "tolerance_why": reference.tolerance_why,
        },
    }
