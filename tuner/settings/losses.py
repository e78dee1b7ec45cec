"""The losses that teach from preferences: what each minimises, what it needs, and its usual settings. One entry each. No torch.

TRL has them all (`dpo`, `kto` in its core; `cpo`, `orpo` among its experiments); `workers/training/preference.py` gives them their rows and their
reference. In the sentences, a log-ratio is how much likelier an answer has become than it is to the reference model.
"""

from dataclasses import dataclass

METRICS = (  # of both sides, of the rows that are learnt and, with eval_ before them, of those held out
    *("rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen", "logps/rejected"),
    *("log_ratio/chosen", "log_ratio/rejected", "length/chosen", "length/rejected", "length/written"),
)


@dataclass(frozen=True)
class Loss:
    """`learns`: the better answer is learnt as in a chat beside it, so steps are nearly the usual ones. `trainer` is TRL's, `loss_type` its own word; `beta` and `smoothing` are the usual values (None: it has no such setting).
    `reference`: whether another model is asked beside it. `singly`: it judges rated answers one by one; `together`: rows that it needs at
    once."""

    name: str
    title: str
    sentence: str
    paper: str
    trainer: str = "dpo"
    loss_type: str = ""
    beta: float | None = 0.1
    smoothing: float | None = None
    reference: bool = True
    singly: bool = False
    together: int = 1
    learns: bool = False


LOSSES = {
    loss.name: loss
    for loss in (
        Loss(
            "sigmoid",
            "DPO",
            "The log-ratio of the better answer is to be above that of the worse.",
            "Rafailov et al. 2023, arXiv:2305.18290",
        ),
        Loss(
            "rpo",
            "RPO",
            "DPO, and the better answer is learnt as in a chat: it becomes what the model says, also where others wrote it.",
            "Pang et al. 2024, arXiv:2404.19733",
            learns=True,
        ),
        Loss(
            "ipo",
            "IPO",
            "The difference of both log-ratios per token is to be exactly 1/(2 beta): it does not run away on clear pairs.",
            "Azar et al. 2023, arXiv:2310.12036",
        ),
        Loss("hinge", "Hinge (SLiC)", "As DPO until the margin is reached, then nothing.", "Zhao et al. 2023, arXiv:2305.10425"),
        Loss(
            "robust",
            "Robust DPO",
            "DPO that expects a share of the judgements to be wrong (label smoothing).",
            "Chowdhury et al. 2024, arXiv:2403.00409",
            smoothing=0.1,
        ),
        Loss("exo_pair", "EXO", "Exact KL divergence to the judgements.", "Ji et al. 2024, arXiv:2402.00856", smoothing=1e-3),
        Loss(
            "nca_pair",
            "NCA",
            "Rewards by themselves instead of their difference: keeps the better answer likely.",
            "Chen et al. 2024, arXiv:2402.05369",
        ),
        Loss("bco_pair", "BCO", "Tells better answers from worse ones, each by itself.", "Jung et al. 2024, arXiv:2404.04656"),
        Loss("sppo_hard", "SPPO", "Each log-ratio has a value to reach: 1/(2 beta), and minus that.", "Wu et al. 2024, arXiv:2405.00675"),
        Loss(
            "aot",
            "AOT",
            "Orders the pairs of a micro-batch as a whole; needs several at once.",
            "Melnyk et al. 2024, arXiv:2406.05882",
            smoothing=0.0,
            together=2,
        ),
        Loss(
            "aot_unpaired",
            "AOT, unpaired",
            "Orders all better answers of a micro-batch above all worse ones.",
            "Melnyk et al. 2024, arXiv:2406.05882",
            smoothing=0.0,
            together=2,
        ),
        Loss(
            "apo_zero",
            "APO-zero",
            "Better answers become likelier, worse ones less likely: where the better are better than the model.",
            "D'Oosterlinck et al. 2024, arXiv:2408.06266",
        ),
        Loss(
            "apo_down",
            "APO-down",
            "Both become less likely, the worse ones more so: where the model is better than both.",
            "D'Oosterlinck et al. 2024, arXiv:2408.06266",
        ),
        Loss("discopop", "DiscoPOP", "A loss that a language model found by trying.", "Lu et al. 2024, arXiv:2406.08414"),
        Loss(
            "sigmoid_norm",
            "DPO per token",
            "DPO on log-ratios divided by length: long answers are not favoured.",
            "Lambert et al. 2024, arXiv:2411.15124",
            beta=5.0,
        ),
        Loss(
            "kto",
            "KTO",
            "Good and bad answers one by one, against what the model would gain anyway; pairs are taken apart.",
            "Ethayarajh et al. 2024, arXiv:2402.01306",
            trainer="kto",
            singly=True,
            together=2,
        ),
        Loss(
            "apo_zero_unpaired",
            "APO-zero, unpaired",
            "As KTO, without the estimate of what the model would gain anyway.",
            "D'Oosterlinck et al. 2024, arXiv:2408.06266",
            trainer="kto",
            singly=True,
        ),
        Loss(
            "orpo",
            "ORPO",
            "Learns the better answer, and to prefer it, in one go; needs no reference.",
            "Hong et al. 2024, arXiv:2403.07691",
            trainer="orpo",
            reference=False,
            learns=True,
        ),
        Loss(
            "cpo",
            "CPO",
            "As DPO without a reference, and the better answer is learnt as well.",
            "Xu et al. 2024, arXiv:2401.08417",
            trainer="cpo",
            loss_type="sigmoid",
            smoothing=0.0,
            reference=False,
            learns=True,
        ),
        Loss(
            "simpo",
            "SimPO",
            "The better answer likelier per token than the worse by a margin; needs no reference.",
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


def natural(kind: str, toy: bool = False) -> tuple[str, str]:
    """(the loss that data of this kind is taught with when nobody chose, why)"""
    if kind == "rated":
        return "kto", "Answers that were rated one by one have no pairs to compare."
    if toy:
        return "rpo", "DPO, and the better answer is learnt as well: a toy says nothing like it by itself."
    return "sigmoid", "DPO: the plainest, and the best tried."


def fitting(kind: str) -> list[str]:
    """The losses that data of this kind can be taught with: rated answers have no pairs."""
    return [loss.name for loss in LOSSES.values() if loss.singly or kind != "rated"]


def refusal(name: str, kind: str, method: str) -> tuple[str, list[str]] | None:
    """(why a loss can't be had for this data and technique, those that can); None when it can."""
    fit = fitting(kind)
    if name not in fit:
        return f"{LOSSES[name].title} compares two answers, and rated answers come one by one.", fit
    if LOSSES[name].trainer in ("cpo", "orpo") and method in ("prompt", "p_tuning"):
        can = [n for n in fit if LOSSES[n].trainer not in ("cpo", "orpo")]
        return f"TRL's trainer of {LOSSES[name].title} does not know invisible words before the text.", can
    return None


def table() -> str:
    """The README's table of losses, in Markdown."""
    lines = ["| `preference_loss` | name | what it asks for | beta | from |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| `{x.name}` | {x.title} | {x.sentence} | {x.beta:g} | {x.paper} |" for x in LOSSES.values()]
    return "\n".join(lines)
