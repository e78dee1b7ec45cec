"""The judge of `tuner/memory`: the real training step of the real trainers without a card and without weights.

The step runs under torch's FakeTensorMode (shapes, dtypes and storages, no numbers) while a ledger counts the storages that are alive.
Fake tensors of the CPU stand in for the card, with what differs there put in their place (`stand_ins`): autocast's list, the attention
kernels' buffers, TRL's fused head. It rests on the insides of torch, TRL and PEFT, so it is a tool for benches and tests.

    ledger.py     what is alive, and the peak
    stand_ins.py  what a card would do and fake tensors can't
    step.py       a model from a config, a trainer, two steps: `trace(Case(...))`
    cases.py      the configurations that are judged
"""
