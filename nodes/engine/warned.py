"""What a run warns of, gathered for the page. The console has it as well."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from . import LOG


class Warnings(logging.Handler):
    """The pack's warnings of one thread, each kind once: a sweep warns at every lambda of the same thing."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self._by_kind: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self._by_kind[record.msg] = record.getMessage()

    def forget(self, kind: str) -> None:
        """Leave out a kind of warning. kind: its text before values are filled in."""
        self._by_kind.pop(kind, None)

    @property
    def texts(self) -> list[str]:
        """In the order in which their kinds came; of each kind the last one."""
        return list(self._by_kind.values())


@contextmanager
def warnings() -> Iterator[Warnings]:
    """What this thread warns of inside of the `with` block."""
    gathered = Warnings()
    LOG.addHandler(gathered)
    try:
        yield gathered
    finally:
        LOG.removeHandler(gathered)
