# The Data page: the library of datasets, importing, and what is known of one dataset.

# --- library
data-library = Datasets
data-search =
    .label = Search datasets
    .placeholder = Name or kind
data-add = Import data
data-rows = { $n ->
    [one] 1 row
   *[other] { $n } rows
}
data-version = v{ $n }
data-listed = { $shown } of { $total } datasets are listed. Search to find another one.
data-none-found = No dataset matches “{ $query }”.
data-warnings = { $n ->
    [one] 1 warning
   *[other] { $n } warnings
}
data-no-warnings = No warnings
data-checking = Checking quality
data-kind-chat = Chat
data-kind-text = Plain text
data-kind-preference = Preference pairs
data-kind-rated = Rated answers
data-kind-classification = Classification
data-kind-regression = Regression
data-kind-seq2seq = Sequence to sequence
data-kind-qa = Extractive QA
data-kind-tokens = Token classification

# --- import
data-import = Import data
data-import-first = Import data to begin
data-import-intro = Drop a file here: its format, columns and problems are recognized, and the file itself is never changed.
data-upload =
    .label = Files
    .info = CSV, Excel, JSON, JSONL, Parquet or text. Several files with the same columns become one dataset.
data-samples = Or start with a sample
data-samples-only = Start with a sample. This public page takes no files of your own.
data-sample-persona = Pirate persona (chat)
data-sample-helpdesk = Help desk (chat)
data-sample-tickets = Support tickets (classification)
data-sample-preferences = Preference pairs
data-sample-translation = Translation
data-other-ways = Other ways to import
data-paste = Paste rows
data-paste-text =
    .label = Rows
    .info = Cells copied from a spreadsheet with their header, or lines of JSON.
data-paste-import = Import these rows
data-write = Write by hand
data-write-kind =
    .label = What one row is
    .info = Empty lines are ignored.
data-write-chat = A prompt and its answer
data-write-preference = A prompt, a better and a worse answer
data-write-text = A text
data-write-rows = Rows
data-write-import = Import these rows
data-validation-file = With a validation file
data-training-files =
    .label = Training files
data-test-file =
    .label = Validation file: all its rows are validation rows
data-both-import = Import both
data-path-tab = File path
data-path =
    .label = Path
    .info = For a large file on this computer: it is read where it is, without a copy.
data-path-import = Import this file
data-hub-tab = Hugging Face Hub
data-hub =
    .label = Dataset
    .info = Its id on the Hub: owner/name.
data-hub-split =
    .label = Split
    .info = If empty: train.
data-hub-config =
    .label = Configuration
    .info = Only where the dataset has several.
data-hub-import = Download and import
data-mix-tab = Mix
data-mix-parts =
    .label = Datasets to mix
    .info = Two or more of the same kind.
data-mix-weights =
    .label = Weights, in the same order
    .info = 1 takes each row once, 0.5 half of the rows, 2 each row twice. If empty: 1 for all.
    .placeholder = 1, 0.5
data-mix-import = Mix
data-mix-option = { $name } · { $rows } rows · v{ $version }

# --- work under way, and its end
data-working = Working on { $what }
data-starting = Starting
data-progress = { $share }% · { $rows ->
    [one] 1 row
   *[other] { $rows } rows
}
data-progress-left = about { $time } left
data-cancel = Cancel
data-cancelled = Cancelled. Nothing was added; your datasets are unchanged.
data-failed = The import failed
data-failed-version = No new version was made
data-kept = Nothing was added; your datasets are unchanged.
data-imported = { $name } is imported: { $rows ->
    [one] 1 row
   *[other] { $rows } rows
}.
data-saved = Saved as version { $version }.
data-deleted = { $name } is deleted.

# --- head of a dataset
data-split = { $training } training / { $validation } validation rows
data-split-none = { $training ->
    [one] 1 training row, no validation rows
   *[other] { $training } training rows, no validation rows
}
data-no-validation = Without validation rows nothing shows whether the model has learned or only memorized the rows. Set a validation share under Columns.
data-left-out = { $n ->
    [one] 1 of { $of } rows was left out.
   *[other] { $n } of { $of } rows were left out.
}
data-left-out-empty = { $n ->
    [one] 1 of { $of } rows was left out because a needed field is empty.
   *[other] { $n } of { $of } rows were left out because a needed field is empty.
}
data-left-out-some = { $n } of { $of } rows were left out, { $empty ->
    [one] 1 of them because a needed field is empty.
   *[other] { $empty } of them because a needed field is empty.
}
data-made-drop = Made from version { $version }: { $dropped ->
    [one] 1 row removed.
   *[other] { $dropped } rows removed.
}
data-made-keep-first = Made from version { $version }: { $dropped ->
    [one] 1 repeated row removed.
   *[other] { $dropped } repeated rows removed.
}
data-made-move-to-train = Made from version { $version }: { $moved ->
    [one] 1 row moved to the training rows.
   *[other] { $moved } rows moved to the training rows.
}
data-made-mask = Made from version { $version }: { $changed ->
    [one] 1 row masked.
   *[other] { $changed } rows masked.
}
data-made-mend = Made from version { $version }: the encoding of { $changed ->
    [one] 1 row fixed.
   *[other] { $changed } rows fixed.
}
data-made-clean = Made from version { $version }: { $changed ->
    [one] 1 row cleaned.
   *[other] { $changed } rows cleaned.
}
data-made-strip-html = Made from version { $version }: markup removed from { $changed ->
    [one] 1 row.
   *[other] { $changed } rows.
}
data-made-trim = Made from version { $version }: the opening of { $changed ->
    [one] 1 row removed.
   *[other] { $changed } rows removed.
}
data-made-unify = Made from version { $version }: the spelling of { $changed ->
    [one] 1 label unified.
   *[other] { $changed } labels unified.
}
data-made-labels = Made from version { $version }: { $judgments ->
    [one] 1 judgment of { $project }.
   *[other] { $judgments } judgments of { $project }.
}
data-made-edit = Made from version { $version }: { $changed ->
    [one] 1 row edited
   *[other] { $changed } rows edited
} and { $dropped } removed by hand.
data-use = Train on this

