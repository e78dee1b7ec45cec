# The Train page.
train-steps-nav = Steps
train-step-dataset = Dataset
train-step-model = Model
train-step-settings = Settings
train-step-review = Review
train-next = Next: { $step }
train-summary = Summary
train-start = Start training
train-starting = Starting …
train-cancel = Cancel
train-error = Error
train-warning = Warning
train-info = Note

# Dataset
train-dataset = { $name } · { $n } rows
train-dataset-version = { $said } · version { $version }
train-about-data = { $n } training rows, { $validation } validation rows, kind: { $kind }
train-look = Look at the rows
train-import = Import a dataset
train-no-data = Choose a dataset to train on. The Data page imports one.

# Model
train-model =
    .info = Choose one, type to search the Hub, or enter the path of a folder.
train-model-list = Models for this computer
train-recommended = Recommended for this computer:
train-choose-model = Choose this model
train-download = Download { $model } ({ $size })
train-stop-download = Stop the download
train-downloading = Downloading …
train-downloaded = { $model } is on this computer now.
train-download-ended = The download ended before it was complete. Start it again: it resumes.
train-size = Parameters
train-starter = Starter
train-languages = Languages: { $known }
train-languages-more = { $shown } and { $n } more
train-fits = Fits
train-fits-yes = Fits
train-fits-tight = Tight
train-fits-no = Doesn't fit
train-typical-time = Time for 500,000 tokens
train-licence = License
train-where = Download
train-on-this-computer = on this computer
train-gated = Gated
train-token =
    .label = Access token
    .info = For gated and private models. Kept in memory until the page is closed, sent only to the Hub, never written to disk.
train-use-token = Use this token
train-token-used = The token is used from now on.
train-token-forgotten = No token is used.

# Settings
train-preset = Preset
train-auto = Auto
train-from-preset = Preset
train-yours = Your choice
train-template-own = The model's own
train-template-plain = Plain words
train-template-chatml = ChatML
train-template-alpaca = Alpaca
train-template-custom = Custom (Jinja)
train-template-code = Chat template
train-template-intro = In Jinja, as in the chat templates of the Hub, with messages, tools, add_generation_prompt and special tokens such as eos_token. What stands between { "{% generation %}" } and { "{% endgeneration %}" } is trained.
train-template-preview = Preview
train-template-marked = Marked text is trained, the rest is only read.
train-template-sample = A sample conversation, since there is no dataset with conversations.
train-template-placeholders = The model's tokenizer is not on this computer yet: special tokens are placeholders.
train-none = off
train-reset = Reset
train-why = What this does and why it has this value
train-unused = Not used: { $why }
train-reset-all = Reset all settings
train-reset-preset = Reset what the preset sets
train-own-presets = Save or delete a preset of your own
train-preset-name =
    .label = Name of the preset
    .info = Saves your choices above on top of the preset that is selected.
    .placeholder = for example: long letters
train-save-preset = Save preset
train-delete-preset = Delete the selected preset
train-preset-saved = Saved as “{ $name }” and selected.
train-preset-deleted = Deleted.
train-which-method = Which method should I use?
train-goal =
    .label = What to train
    .info = A style is how the model says things; knowledge is what it says.
goal-manner = a style, a format or a task
goal-knowledge = new knowledge or a new language
train-served =
    .label = What will be used
    .info = Small adapters can share one base model in memory.
served-one = one result
served-many = many variants of one model
train-use-method = Use this method
train-method-details = Strengths and weaknesses of each method
train-changes = What it trains

# Summary
train-memory = { $peak } of memory at its peak; { $free } of { $total } are free now
train-memory-parts = Memory by part
train-other-programs = other programs
train-fallbacks = Ways to reduce memory, the lowest price first:
train-no-fallback = No setting would make it fit. Choose a smaller model.
train-not-enough = still too much
train-time = Time
train-steps = Steps
train-steps-of = { $n } in { $number ->
    [one] { $epochs } epoch
   *[other] { $epochs } epochs
}
train-batch = Batch
train-batch-of = { $micro } × { $accumulation } × { $devices } = { $effective } (micro-batch × accumulation × devices)
train-rows = Rows
train-rows-of = { $n } training, { $validation } validation
train-rows-left = { $n } of { $all } training, { $validation } of { $all_validation } validation
train-parameters = Trained
train-parameters-of = { $n } of { $total } parameters ({ $share })
train-evaluation = Evaluation
train-evaluation-of = { $evaluation ->
    [one] every step
   *[other] every { $evaluation } steps
}; a checkpoint ({ $size }) { $save ->
    [one] every step
   *[other] every { $save } steps
}; the best one is kept
train-evaluation-none = none: the data has no validation rows; a checkpoint ({ $size }) { $save ->
    [one] every step
   *[other] every { $save } steps
}; the last one is kept
train-stopping = Early stopping
train-stopping-of = { $n ->
    [one] after 1 evaluation without a better validation loss
   *[other] after { $n } evaluations without a better validation loss
}
train-energy = about { $n } Wh
train-cost = { $low } to { $high } { $currency }
train-question = Training doesn't start with these rows lost: choose one of the fixes, or change the data.
train-question-accept = Training doesn't start with these rows lost: choose one of the fixes, or train without them.
train-anyway =
    .label = Start even if it doesn't fit
    .info = The estimate may be wrong. If memory runs out, the run stops and keeps what was saved.
