"""Chat templates: which are known, which carry marks, and a trial of strangers' ones in a process under limits.

A template is a program that came with a model. Jinja's sandbox keeps it from files and attributes, not from looping for
ever or filling the memory, so an unknown one first writes a few conversations in a child process
(`python -m tuner.workers.tokenization.template_sandbox`, its job on standard input): 2 s of time and 512 MB at most. One that passes is
remembered by its hash in the machine's folder; those of the starter and of TRL need no trial.
"""

import contextlib
import faulthandler
import hashlib
import importlib.util
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from tuner import paths
from tuner.errors import ModelError
from tuner.models.chat_templates import TEMPLATES
from tuner.system import processes

SECONDS, MEMORY, LETTERS = 2, 512 << 20, 1_000_000
STARTING = 60  # for the child's imports, on a machine that is busy
MARK = re.compile(r"\{%-?\s*generation\s*-?%\}")
ASK, TELL = {"role": "user", "content": "What is 1 plus 1?"}, {"role": "assistant", "content": "It is 2."}
CALL = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}]}
TOOL = {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object", "properties": {}}}}
TALKS: tuple[tuple[list[dict], list[dict] | None], ...] = (
    ([ASK, TELL], None),
    ([ASK, TELL, ASK, TELL], None),
    ([{"role": "system", "content": "Be kind."}, ASK, TELL], None),
    ([ASK, CALL, {"role": "tool", "name": "add", "content": "2"}, TELL], [TOOL]),
    ([{"role": m["role"], "content": m["content"] * 20} for m in [ASK, TELL] * 10], None),
)


# --- what is known of a template ------------------------------------------------------------------------------------------


@cache
def of_trl() -> dict[str, str | None]:
    """TRL's copies of well-known templates, each with its marked twin where there is one; read without importing TRL."""
    spec = importlib.util.find_spec("trl")
    folder = Path(spec.submodule_search_locations[0]) / "chat_templates" if spec else Path()
    files = {f.stem: f.read_text(encoding="utf-8") for f in sorted(folder.glob("*.jinja"))}
    return {text: files.get(f"{name}_training") for name, text in files.items()}


def marked(template: str) -> tuple[str | None, str]:
    """(a template with marks around what the assistant says, whose marks they are: own or trl); (None, "prefixes") without one."""
    if MARK.search(template):
        return template, "own"
    twin = of_trl().get(template)
    return (twin, "trl") if twin else (None, "prefixes")


def training_template(tokenizer) -> str | None:
    """The template with marks around what the assistant says; None when no marked one is known for this family."""
    template = tokenizer.chat_template
    return marked(template["default"] if isinstance(template, dict) else template)[0]


@cache
def _trusted() -> frozenset[str]:
    starter = (paths.STARTER / "chat_template.jinja").read_text(encoding="utf-8")
    return frozenset(map(_key, (starter, *TEMPLATES.values(), *of_trl())))


def _key(template: str) -> str:
    return hashlib.sha256(template.strip().encode("utf-8", "surrogatepass")).hexdigest()


# --- the trial, seen from the worker --------------------------------------------------------------------------------------


def check(template: str | dict[str, str], special: dict[str, Any], *, name: str = "the model") -> None:
    """Try each template that is not known yet; ModelError when one can't be used. Only success is remembered."""
    file = paths.machine_folder() / "templates.json"
    for text in template.values() if isinstance(template, dict) else [template]:
        if _key(text) in _trusted() or _key(text) in paths.read_json(file, {}):
            continue
        verdict = attempt(text, special)
        if not verdict["works"]:
            raise _refused(name, verdict["why"])
        file.parent.mkdir(parents=True, exist_ok=True)
        paths.write_json(file, paths.read_json(file, {}) | {_key(text): True})


def _refused(name: str, why: str) -> ModelError:
    return ModelError(
        f"The chat template of {name} can't be used: {why}.",
        asked=name,
        available=f"templates that write a short conversation within {SECONDS} seconds and {MEMORY >> 20} MB",
        remedy="Choose another model, or repair the chat template in its folder.",
        field="model",
    )


def attempt(template: str, special: dict[str, Any]) -> dict[str, Any]:
    """{"works", "why", "refusals": what it says to each conversation (None: written)}, from a child process under limits."""
    job = json.dumps({"template": template, "special": {k: v for k, v in special.items() if isinstance(v, str)}})
    command = [sys.executable, "-m", "tuner.workers.tokenization.template_sandbox"]
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=processes.environment(None, True)
    )
    try:
        out, err = child.communicate(job.encode("utf-8", "surrogatepass"), timeout=STARTING + SECONDS)
    except subprocess.TimeoutExpired:
        return _failed(f"its trial took more than {STARTING + SECONDS} seconds")
    finally:
        child.kill()
        child.wait()
    with contextlib.suppress(ValueError):  # no document: it was ended
        return json.loads(out)
    if b"Timeout" in err or child.returncode == -24:  # faulthandler's word, SIGXCPU
        return _failed(f"it does not come to an end within {SECONDS} seconds")
    print(err.decode("utf-8", "replace")[-2000:], file=sys.stderr)
    return _failed(f"its trial ended with code {child.returncode}")


def _failed(why: str) -> dict[str, Any]:
    return {"works": False, "why": why, "refusals": []}


# --- the trial, seen from the child ---------------------------------------------------------------------------------------


def _limit() -> None:
    """From here on: so many seconds by the clock (a thread outside Python's lock), and memory where the system can limit it."""
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has no such limits, macOS none on memory
        import resource

        import psutil

        most = psutil.Process().memory_info().vms + MEMORY
        used = resource.getrusage(resource.RUSAGE_SELF)
        seconds = int(used.ru_utime + used.ru_stime) + SECONDS + 1
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _attempt(template: str, special: dict[str, str]) -> dict[str, Any]:
    from transformers.utils.chat_template_utils import render_jinja_template

    _limit()
    refusals: list[str | None] = []
    for messages, tools in TALKS:
        try:
            for asking in (False, True):
                texts, _ = render_jinja_template([messages], tools=tools, chat_template=template, add_generation_prompt=asking, **special)
                if len(texts[0]) > LETTERS:
                    return _failed(f"it writes {len(texts[0]):,} characters for a conversation of {len(messages)} turns")
            refusals.append(None)
        except MemoryError:
            return _failed(f"it takes more than {MEMORY >> 20} MB")
        except Exception as error:  # a program of a stranger: whatever it raises is its answer
            refusals.append(f"{type(error).__name__}: {error}"[:200])
    works = None in refusals
    return {"works": works, "why": None if works else f"it refuses every conversation ({refusals[0]})", "refusals": refusals}


def main() -> None:
    job = json.loads(sys.stdin.buffer.read().decode("utf-8", "surrogatepass"))
    sys.modules.setdefault("torch", None)  # transformers does without, and starts in a third of the time
    print(json.dumps(_attempt(job["template"], job["special"])), flush=True)


if __name__ == "__main__":
    main()
