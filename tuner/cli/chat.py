"""`tunesmith chat`: ask a tuned model."""

from tuner.cli.output import say
from tuner.cli.parser import TEXT, Commands
from tuner.cli.progress import Loading
from tuner.errors import RequestError
from tuner.paths import Workspace

LOADING = "loading the model"


def register(commands: Commands) -> None:
    """Declare `tunesmith chat`."""
    commands.add(
        "chat",
        "Ask a tuned model.",
        chat,
        "run_id",
        examples=('chat RUN --prompt "Where is my order?" --base', "chat RUN"),
        prompt=TEXT,
        base={"action": "store_true", "help": "answer with the base model too"},
        context=TEXT,
        system=TEXT,
        temperature={"type": float, "default": 0.0},
        max_tokens={"type": int, "default": 256},
        anyway={"action": "store_true", "help": "load the model even if a run may then lack memory"},
    )


def chat(ws: Workspace, args):
    from tuner.serving import chat_client
    from tuner.settings import objectives

    if args.as_json and args.prompt is None:
        raise RequestError(
            "With --json one question is asked, and none was given.",
            asked=None,
            available="--prompt TEXT",
            remedy="Add --prompt, or leave --json out to chat.",
            field="prompt",
        )

    if (objective := chat_client.serving_spec(ws, args.run_id).get("objective", "chat")) not in objectives.GENERATIVE:
        return _tell(ws, args, objectives.get(objective))

    def spec(**how) -> dict:
        return chat_client.insisted(chat_client.serving_spec(ws, args.run_id, **how), args.anyway)

    def ask(prompt: str) -> dict:
        messages = ([{"role": "system", "content": system}] if system else []) + [{"role": "user", "content": prompt}]
        sampling = {"temperature": args.temperature, "max_tokens": args.max_tokens}
        tuned = client.answer(spec(), messages, **sampling)
        base = client.answer(spec(base=True), messages, **sampling) if args.base else None
        return {
            "answer": tuned.text,
            "base_answer": base.text if base else None,
            "prompt_tokens": tuned.prompt_tokens,
            "completion_tokens": tuned.completion_tokens,
            "stop_reason": tuned.stop_reason,
        }

    known = chat_client.serving_spec(ws, args.run_id)
    from tuner import runs

    system = runs.get(ws, args.run_id).system if args.system is None and args.run_id != "starter" else args.system
    client = chat_client.Client(ws, waiting=Loading(LOADING))
    if args.prompt is not None:
        return ask(args.prompt)
    say(f"\nChatting with {known['id'].split('/')[-1]}; an empty line ends it.")
    while prompt := _question():
        answer = ask(prompt)
        print(answer["answer"] + (f"\n  (before: {answer['base_answer']})" if args.base else ""))
    return None


def _tell(ws: Workspace, args, objective):
    """Ask a model that does not chat about a text."""
    from tuner.serving import chat_client

    client = chat_client.Client(ws, waiting=Loading(LOADING))

    def ask(text: str, question: str) -> dict:
        options = {"question": question, "most": args.max_tokens}
        out = client.task(chat_client.serving_spec(ws, args.run_id), text, **options)
        base = (
            client.task(chat_client.serving_spec(ws, args.run_id, base=True), text, **options)
            if args.base and objective.face == "rewrite"
            else None
        )
        both = {"answer": chat_client.in_words(out), "base_answer": chat_client.in_words(base) if base else None}
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
