"""``stepper-pages``: links to the stepper's pages of the experiments, made as the site is built."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from tinygrad_cls.__main__ import main
from tinygrad_cls.experiments import EXPERIMENTS

FOLDER = "stepper"
EPOCH = 100


class StepperPages(SphinxDirective):
    """A list of links, one for the experiment on each line."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Makes the list."""
        items = nodes.bullet_list()
        for name in self.content:
            link = f'<a href="{FOLDER}/{name}.html">{EXPERIMENTS[name].title}</a> ({name})'
            line = nodes.paragraph("", "", nodes.raw("", link, format="html"))
            items += nodes.list_item("", line)
        return [items]


def write(app: Sphinx, error: Exception | None) -> None:
    """Writes the pages beside the site's own."""
    if error is None and app.builder.format == "html":
        folder = Path(app.outdir, FOLDER)
        folder.mkdir(exist_ok=True)
        for name in EXPERIMENTS:
            page = str(folder / f"{name}.html")
            with redirect_stdout(io.StringIO()):
                failed = main(["step", name, "--epoch", str(EPOCH), "--html", page])
            if failed:
                raise ExtensionError(f"the stepper's page of {name} could not be made")


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the directive, and the end of the build."""
    app.add_directive("stepper-pages", StepperPages)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
