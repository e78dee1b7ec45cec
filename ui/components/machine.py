"""What this machine can fine-tune, in one line with the reasons behind "why": the same on every page that says it."""

from tuner import devices
from tuner.formatting import human_bytes
from tuner.planning import model_suggestions
from tuner.planning.model_suggestions import Machine
from ui.components import html
from ui.text import text


def without_torch() -> str:
    """Return what to do where the installed PyTorch can't use the card of this computer (HTML); nothing where it can."""
    command = devices.gpu_without_torch()
    return html.bad(text("home-torch-cpu", command=command)) if command else ""


def line() -> str:
    """Return the sentence and, folded, the table and how it was found (HTML). The first time it takes a second."""
    found = model_suggestions.this_machine()
    return (
        f'<div class="ts-machine"><p>{html.escape(sentence(found))}</p>'
        f"<details><summary>{html.escape(text('home-machine-why'))}</summary>{why(found)}</details></div>"
    )


def sentence(found: Machine) -> str:
    if found.best is None:
        return text("home-machine-starter", memory=human_bytes(found.device.total))
    method, size = found.best
    said = [text("home-machine", size=size_of(size), method=text(f"method-{method}.label"))]
    if "full" in found.largest:
        said.append(text("home-machine-full", size=size_of(model_suggestions.parameters(found.largest["full"]))))
    return " ".join([*said, text("home-machine-recommended", model=found.recommended.id)])


def size_of(parameters: int) -> str:
    billions = parameters >= 1e9
    return text("home-billion" if billions else "home-million", shown=f"{parameters / 1e9:.2g}" if billions else f"{parameters / 1e6:.0f}")


def why(found: Machine) -> str:
    """Return the largest model by method, what was assumed, and why the recommended one is (in English, as the engine speaks)."""
    rows = [[text(f"method-{m}.label"), id, size_of(model_suggestions.parameters(id))] for m, id in found.largest.items()]
    head = [text("home-machine-method"), text("home-machine-largest"), text("home-machine-parameters")]
    assumed = text("home-machine-assumed", device=found.device.name, memory=human_bytes(found.device.total))
    return (
        f"{html.table(head, rows) if rows else ''}<p>{html.escape(assumed)}</p>"
        f'<p lang="en"><span translate="no">{html.escape(found.recommended.id)}</span>: {html.escape(found.recommended.reason)}</p>'
    )
