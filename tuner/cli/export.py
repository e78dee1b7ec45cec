"""`tunesmith export` and `tunesmith verify`: take a model elsewhere, and show that it is still the one that was tested."""

from pathlib import Path
from typing import Any

from tuner.cli.output import say
from tuner.cli.parser import FLAG, TEXT, Commands
from tuner.cli.progress import Line
from tuner.formatting import human_bytes
from tuner.paths import Workspace

FORMATS = "adapter|merged|gguf|ollama|adapter-gguf|onnx|space|script|llamafactory|axolotl|hub"  # as in tuner.export.formats, which this file does not load for a list of commands


def register(commands: Commands) -> None:
    """Declare `tunesmith export` and `tunesmith verify`."""
    commands.add(
        "export",
        "Export a model; several formats at once with commas.",
        export,
        "run_id",
        examples=(
            "export RUN",
            "export RUN --to merged --out my-model",
            "export RUN --to adapter,gguf,ollama --quantize f16",
            "export RUN --to hub --repo OWNER/NAME --format merged",
        ),
        to={"default": "adapter", "metavar": FORMATS},
        quantize={
            "default": "q8_0",
            "metavar": "q8_0|f16|q6_k|q5_k_m|q4_k_m",
            "help": "of a GGUF; the last three need llama.cpp's quantizer",
        },
        repo=TEXT | {"metavar": "OWNER/NAME", "help": "with --to hub: the repository on the Hugging Face Hub, made if it isn't there"},
        format={"default": None, "metavar": "adapter|merged|gguf", "help": "with --to hub: what is uploaded"},
        public=FLAG | {"help": "with --to hub: everybody may see it; it is private otherwise"},
        out=TEXT | {"help": "a folder of your own; for several formats each has its own below it"},
    )
    commands.add(
        "verify",
        "Check that an export answers like the model it was made from, whatever program made it.",
        verify,
        "base",
        "files+",
        examples=("verify BASE MERGED", "verify BASE ADAPTER MERGED", "verify BASE ADAPTER model-q8_0.gguf"),
    )


class Making(Line):
    """What is done, and for how long, for `waiting=`."""

    def __init__(self, what: str):
        super().__init__()
        self.what = what

    def __call__(self, seconds: float, said: str) -> None:
        self.show(f"{self.what}: {said or 'starting'} ({seconds:.0f} s)")


def export(ws: Workspace, args) -> dict[str, Any]:
    from tuner import runs
    from tuner.export import formats, making

    kinds = list(dict.fromkeys(word.strip() for word in args.to.split(",") if word.strip())) or [args.to]
    _require_effect(args, kinds)
    if kinds == ["hub"]:
        return push(ws, args)
    run = runs.get(ws, args.run_id)
    for kind in kinds:  # all of them are looked at before the first is made
        formats.require_known(kind, args.quantize)
        formats.require_possible(run, kind)
    out = Path(args.out).expanduser().resolve() if args.out else None
    made = []
    for kind in kinds:
        place = out / formats.folder_name(kind, args.quantize) if out and len(kinds) > 1 else out
        with Making(f"exporting as {kind}") as waiting:
            made.append(making.make(ws, args.run_id, kind, place, quantize=args.quantize, waiting=waiting))
        if len(kinds) > 1:
            say(f"{kind}: {made[-1]['path']} ({human_bytes(made[-1]['bytes'])})")
    return made[0] if len(made) == 1 else {"exports": made}


def _require_effect(args, kinds: list[str]) -> None:
    """Raise RequestError for options that have no effect on what is exported, rather than ignore them."""
    from tuner.errors import RequestError

    given = {"--repo": args.repo, "--format": args.format, "--public": args.public}
    if "hub" in kinds:
        given = {"--out": args.out, "other formats in --to": len(kinds) > 1}
    if wrong := [name for name, value in given.items() if value]:
        raise RequestError(
            f"{' and '.join(wrong)} {'have' if len(wrong) > 1 else 'has'} no effect {'with' if 'hub' in kinds else 'without'} --to hub.",
            asked=wrong,
            available="--to hub --repo OWNER/NAME [--format adapter|merged|gguf] [--public]",
            remedy="Export to a folder and push in two commands, or leave it out.",
            field="to",
        )


def push(ws: Workspace, args) -> dict[str, Any]:
    from tuner.errors import RequestError
    from tuner.export import hub_push

    if not args.repo:
        raise RequestError(
            "A name for the repository is missing.", asked="--to hub", available="--repo OWNER/NAME", remedy="Add --repo.", field="repo"
        )
    with Making("pushing to the Hub") as waiting:
        return hub_push.push(ws, args.run_id, args.repo, kind=args.format, quantize=args.quantize, public=args.public, waiting=waiting)


def verify(ws: Workspace, args) -> tuple[int, dict[str, Any]]:
    from tuner.errors import RequestError
    from tuner.export import verification

    if len(args.files) > 2:
        raise RequestError(
            f"{len(args.files) + 1} models were named.",
            asked=[args.base, *args.files],
            available="a base model, an adapter if there is one, and the export",
            remedy="Name two or three.",
            field="files",
        )
    *adapter, made = args.files
    with Making("verifying") as waiting:
        check = verification.verify(ws, args.base, made, adapter[0] if adapter else None, waiting=waiting)
    return int(check["passed"] is False), check
