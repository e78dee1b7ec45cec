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
evaluation-prompt-better = The base model with { $n } examples in its prompt does better: this training was not needed.
evaluation-prompt-worse = The base model with { $n } examples in its prompt, without training, does not reach this.
evaluation-judge-about = A model compares each pair of answers, asked in both orders. With an address, the questions and answers are sent there.
evaluation-judge-model =
    .info = A model or run of this computer; with an address, the name of the model there. Leave empty for none.
evaluation-rubric =
    .label = What makes an answer better
evaluation-judge-finds = The AI judge { $judge } finds its answers better than those of { $against } on { $better } of { $n } rows, worse on { $worse }, as good on { $ties }.
evaluation-judge-gone = No AI judge
evaluation-judge-chance = That may be chance.
evaluation-judge-silent = The AI judge { $judge } gave no judgment that can be read: { $n } replies without a number.
evaluation-judge-agrees = It agrees with people on { $n } of { $of } pairs that both have judged in Label.
evaluation-judge-unknown = How far it agrees with people is not known: have it judge pairs in Label that people judge, too.
evaluation-forgot = Forgotten
evaluation-general-forgotten = Of { $n } general questions it answers { $right } rightly, { $against } { $before }.
evaluation-general-kept = Nothing forgotten that general questions could show: of { $n } it answers { $right } rightly, { $against } { $before }.
evaluation-general-chance = General questions show nothing here: of { $n }, { $against } itself answers { $before } rightly, which guessing would, too.
evaluation-lost = { $n ->
    [one] 1 general question is answered wrongly now
   *[other] { $n } general questions are answered wrongly now
}{ $gained ->
    [0] {""}
   *[other] , { $gained } rightly that were wrong before
}
evaluation-instead = Right: { $reference } Now likelier: { $answer }
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
benchmarks-title = Public benchmarks
benchmarks-task = Task
benchmarks-questions = { $n ->
    [one] 1 question
   *[other] { $n } questions
}
