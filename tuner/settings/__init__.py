"""Every setting of a run, once, and the registries behind them: methods, objectives, losses, presets.

In: values as a person gives them. Out: `RunConfig`; what each method and objective is, needs and refuses. May import `models`."""
