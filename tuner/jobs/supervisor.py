"""A detached process, one per account on a machine: works off the queue, hands out the devices, starts and watches workers.

What each kind of job needs stands in `kinds.py`, who may begin beside whom in `leases.py`.

`python -m tuner.jobs.supervisor` exits at once when another holds the lock, by itself when there is nothing left to do, and between two
jobs when a program of another version asks it to (`system/machine.py`).
It can be killed at any time: the queue is a file, workers go on, and the next supervisor finds them by their locks.
"""

import contextlib
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from tuner import devices, locks, paths, runs
from tuner.errors import DeviceError, disk_is_full
from tuner.jobs import handover, queue, unresponsive
from tuner.jobs.device_memory import DeviceMemory
from tuner.jobs.kinds import RESULT, STATUS
from tuner.jobs.leases import ELSEWHERE, Answer, Lease, Use, may_begin
from tuner.jobs.queue import QueuedJob
from tuner.runs.settling import settle, young
from tuner.system import fork_server, log_files, processes
from tuner.system.machine import LOCK, announce, asked_to_leave

IDLE = 20.0  # seconds without work before it exits
TICK = 0.15
BEHIND = "Waiting in the queue, behind another run."  # the same for all: a thousand would be written anew with each that begins
TOLD = 5.0  # seconds between two sentences about what a job waits for
LEAVES, BACK = 30.0, 20.0  # seconds for a chat to leave, and for the driver to show its memory as free
ABSENT = 10.0  # seconds to wait for a device that does not answer: its driver may be starting
FULL = 10.0  # seconds to wait for somebody to free some of a full disk
DRIVERS = 20  # times that the driver of a run elsewhere is started again
LOST = 1.0  # seconds without a lock after which the process of another supervisor is gone


