"""The models that a serving worker keeps in memory: base models with any number of adapters; the least recently used one is evicted."""

import gc
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch
from peft import PeftModel
from pydantic import BaseModel

from tuner.settings import continuation, objectives
from tuner.workers.modelling import load, peft_methods

ROOM = 1.3  # a model is loaded beside others when its weights times this are free: generation needs memory too


class RegisteredModel(BaseModel):
    """A registered model: `base` is a folder or Hub id, `adapter` a folder with a trained adapter, or None."""

    id: str
    base: str
    adapter: str | None = None
    precision: str = "bf16"
    objective: str = "chat"
    anyway: bool = False  # load it beside a run even if the memory may not suffice for both


class Base:
    """One base model in memory. Its adapters are switched per request: adapters of one PEFT type stay loaded together; those of another type, and
    changed layers, are swapped in, and the base model is restored exactly in between."""

    def __init__(self, folder: Path, known: RegisteredModel, device: str):
        head = load.head_of(Path(known.adapter)) if known.adapter else {}
        self.model = load.base_model(folder, known.precision, device, objective=known.objective, **head).eval()
        self.tokenizers = {None: load.tokenizer(folder)}
        self.kind: str | None = None  # of the adapter on the base model now; None: no adapter

    def switch(self, adapter: str | None) -> tuple[Any, Any]:
        """Return (model, tokenizer) with this adapter active; with None the caller must still switch adapters off (`peft_methods.disabled`)."""
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
        self.model, self.kind = peft_methods.load_saved(self.model, folder, name=name).eval(), kind
        for old in stale:  # the run was trained further since
            self.model.delete_adapter(old)
            self.tokenizers.pop(old)
        self.tokenizers[name] = load.tokenizer(folder)

    def _beside(self) -> bool:
        """Return whether another adapter can be added: trained prompts of a task have hooks for their length, so only one is loaded at a time."""
        return not getattr(self.model, "alignment", None)

    def _clear(self) -> None:
        """Restore the bare base model and drop the tokenizers of its adapters."""
        self.model, self.kind = peft_methods.removed(self.model).eval(), None
        self.tokenizers = {None: self.tokenizers[None]}


class Models:
    """Registered and loaded models. Only the scheduler's thread loads and uses them."""

    def __init__(self, device: str, claim: Callable[[int], None] = lambda needed: None):
        """`claim(bytes)` raises MemoryShortError when runs hold what a model needs (see `tuner.jobs.device_memory`)."""
        self.device, self.claim = device, claim
        self.known: dict[str, RegisteredModel] = {}
        self.bases: OrderedDict[tuple, Base] = OrderedDict()

    def ready(self, id: str) -> tuple[Any, Any, bool]:
        """Return (model, tokenizer, whether an adapter is active) for a registered id; loads what is missing."""
        known = self.known[id]
        folder, key = load.local_folder(known.base), self.key(id)[:-1]
        if known.adapter is None:  # the base of a run with its own head is that run's model, switched off
            key = next((k for k in self.bases if k[:4] == key[:4]), key)
        if key not in self.bases:
            self._make_room(folder, known)
            self.bases[key] = Base(folder, known, self.device)
        self.bases.move_to_end(key)
        model, tokenizer = self.bases[key].switch(known.adapter)
        return model, tokenizer, known.adapter is not None

    def key(self, id: str) -> tuple:
        """Return what tells the model of a registered id apart from others: that of the base model, and last its adapter as it is now."""
        known = self.known[id]
        stamp = (
            (load.local_folder(known.base) / "config.json").stat().st_mtime_ns
        )  # a fully fine-tuned run may have been trained further since
        head = str(load.head_of(Path(known.adapter))) if known.adapter else ""
        adapter = _name(known.adapter) if known.adapter else None
        return known.base, known.precision, stamp, objectives.get(known.objective).auto, head, adapter

    def free(self) -> int:
        """Return the free bytes of the device."""
        return torch.cuda.mem_get_info()[0] if self.device.startswith("cuda") else psutil.virtual_memory().available

    def _make_room(self, folder: Path, known: RegisteredModel) -> None:
        """Evict models until the new one fits, and claim its memory."""
        needed = sum(f.stat().st_size for f in folder.glob("*.safetensors")) * (2 if known.precision == "fp32" else 1) * ROOM
        while self.bases and self.free() < needed:
            self.bases.popitem(last=False)
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        if not known.anyway:
            self.claim(int(needed))


def _name(adapter: str) -> str:
    """Return PEFT's name of an adapter, without dots; the time stamp changes when the run is trained further."""
    files = (Path(adapter) / name for name in ("adapter_config.json", continuation.ABOUT, "config.json"))
    stamp = next((file.stat().st_mtime_ns for file in files if file.exists()), 0)
    return f"{abs(hash(adapter)):x}@{stamp}"
