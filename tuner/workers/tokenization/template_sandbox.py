"""Chat templates: which are trusted, which have generation marks, and a test of unknown ones in a limited process.

A template is a program that comes with a model. Jinja's sandbox blocks files and attributes, but not endless loops or filling the memory, so an
unknown template first renders a few conversations in a child process (`python -m tuner.workers.tokenization.template_sandbox`, its job on
standard input): at most 2 s and 512 MB. One that passes is remembered by its hash in the machine's folder; those of the starter and of TRL are
trusted.
"""

import contextlib
import faulthandler
import hashlib
import json
import subprocess
import sys
from functools import cache
from typing import Any

from tuner import paths
from tuner.errors import ModelError
from tuner.models.chat_templates import TEMPLATES
from tuner.models.custom_template import marked, of_trl
from tuner.system import processes

SECONDS, MEMORY, LETTERS = 2, 512 << 20, 1_000_000
STARTING = 60  # for the child's imports, on a machine that is busy
ASK, TELL = {"role": "user", "content": "What is 1 plus 1?"}, {"role": "assistant", "content": "It is 2."}
CALL = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}]}
TOOL = {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object", "properties": {}}}}
CONVERSATIONS: tuple[tuple[list[dict], list[dict] | None], ...] = (
    ([ASK, TELL], None),
    ([ASK, TELL, ASK, TELL], None),
    ([{"role": "system", "content": "Be kind."}, ASK, TELL], None),
    ([ASK, CALL, {"role": "tool", "name": "add", "content": "2"}, TELL], [TOOL]),
    ([{"role": m["role"], "content": m["content"] * 20} for m in [ASK, TELL] * 10], None),
)


# --- known templates ------------------------------------------------------------------------------------------


def training_template(tokenizer) -> str | None:
    """Return the template with generation marks; None when no marked one is known for this family."""
    template = tokenizer.chat_template
    return marked(template["default"] if isinstance(template, dict) else template)[0]


@cache
def _trusted() -> frozenset[str]:
    starter = (paths.STARTER / "chat_template.jinja").read_text(encoding="utf-8")
    return frozenset(map(_key, (starter, *TEMPLATES.values(), *of_trl())))


def _key(template: str) -> str:
    return hashlib.sha256(template.strip().encode("utf-8", "surrogatepass")).hexdigest()


# --- the test, in the worker --------------------------------------------------------------------------------------


def check(template: str | dict[str, str], special: dict[str, Any], *, name: str = "the model") -> None:
    """Test each template that is not known yet; ModelError when one can't be used. Only success is remembered."""
    file = paths.machine_folder() / "templates.json"
    for text in template.values() if isinstance(template, dict) else [template]:
        if _key(text) in _trusted() or _key(text) in paths.read_json(file, {}):
            continue
        result = try_out(text, special)
        if not result["works"]:
            raise _refused(name, result["why"])
        remember(text)


def remember(template: str) -> None:
    """Note that a template passed its test."""
    file = paths.machine_folder() / "templates.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    paths.write_json(file, paths.read_json(file, {}) | {_key(template): True})


def _refused(name: str, why: str) -> ModelError:
    return ModelError(
        f"The chat template of {name} can't be used: {why}.",
        asked=name,
        available=f"templates that render a short conversation within {SECONDS} seconds and {MEMORY >> 20} MB",
        remedy="Choose another model, or repair the chat template in its folder.",
        field="model",
    )


def try_out(template: str, special: dict[str, Any]) -> dict[str, Any]:
    """Return {"works", "why", "refusals": the error for each conversation (None: rendered)}, from a limited child process."""
    job = json.dumps({"template": template, "special": {k: v for k, v in special.items() if isinstance(v, str)}})
    command = [sys.executable, "-m", "tuner.workers.tokenization.template_sandbox"]
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=processes.environment(None, True)
    )
    try:
        out, err = child.communicate(job.encode("utf-8", "surrogatepass"), timeout=STARTING + SECONDS)
    except subprocess.TimeoutExpired:
        return _failed(f"its test took more than {STARTING + SECONDS} seconds")
    finally:
        child.kill()
        child.wait()
    with contextlib.suppress(ValueError):  # no JSON: the child was killed
        return json.loads(out)
    if b"Timeout" in err or child.returncode == -24:  # faulthandler's message, SIGXCPU
        return _failed(f"it does not finish within {SECONDS} seconds")
    print(err.decode("utf-8", "replace")[-2000:], file=sys.stderr)
    return _failed(f"its test ended with code {child.returncode}")


def _failed(why: str) -> dict[str, Any]:
    return {"works": False, "why": why, "refusals": []}


# --- the test, in the child ---------------------------------------------------------------------------------------


def _limit() -> None:
    """Limit this process from here on: wall-clock seconds (by a thread outside the GIL), and memory where the system supports it."""
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
    for messages, tools in CONVERSATIONS:
        try:
            for asking in (False, True):
                texts, _ = render_jinja_template([messages], tools=tools, chat_template=template, add_generation_prompt=asking, **special)
                if len(texts[0]) > LETTERS:
                    return _failed(f"it renders {len(texts[0]):,} characters for a conversation of {len(messages)} turns")
            refusals.append(None)
        except MemoryError:
            return _failed(f"it takes more than {MEMORY >> 20} MB")
        except Exception as error:  # the template is untrusted code: any error it raises is a refusal
            refusals.append(f"{type(error).__name__}: {error}"[:200])
    works = None in refusals
    return {"works": works, "why": None if works else f"it refuses every conversation ({refusals[0]})", "refusals": refusals}


def main() -> None:
    job = json.loads(sys.stdin.buffer.read().decode("utf-8", "surrogatepass"))
    sys.modules.setdefault("torch", None)  # transformers works without torch, and starts three times as fast
    print(json.dumps(_attempt(job["template"], job["special"])), flush=True)


if __name__ == "__main__":
    main()
