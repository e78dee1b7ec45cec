"""The baseline: what a careful person writes with TRL alone. Reads a job as JSON on the command line, prints JSON at the end.

job: {"rows": file of {"messages"}, "model": folder, "steps", "micro_batch", "effective_batch", "learning_rate", "lora_rank", "max_length", "out"}
"""

import time

BEGAN = time.time()

import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}

import torch  # noqa: E402
from datasets import Dataset  # noqa: E402
from peft import LoraConfig  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback  # noqa: E402
from trl import SFTConfig, SFTTrainer  # noqa: E402


class Watch(TrainerCallback):
    first = None

    def on_log(self, args, state, control, logs=None, **_):
        if self.first is None and "loss" in (logs or {}):
            self.first = time.time() - BEGAN


def main() -> None:
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    with open(job["rows"], encoding="utf-8") as f:
        rows = Dataset.from_list([json.loads(line) for line in f])
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.bfloat16 if job["bf16"] else torch.float32)
    args = SFTConfig(
        output_dir=job["out"],
        max_steps=job["steps"],
        per_device_train_batch_size=job["micro_batch"],
        gradient_accumulation_steps=job["effective_batch"] // job["micro_batch"],
        learning_rate=job["learning_rate"],
        lr_scheduler_type="cosine",
        warmup_steps=0.03,
        logging_steps=1,
        save_strategy="steps",
        save_steps=job["steps"],
        report_to="none",
        use_cpu=True,
        bf16=job["bf16"],
        gradient_checkpointing=False,
        assistant_only_loss=True,
        max_length=job["max_length"],
        disable_tqdm=True,
        seed=42,
    )
    lora = LoraConfig(
        task_type="CAUSAL_LM", r=job["lora_rank"], lora_alpha=2 * job["lora_rank"], target_modules="all-linear", lora_dropout=0.0
    )
    watch = Watch()
    trainer = SFTTrainer(model=model, args=args, train_dataset=rows, processing_class=tokenizer, peft_config=lora, callbacks=[watch])
    out = trainer.train()
    print(json.dumps({"first_loss_seconds": watch.first, "train_runtime": out.metrics["train_runtime"], "loss": out.training_loss}))


if __name__ == "__main__":
    main()
