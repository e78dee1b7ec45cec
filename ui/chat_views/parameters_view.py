"""The parameters of an answer, in a drawer beside the conversation that its button opens and shuts in the browser."""

import gradio as gr

from tuner.errors import SettingError
from ui.chat_views.answering import Sampling
from ui.text import text

LARGEST_SEED = 2**32 - 1
TOGGLE = """() => {
  const button = document.getElementById("chat-parameters-open");
  button.setAttribute("aria-expanded", document.getElementById("chat-parameters").classList.toggle("open"));
}"""


class ParametersView:
    """`button` stands where it is built; `drawer` puts the fields further down."""

    def __init__(self):
        self.button = gr.Button(text("chat-parameters"), elem_id="chat-parameters-open", min_width=120)
        self.button.click(None, None, None, js=TOGGLE)

    def drawer(self) -> None:
        with gr.Column(scale=0, min_width=280, elem_id="chat-parameters", elem_classes=["ts-panel"]):
            self.system = gr.Textbox(label=text("chat-system.label"), info=text("chat-system.info"), lines=3, elem_id="chat-system")
            self.temperature = gr.Slider(
                0, 2, 0.3, step=0.05, label=text("chat-temperature.label"), info=text("chat-temperature.info"), elem_id="chat-temperature"
            )
            self.top_p = gr.Slider(
                0.05, 1, 0.95, step=0.05, label=text("chat-top-p.label"), info=text("chat-top-p.info"), elem_id="chat-top-p"
            )
            self.most = gr.Slider(
                16, 2048, 256, step=16, label=text("chat-max-tokens.label"), info=text("chat-max-tokens.info"), elem_id="chat-max-tokens"
            )
            self.seed = gr.Textbox(label=text("chat-seed.label"), info=text("chat-seed.info"), max_lines=1, elem_id="chat-seed")
            self.anyway = gr.Checkbox(False, label=text("chat-anyway.label"), info=text("chat-anyway.info"), elem_id="chat-anyway")
        self.inputs = [self.system, self.temperature, self.top_p, self.most, self.seed, self.anyway]


def sampling(system, temperature, top_p, most, seed, anyway=False) -> Sampling:
    """Return the parameters as given in the drawer; SettingError for a seed that is none."""
    typed = str(seed or "").strip()
    if typed and not (typed.isascii() and typed.isdigit() and int(typed) <= LARGEST_SEED):
        raise SettingError(
            f"The seed can't be {typed[:40]!r}.",
            asked=typed[:40],
            available=f"a whole number from 0 to {LARGEST_SEED:,}",
            remedy="Write such a number, or leave the field empty for another answer each time.",
            field="seed",
        )
    return Sampling((system or "").strip(), float(temperature), float(top_p), int(most), int(typed) if typed else None, bool(anyway))
