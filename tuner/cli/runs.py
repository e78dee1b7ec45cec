"""The commands that plan, train, and work with runs."""

import sys
from pathlib import Path
from typing import Any

from tuner.cli.output import say
from tuner.cli.plan import Counted, request
from tuner.errors import RequestError
from tuner.paths import Workspace
from tuner.settings import run_config


def train(ws: Workspace, args):
    from tuner.jobs import training
    from tuner.runs import run_warnings

    values, preset = request(args), args.preset
    if args.config:
        stored = run_config.load_yaml(Path(args.config).expanduser())
        preset = preset or stored.pop("preset", None)
        stored.pop("preset", None)
        values = stored | values
    run = training.start(ws, values, preset=preset, name=args.name, anyway=args.anyway, each=Counted())
    say(f"The run is called {run.id}; its folder is {run.path}.")
    for warning in map(run_warnings.sentence, run.warnings):
        say(f"Note: {warning}")
    return {"run": run.id, "state": run.state, "warnings": run.warnings} if args.detach else _wait(ws, run.id)


def _wait(ws: Workspace, id: str):
    from tuner import runs
    from tuner.jobs import training
    from tuner.runs import run_warnings

    try:
        run = training.wait(ws, id, each=Bar())
    except KeyboardInterrupt:
        say("\nSaving, then stopping; once more Ctrl-C leaves it to finish that alone.")
        if runs.get(ws, id).live:
            runs.ask_to_stop(ws, id)
        run = training.wait(ws, id, each=Bar())
    if run.status.get("reason"):
        say(run.status["reason"])
    for sign in [*(run.status.get("signs") or []), *map(run_warnings.sentence, run.warnings)]:
        say(f"Note: {sign}")
    if run.state not in ("finished", "stopped"):
        return 1, ended_badly(run)
    return 0, {
        "run": id,
        "state": run.state,
        "best": run.best,
        "baseline": (run.status.get("baseline") or {}).get("eval_loss"),
        "signs": run.status.get("signs") or [],
        "warnings": run.warnings,
    }


def ended_badly(run) -> dict[str, Any]:
    """The document of a run that came to no good end: its own error, or what the supervisor found out."""
    told = {"code": run.state, "field": None, "message": run.status.get("reason") or f"The run {run.state}.", "asked": run.id}
    told |= {"available": None, "remedy": f"`tunesmith logs {run.id}` tells more; `tunesmith resume {run.id}` goes on."}
    return {"run": run.id, "state": run.state, "errors": [run.status.get("error") or told]}


class Bar:
    """A line of progress on standard error, redrawn in place on a terminal."""

    def __init__(self):
        self.last = ""

    def __call__(self, run) -> None:
        from tuner import runs
        from tuner.planning import eta

        p = run.progress
        line = f"{run.state}: {run.status.get('reason') or runs.SENTENCES[run.state]}"
        if p.get("steps") and run.state in ("running", "stopping"):
            full = int(24 * p["step"] / p["steps"])
            loss = next((v for _, k, v in reversed(runs.metrics(run, since=p["step"] - 5)) if k == "loss" and v is not None), None)
            left = f", {words}" if (words := eta.in_words(p)) else ""
            line = f"[{'#' * full}{'.' * (24 - full)}] step {p['step']} of {p['steps']}{f', loss {loss:.3f}' if loss is not None else ''}{left}"
        if line != self.last:
            if sys.stderr.isatty():
                say("\r\x1b[2K" + line, end="" if run.live else "\n")
            else:
                say(line)
            self.last = line


def listing(ws: Workspace, args) -> dict:
    from tuner import runs
    from tuner.jobs import supervisor

    found = runs.listing(ws)
    supervisor.attend(ws, found)
    return {"runs": [r.summary() for r in found]}


def show(ws: Workspace, args) -> dict:
    from tuner import runs
    from tuner.jobs import supervisor

    run = runs.get(ws, args.run_id)
    supervisor.attend(ws, [run])
    return run.detail()


def metrics(ws: Workspace, args) -> dict:
    from tuner import runs

    return runs.metrics_table(runs.get(ws, args.run_id))