# --- tabs
data-tab-rows = Rows
data-tab-quality = Quality
data-tab-quality-n = Quality ({ $n })
data-tab-columns = Columns
data-tab-tokens = Token preview
data-tab-versions = Versions
data-tab-more = More

# --- rows
data-which =
    .label = Rows to show
    .info = The model is never trained on validation rows; they measure how well it does.
data-which-all = All
data-which-train = Training
data-which-held = Validation
data-row = Row { $n }
data-row-validation = Row { $n } · validation
data-no-rows = No rows.
data-range = { $first } to { $last } of { $total }
data-previous = Previous
data-next = Next
data-edit = Edit or remove a row
data-edit-row =
    .label = Row
    .info = Its number in the list.
data-edit-load = Load row
data-edit-value = The row, as JSON
data-edit-save = Save as a new version
data-edit-remove = Remove this row

# --- quality
data-quality-wait = Checking the rows for duplicates, leaks, personal data and labels.
data-quality-progress = Still checking: { $share }%
data-quality-none = Nothing was found.
data-quality-warnings = Warnings
data-quality-remarks = Good to know
data-finding-rows = Rows { $rows }
data-finding-more = Rows { $rows } and more
data-lengths = Length in characters
data-labels = Labels
data-problems = Problems: rows that were left out
data-problems-first = The first { $shown } of { $total }:
data-problem-row = Row
data-problem-what = Problem
data-problem-remedy = What to do
data-fix-drop = Remove these rows
data-fix-removes = { $word } (removes { $shown } of { $rows } rows)
data-fix-keep-first = Keep only the first of each
data-fix-move-to-train = Move them to the training rows
data-fix-mask = Replace with a placeholder
data-fix-mend = Fix the encoding
data-fix-clean = Remove these characters
data-fix-strip-html = Remove the markup
data-fix-trim = Remove this opening
data-fix-unify = Unify the spelling

# --- columns
data-columns-read = How the file was read
data-columns-none = This dataset has no file of its own to read again: it is a mixture, or was built from judgments.
data-columns-intro = The recognized format and columns are filled in. A change makes a new version. A field may join several columns, or hold a small template such as { $example }.
data-kind =
    .label = Kind of data
    .info = What one row is.
data-role-messages =
    .label = Messages
    .info = The column with the whole conversation, turn by turn.
data-role-system =
    .label = System prompt
    .info = Instructions before the conversation starts.
data-role-prompt =
    .label = Prompt
    .info = What the user asks; several columns are joined by a blank line.
data-role-answer =
    .label = Answer
    .info = What the model should answer.
data-role-history =
    .label = History
    .info = Earlier questions and answers of the same conversation.
data-role-text =
    .label = Text
    .info = The text to train on or to classify.
data-role-label =
    .label = Label
    .info = The label, number or judgment for the text or answer.
data-role-chosen =
    .label = Chosen
    .info = The better of two answers.
data-role-rejected =
    .label = Rejected
    .info = The worse of two answers.
data-role-rating =
    .label = Rating
    .info = A number from 1 (bad) to 5 (good) for the answer.
data-role-source =
    .label = Source
    .info = The input text, such as the sentence to translate.
data-role-target =
    .label = Target
    .info = The output text, such as the translation.
data-role-context =
    .label = Context
    .info = The passage that contains the answer.
data-role-question =
    .label = Question
    .info = The question about the passage.
data-role-answers =
    .label = Answers
    .info = The answer, copied exactly from the passage; for pairs, all answers to compare.
data-role-choices =
    .label = Choices
    .info = The options to choose from: one column with a list, or one column per option.
data-role-tools =
    .label = Tools
    .info = The tools (functions) the model may call, as a list of schemas.
