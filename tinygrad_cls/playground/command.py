"""``tinygrad-cls play``: the playground in the browser."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import socket
import webbrowser
from collections.abc import Callable

from ..experiments import extra
from .recipe import PRESETS, RecipeError, preset

ADDRESS, PORT = "127.0.0.1", 8517
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class PlayError(ValueError):
    """The playground cannot start; the message says why in one line."""


def add_play(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    """The command and its options."""
    command = add_parser(
        "play",
        help="train, step through backward and compare in the browser",
        description="Open the playground: train a small network and watch it, step through "
        "backward, compare two runs. It is served to this computer alone.",
        epilog="presets:\n"
        + "".join(f"  {i} or {name}\n" for i, name in enumerate(PRESETS, 1))
        + "\nexamples:\n"
        "  tinygrad-cls play\n"
        "  tinygrad-cls play --preset blobs --port 0 --no-browser\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(command=play_command)
    add = command.add_argument
    add("--preset", metavar="NAME", help="open with this run (default: 2)")
    add("--port", type=int, default=PORT, metavar="N", help=f"(default: {PORT}; 0: any free one)")
    add("--no-browser", action="store_true", help="print the address and open nothing")


def play_command(arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    with extra("play"):
        import sklearn.datasets  # noqa: F401
        import threadpoolctl  # type: ignore[import-untyped]  # comes with scikit-learn
        import uvicorn

        from .app import create
    fragment = ""
    if arguments.preset is not None:
        try:
            fragment = f"#{preset(arguments.preset).to_hash()}"
        except RecipeError as error:
            raise PlayError(str(error)) from None
    with contextlib.closing(listening(arguments.port)) as door:
        port = door.getsockname()[1]
        url = f"http://{ADDRESS}:{port}/{fragment}"
        print(f"The playground is at {url} (Ctrl-C ends it)", flush=True)
        if not arguments.no_browser and not show(url):
            print("no browser was found: open that address in one", flush=True)
        # Several threads on matrices this small wait for each other: 86 ms a step instead of 0.6.
        for name in THREADS:  # read by torch, which is imported later
            os.environ.setdefault(name, "1")
        config = uvicorn.Config(
            create(port), lifespan="off", log_level="warning", access_log=False,
            server_header=False, timeout_graceful_shutdown=2,
        )  # fmt: skip
        with threadpoolctl.threadpool_limits(1), contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[door])
    print("The playground has ended")
    return 0


def listening(port: int) -> socket.socket:
    """A socket that this computer alone can reach."""
    if not 0 <= port < 2**16:
        raise PlayError(f"--port {port}: a port is a number from 0 to 65535")
    # With its protocol named, asyncio sends a frame's last packet at once, not 40 ms later.
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would share the port with a running server
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((ADDRESS, port))
        door.listen(128)
    except OSError as error:
        door.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            why = "is in use" if error.errno == errno.EADDRINUSE else "is not ours to open"
            raise PlayError(
                f"port {port} {why}: choose another with --port N, or any free one with --port 0"
            ) from None
        raise
    return door


def show(url: str) -> bool:
    """Open a browser's window; False if there is none."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    text_only = isinstance(browser, webbrowser.GenericBrowser) and not isinstance(
        browser, webbrowser.BackgroundBrowser
    )
    return not text_only and browser.open(url)
