"""`tunesmith` itself: open the page, run the demo, check the computer, print a shell's completion."""

import shtab

from tuner.cli.output import say
from tuner.cli.parser import FLAG, Commands
from tuner.cli.progress import Training
from tuner.cli.train import ended_badly
from tuner.paths import Workspace


def register(commands: Commands) -> None:
    """Declare `tunesmith app`, `demo`, `doctor` and `completion`."""
    commands.add(
        "app",
        "Open the page.",
        page,
        examples=("", "app --port 8000 --no-browser", "app --host 0.0.0.0"),
        host={"default": "127.0.0.1"},
        port={"type": int, "default": None},
        allow_host={"action": "append", "default": []},
        no_browser=FLAG,
    )
    commands.add("demo", "Train the starter model on a sample and show its answers before and after.", demo)
    commands.add(
        "doctor",
        "Show what this computer has, what is missing and how to fix it; --probe benchmarks each device.",
        doctor,
        probe=FLAG,
    )
    completion = commands.add(
        "completion", "Print the completion script of a shell.", complete, examples=("completion bash > ~/.tunesmith-completion",)
    )
    completion.add_argument("shell", choices=shtab.SUPPORTED_SHELLS)
    completion.set_defaults(parser=commands.parser)


def page(ws: Workspace, args) -> None:
    from ui.server import launch  # the page; only this command needs gradio

    launch(ws, host=args.host, port=args.port, allow_hosts=args.allow_host, browser=not args.no_browser)


def demo(ws: Workspace, args) -> dict:
    from tuner.data.store import store
    from tuner.jobs import training
    from tuner.serving import chat_client

    say("Training the starter model on the persona sample.")
    run = training.demo(ws)
    with Training() as progress:
        run = training.wait(ws, run.id, each=progress)
    if run.state != "finished":
        return 1, ended_badly(run)
    say(f"Validation loss {run.status.baseline['eval_loss']:.3f} before, {run.best:.3f} after. Asking both:")
    client, answers = chat_client.Client(ws), []
    for prompt in demo_questions(store.get(ws, run.config["data"])):
        ask = [{"role": "user", "content": prompt}]
        before = client.answer(chat_client.serving_spec(ws, run.id, base=True), ask, temperature=0.0, max_tokens=80).text
        after = client.answer(chat_client.serving_spec(ws, run.id), ask, temperature=0.0, max_tokens=80).text
        answers.append({"prompt": prompt, "before": before, "after": after})
        say(f"\n  {prompt}\n    before  {before}\n    after   {after}")
    say(f"\nThe run is called {run.id}. `tunesmith chat {run.id}` chats with it, `tunesmith` opens the page.")
    return {
        "run": run.id,
        "state": run.state,
        "answers": answers,
        "loss": {"before": run.status.baseline["eval_loss"], "after": run.best},
    }


def demo_questions(ds) -> list[str]:
    """Return three different questions of the sample's validation rows."""
    from tuner.data.store import questions

    return questions.distinct(ds, 3)


def doctor(ws: Workspace, args) -> dict:
    from tuner import diagnostics

    return diagnostics.report(ws, probe=args.probe)


def complete(ws: Workspace, args) -> str:
    """Return the script that completes commands, options and file names in a shell."""
    return shtab.complete(args.parser, args.shell)