train-counting = Counting the tokens of { $rows } rows: { $share }
train-counting-left = , { $time } left
train-time-left = , { $time } left
train-dry-run = Dry run (two steps)
    .info = The memory in the summary is an estimate. A dry run takes two real steps on the longest rows, mostly within a minute; nothing is saved.
train-measuring = Dry run:
train-measured-more = That is { $share } more than estimated.
train-measured-less = That is { $share } less than estimated.
train-measured-held = Of that, { $used } were in use at once and { $held } reserved.
train-measured-step = A step of such rows takes { $time }; most rows are shorter.
train-measured-of = Measured with: { $method }, micro-batch { $micro }, at most { $length } tokens, { $precision }.
train-other-cards = The same on other GPUs, and the largest models for this computer
train-card = GPU
train-peak = Peak memory
train-how = How
train-micro-batch = micro-batch { $n }
train-up-to-tokens = up to { $n } tokens
train-largest = The largest models of the catalog for { $device }, all of its memory free:

# Review
train-name =
    .label = Name of the run
    .placeholder = from dataset and model
train-your-choices = Your choices
train-nothing-chosen = Every setting is Auto or from the preset.
train-setting = Setting
train-value = Value
train-yaml = As YAML
train-yaml-asked = Only what you chose
train-yaml-resolved = Every setting resolved
train-command = As a command
train-yaml-unresolved = Resolved once nothing is wrong any more.
train-yaml-load = Load settings from YAML
train-yaml-paste = YAML to load
train-yaml-use = Use these settings
train-yaml-file = Upload a YAML file
train-yaml-read = The settings are in the form now.

# Sweeps
train-sweep = Try several values (sweep)
train-sweep-values =
    .label = Values to try
    .info = One setting a line, its values between commas. Each combination is a run; { $most } at most. The names are those of the YAML.
train-sweep-halving =
    .label = Stop the weaker half early
    .info = At the 1st, 2nd, 4th, 8th … evaluation a run goes on only if its validation loss is among the better half so far. Needs the extra "sweeps" (Optuna).
train-sweep-start = Start the sweep
train-sweep-planning = Planning …

# On another computer
train-elsewhere = Train on another computer (Colab, Kaggle)
train-elsewhere-about = One file with the rows, the settings and this program, and a notebook that trains it on a free GPU. What comes back is added on the Runs page. The rows leave this computer when you upload the file.
train-elsewhere-make = Write the bundle
train-elsewhere-zip = Bundle ({ $size })
train-elsewhere-notebook = Notebook
train-elsewhere-done = Download both, open the notebook on Colab or Kaggle, and run its cells.

# On Hugging Face's machines
train-jobs = Train on Hugging Face's machines (paid by your account)
train-jobs-about = The run trains on a GPU that you rent by the minute, and appears here as any other. Your rows, the settings and this program go to a private repository of your account; it is deleted when the result is here. Needs a Hugging Face token that may start jobs (Settings).
train-jobs-look = Show hardware and prices
train-jobs-flavor =
    .label = Hardware
train-jobs-offer = { $title } · { $memory } · ${ $price } an hour · about { $time }, ${ $cost }
train-jobs-unfit =
    { $count ->
        [one] One kind of hardware is too small and not listed: the run needs { $needed } there.
       *[other] { $count } kinds of hardware are too small and not listed: the run needs about { $needed }.
    }
train-jobs-timeout =
    .label = Time limit (minutes)
    .info = The job is ended then, whatever it does; what it has saved is kept, and the run can be resumed.
train-jobs-agree = I agree to pay up to ${ $price } from my Hugging Face account.
train-jobs-start = Start on Hugging Face

# Where to run
train-place =
    .label = Where to run
train-place-here = This computer
train-place-slurm = SLURM cluster
train-slurm =
    .label = What SLURM is asked for
    .info = One a line: { $names }. time is in minutes, memory in GB. The node plans anew for its own hardware.
