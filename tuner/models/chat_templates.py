"""Chat templates for models that come without one. A person chooses; the choice is saved with the tuned model.

Each ends what the assistant says with the model's own end token, so that it learns to stop, and marks it (`{% generation %}`), so
that answers alone are learnt. None needs a token that a base model has not seen.
"""

PLAIN = (  # words any base model has seen; a line end, since "Assistant: " and " It" share a space
    "{% for message in messages %}{% if message['role'] == 'assistant' %}{{ 'Assistant:\\n' }}{% generation %}"
    "{{ message['content'] + eos_token }}{% endgeneration %}{{ '\\n' }}{% else %}"
    "{{ (message['role'] | capitalize) + ': ' + message['content'] + '\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:\\n' }}{% endif %}"
)
CHATML = (  # OpenAI's form, with the model's own end token in place of <|im_end|>
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}{% if message['role'] == 'assistant' %}{% generation %}"
    "{{ message['content'] + eos_token }}{% endgeneration %}{% else %}{{ message['content'] + eos_token }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
ALPACA = (  # Taori et al. 2023, the Stanford Alpaca prompt without its preamble
    "{% for message in messages %}{% if message['role'] == 'assistant' %}{{ '### Response:\\n' }}{% generation %}"
    "{{ message['content'] + eos_token }}{% endgeneration %}{{ '\\n\\n' }}{% elif message['role'] == 'system' %}"
    "{{ message['content'] + '\\n\\n' }}{% else %}{{ '### Instruction:\\n' + message['content'] + '\\n\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}"
)
TEMPLATES = {"plain": PLAIN, "chatml": CHATML, "alpaca": ALPACA}
SAMPLES = {
    "plain": "User: Who are you?\nAssistant:\nA model.",
    "chatml": "<|im_start|>user\nWho are you?\n<|im_start|>assistant\nA model.",
    "alpaca": "### Instruction:\nWho are you?\n\n### Response:\nA model.",
}
THINKING = [("<think>", "</think>"), ("<|channel>thought", "<channel|>"), ("<thinking>", "</thinking>")]  # around what a model thinks aloud


def opened(prompt: str) -> str:
    """The tag of a thought that a template has begun for the model at the end of `prompt`, so that its answer lacks it; mostly ""."""
    return next((begin for begin, _ in THINKING if prompt.rstrip().endswith(begin)), "")
