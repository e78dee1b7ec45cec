"""All that is told of a project's judgements, once for the page and the terminal: quality, which model wins, how far judge models agree.

People's verdicts and those of judge models are counted apart; where the last word was said on a pair, it counts instead of its votes.
"""

from dataclasses import dataclass, replace

from tuner.labels import judge_names, outcome, projects, quality, wins
from tuner.labels.quality import Panel
from tuner.labels.wins import Standing, WinRate
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
    people = [v for v in given if not judge_names.is_judge(v.labeller)]
    panel = quality.panel(people)
    panel = replace(panel, disagreements=[d for d in panel.disagreements if d.pair not in words])
    last = outcome.as_settled(people, words)
    votes = wins.comparisons(last)  # one a pair: of a number that was fixed, and of a table
    planned = project.settings.planned
    found = votes if planned else wins.comparisons(last, vote=False)  # one a verdict: a majority may change while one looks on
    groups = wins.groups(found)
    return Summary(
        project,
        panel,
        [wins.rate(wins.outcomes(found, *g), *g, planned) for g in groups if len(g) == 2],
        [wins.standings([c for c in votes if c[0] in g]) for g in groups if len(g) > 2],
        {j: judge_names.agreement(given, j) for j in sorted({v.labeller for v in given if judge_names.is_judge(v.labeller)})},
    )