class Supervisor:
    def __init__(self, machine: Path, inbox: handover.Inbox):
        self.machine, self.db, self.inbox = machine, queue.connect(machine), inbox
        self.children: dict[int, processes.Child] = {}
        self.seen_alive: dict[int, float] = {}  # job -> when it was started or last held its lock
        self.sick: dict[int, float] = {}  # job -> until when it is left alone
        self.told: dict[int, float] = {}  # job -> when it was said what it waits for
        self.blocked: set[str] = set()  # devices for which a run waits: those behind it wait as well
        self.leaving: dict[int, float] = {}  # chat -> when it was asked to leave
        self.freed: dict[str, float] = {}  # device -> when a chat left it
        self.lost: dict[str, float] = {}  # device -> since when it does not answer
        self.devices = DeviceMemory()
        self.driven: dict[int, int] = {}  # run elsewhere -> how often its driver was started again

    def run(self) -> None:
        idle_since = time.monotonic()
        while time.monotonic() - idle_since <= IDLE and not asked_to_leave(self.machine):
            try:
                self.round()
                if self.jobs("running") or self.jobs("waiting") or self.inbox.waiting():
                    idle_since = time.monotonic()
            except (OSError, sqlite3.Error) as error:
                if not disk_is_full(error):
                    raise
                print(f"{time.strftime('%H:%M:%S')} the disk is full; looking again in {FULL:g} s", flush=True)
                time.sleep(FULL)
                idle_since = time.monotonic()
            time.sleep(TICK)

    def round(self) -> None:
        """Look once at each job that runs, and consider each that waits, in their order."""
        for job in self.jobs("running"):
            self.tend(self.look_at, job)
        self.blocked = set()
        for job in self.jobs("waiting"):
            self.tend(self.consider, job)

    def tend(self, work: Callable[[QueuedJob], object], job: QueuedJob) -> None:
        """Do something for one job. Its own trouble (a folder that can only be read, a damaged file) must not end the others: it goes into the
        log, and the job is left alone for a while. A full disk is everybody's trouble."""
        if time.monotonic() < self.sick.get(job.id, 0.0):
            return
        try:
            work(job)
        except (OSError, ValueError) as error:
            if disk_is_full(error):
                raise
            print(f"{time.strftime('%H:%M:%S')} {job.kind} in {job.folder}: {type(error).__name__}: {error}", flush=True)
            self.sick[job.id] = time.monotonic() + FULL

    def jobs(self, state: str) -> list[QueuedJob]:
        return queue.jobs(self.db, state)

    def set_state(self, job: QueuedJob, state: str, pid: int | None = None) -> None:
        queue.set_state(self.db, job.id, state, pid)

    # --- a waiting job ---------------------------------------------------------------------------------------------------------

    def consider(self, job: QueuedJob) -> None:
        """Start a waiting job when it is still wanted and its device has room for it; else say what it waits for."""
        if not job.folder.is_dir():
            return self.done(job)
        if job.about.record == RESULT and (job.folder / job.about.stop).exists():
            return self.done(job)  # cancelled while it waited
        if job.about.record == STATUS and not self.is_to_start(job):
            return None
        if job.held:
            return self.say(job, "On hold until somebody releases it.", at_once=True)
        run = job.about.use is Use.WHOLE
        if run and self.blocked & set(job.devices):
            return self.say(job, BEHIND)
        self.db.execute("BEGIN IMMEDIATE")  # a chat that loads a model claims its memory here as well
        try:
            answer = self.answer(job)
            if answer.begin and self.end_benchmarks(job):
                self.start(job, answer.granted)
        finally:
            self.db.execute("COMMIT")
        if not answer.begin:
            self.say(job, answer.waits)
            if run:
                self.blocked |= set(job.devices)
        return None

    def answer(self, job: QueuedJob) -> Answer:
        """Return whether a job may begin now, on all of its devices; chats that it needs to leave are asked to."""
        running = self.jobs("running")
        leases = [self.devices.in_use(lease, other.pid) for other in running for lease in other.leases]
        answers = [self.answer_on(job, lease, leases, running) for lease in job.leases]
        no = next((answer for answer in answers if not answer.begin), None)
        return no or min(answers, key=lambda answer: answer.granted)

    def answer_on(self, job: QueuedJob, wanted: Lease, leases: list[Lease], running: list[QueuedJob]) -> Answer:
        """Return whether a job may begin on one of its devices."""
        if wanted.device == ELSEWHERE:
            return Answer(True)
        memory = self.devices.memory(wanted.device)
        if memory is None and job.about.use is Use.WHOLE:
            since = self.lost.setdefault(wanted.device, time.monotonic())
            if time.monotonic() - since > ABSENT:
                self.refuse(job, devices.not_there(wanted.device))
            return Answer(False, waits=f"Waiting for the device {wanted.device}, which does not answer.")
        self.lost.pop(wanted.device, None)
        answer = may_begin(wanted, leases, memory, self.others_waiting(job))
        if answer.leave:
            for other in running:
                if other.about.use is Use.SHARED and wanted.device in other.devices:
                    self.ask_to_leave(other)
        short = answer.begin and job.bytes and answer.granted < job.bytes
        if short and time.monotonic() - self.freed.get(wanted.device, -BACK) < BACK:
            return Answer(False, waits="Waiting until the memory of a chat that has left is free.")
        return answer

    def ask_to_leave(self, chat: QueuedJob) -> None:
        """Ask a chat to leave the memory of its device; one that does not is ended."""
        since = self.leaving.setdefault(chat.id, time.monotonic())
        (chat.folder / chat.about.stop).write_text("stop")
        if time.monotonic() - since > LEAVES and chat.pid:
            with contextlib.suppress(psutil.Error, OSError):
                psutil.Process(chat.pid).kill()

    def say(self, job: QueuedJob, sentence: str, *, at_once: bool = False) -> None:
        """Write what a job waits for into its status, or where people read how far it is, if it is not there already."""
        if not at_once and time.monotonic() - self.told.get(job.id, -TOLD) < TOLD:
            return
        self.told[job.id] = time.monotonic()
        if job.about.progress:
            paths.write_json(job.folder / job.about.progress, {"said": sentence})
        if job.about.record != STATUS:
            return
        status = paths.read_json(job.folder / "status.json", {}) or {}
        if status.get("state") == "queued" and status.get("reason") != sentence:
            runs.write_status(job.folder, state="queued", reason=sentence)

    def others_waiting(self, job: QueuedJob) -> Iterator[Lease]:
        """Yield the leases of the other waiting jobs. The queue is read only if they are asked for: a thousand runs may wait."""
        yield from (lease for other in self.jobs("waiting") if other.id != job.id and not other.held for lease in other.leases)

    def is_to_start(self, job: QueuedJob) -> bool:
        """Return whether a process is to be started for a job with a status: it may be stopped already, or at work since a former supervisor."""
        if (job.folder / job.about.stop).exists():
            saved = runs.newest_whole_checkpoint(job.folder)
            kept = f"Stopped; the state of step {saved.name.rpartition('-')[2]} is kept." if saved else "Stopped before it began."
            runs.write_status(job.folder, state="stopped", reason=kept)
            self.done(job)
            return False
        if locks.is_held(job.folder / "lock"):  # a worker that a former supervisor started
            self.set_state(job, "running")
            return False
        status = paths.read_json(job.folder / "status.json", {})
        if status.get("starting"):
            return not young(job.folder)  # a former supervisor may have started a process that is about to take the lock
        if status.get("state") not in ("queued", None):
            self.set_state(job, "running")  # it claims to live: look_at will settle it
            return False
        return True

    def end_benchmarks(self, job: QueuedJob) -> bool:
        """End the benchmarks that this job would disturb, on every device; they wait again. Return whether it may begin: a former supervisor's
        is waited for, five seconds at most."""
        free = True
        for other in self.jobs("running"):
            if other.about.use is Use.IDLE and Use.IDLE in job.about.evicts:
                free = self.end(other) and free
        return free

    def end(self, job: QueuedJob) -> bool:
        """End a job's process, so that the job waits again; return whether it could: only if this supervisor started it."""
        if (child := self.children.pop(job.id, None)) is None:
            return False
        child.kill()
        child.wait()
        self.set_state(job, "waiting")
        return True

    def start(self, job: QueuedJob, granted: int) -> None:
        """Start the process of a job, or of the stage that comes before it, with so many bytes of its device."""
        kind, online = job.about, job.about.online(job.folder)
        if kind.record == STATUS:
            if refused := next((device for device in job.devices if not self.devices.allowed(device)), None):
                return self.refuse(job, devices.not_allowed(refused))
            (job.folder / "heartbeat").unlink(missing_ok=True)  # of an earlier process: this one would seem to give no sign of life
            runs.write_status(job.folder, state="preparing", starting=True, reason=kind.reason_of(job.folder))
        secrets = self.inbox.of(job.folder) if online else None
        log = job.folder / "worker.log"
        child = processes.start(
            kind.module_of(job.folder), str(job.folder), job.device, log=log, device=job.device, offline=not online, secrets=secrets
        )
        self.children[job.id], self.seen_alive[job.id] = child, time.monotonic()
        self.set_state(job, "running", child.pid)
        queue.set_bytes(self.db, job.id, granted)
        if self.jobs("waiting") and fork_server.serves(kind.module_of(job.folder)):
            processes.prepare(job.device)  # while this one trains: the next begins at once

    def refuse(self, job: QueuedJob, error: DeviceError) -> None:
        """End a job whose device can't be used."""
        runs.write_status(job.folder, state="failed", reason=f"{error.message} {error.remedy}", error=error.as_dict())
        self.done(job)

    # --- a job at work -----------------------------------------------------------------------------------------------------------

    def look_at(self, job: QueuedJob) -> None:
        """Settle a running job whose process is gone."""
        code = self.stopped_at_once(job) or self.code(job)
        log_files.shorten(job.folder / "worker.log")
        if job.folder.is_dir() and locks.is_held(job.folder / "lock"):
            self.seen_alive[job.id] = time.monotonic()
            unresponsive.watch(job)
            return
        if self.may_yet_begin(job, code):
            return
        self.children.pop(job.id, None)
        if job.pid and processes.end_group(job.pid):
            print(f"{time.strftime('%H:%M:%S')} {job.kind} in {job.folder} left processes behind: they were ended", flush=True)
        unresponsive.forget(job.folder)
        if job.about.record == STATUS and job.folder.is_dir():
            # a stage is done; or it was resumed or asked for anew before its former worker was seen to be gone
            if paths.read_json(job.folder / "status.json", {}).get("state") == "queued":
                return self.set_state(job, "waiting")
            if self.driven_again(job):
                return self.set_state(job, "waiting")
            settle(job.folder, code)
        self.done(job)

    def driven_again(self, job: QueuedJob) -> bool:
        """Return whether the driver of a run that trains elsewhere is to be started again: it is gone, and its run goes on there."""
        state = paths.read_json(job.folder / "status.json", {}).get("state")
        if job.device != ELSEWHERE or state not in runs.LIVE or not (job.folder / "remote" / "job.json").exists():
            return False
        self.driven[job.id] = self.driven.get(job.id, 0) + 1
        if self.driven[job.id] > DRIVERS:
            return False
        runs.write_status(job.folder, state="queued", reason="The process that follows this run is started again; the run itself goes on.")
        return True

    def code(self, job: QueuedJob) -> int | None:
        """Return the exit code of a job's process; None while it runs, and for that of a former supervisor."""
        child = self.children.get(job.id)
        return child.poll() if child else None

    def stopped_at_once(self, job: QueuedJob) -> int | None:
        """End the process of a job that was asked to stop and has nothing to save; return its exit code, None when there is nothing to end."""
        if not job.about.killed_to_stop or not (job.folder / job.about.stop).exists():
            return None
        if job.id not in self.children or self.code(job) is not None:
            return None
        self.children[job.id].kill()
        code = self.children[job.id].wait()
        runs.write_status(job.folder, state="stopped", reason="Cancelled.")
        return code

    def may_yet_begin(self, job: QueuedJob, code: int | None) -> bool:
        """Return whether a process without a lock may be one that has yet to take it."""
        if job.id in self.children:
            return code is None  # imports are under way
        if time.monotonic() - self.seen_alive.setdefault(job.id, time.monotonic()) < LOST:
            return True  # another supervisor's child may be between two locks
        return bool(paths.read_json(job.folder / "status.json", {}).get("starting")) and young(job.folder)

    def done(self, job: QueuedJob) -> None:
        if job.kind == "train" and (job.folder.parents[1] / "notices.json").exists():
            from tuner.jobs import notices  # with its HTTP client: only where somebody wants to be told

            notices.ended(job.folder)
        self.inbox.forget(job.folder)
        if job.about.use is Use.SHARED:
            self.freed[job.device] = time.monotonic()
            self.leaving.pop(job.id, None)
        self.set_state(job, "done")


def main() -> int:
    machine, told = paths.machine_folder(), {}
    lock = machine / LOCK
    try:
        while locks.acquire(lock, timeout=0.3):
            announce(machine)
            inbox = handover.Inbox(machine, told)
            supervisor = Supervisor(machine, inbox)
            supervisor.run()
            inbox.close()  # before the lock falls: the next supervisor listens at the same place
            told = inbox.kept
            left = asked_to_leave(machine)
            locks.release(lock)
            if left or not supervisor.jobs("waiting") and not inbox.waiting():  # what came in while the lock was held would wait for nobody
                break
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
