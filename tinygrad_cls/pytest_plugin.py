"""The pytest plugin: the fixture ``judge`` checks gradients, ``--judge`` shows every report.

It is there wherever tinygrad_cls is installed; ``-p no:tinygrad_cls`` does without::

    def test_softplus(judge):
        judge(softplus, np.array([-1.0, 0.5]), vjp=softplus_vjp)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from .judge.report import Report

PROPERTY = "tinygrad_cls.judge"
"""The user property in which a check's report travels, from pytest-xdist's workers too."""


class Judge:
    """What the fixture ``judge`` is: the checks of :mod:`tinygrad_cls.judge`, each of which fails
    the test with its report unless it passes. What cannot be judged has not passed.
    """

    def __init__(self, node: pytest.Item, keep: bool) -> None:
        self._node, self._keep = node, keep

    def __call__(self, f: Any, *inputs: Any, **options: Any) -> Report:
        """:func:`tinygrad_cls.judge.check`."""
        __tracebackhide__ = True
        from .judge import check

        return self._settled(check, f, *inputs, **options)

    def module(self, module: Any, *inputs: Any, **options: Any) -> Report:
        """:func:`tinygrad_cls.judge.check_module`."""
        __tracebackhide__ = True
        from .judge import check_module

        return self._settled(check_module, module, *inputs, **options)

    def loss(self, loss: Any, *args: Any, **options: Any) -> Report:
        """:func:`tinygrad_cls.judge.check_loss`."""
        __tracebackhide__ = True
        from .judge import check_loss

        return self._settled(check_loss, loss, *args, **options)

    def optimizer(self, optimizer: Any, *args: Any, **options: Any) -> Report:
        """:func:`tinygrad_cls.judge.check_optimizer`."""
        __tracebackhide__ = True
        from .judge import check_optimizer

        return self._settled(check_optimizer, optimizer, *args, **options)

    def _settled(self, check: Callable[..., Report], *args: Any, **options: Any) -> Report:
        __tracebackhide__ = True
        report = check(*args, **options)
        if self._keep:
            kept = Check(report.name, report.verdict, report.seconds, str(report))
            self._node.user_properties.append((PROPERTY, kept._asdict()))
        if report.verdict == "not judged":
            pytest.fail(f"{report}\nnot judged, and so not passed", pytrace=False)
        if not report:
            pytest.fail(str(report), pytrace=False)
        return report


class Check(NamedTuple):
    """What is kept of a report; only plain values travel between processes."""

    name: str
    verdict: str
    seconds: float
    text: str


@pytest.fixture
def judge(request: pytest.FixtureRequest) -> Judge:
    """Checks a gradient, and fails the test with the report unless it's right.

    ``judge(f, *inputs, vjp=...)``, as ``tinygrad_cls.judge.check``; also ``judge.module(...)``,
    ``judge.loss(...)`` and ``judge.optimizer(...)``. Each returns the report.
    """
    return Judge(request.node, request.config.getoption("tinygrad_cls_judge"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--judge``."""
    parser.getgroup("tinygrad_cls").addoption(
        "--judge",
        action="store_true",
        dest="tinygrad_cls_judge",
        help="show the report of every gradient check, of those that passed too",
    )


def pytest_configure(config: pytest.Config) -> None:
    """The summary comes with ``--judge`` alone."""
    if config.getoption("tinygrad_cls_judge"):
        config.pluginmanager.register(Summary())


class Summary:
    """Collects the reports of all tests, wherever they ran, and prints them at the end."""

    def __init__(self) -> None:
        self.checks: list[tuple[str, Check]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "teardown":  # which knows of the checks of all phases
            return
        for name, value in report.user_properties:
            if name == PROPERTY and isinstance(value, dict):
                self.checks.append((report.nodeid, Check(**value)))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("gradient checks")
        for test, check in self.checks:
            terminalreporter.write_line(test, bold=True)
            terminalreporter.write_line(check.text)
        terminalreporter.write_line(self.table())

    def table(self) -> str:
        """The one line that counts them."""
        if not self.checks:
            return "no gradient was checked"
        verdicts = [check.verdict for _, check in self.checks]
        counts = [f"{verdicts.count(v)} {v}" for v in ("passed", "failed", "not judged")]
        test, slowest = max(self.checks, key=lambda pair: pair[1].seconds)
        return (
            f"{len(verdicts)} check{'s' if len(verdicts) > 1 else ''}: {', '.join(counts)}; "
            f"slowest: {slowest.name}, {slowest.seconds:.2g} s ({test})"
        )
