# The Runs page.
runs-state-queued = Queued
runs-state-preparing = Preparing
runs-state-running = Running
runs-state-stopping = Stopping
runs-state-finished = Completed
runs-state-stopped = Stopped
runs-state-failed = Failed
runs-state-interrupted = Interrupted
runs-step = step { $step } of { $steps } ({ $share }), epoch { $epoch }
runs-elapsed = { $time } so far
runs-loss-lower = Validation loss: { $before } before training, { $after } at its best, { $share } lower.
runs-loss-higher = Validation loss: { $before } before training, { $after } at its best, { $share } higher.
runs-loss-same = Validation loss: { $before } before training, { $after } at its best: unchanged.
runs-loss-rose = It rose again to { $last } by the end: fewer steps or a lower learning rate would do. The saved model is the one from its best step.
runs-loss-means = It says how well the model predicts the validation answers, not how good its own answers are: try some in Chat.
runs-metric = { $name } { $after }
runs-metric-before = { $name } { $after } ({ $before } before)
runs-evaluated-better = Evaluation: really better than { $against } on { $rows } rows.
runs-evaluated-same = Evaluation: no clear difference to { $against } on { $rows } rows.
runs-evaluated-worse = Evaluation: really worse than { $against } on { $rows } rows.
runs-evaluated-prompt = The base model with examples in its prompt does as well.
runs-evaluation = Evaluation
runs-evaluation-rows = Rows of the evaluation
runs-memory = Peak memory { $peak }; the estimate was { $estimate }.
runs-note-bad = Trouble
runs-note-warning = Warning
runs-note-quiet = Note
runs-kept-awake = The computer is kept awake until this run ends.
runs-warning-step = step { $step }
runs-empty = Runs appear here: each training with its charts, settings and log.
runs-begin = Start a training
runs-stop = Stop and save
runs-resume = Resume
runs-chat = Chat
runs-duplicate = Duplicate
runs-numbers = Metrics, step by step
runs-show-numbers = Show the metrics up to now
runs-about = Name, notes, delete
runs-name =
    .label = Name
    .info = Shown everywhere; the folder keeps its own name.
runs-notes =
    .label = Notes
    .info = What you tried and why.
runs-save = Save name and notes
runs-sure =
    .label = Yes, delete this run with its checkpoints and model
    .info = This can't be undone.
runs-delete = Delete this run
runs-all = All runs
runs-differs = Setting
runs-best-loss = Best validation loss
runs-head-name = Name
runs-head-state = State
runs-head-data = Dataset
runs-head-model = Model
runs-head-method = Method
runs-head-loss = Validation loss
runs-head-time = Time
runs-head-started = Started
runs-head-setting = Setting
runs-head-value = Value
runs-head-by = Chosen by
runs-head-reason = Reason
runs-stopping = It saves at the next step, then stops.
runs-resumed = { $name } resumes from its last checkpoint.
runs-saved = Saved.
runs-deleted = Deleted.
runs-not-sure = Tick the box first.
runs-name-empty = A run needs a name; the old one stays.
runs-log-empty = The log is empty so far.
runs-took = took { $time }
runs-no-validation = The data has no validation rows: the validation loss is not measured, and the last step is kept.
runs-not-measured = The validation loss appears here after the first evaluation.
runs-export = Export
runs-tab-overview = Overview
runs-tab-evaluation = Evaluation
runs-tab-samples = Samples
runs-tab-checkpoints = Checkpoints
runs-in-trouble = in trouble
runs-further = Train further
runs-metrics-files = Metrics of all charts as a file
runs-tab-charts = Charts
runs-tab-config = Config
runs-tab-log = Log
runs-table = All runs
runs-query =
    .label = Search
    .placeholder = Name, dataset, model, method, state or notes
runs-none-found = No run has “{ $query }” in its name, dataset, model, method, state or notes.
runs-pick = Select
runs-pick-one = Select { $name }
runs-tick-hint = Select two or more runs to compare them.
runs-ticked = { $n ->
    [one] 1 run selected. Select another to compare them.
   *[other] { $n } runs selected.
    }
runs-too-many = { $n } runs selected; at most { $most } can be compared at a time.
runs-shown = { $first }–{ $last } of { $total }
runs-previous = Previous
runs-next = Next
runs-compare = Compare
runs-blind = Blind A/B
runs-differences = What differs
runs-other =
    .label = Compare with another run
    .info = Lists the settings that differ. The newest 200 are listed; the id of any other can be entered.
runs-choose-two = Choose two or more.

# Compare: answers side by side
answers-title = Answers side by side
answers-questions =
    .label = Questions
    .info = One a line. Without any, { $n } questions of the validation rows are asked.
answers-base =
    .label = The base model, too
    .info = What the first run began from. Up to { $most } models in all.
answers-base-name = { $name }: base model
answers-ask = Ask all
answers-coming = not yet answered
answers-model = Model
answers-speed = Tokens/s
answers-first = First token (s)
answers-cut = Cut at 256 tokens
answers-csv = Download as CSV
answers-cancelled = Cancelled. The answers up to now stay.

# the queue
runs-queue = Queue
runs-queue-device = { $device }: { $held } of { $total } in use by jobs
runs-queue-more = { $n ->
    [one] One more run waits.
   *[other] { $n } more runs wait.
    }
runs-queue-running = At work
runs-queue-waiting = Waiting
runs-queue-held = On hold
runs-queue-next = Run next
runs-queue-up = Up
runs-queue-down = Down
runs-queue-hold = Hold
runs-queue-release = Release
runs-queue-cancel = Cancel

# samples
samples-about = What the model answers to a few prompts, before the first step and at each evaluation. Answers are at most 64 tokens. What changed is marked.
samples-none = No sample yet. A model that writes text answers a few prompts before its first step and at each evaluation.
samples-before = Before training
samples-step = Step { $step }
samples-best = Kept
samples-cut = Cut off after 64 tokens
samples-strip = Answers by step
samples-own = Own prompts
samples-prompts =
    .label = Prompts
    .info = One per line, { $most } at most, asked from the next evaluation on. Empty: the first validation rows.
samples-save = Save prompts
samples-kept = { $n ->
    [one] The prompt is asked from the next evaluation on.
   *[other] { $n } prompts are asked from the next evaluation on.
    }
samples-rows-again = The first validation rows are asked again.
samples-kept-ended = Saved. This run has ended: they are asked when it is resumed.

# checkpoints
checkpoints-none = No checkpoint yet. The state of the training is saved here at each evaluation; the newest and the best are kept.
checkpoints-about = The best checkpoint and the newest are kept ({ $kept } in all: the setting keep_checkpoints). One that is made a run of its own can be used as any run, and stays when the checkpoint is deleted.
checkpoints-step = Step
checkpoints-size = Size
checkpoints-make = Make it a run
checkpoints-made = { $name } is a run of its own now.
checkpoints-open = Open
checkpoints-compare = Compare with the run

# from another computer
runs-take-in = Add a run from another computer
runs-take-in-about = The result file of a notebook (result.tunesmith.zip), or a run that was packed with `tunesmith pack`.
runs-take-in-file = Choose the file
runs-taken-in = { $name } is here now.
