"""Chat templates for models that come without one. The person chooses one, and it is saved with the fine-tuned model.

Each ends an assistant message with the model's own end token, so that the model is trained to stop, and marks it (`{% generation %}`),
so that only answers are trained. None needs a token that a base model has not seen. They are written in lines, so that a person can edit one.
"""

import re

PLAIN = """\
{%- for message in messages %}
    {%- if message['role'] == 'assistant' %}
        {{- 'Assistant:\\n' }}
        {%- generation %}
            {{- message['content'] + eos_token }}
        {%- endgeneration %}
        {{- '\\n' }}
    {%- else %}
        {{- (message['role'] | capitalize) + ': ' + message['content'] + '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- 'Assistant:\\n' }}
{%- endif %}
"""  # words that any base model has seen; a newline, since "Assistant: " and " It" share a space
CHATML = """\
{%- for message in messages %}
    {{- '<|im_start|>' + message['role'] + '\\n' }}
    {%- if message['role'] == 'assistant' %}
        {%- generation %}
            {{- message['content'] + eos_token }}
        {%- endgeneration %}
    {%- else %}
        {{- message['content'] + eos_token }}
    {%- endif %}
    {{- '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""  # OpenAI's format, with the model's own end token in place of <|im_end|>
ALPACA = """\
{%- for message in messages %}
    {%- if message['role'] == 'assistant' %}
        {{- '### Response:\\n' }}
        {%- generation %}
            {{- message['content'] + eos_token }}
        {%- endgeneration %}
        {{- '\\n\\n' }}
    {%- elif message['role'] == 'system' %}
        {{- message['content'] + '\\n\\n' }}
    {%- else %}
        {{- '### Instruction:\\n' + message['content'] + '\\n\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '### Response:\\n' }}
{%- endif %}
"""  # Taori et al. 2023, the Stanford Alpaca prompt without its preamble
TEMPLATES = {"plain": PLAIN, "chatml": CHATML, "alpaca": ALPACA}
SAMPLES = {
    "plain": "User: Who are you?\nAssistant:\nA model.",
    "chatml": "<|im_start|>user\nWho are you?\n<|im_start|>assistant\nA model.",
    "alpaca": "### Instruction:\nWho are you?\n\n### Response:\nA model.",
}
THINKING = [("<think>", "</think>"), ("<|channel>thought", "<channel|>"), ("<thinking>", "</thinking>")]  # around the reasoning of a model


GENERATION = re.compile(r"\{%(-?)\s*(?:end)?generation\s*(-?)%\}")


def without_generation_tags(template: str) -> str:
    """Return a chat template without the tags that mark what is trained, which programs other than transformers don't know. It renders the same:
    a comment stands in the place of each, since the line breaks around it depend on that."""
    return GENERATION.sub(r"{#\1 \2#}", template)


def open_reasoning_tag(prompt: str) -> str:
    """Return the opening reasoning tag at the end of `prompt` if the template adds one (the answer then lacks it), otherwise ""."""
    return next((begin for begin, _ in THINKING if prompt.rstrip().endswith(begin)), "")
