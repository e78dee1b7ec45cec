"""Summary of a project's judgments for the page and the terminal: quality, win rates, agreement of AI judges with people.

Judgments of people and of AI judges are counted apart; the winner of a settled pair counts instead of its votes.
"""

from dataclasses import dataclass, replace

from tuner.labels import ai_labellers, outcome, projects, quality, win_rate
from tuner.labels.quality import Panel
from tuner.labels.win_rate import Standing, WinRate
from tuner.paths import Workspace


@dataclass(frozen=True)
class Summary:
    """`rates` for groups of two compared models, `tables` for larger groups; `judges`: for each pair that an AI judge and people judged,
    whether they agree."""

    project: projects.Project
    panel: Panel
    rates: list[WinRate]
    tables: list[list[Standing]]
    judges: dict[str, list[bool]]

    @property
    def sentences(self) -> list[str]:
        """The quality report as sentences."""
        return self.panel.sentences() if self.panel.overall.verdicts else ["Nothing has been judged yet."]


def of(ws: Workspace, id: str) -> Summary:
    """Return the summary of a project; NotFoundError when there is none."""
    project, given, settled = projects.find(ws, id), outcome.judgments_of(ws, id), outcome.settled(ws, id)
    people = [v for v in given if not ai_labellers.is_judge(v.labeller)]
    panel = quality.panel(people)
    panel = replace(panel, disagreements=[d for d in panel.disagreements if d.pair not in settled])
    last = outcome.as_settled(people, settled)
    votes = win_rate.comparisons(last)  # one per pair: for a planned number of comparisons, and for tables
    planned = project.settings.planned
    found = votes if planned else win_rate.comparisons(last, vote=False)  # the earliest per pair: a majority may change between two looks
    groups = win_rate.groups(found)
    return Summary(
        project,
        panel,
        [win_rate.rate(win_rate.outcomes(found, *g), *g, planned) for g in groups if len(g) == 2],
        [win_rate.standings([c for c in votes if c[0] in g]) for g in groups if len(g) > 2],
        {j: ai_labellers.agreement(given, j) for j in sorted({v.labeller for v in given if ai_labellers.is_judge(v.labeller)})},
    )


def agreed(ws: Workspace, model: str) -> list[bool]:
    """Return for each pair of all projects that this model (as an AI judge) and people judged whether they agree."""
    who = ai_labellers.named(model)
    return [same for project in projects.listing(ws) for same in ai_labellers.agreement(outcome.judgments_of(ws, project.id), who)]
