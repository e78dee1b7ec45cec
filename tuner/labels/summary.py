"""All that is told of a project's judgements, once for the page and the terminal: quality, which model wins, how far judge models agree.

People's verdicts and those of judge models are counted apart; where the last word was said on a pair, it counts instead of its votes.
"""

from dataclasses import dataclass, replace

from tuner.labels import ai_labellers, outcome, projects, quality, win_rate
from tuner.labels.quality import Panel
from tuner.labels.win_rate import Standing, WinRate
from tuner.paths import Workspace


@dataclass(frozen=True)
class Summary:
    """`rates` of models that were compared two by two, `tables` of more; `judges`: for each pair that a judge model and people decided,
    whether they say the same."""

    project: projects.Project
    panel: Panel
    rates: list[WinRate]
    tables: list[list[Standing]]
    judges: dict[str, list[bool]]

    @property
    def said(self) -> list[str]:
        return self.panel.said() if self.panel.overall.verdicts else ["Nothing was judged yet."]


def of(ws: Workspace, id: str) -> Summary:
    """NotFoundError when there is no such project."""
    project, given, words = projects.find(ws, id), outcome.verdicts(ws, id), outcome.settled(ws, id)
    people = [v for v in given if not ai_labellers.is_judge(v.labeller)]
    panel = quality.panel(people)
    panel = replace(panel, disagreements=[d for d in panel.disagreements if d.pair not in words])
    last = outcome.as_settled(people, words)
    votes = win_rate.comparisons(last)  # one a pair: of a number that was fixed, and of a table
    planned = project.settings.planned
    found = votes if planned else win_rate.comparisons(last, vote=False)  # one a verdict: a majority may change while one looks on
    groups = win_rate.groups(found)
    return Summary(
        project,
        panel,
        [win_rate.rate(win_rate.outcomes(found, *g), *g, planned) for g in groups if len(g) == 2],
        [win_rate.standings([c for c in votes if c[0] in g]) for g in groups if len(g) > 2],
        {j: ai_labellers.agreement(given, j) for j in sorted({v.labeller for v in given if ai_labellers.is_judge(v.labeller)})},
    )