data-role-tokens =
    .label = Tokens
    .info = The list of words.
data-role-tags =
    .label = Tags
    .info = The list of tags, one per word.
data-system =
    .label = System prompt for all rows
    .info = Added before each conversation that has none of its own; the chat with the trained model uses it too.
data-share =
    .label = Validation share (%)
    .info = At least 20 rows and at most 1,000 where there are enough; rows with the same question stay together.
data-seed =
    .label = Seed
    .info = Another number draws other validation rows.
data-encoding =
    .label = Text encoding
    .info = Choose another one if letters look wrong. Parquet files and workbooks have none.
data-encoding-same = As it was read
data-columns-undone = A new version made here reads the file again and does not include: { $made } Apply these fixes again under Quality.
data-apply = Save as a new version

# --- token preview
data-tokens-model =
    .label = Model
    .info = Each model cuts text into tokens in its own way.
data-tokens-starter = Starter
data-tokens-limit =
    .label = Max length (tokens)
    .info = Longer rows are truncated.
data-tokens-at =
    .label = From row
    .info = Counted in this version.
data-tokens-show = Show tokens
data-tokens-intro = What the model will be trained on: marked tokens are trained, the others are only read.
data-tokens-drop = { $n ->
    [one] Remove 1 row without trained tokens
   *[other] Remove { $n } rows without trained tokens
}
data-tokens-loading = Loading the tokenizer
data-tokens-counting = Counting the tokens of all rows: { $share }%
data-tokens-refused = { $n ->
    [one] 1 row can't be used: { $why }.
   *[other] { $n } rows can't be used: { $why }.
}
data-tokens-problem = This row can't be used: { $why }.
data-tokens-none = There is no such row.
data-tokens-as-classification = Shown as a chat. With a classification head (see Train) the text is read and only the label is trained.
data-tokens-as-regression = Shown as a chat. With a regression head (see Train) the text is read and only the number is trained.
data-tokens-as-qa = Shown as a chat. With a QA head (see Train) the text is read and only the position of the answer is trained.
data-tokens-as-seq2seq = Shown as a chat. An encoder-decoder reads the source and is trained on the target.
data-tokens-total = { $tokens } tokens in { $rows } rows, { $trained } of them trained ({ $share }%); { $mean } per row on average, { $longest } in the longest.
data-tokens-whole = No row is longer than { $limit } tokens: nothing is truncated.
data-tokens-cut = { $rows ->
    [one] 1 row is
   *[other] { $rows } rows are
} longer than { $limit } tokens and truncated: { $lost } tokens are lost, { $trained } of them trained.
data-tokens-padding = { $share }% of the computation is padding at a micro-batch of { $batch } without packing.
data-tokens-untrained = { $n ->
    [one] 1 row has no trained token at this length.
   *[other] { $n } rows have no trained token at this length.
}
data-tokens-chart = Rows by length in tokens
data-tokens-bar = { $low } to { $high } tokens: { $n } rows
data-tokens-axis = { $n } tokens
data-tokens-row = Row { $n } · { $tokens } tokens, { $trained } trained
data-tokens-row-validation = Row { $n } · validation · { $tokens } tokens, { $trained } trained
data-tokens-cut-here = truncated here by the max length
data-tokens-token = token { $id }
data-tokens-more = { $n } more tokens

# --- versions
data-versions-version = Version
data-versions-rows = Rows
data-versions-validation = Validation
data-versions-made = Made by
data-versions-when = Created (UTC)
data-versions-open = Open
data-versions-current = Shown
data-compare =
    .label = Compare with
    .info = Another version of this dataset.
data-compare-option = v{ $version } · { $rows } rows
data-export = Export rows (JSONL)
data-export-writing = Writing row { $n } of { $total }
data-export-done = { $n ->
    [one] 1 row is written.
   *[other] { $n } rows are written.
}
data-download = Download
data-diff-gone = { $n ->
    [one] 1 row removed
   *[other] { $n } rows removed
}
data-diff-new = { $n ->
    [one] 1 row added
   *[other] { $n } rows added
}
data-diff-changed = { $n ->
    [one] 1 row changed
   *[other] { $n } rows changed
}
data-diff-moved = { $n ->
    [one] 1 row moved between training and validation
   *[other] { $n } rows moved between training and validation
}
data-diff-is-gone = removed
data-diff-is-new = added
data-diff-is-changed = changed
data-diff-is-moved = moved
data-diff-none = no row differs
data-diff = From v{ $old } to v{ $new }: { $changes }; { $same ->
    [one] 1 row is the same.
   *[other] { $same } rows are the same.
}
data-diff-part = Only the first { $n } rows of each version were compared.
data-diff-absent = not there

# --- more
data-delete-intro = Deletes this dataset with all its versions from the workspace. The file that you imported stays where it was. This can't be undone.
data-delete-sure =
    .label = Delete all versions
data-delete = Delete dataset
data-delete-confirm = Tick the box first.
