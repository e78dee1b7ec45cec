"""From a request to concrete settings, each with its reason, and what they will take.

`planner` joins `decisions` (what was asked, and by whom), `data_defaults` (what the data decides), `fitting` (what makes it fit), `memory`
and `time_estimate`. In: a `RunConfig`, a model, data, a device. Out: a `Plan`. May import `data`, `settings`, `models`, `devices`. No torch."""
