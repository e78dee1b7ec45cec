# The tab Evaluation of a run
evaluation-against =
    .label = Compare with
    .info = What the answers are measured against.
evaluation-base = Base model (before training)
evaluation-base-head = Base model
evaluation-base-short = the base model
evaluation-interval = { $low } to { $high }
evaluation-rows =
    .label = Rows
    .info = At most this many validation rows.
evaluation-start = Evaluate
evaluation-cancel = Cancel
evaluation-cancelled = Cancelled. Nothing was changed.
evaluation-loading = Loading the model
evaluation-working = { $done } of { $total } answers
evaluation-left = about { $time } left
evaluation-empty = Both models answer the validation rows. The scorecard shows what is better, what is worse, and what chance alone could explain.
evaluation-later = A scorecard can be made when this run has a model.
evaluation-validation = { $n ->
    [one] 1 of { $available } validation rows of { $data }. Small figures: 95% intervals.
   *[other] { $shown } of { $available } validation rows of { $data }. Small figures: 95% intervals.
}
evaluation-all = { $n ->
    [one] 1 of { $available } rows of { $data }, which has no validation rows. Small figures: 95% intervals.
   *[other] { $shown } of { $available } rows of { $data }, which has no validation rows. Small figures: 95% intervals.
}
evaluation-left-out = { $n ->
    [one] 1 row could not be evaluated.
   *[other] { $shown } rows could not be evaluated.
}
evaluation-better = Better
evaluation-worse = Worse
evaluation-same = No difference
evaluation-no-difference = No difference
evaluation-better-than = than { $against }: { $metrics }
evaluation-worse-than = than { $against }: { $metrics }
evaluation-same-as = to { $against } that these rows could show
evaluation-few = Fewer than { $n } rows: only large differences can be seen.
evaluation-prompted = Base model with { $n } examples
evaluation-prompt-enough = The base model with { $n } examples in its prompt does as well: the training may not have been needed.
evaluation-prompt-worse = The base model with { $n } examples in its prompt, without training, does not reach this.
evaluation-metric = Metric
evaluation-difference = Difference
evaluation-changed = Rows that changed most
    .info = Marked: what the reference answer does not contain.
evaluation-reference = Reference
evaluation-row = Row { $row } of the dataset
evaluation-nothing = no answer
metric-chrf = chrF
metric-rouge-l = ROUGE-L
metric-exact-match = Exact match
metric-loss = Loss
metric-perplexity = Perplexity
metric-accuracy = Accuracy
metric-f1 = F1
metric-precision = Precision
metric-recall = Recall
metric-mae = Mean absolute error
metric-pearson = Correlation (Pearson)
metric-margin = Margin
