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

from tuner.workers import load

ROOM = 1.3  # a model is loaded beside another when its weights times this are free: answering needs some as well


class Known(BaseModel):
    """A model that can be asked for: `base` is a folder or Hub id, `adapter` a folder beside it or None."""

    id: str
    base: str
    adapter: str | None = None
    precision: str = "bf16"


class Base:
    """One base model in memory. Its adapters are switched per request; PEFT allows many of one type on one base."""

    def __init__(self, folder: Path, precision: str, device: str):
        self.model = load.base_model(folder, precision, device).eval()
        self.tokenizers = {None: load.tokenizer(folder)}

    def switch(self, adapter: str | None) -> tuple[Any, Any]:
        """(model, tokenizer) with this adapter on; with None the caller must still switch adapters off (`disable_adapter`)."""
        if adapter is None:
            return self.model, self.tokenizers[None]
        name = _name(adapter)
        if name not in self.tokenizers:
            self._add(adapter, name)
        self.model.set_adapter(name)
        return self.model, self.tokenizers[name]

    def _add(self, adapter: str, name: str) -> None:
        stale = [n for n in self.tokenizers if n and n.split("@")[0] == name.split("@")[0]]
        if isinstance(self.model, PeftModel):
            self.model.load_adapter(adapter, adapter_name=name)
        else:
            self.model = PeftModel.from_pretrained(self.model, adapter, adapter_name=name)
        self.model.eval()
        for old in stale:  # the run was trained on since
            self.model.delete_adapter(old)
            self.tokenizers.pop(old)
        self.tokenizers[name] = load.tokenizer(Path(adapter))


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
        key = (known.base, known.precision, (folder / "config.json").stat().st_mtime_ns)  # a full run may have been trained on since
        if key not in self.bases:
            self._make_room(folder, known.precision)
            self.bases[key] = Base(folder, known.precision, self.device)
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
    return f"{abs(hash(adapter)):x}@{(Path(adapter) / 'adapter_config.json').stat().st_mtime_ns}"
