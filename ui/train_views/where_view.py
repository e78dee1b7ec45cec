"""Where to run: this computer, or the cluster on whose login node it is."""

from typing import Any

import gradio as gr

from tuner.errors import SettingError
from tuner.jobs import slurm
from ui.session import AppContext
from ui.text import text

HERE, SLURM = "here", "slurm"


class WhereView:
    """`asked` is what the fields hold. Without a cluster there is nothing to choose, and the fields are not shown."""

    def __init__(self, context: AppContext):
        cluster = not context.guest and on_a_cluster()
        self.where = gr.Radio(
            [(text(f"train-place-{name}"), name) for name in (HERE, SLURM)],
            value=HERE,
            label=text("train-place.label"),
            visible=cluster,
            elem_id="where",
        )
        self.options = gr.Textbox(
            label=text("train-slurm.label"),
            info=text("train-slurm.info", names=", ".join(slurm.OPTIONS)),
            placeholder="partition=gpu\ngpus=1\ntime=120",
            lines=3,
            visible=False,
            elem_id="slurm-options",
        )
        self.asked = [self.where, self.options]
        self.where.input(None, self.where, self.options, js="(where) => ({__type__: 'update', visible: where === 'slurm'})")


def on_a_cluster() -> bool:
    """Return whether runs can be handed to SLURM from here."""
    try:
        slurm.require()
    except SettingError:
        return False
    return True


def read(where: Any, options: Any) -> dict[str, Any] | None:
    """Return the other computer as `training.start` takes it; None for this one, SettingError for options that SLURM is not told."""
    if where != SLURM:
        return None
    slurm.require()
    return {"kind": SLURM, "options": slurm.options([line for line in str(options or "").splitlines() if line.strip()])}
