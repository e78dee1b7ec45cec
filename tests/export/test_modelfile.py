"""Ollama's template gives the prompts of the model's own chat template, or is not written."""

import json
import re

import pytest
from transformers import AutoTokenizer

from tuner import paths
from tuner.errors import ModelError
from tuner.models.chat_templates import TEMPLATES
from tuner.workers.exporting import modelfile

LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
QWEN = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are \"Qwen\".<|im_end|>\n{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
FOLDED = (
    "{% for m in messages %}{% if m.role == 'user' %}[INST] {% if loop.index0 == 1 and messages[0].role == 'system' %}{{ messages[0].content }}\n\n"
    "{% endif %}{{ m.content }} [/INST]{% elif m.role == 'assistant' %} {{ m.content }}</s>{% endif %}{% endfor %}"
)
UPPER = "{% for m in messages %}{{ m.role }}: {{ m.content | upper }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
DATED = TEMPLATES["chatml"].replace("<|im_start|>' + message['role']", "<|im_start|>' + (loop.index | string) + message['role']")


def tokenizer(template: str, bos: str | None = None):
    found = AutoTokenizer.from_pretrained(paths.STARTER)
    found.chat_template = template
    if bos:
        found.bos_token = bos
    return found


def go(template: str, messages: list[dict]) -> str:
    """What Go's text/template gives for the few actions that are used."""
    parts = re.split(r'\{\{ ("(?:\\.|[^"\\])*"|[^"}]*(?:"\w+"[^"}]*)?) \}\}', template)
    assert not any(parts[::2]), "no text outside of strings: its spaces could be trimmed"
    actions = parts[1::2]

    def run(at: int, message: dict | None, live: bool) -> tuple[str, int]:
        out = ""
        while at < len(actions):
            action, at = actions[at], at + 1
            if action == "end":
                return out, at
            if action == "range .Messages":
                ends = at
                for m in messages:
                    text, ends = run(at, m, live)
                    out += text
                at = ends
            elif action.startswith("if "):
                eq, value, word = re.fullmatch(r'if (eq|ne) (\.Role|\(index \.Messages 0\)\.Role) "(\w+)"', action).groups()
                role = message["role"] if value == ".Role" else messages[0]["role"]
                text, at = run(at, message, live and (role == word) == (eq == "eq"))
                out += text
            else:
                out += (message["content"] if action == ".Content" else json.loads(action)) if live else ""
        return out, at

    return run(0, None, True)[0]


@pytest.mark.parametrize(
    ("template", "bos"),
    [
        *((t, None) for t in TEMPLATES.values()),
        ((paths.STARTER / "chat_template.jinja").read_text(), None),
        (LLAMA3, "<|begin|>"),
        (QWEN, None),
    ],
)
def test_the_prompts_are_those_of_the_models_own_template(template, bos):
    own = tokenizer(template, bos)
    found = modelfile.turns(own)
    for talk in (*modelfile.TALKS, [{"role": "user", "content": "One more"}]):
        expected = own.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
        assert (bos or "") + go(found.template(), talk) == expected, "llama.cpp itself writes the begin token"


@pytest.mark.parametrize("template", [FOLDED, UPPER, DATED, "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}"])
def test_a_template_that_its_syntax_can_not_tell_is_refused(template):
    with pytest.raises(ModelError, match="Ollama's syntax") as caught:
        modelfile.turns(tokenizer(template))
    assert "llama-server" in caught.value.remedy


def test_a_modelfile_names_the_file_the_ends_the_context_and_the_system_prompt():
    found = modelfile.turns(tokenizer(TEMPLATES["chatml"]))
    said = modelfile.text("my model.gguf", found, ["<|im_end|>", '"'], system="Be brief.\nAnd kind.", context=2048)
    assert said.startswith('FROM ./my model.gguf\nTEMPLATE """') and said.count('"""') == 4
    assert 'PARAMETER stop "<|im_end|>"\nPARAMETER stop "\\""\nPARAMETER num_ctx 2048\nSYSTEM """Be brief.\nAnd kind."""\n' in said
    assert "SYSTEM" not in modelfile.text("m.gguf", found, [], system='a """ b', context=100_000)
