"""Merge a LoRA into a base model of about 1B parameters: peak memory and time, shard by shard against PEFT in memory, side by side.

`python -m bench.export [--layers 16 --width 2048]`. The goal: at most the largest file of the base plus 2 GB. Each is a process of its own, and its peak
is that of its resident memory. The baseline is `PeftModel.merge_and_unload` and `save_pretrained`, as a script would do it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MAKE = """
import sys, torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM
folder, layers, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_default_dtype(torch.bfloat16)
config = LlamaConfig(hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers, num_attention_heads=width // 64,
                     num_key_value_heads=width // 256, vocab_size=32000)
model = LlamaForCausalLM(config)
print(model.num_parameters(), file=sys.stderr)
model.save_pretrained(folder + "/base", max_shard_size="500MB")
tuned = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"))
for name, weight in tuned.named_parameters():
    if "lora_B" in name:
        torch.nn.init.normal_(weight, std=0.01)
tuned.save_pretrained(folder + "/adapter")
"""
STREAMED = """
import sys, torch
from pathlib import Path
from tuner.workers.exporting import stream_merge
folder = Path(sys.argv[1])
print("ready", flush=True)
stream_merge.write(folder / "streamed", folder / "base", folder / "adapter", torch.bfloat16, lambda said: None)
"""
WHOLE = """
import sys, torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
from tuner.workers.exporting import stream_merge
folder = sys.argv[1]
print("ready", flush=True)
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder + "/base", dtype=torch.bfloat16), folder + "/adapter")
model.merge_and_unload(safe_merge=True).save_pretrained(folder + "/whole")
"""


def measured(code: str, folder: Path) -> dict[str, float]:
    """Return the seconds and the peak memory (bytes) of a process, without its imports."""
    import psutil

    child = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)
    child.stdout.readline()
    process, began, peak = psutil.Process(child.pid), time.monotonic(), 0
    start = process.memory_info().rss
    while child.poll() is None:
        try:
            peak = max(peak, process.memory_info().rss - process.memory_info().shared)  # without the mapped files of the base
        except psutil.Error:
            break
        time.sleep(0.02)
    if child.wait():
        raise SystemExit("the merge failed")
    return {"seconds": round(time.monotonic() - began, 1), "peak_gb": round(peak / 1e9, 2), "before_gb": round(start / 1e9, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--width", type=int, default=2048)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        subprocess.run([sys.executable, "-c", MAKE, temporary, str(args.layers), str(args.width)], check=True)
        files = [f.stat().st_size for f in (folder / "base").glob("*.safetensors")]
        streamed, whole = measured(STREAMED, folder), measured(WHOLE, folder)
    largest = max(files) / 1e9
    out = {"base_gb": round(sum(files) / 1e9, 2), "largest_file_gb": round(largest, 2), "streamed": streamed, "peft_in_memory": whole}
    out |= {
        "memory_ratio": round(streamed["peak_gb"] / whole["peak_gb"], 2),
        "time_ratio": round(streamed["seconds"] / whole["seconds"], 2),
    }
    print(json.dumps(out | {"goal_gb": round(largest + 2, 2), "reached": streamed["peak_gb"] <= largest + 2}, indent=1))


if __name__ == "__main__":
    main()
