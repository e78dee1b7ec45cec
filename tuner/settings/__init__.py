"""The settings of a run, defined once, and the registries behind them: methods, objectives, losses and presets.

In: values as a person enters them. Out: `RunConfig`; what each method and objective is, requires and refuses. May import `models`."""