def logs(ws: Workspace, args) -> dict | str:
    from tuner import runs

    tail = runs.log_tail(runs.get(ws, args.run_id), 1_000_000)
    return {"run": args.run_id, "log": tail} if args.as_json else tail


def stop(ws: Workspace, args) -> dict:
    from tuner import runs
    from tuner.jobs import supervisor

    run = runs.ask_to_stop(ws, args.run_id)
    supervisor.submit(ws, "train", run.path, run.plan["device"], run.plan["peak_bytes"])
    return {"run": run.id, "state": "stopping"}


def resume(ws: Workspace, args):
    from tuner.jobs import training

    run = training.resume(ws, args.run_id)
    return {"run": run.id, "state": run.state} if args.detach else _wait(ws, run.id)


def delete(ws: Workspace, args) -> dict:
    from tuner import runs

    runs.delete(ws, args.run_id)
    return {"run": args.run_id, "deleted": True}


def chat(ws: Workspace, args):
    from tuner.serving import chat_client as talk
    from tuner.settings import objectives

    if args.as_json and args.prompt is None:
        raise RequestError(
            "With --json one question is asked, and none was given.",
            asked=None,
            available="--prompt TEXT",
            remedy="Add --prompt, or leave --json out to talk.",
            field="prompt",
        )

    if (objective := talk.known_as(ws, args.run_id).get("objective", "chat")) not in objectives.WRITES:
        return _tell(ws, args, objectives.get(objective))

    def ask(prompt: str) -> dict:
        messages = ([{"role": "system", "content": system}] if system else []) + [{"role": "user", "content": prompt}]
        sampling = {"temperature": args.temperature, "max_tokens": args.max_tokens}
        tuned = client.answer(talk.known_as(ws, args.run_id), messages, **sampling)
        base = client.answer(talk.known_as(ws, args.run_id, base=True), messages, **sampling) if args.base else None
        return {
            "answer": tuned.text,
            "base_answer": base.text if base else None,
            "prompt_tokens": tuned.prompt_tokens,
            "completion_tokens": tuned.completion_tokens,
            "stop_reason": tuned.stop_reason,
        }

    known = talk.known_as(ws, args.run_id)
    from tuner import runs

    system = runs.get(ws, args.run_id).system if args.system is None and args.run_id != "starter" else args.system
    client = talk.Client(ws, waiting=lambda s: say(f"\r  loading the model ({s:.0f} s)", end=""))
    if args.prompt is not None:
        return ask(args.prompt)
    say(f"\nTalking to {known['id'].split('/')[-1]}; an empty line ends it.")
    while prompt := _question():
        answer = ask(prompt)
        print(answer["answer"] + (f"\n  (before: {answer['base_answer']})" if args.base else ""))
    return None


def _tell(ws: Workspace, args, objective):
    """A model that does not chat: what it says of a text."""
    from tuner.serving import chat_client as talk

    client = talk.Client(ws, waiting=lambda s: say(f"\r  loading the model ({s:.0f} s)", end=""))

    def ask(text: str, question: str) -> dict:
        told = {"question": question, "most": args.max_tokens}
        out = client.task(talk.known_as(ws, args.run_id), text, **told)
        base = client.task(talk.known_as(ws, args.run_id, base=True), text, **told) if args.base and objective.face == "rewrite" else None
        both = {"answer": talk.in_words(out), "base_answer": talk.in_words(base) if base else None}
        return both | {"prompt_tokens": out.pop("tokens"), "completion_tokens": None, "stop_reason": "stop"} | out

    if args.prompt is not None:
        return ask(args.context or args.prompt, args.prompt if args.context else "")
    say(f"\n{objective.title}; an empty line ends it.")
    while text := _question():
        print(ask(args.context or text, text if args.context else "")["answer"])
    return None


def _question() -> str:
    try:
        return input("> ").strip()
    except EOFError:
        return ""


def export(ws: Workspace, args) -> dict:
    from tuner.export import formats as ex

    return ex.make(
        ws,
        args.run_id,
        args.to,
        Path(args.out).expanduser().resolve() if args.out else None,
        waiting=lambda s: say(f"\r  working ({s:.0f} s)", end=""),
    )
