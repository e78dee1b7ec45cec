"""A ready Gradio chat for a model, as a folder that a Hugging Face Space runs: app.py, requirements.txt, README.md and the model."""

import json
from pathlib import Path

from tuner import models, runs
from tuner.export import model_card, sizes, written
from tuner.export.written import plain
from tuner.models import model_files
from tuner.settings import objectives
from tuner.settings.run_config import Settings

COMMANDS = "pip install gradio -r requirements.txt\npython app.py\n# as a Space of your own\nhf repo create OWNER/NAME --repo-type space --space-sdk gradio --private\nhf upload OWNER/NAME . . --repo-type space"
KIND = "answers of the Space's app against those of the tuned model"
APP = '''"""A chat with {name}: {base} fine-tuned on {data}."""

import threading

import gradio as gr
import torch
{imports}

SYSTEM = {system}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
DTYPE = torch.float32 if DEVICE == "cpu" else "auto"

tokenizer = AutoTokenizer.from_pretrained("model")
{load}
model = model.to(DEVICE).eval()


class Left(StoppingCriteria):
    """Ends an answer that nobody waits for any more."""

    def __init__(self):
        self.left = threading.Event()

    def __call__(self, ids, scores, **_):
        return torch.full((len(ids),), self.left.is_set(), dtype=torch.bool, device=ids.device)


def text_of(content):
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def reply(message, history, temperature, max_new_tokens):
    """Yield the answer as it grows."""
    messages = [{{"role": m["role"], "content": text_of(m["content"])}} for m in history] + [{{"role": "user", "content": message}}]
    system = [{{"role": "system", "content": SYSTEM}}] if SYSTEM else []
    inputs = tokenizer.apply_chat_template(system + messages, add_generation_prompt=True, return_tensors="pt", return_dict=True).to(DEVICE)
    streamer, left = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True), Left()
    sampling = {{"do_sample": True, "temperature": temperature}} if temperature > 0 else {{"do_sample": False}}
    options = dict(inputs, streamer=streamer, max_new_tokens=int(max_new_tokens), stopping_criteria=[left], repetition_penalty=1.0, **sampling)
    failed = []

    def generate():
        try:
            model.generate(**options)
        except Exception as error:
            failed.append(error)
            streamer.end()

    threading.Thread(target=generate, daemon=True).start()
    answer = ""
    try:
        for piece in streamer:
            answer += piece
            yield answer
    finally:
        left.left.set()
    if failed:
        raise gr.Error(f"{{type(failed[0]).__name__}}: {{failed[0]}}")


demo = gr.ChatInterface(
    reply,
    title={title},
    api_name="chat",
    additional_inputs=[
        gr.Slider(0, 1.5, 0.7, step=0.05, label="Temperature"),
        gr.Slider(16, 2048, 512, step=16, label="Longest answer (tokens)"),
    ],
)

if __name__ == "__main__":
    demo.launch()
'''
ADAPTER = """base = AutoModelForCausalLM.from_pretrained({base}, dtype=DTYPE)
model = PeftModel.from_pretrained(base, "model")"""
MERGED = 'model = AutoModelForCausalLM.from_pretrained("model", dtype=DTYPE)'
NAMES = "from transformers import AutoModelForCausalLM, AutoTokenizer, StoppingCriteria, TextIteratorStreamer"
LIBRARIES = ("torch", "transformers", "accelerate")
README = """---
title: {title}
emoji: \U0001f4ac
sdk: gradio
sdk_version: {gradio}
app_file: app.py
pinned: false
{front}---

A chat with {name}: {base} fine-tuned on {data} with Tunesmith.

```bash
{commands}
```
"""


def part(run: runs.Run, kinds: list[str]) -> str | None:
    """Return which export of the model a Space has: the adapter where its base model comes from the Hub or with it, else the merged model; None when
    neither is possible. `kinds`: the formats that are possible for the run."""
    settings = Settings.from_json(run.plan["settings"])
    auto = objectives.auto_class(models.base_folder(run.plan["model"]["base"]), settings.objective)
    if settings.objective not in ("chat", "preference") or auto != "AutoModelForCausalLM" or settings.method == "adapter":
        return None  # bottleneck adapters need our own code, and a model that sees images another class
    if "adapter" in kinds and (run.plan["model"]["kind"] == "hub" or sizes.shipped_base(run)):
        return "adapter"
    return "merged" if "merged" in kinds else None


def write(run: runs.Run, folder: Path, kind: str) -> None:
    """Write what is beside the model, which lies in `folder`/model: an adapter or a merged model (`kind`)."""
    known = {"name": plain(run.name), "base": plain(run.plan["model"]["name"]), "data": plain(run.plan["data"]["name"])}
    adapter, versions = kind == "adapter", run.plan["versions"]
    named = model_files.document(folder / "model" / "adapter_config.json").get("base_model_name_or_path", "")
    load = ADAPTER.format(base=json.dumps("model/base" if named == "./base" else named)) if adapter else MERGED
    imports = f"from peft import PeftModel\n{NAMES}" if adapter else NAMES
    app = APP.format(
        **known,
        imports=imports,
        system=json.dumps(run.system or "", ensure_ascii=False),
        load=load,
        title=json.dumps(run.name, ensure_ascii=False),
    )
    (folder / "app.py").write_text(app, encoding="utf-8")
    needed = written.requirements((*LIBRARIES, *(["peft"] if adapter else [])), versions)
    (folder / "requirements.txt").write_text(needed, encoding="utf-8")
    model = run.plan["model"]
    front = f"models: [{model['base']}]\n" if model["kind"] == "hub" else ""
    license = (model.get("licence") or "").lower()
    front += f"license: {license}\n" if model_card.LICENSE.fullmatch(license) else ""
    about = README.format(
        **known, title=json.dumps(run.name, ensure_ascii=False), gradio=versions.get("gradio") or "6.31.0", front=front, commands=COMMANDS
    )
    (folder / "README.md").write_text(about, encoding="utf-8")
