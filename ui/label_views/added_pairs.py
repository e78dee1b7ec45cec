"""What became of pairs that were to be added, in words."""

from tuner.errors import RequestError
from tuner.jobs.job import JobStatus
from tuner.labels import pair_import
from tuner.labels.pairs import CUT, EMPTY, FAILED, IDENTICAL, KNOWN, NEARLY, Added
from ui.components import html
from ui.label_views import drawn
from ui.text import text

REASONS = {IDENTICAL: "identical", NEARLY: "nearly", EMPTY: "empty", CUT: "cut", FAILED: "failed", KNOWN: "known"}  # ends of texts' names


def reading(now: JobStatus) -> str:
    """The bar while pairs are added; of a file `done` counts bytes, so it is told in percent."""
    if not now.total:
        return drawn.bar(0, 1, text("label-opening"))
    return drawn.bar(now.done, now.total, text("label-adding", percent=f"{now.done / now.total:.0%}", shown=f"{now.rows:,}"))


def taken(now: JobStatus) -> str:
    """What became of the pairs, or why there are none."""
    if now.state == "cancelled":
        return drawn.quiet(text("label-adding-cancelled"))
    if now.state == "failed":
        return failed(now)
    return report(pair_import.report(now))


def failed(now: JobStatus) -> str:
    return "".join(html.bad(f"{e['message']} {e['remedy']}", "en") for e in now.errors)


def report(added: Added) -> str:
    """How many pairs were added and what was left out, with its reasons; that none came in is a warning, with what to do."""
    left = [text(f"label-left-out-{REASONS[reason]}", n=n, shown=f"{n:,}") for reason, n in added.dropped.items()]
    if added.unread:
        first = added.unread[0]
        left.append(
            text("label-unread", n=len(added.unread), shown=f"{len(added.unread):,}", row=first["row"])
            + " "
            + drawn.english(f"{first['message']} {first['remedy']}")
        )
    more = f"<ul>{''.join(f'<li>{line}</li>' for line in left)}</ul>" if left else ""
    if added.added:
        return drawn.good(text("label-pairs-added", n=added.added, shown=f"{added.added:,}") + more + hint(added))
    return drawn.warning(text("label-none-added"), more + f"<p>{text(f'label-none-remedy-{cause(added)}')}</p>")


def cause(added: Added) -> str:
    """Return why most pairs were left out, as the end of a text's name."""
    alike = added.dropped[IDENTICAL] + added.dropped[NEARLY]
    most = max((added.dropped[KNOWN], "known"), (alike, "alike"), (added.dropped[CUT], "cut"))
    return most[1] if most[0] else "other"


def hint(added: Added) -> str:
    alike = added.dropped[IDENTICAL] + added.dropped[NEARLY]
    return f"<p>{text('label-none-remedy-alike')}</p>" if alike > max(3, added.added) else ""


def no_project() -> RequestError:
    return RequestError(
        "There is no label project yet.", asked=None, available="a project", remedy="Create one at the top of this page.", field="project"
    )
