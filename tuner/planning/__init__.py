"""Planning: turn a request into concrete settings, each with its reason, and estimate memory and time.

`planner` combines `decisions` (which settings were given, and by whom), `contradictions`, `data_defaults` (settings that follow from the data),
`fitting` (settings that make the run fit), `memory` and `time_estimate`. In: a `RunConfig`, a model, data, a device. Out: a `Plan`. May import `data`, `settings`,
`models`, `devices`. No torch."""
