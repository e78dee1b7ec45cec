"""The models that a serving worker keeps in memory: bases, each with any number of adapters; the longest unused one makes room."""

import gc
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import psutil
import torch
from peft import PeftModel
from pydantic import BaseModel

from tuner.settings import continuation, objectives
from tuner.workers.modelling import load, peft_methods

ROOM = 1.3  # a model is loaded beside another when its weights times this are free: answering needs some as well


class Known(BaseModel):
    """A model that can be asked for: `base` is a folder or Hub id, `adapter` a folder with what was learnt beside it, or None."""

    id: str
    base: str
    adapter: str | None = None
    precision: str = "bf16"
    objective: str = "chat"


class Base:
    """One base model in memory. What was learnt on it is switched per request: additions of one PEFT type stay beside each other;
    those of another type, and changed layers, are swapped in, and the base is given back exactly in between."""

    def __init__(self, folder: Path, known: Known, device: str):
        head = load.head_of(Path(known.adapter)) if known.adapter else {}
        self.model = load.base_model(folder, known.precision, device, objective=known.objective, **head).eval()
        self.tokenizers = {None: load.tokenizer(folder)}
        self.kind: str | None = None  # of what is on the base now; None: it is bare

    def switch(self, adapter: str | None) -> tuple[Any, Any]:
        """(model, tokenizer) with this adapter on; with None the caller must still switch adapters off (`techniques.off`)."""
        if adapter is None:
            return self.model, self.tokenizers[None]
        folder, name = Path(adapter), _name(adapter)
        if name not in self.tokenizers:
            self._add(folder, name)
        if isinstance(self.model, PeftModel):
            self.model.set_adapter(name)
        return self.model, self.tokenizers[name]

    def _add(self, folder: Path, name: str) -> None:
        kind = peft_methods.kind(folder)
        if self.kind is not None and (kind != self.kind or kind == "layers" or not self._beside()):
            self._clear()
        stale = [n for n in self.tokenizers if n and n.split("@")[0] == name.split("@")[0]]
        self.model, self.kind = peft_methods.with_saved(self.model, folder, name=name).eval(), kind
        for old in stale:  # the run was trained on since
            self.model.delete_adapter(old)
            self.tokenizers.pop(old)
        self.tokenizers[name] = load.tokenizer(folder)

    def _beside(self) -> bool:
        """Prompts learnt for a task carry hooks that know their length: of these only one is there at a time."""
        return not getattr(self.model, "alignment", None)

    def _clear(self) -> None:
        """The bare base again; tokenizers of what was on it go with it."""
        self.model, self.kind = peft_methods.taken_off(self.model).eval(), None
        self.tokenizers = {None: self.tokenizers[None]}


class Models:
    """What was made known, and what is loaded. `turn` is held for the length of an answer: one speaks at a time."""

    def __init__(self, device: str):
        self.device, self.turn = device, threading.Lock()
        self.known: dict[str, Known] = {}
        self.bases: OrderedDict[tuple, Base] = OrderedDict()

    def ready(self, id: str) -> tuple[Any, Any, bool]:
        """(model, tokenizer, adapter on) for a known id; loads what is missing. Call it with `turn` held."""
        known = self.known[id]
        folder = load.local_folder(known.base)
        stamp = (folder / "config.json").stat().st_mtime_ns  # a full run may have been trained on since
        head = str(load.head_of(Path(known.adapter))) if known.adapter else ""
        key = (known.base, known.precision, stamp, objectives.get(known.objective).auto, head)
        if known.adapter is None:  # the base of a run with a head of its own is that run's base, switched off
            key = next((k for k in self.bases if k[:4] == key[:4]), key)
        if key not in self.bases:
            self._make_room(folder, known.precision)
            self.bases[key] = Base(folder, known, self.device)
        self.bases.move_to_end(key)
        model, tokenizer = self.bases[key].switch(known.adapter)
        return model, tokenizer, known.adapter is not None

    def _make_room(self, folder: Path, precision: str) -> None:
        """Two models stay beside each other where they fit; else they take turns."""
        need = sum(f.stat().st_size for f in folder.glob("*.safetensors")) * (2 if precision == "fp32" else 1) * ROOM
        while self.bases and self._free() < need:
            self.bases.popitem(last=False)
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _free(self) -> int:
        return torch.cuda.mem_get_info()[0] if self.device.startswith("cuda") else psutil.virtual_memory().available


def _name(adapter: str) -> str:
    """PEFT's names may hold no dots; the stamp tells a run that was trained on from what is in memory."""
    files = (Path(adapter) / name for name in ("adapter_config.json", continuation.ABOUT, "config.json"))
    stamp = next((file.stat().st_mtime_ns for file in files if file.exists()), 0)
    return f"{abs(hash(adapter)):x}@{stamp}"
