"""One line of progress on standard error: a bar (rich) on a terminal, a new line now and then elsewhere."""

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from tuner.cli.output import say
from tuner.formatting import human_time

EVERY = 3.0  # seconds between two lines where there is no terminal


class Line:
    """A line that is redrawn. Use it as a context: leaving it ends the bar.

    `often`: print each new text at once where there is no terminal, instead of one every few seconds.
    """

    def __init__(self, often: bool = False):
        self.console, self.often = Console(stderr=True), often
        self.bar, self.task, self.last, self.next = None, None, "", time.monotonic() + (0 if often else EVERY)

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: Any) -> None:
        self.end()

    def show(self, text: str, done: float = 0, total: float | None = None) -> None:
        """Show a text with how much of it is done; without `total` nobody knows how much there is."""
        if self.console.is_terminal:
            self._draw(text, done, total)
        elif text != self.last and (self.often or time.monotonic() >= self.next):
            self.next = time.monotonic() + EVERY
            say(text)
        self.last = text

    def _draw(self, text: str, done: float, total: float | None) -> None:
        if self.bar is None:
            columns = (BarColumn(24), TaskProgressColumn(), TextColumn("{task.description}", markup=False))
            self.bar = Progress(*columns, console=self.console)
            self.bar.start()
            self.task = self.bar.add_task(text, total=total)
        self.bar.update(self.task, description=text, completed=done, total=total)

    def end(self) -> None:
        """End the bar; the last state of it stays on the terminal."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


class Training(Line):
    """The progress of a run, for `training.wait(each=...)`."""

    def __init__(self):
        super().__init__(often=True)

    def __call__(self, run) -> None:
        from tuner import runs

        progress = run.progress
        if not run.live and progress.step and not self.last.startswith("step"):  # over before anybody looked while it trained
            self.show(step_of(run), progress.step, progress.steps)
        if progress.steps and run.state in ("running", "stopping"):
            self.show(step_of(run), progress.step, progress.steps)
        else:
            self.show(f"{run.state}: {run.status.reason or runs.SENTENCES[run.state]}", 0, None if run.live else 1)
        if not run.live:
            self.end()


def step_of(run) -> str:
    """Return 'step 12 of 40, loss 1.234, about 3 minutes left'."""
    from tuner import runs
    from tuner.planning import eta

    progress = run.progress
    loss = next((v for _, k, v in reversed(runs.metrics(run, since=progress.step - 5, keys=("loss",))) if v is not None), None)
    left = f", {words}" if (words := eta.describe(progress)) else ""
    return f"step {progress.step} of {progress.steps}{f', loss {loss:.3f}' if loss is not None else ''}{left}"


class Counting(Line):
    """The count of all rows' tokens, for `training.start(each=...)`."""

    def __call__(self, now: dict[str, Any]) -> None:
        if now.get("done"):
            text = f"counting the tokens of all rows: {now['done']:,} of {now['total']:,} ({now['done'] / now['total']:.0%})"
            self.show(text, now["done"], now["total"])


class DryRun(Line):
    """A dry run, for `dry_run.wait(each=...)`."""

    def __init__(self):
        super().__init__(often=True)
        self.reason = ""

    def __call__(self, now: dict[str, Any]) -> None:
        if now["reason"] != self.reason:
            self.reason = now["reason"]
            left = f", about {human_time(now['eta_seconds'])} left" if now["eta_seconds"] else ""
            self.show(f"dry run: {self.reason}{left}")


class Reading(Line):
    """A file that is read, for the jobs of data."""

    def __call__(self, done: int, total: int, rows: int) -> None:
        self.show(f"{done / max(1, total):4.0%}  {rows:,} rows", done, max(1, total))


class Loading(Line):
    """Seconds of something whose end nobody knows, for `waiting=`."""

    def __init__(self, what: str):
        super().__init__()
        self.what = what

    def __call__(self, seconds: float) -> None:
        self.show(f"{self.what} ({seconds:.0f} s)")
