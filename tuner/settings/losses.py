"""The registry of preference losses: what each minimizes, what it needs, and its usual settings. No torch.

TRL implements all of them (`dpo` and `kto` in its core, `cpo` and `orpo` as experimental trainers); `workers/training/preference.py`
supplies their rows and their reference model. In the sentences, a log-ratio is how much likelier an answer has become than it is to the
reference model.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # run_config lists the losses
    from tuner.settings.run_config import Settings

METRICS = (  # of both answers, for the training rows and, with the prefix eval_, for the validation rows
    *("rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen", "logps/rejected"),
    *("log_ratio/chosen", "log_ratio/rejected", "length/chosen", "length/rejected", "length/written"),
)


@dataclass(frozen=True)
class Loss:
    """A preference loss.

    `trainer`: TRL's trainer. `loss_type`: the loss's name in TRL where it differs. `beta`, `smoothing`: the usual values (None: it has no
    such setting). `reference`: whether it needs a reference model. `unpaired`: it takes rated answers one by one. `min_micro_batch`: the smallest
    micro-batch. `with_sft`: it also trains on the better answer as in a chat (SFT), so the learning rate is close to the usual one.
    """

    name: str
    title: str
    sentence: str
    paper: str
    trainer: str = "dpo"
    loss_type: str = ""
    beta: float | None = 0.1
    smoothing: float | None = None
    reference: bool = True
    unpaired: bool = False
    min_micro_batch: int = 1
    with_sft: bool = False


LOSSES = {
    loss.name: loss
    for loss in (
        Loss(
            "sigmoid",
            "DPO",
            "Raises the log-ratio of the better answer above that of the worse one.",
            "Rafailov et al. 2023, arXiv:2305.18290",
        ),
        Loss(
            "rpo",
            "RPO",
            "DPO, and also trains on the better answer as in a chat: the model comes to give it even where it was written by others.",
            "Pang et al. 2024, arXiv:2404.19733",
            with_sft=True,
        ),
        Loss(
            "ipo",
            "IPO",
            "Brings the difference of both log-ratios per token to exactly 1/(2 beta): it does not overfit on clear pairs.",
            "Azar et al. 2023, arXiv:2310.12036",
        ),
        Loss("hinge", "Hinge (SLiC)", "Like DPO until the margin is reached, then zero.", "Zhao et al. 2023, arXiv:2305.10425"),
        Loss(
            "robust",
            "Robust DPO",
            "DPO that expects a share of the judgments to be wrong (label smoothing).",
            "Chowdhury et al. 2024, arXiv:2403.00409",
            smoothing=0.1,
        ),
        Loss("exo_pair", "EXO", "Minimizes the exact KL divergence to the judgments.", "Ji et al. 2024, arXiv:2402.00856", smoothing=1e-3),
        Loss(
            "nca_pair",
            "NCA",
            "Compares each reward by itself instead of their difference: keeps the better answer likely.",
            "Chen et al. 2024, arXiv:2402.05369",
        ),
        Loss("bco_pair", "BCO", "Classifies each answer by itself as better or worse.", "Jung et al. 2024, arXiv:2404.04656"),
        Loss(
            "sppo_hard",
            "SPPO",
            "Gives each log-ratio a target: 1/(2 beta) for the better answer, minus that for the worse one.",
            "Wu et al. 2024, arXiv:2405.00675",
        ),
        Loss(
            "aot",
            "AOT",
            "Ranks the pairs of a micro-batch as a whole; needs several rows in each.",
            "Melnyk et al. 2024, arXiv:2406.05882",
            smoothing=0.0,
            min_micro_batch=2,
        ),
        Loss(
            "aot_unpaired",
            "AOT, unpaired",
            "Ranks all better answers of a micro-batch above all worse ones.",
            "Melnyk et al. 2024, arXiv:2406.05882",
            smoothing=0.0,
            min_micro_batch=2,
        ),
        Loss(
            "apo_zero",
            "APO-zero",
            "Makes better answers likelier and worse ones less likely: for data whose better answers are better than the model's.",
            "D'Oosterlinck et al. 2024, arXiv:2408.06266",
        ),
        Loss(
            "apo_down",
            "APO-down",
            "Makes both answers less likely, the worse one more so: for data where the model is better than both.",
            "D'Oosterlinck et al. 2024, arXiv:2408.06266",
        ),
        Loss("discopop", "DiscoPOP", "A loss that was discovered by a language model.", "Lu et al. 2024, arXiv:2406.08414"),
        Loss(
            "sigmoid_norm",
            "DPO per token",
            "DPO on log-ratios divided by length: long answers have no advantage.",
            "Lambert et al. 2024, arXiv:2411.15124",
            beta=5.0,
        ),
        Loss(
            "kto",
            "KTO",
            "Takes good and bad answers one by one, against an estimate of the KL divergence from the reference; pairs are split.",
            "Ethayarajh et al. 2024, arXiv:2402.01306",
            trainer="kto",
            unpaired=True,
            min_micro_batch=2,
        ),
        Loss(
            "apo_zero_unpaired",
            "APO-zero, unpaired",
            "Like KTO, without the estimate of the KL divergence.",
            "D'Oosterlinck et al. 2024, arXiv:2408.06266",
            trainer="kto",
            unpaired=True,
        ),
        Loss(
            "orpo",
            "ORPO",
            "Trains on the better answer and on the preference at the same time; needs no reference model.",
            "Hong et al. 2024, arXiv:2403.07691",
            trainer="orpo",
            reference=False,
            with_sft=True,
        ),
        Loss(
            "cpo",
            "CPO",
            "Like DPO without a reference model, and also trains on the better answer.",
            "Xu et al. 2024, arXiv:2401.08417",
            trainer="cpo",
            loss_type="sigmoid",
            smoothing=0.0,
            reference=False,
            with_sft=True,
        ),
        Loss(
            "simpo",
            "SimPO",
            "Makes the better answer likelier per token than the worse one by a margin; needs no reference model.",
            "Meng et al. 2024, arXiv:2405.14734",
            trainer="cpo",
            beta=2.0,
            smoothing=0.0,
            reference=False,
        ),
    )
}


def get(name: str) -> Loss:
    return LOSSES[name]


def default_for(kind: str, toy: bool = False) -> tuple[str, str]:
    """Return (the default loss for data of this kind, the reason)."""
    if kind == "rated":
        return "kto", "Answers that were rated one by one form no pairs to compare."
    if toy:
        return "rpo", "DPO that also trains on the better answer: a very small model would not give such answers by itself."
    return "sigmoid", "DPO: the simplest and the best tested."


def fitting(kind: str) -> list[str]:
    """Return the losses that data of this kind can be used with: rated answers form no pairs."""
    return [loss.name for loss in LOSSES.values() if loss.unpaired or kind != "rated"]


def refusal(name: str, kind: str, method: str) -> tuple[str, list[str]] | None:
    """Return (why a loss can't be used with this data and method, the losses that can); None when it can."""
    possible = fitting(kind)
    if name not in possible:
        return f"{LOSSES[name].title} compares two answers, and rated answers come one by one.", possible
    if LOSSES[name].trainer in ("cpo", "orpo") and method in ("prompt", "p_tuning"):
        can = [n for n in possible if LOSSES[n].trainer not in ("cpo", "orpo")]
        return f"TRL's trainer for {LOSSES[name].title} does not support virtual tokens.", can
    return None


def table() -> str:
    """Return the documentation's table of losses, in Markdown."""
    lines = ["| `preference_loss` | name | what it does | beta | paper |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| `{x.name}` | {x.title} | {x.sentence} | {x.beta:g} | {x.paper} |" for x in LOSSES.values()]
    return "\n".join(lines)


def options(settings: "Settings") -> dict[str, Any]:
    """Return what TRL's config of the loss's trainer needs beside the arguments of all trainers."""
    loss = get(settings.preference_loss)
    out: dict[str, Any] = {"beta": settings.beta or loss.beta, "remove_unused_columns": False, "prediction_loss_only": True}
    if loss.trainer != "orpo":
        out["loss_type"] = loss.loss_type or loss.name
    if loss.smoothing is not None:
        out["label_smoothing"] = loss.smoothing if settings.label_smoothing is None else settings.label_smoothing
    if loss.name == "rpo":
        out |= {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 1.0]}
    if loss.name == "simpo":
        out["cpo_alpha"] = 0.0  # the paper's has no likelihood of the better answer in it
    return out
