"""`tunesmith evaluate`: did the training help? A run against its base model, or any two models, on rows of data."""

import os

from tuner.cli.output import say
from tuner.cli.parser import FLAG, TEXT, Commands, count
from tuner.cli.progress import Line
from tuner.errors import RequestError
from tuner.formatting import human_time
from tuner.paths import Workspace


def register(commands: Commands) -> None:
    """Declare `tunesmith evaluate`."""
    commands.add(
        "evaluate",
        "Measure a run or model on rows of data, against its base model or another one.",
        evaluate,
        "model",
        examples=("evaluate RUN", "evaluate RUN --against OTHER --fail-if-worse", "evaluate starter --data customers --rows 500"),
        data={"default": None, "help": "the dataset; without it the validation rows of the run"},
        against={"default": None, "help": "a run or model, or `base`, which a run is compared with by itself"},
        rows={"type": count, "default": None, "help": "how many rows at most (default 200)"},
        no_prompt=FLAG | {"help": "don't ask the base model with examples in its prompt as well, which takes half as long again"},
        no_general=FLAG | {"help": "don't ask general questions, which show what a run has forgotten"},
        judge=TEXT
        | {"metavar": "MODEL", "help": "an AI judge compares the answers as well: a model here, or with --judge-url at an endpoint"},
        judge_url=TEXT
        | {
            "metavar": "URL",
            "help": "an OpenAI-compatible endpoint, to which questions and answers are sent; its key in TUNESMITH_JUDGE_KEY",
        },
        rubric=TEXT | {"help": "what makes an answer better, in words"},
        tasks=TEXT
        | {
            "metavar": "TASK,...",
            "help": "public benchmarks instead of rows: tasks of lm-eval (gsm8k, ifeval, a YAML file), --rows questions of each",
        },
        fail_if_worse=FLAG | {"help": "exit with 1 when it is worse than what it is compared with"},
        device=TEXT,
    )
    commands.add(
        "scorecards",
        "List the newest scorecard of each run.",
        scorecards,
        examples=("scorecards --sort chrf", "scorecards --csv > scorecards.csv"),
        sort={"default": None, "metavar": "METRIC", "help": "the best by this metric first"},
        csv=FLAG | {"help": "as CSV, with intervals and differences"},
    )


def evaluate(ws: Workspace, args):
    from tuner.jobs.job import JobStatus
    from tuner.labels import summary
    from tuner.scorecard import conclusions, evaluation
    from tuner.serving import ai_judge, chat_client

    _require_judge(args)
    if args.tasks is not None:
        return benchmark(ws, args)
    asked = {"prompted": not args.no_prompt, "general": not args.no_general}
    if args.judge:
        asked |= {"judge": ai_judge.Judge(args.judge, args.judge_url), "rubric": args.rubric or "", "key": os.environ.get(ai_judge.KEY)}
    job = evaluation.start(ws, args.model, data=args.data, against=args.against, rows=args.rows, **asked)
    with Line() as line:
        chat_client.endpoint(ws, args.device, waiting=lambda s: line.show(f"loading the model ({s:.0f} s)"))

        def tell(now: JobStatus) -> None:
            left = f", {human_time(now.eta_seconds)} left" if now.eta_seconds else ""
            line.show(f"{now.done:,} of {now.total:,} answers{left}" if now.total else "loading the model", now.done, now.total or None)

        document = evaluation.follow(ws, job, tell)
    if document["judge"] and (agreed := summary.agreed(ws, args.judge)):
        document["judge"] |= {"agreement": {"agrees": sum(agreed), "of": len(agreed)}}
        document["says"].append(f"It agrees with people on {sum(agreed)} of {len(agreed)} pairs that both have judged (Label).")
    if not args.as_json:
        say("")
    worse = args.fail_if_worse and document["verdict"] == "worse"
    return int(worse), document if args.as_json else conclusions.table(document)


def benchmark(ws: Workspace, args):
    """Ask tasks of lm-eval of a model and of what it is compared with."""
    from tuner.scorecard import evaluation, lm_eval_tasks
    from tuner.serving import chat_client

    without = {"data": args.data, "judge": args.judge, "no_prompt": args.no_prompt, "no_general": args.no_general}
    if wrong := [f"--{name.replace('_', '-')}" for name, given in without.items() if given]:
        raise RequestError(
            f"{', '.join(wrong)} and --tasks can't go together.",
            asked=wrong,
            available="--rows, --against, --fail-if-worse, --device",
            remedy="Leave one of them out.",
            field="tasks",
        )
    job = lm_eval_tasks.start(
        ws, args.model, [t.strip() for t in args.tasks.split(",") if t.strip()], against=args.against, limit=args.rows
    )
    with Line() as line:
        chat_client.endpoint(ws, args.device, waiting=lambda s: line.show(f"loading the model ({s:.0f} s)"))
        document = evaluation.follow(
            ws,
            job,
            lambda now: line.show(
                f"{now.done // max(1, now.total // 100)} %" if now.done else "reading the tasks", now.done, now.total or None
            ),
        )
    if not args.as_json:
        say("")
    worse = args.fail_if_worse and any(
        r["real"] and (r["values"][0]["value"] > r["values"][1]["value"]) != r["rises"] for r in document["results"]
    )
    return int(worse), document if args.as_json else lm_eval_tasks.as_text(document)


def _require_judge(args) -> None:
    """Raise RequestError for options of a judge where none is named, rather than ignore them."""
    if not args.judge and (wrong := [f"--{n.replace('_', '-')}" for n in ("judge_url", "rubric") if getattr(args, n)]):
        raise RequestError(
            f"{' and '.join(wrong)} have no effect without --judge." if len(wrong) > 1 else f"{wrong[0]} has no effect without --judge.",
            asked=wrong,
            available="--judge MODEL",
            remedy="Name the judge, or leave it out.",
            field="judge",
        )


def scorecards(ws: Workspace, args):
    from tuner.scorecard import table

    found = table.of(ws, sort=args.sort)
    if args.csv and not args.as_json:
        return table.as_csv(found).rstrip("\n")
    return {"scorecards": found} if args.as_json else table.as_text(found)
