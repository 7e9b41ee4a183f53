"""Progress on stderr."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any


class Progress:
    """A bar of tqdm where it is installed, else a line of text on a terminal."""

    def __init__(self, title: str, shown: bool) -> None:
        self._title, self._shown = title, shown
        self._bar: Any = None
        self._done = self._total = 0

    def start(self, total: int) -> None:
        """Starts the bar of a number of steps."""
        self._total = total
        if not self._shown:
            return
        try:
            from tqdm.auto import tqdm
        except ImportError:
            self._shown = sys.stderr.isatty()
        else:
            self._bar = tqdm(total=total, desc=self._title)

    def advance(self, steps: int) -> None:
        """Adds finished steps."""
        self._done += steps
        if self._bar is not None:
            self._bar.update(steps)
        elif self._shown:
            print(f"\r{self._title}: {self._done} of {self._total}", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._shown and self._done:
            print(file=sys.stderr)
