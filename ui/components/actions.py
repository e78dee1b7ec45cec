"""Buttons within drawn HTML: `html.button(act, value, word)` tells its value to the hidden field of the `Actions` of that name."""

import json
from typing import Any

import gradio as gr


class Actions:
    """A hidden text field that hears of presses (see navigation.js); `wire` says what happens then."""

    def __init__(self, act: str):
        self.field = gr.Textbox(visible="hidden", show_label=False, label=act, elem_id=f"act-{act}", elem_classes=["ts-hidden"])

    def wire(self, handler, inputs: list, outputs: list, **options: Any) -> gr.events.Dependency:
        """`handler(pressed, *inputs)`: `pressed` is read by `value`. Not `input`: in Gradio that is a key that was pressed in the field."""
        return self.field.change(handler, [self.field, *inputs], outputs, show_progress="hidden", **options)


def value(pressed: str | None) -> str:
    """Return the value of the button that was pressed; "" for what no press of ours wrote."""
    try:
        return str(json.loads(pressed or "")[0])
    except (ValueError, LookupError, TypeError):
        return ""
