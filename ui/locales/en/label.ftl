# The Label page: set up, collect, label, results, train.

# the project
label-empty = Which of two answers is better? Judge pairs of answers here, alone or together, and train a model to answer more like the better ones.
label-try = Try the sample (200 pairs)
label-sample-name = Answer styles (sample)
label-new-project = New project
label-project = Project
label-title =
    .label = Name
    .info = For example: Help desk answers
label-template =
    .label = Who judges
    .info = This can be changed later.
label-template-alone = One person, or a few people who share the work
label-template-class = A class: two people judge a fifth of the pairs, to measure how far they agree
label-make = Create project
label-cancel = Cancel
label-deleted = The project was deleted.
label-invitation = which of two answers is better?

# the steps
label-step-setup = Set up
label-step-collect = Collect
label-step-label = Label
label-step-results = Results
label-step-train = Train
label-next-pairs = Next: add pairs to judge.
label-next-collect = Next: share the link, or judge the pairs here.
label-next-label = Next: judge the remaining pairs, or look at the results so far.
label-next-train = All judgments are given. Next: look at the results, then train on them.
label-go-setup = Add pairs
label-go-collect = Continue to Collect
label-go-label = Label here
label-go-results = See the results
label-go-train = Continue to Train

# set up: pairs
label-pairs-title = Pairs
label-pairs-about = A pair is one question with two answers. Labellers choose the better answer without knowing who wrote it.
label-pairs-there = { $n ->
    [one] This project has { $shown } pair. More can be added at any time.
   *[other] This project has { $shown } pairs. More can be added at any time.
}
label-pairs = { $n ->
    [one] { $shown } pair
   *[other] { $shown } pairs
}
label-source =
    .label = Add pairs from
    .info = Duplicates are left out.
label-source-sample = Sample (200 pairs)
label-source-data = Dataset
label-source-file = File
label-source-models = Generate with models
label-add-sample = Add the sample
label-add-data = Add these pairs
label-data =
    .label = Dataset
    .info = Datasets with a better and a worse answer per question.
label-no-data = There is no dataset with pairs yet.
label-open-data = Open Data
label-gold =
    .label = The better answers are known (gold pairs)
    .info = These are mixed in now and then to measure how careful each labeller is.
label-file = File with pairs or rankings, in any format
label-opening = Opening the file
label-adding = { $percent } read, { $shown } pairs found
label-adding-cancelled = Cancelled. Pairs that were added before are kept; adding the same source again continues.
label-pairs-added = { $n ->
    [one] { $shown } pair added.
   *[other] { $shown } pairs added.
}
label-none-added = 0 pairs added.
label-none-remedy-known = The project already has all of them: choose another source, or continue with the pairs that are there.
label-none-remedy-alike = A higher temperature or two different models give answers that differ more.
label-none-remedy-cut = Raise Max new tokens, so that the answers are complete.
label-none-remedy-other = Check the source: each row needs one question and two different answers.
label-left-out-identical = { $n ->
    [one] { $shown } left out: both answers are the same.
   *[other] { $shown } left out: both answers are the same.
}
label-left-out-nearly = { $shown } left out: the answers are 95% the same.
label-left-out-empty = { $shown } left out: an answer is empty.
label-left-out-cut = { $shown } left out: an answer was cut off at Max new tokens.
label-left-out-failed = { $shown } left out: the model could not answer.
label-left-out-known = { $shown } left out: the project already has the pair.
label-unread = { $n ->
    [one] { $shown } row could not be read. Row { $row }:
   *[other] { $shown } rows could not be read. The first is row { $row }:
}

# set up: generate with models
label-asked =
    .label = Questions from a dataset
    .info = Asked together with your own questions.
label-none = None
label-typed =
    .label = Your own questions
    .info = One per line.
label-held =
    .label = Validation rows only
    .info = To compare models fairly: rows that neither was trained on.
label-limit =
    .label = Number of questions
    .info = At most this many.
label-max-tokens =
    .label = Max new tokens
    .info = An answer that is cut off makes no pair.
label-model-a =
    .label = First model
    .info = A run, the starter, a folder or a Hub id.
label-model-b =
    .label = Second model
    .info = The same model twice gives two different answers.
label-temperature-a =
    .label = Temperature, first model
    .info = 0 always takes the most likely token.
label-temperature-b =
    .label = Temperature, second model
    .info = A higher temperature gives more varied answers.
label-generate = Generate pairs
label-resume = Resume
label-stop = Stop
label-loading-model = Loading the model
label-generating = { $n ->
    [one] { $done } of { $total } answers, { $shown } pair
   *[other] { $done } of { $total } answers, { $shown } pairs
}
label-stopping = Stopping after this answer. What was generated is kept.
label-stopped = Stopped. What was generated is kept; Resume generates the rest.
label-writer-tuned = { $name } (fine-tuned)
label-writer-base = { $name }, base model
label-writer-step = { $name }, checkpoint at step { $step }
label-writer-starter = Starter model
label-writer-data = The answer in the dataset

# set up: guidelines, rules, deletion
label-guidelines = Guidelines
label-guidelines-text =
    .label = Guidelines
    .info = Markdown, with an example or two. Labellers read them before they begin; each judgment records their version.
label-guidelines-version = Version { $version }, as labellers see it
label-keep-guidelines = Save as new version
label-guidelines-kept = Saved as version { $version }. Labellers see it before their next pair.
label-rules = Rules
label-overlap =
    .label = Overlap (%)
    .info = Share of the pairs that several people judge, to measure their agreement.
label-people =
    .label = Labellers per overlapping pair
    .info = How many people judge each of these pairs.
label-repeats =
    .label = Hidden repeats (%)
    .info = Pairs shown again with sides swapped, to measure how consistent a labeller is.
label-planned =
    .label = Planned comparisons of two models
    .info = The number of pairs, fixed beforehand. 0 compares until it is decided.
label-ask-strength =
    .label = Ask for the strength
    .info = 1 to 3 after each choice.
label-differences =
    .label = Highlight differences
    .info = Answers are then shown as plain text.
label-markdown =
    .label = Show answers as Markdown
    .info = Lists, tables and code; never HTML.
label-keep-rules = Save rules
label-rules-kept = { $n ->
    [one] Saved. { $tasks } judgments are wanted for { $pairs } pair; { $done } are given.
   *[other] Saved. { $tasks } judgments are wanted for { $pairs } pairs; { $done } are given.
}
label-delete-project = Delete project
label-sure =
    .label = Delete this project with all its judgments
    .info = This can't be undone.
label-sure-first = Tick the box first.
label-delete = Delete project

# collect
label-collect-empty = The link for other labellers and the list of those who take part appear here once the project has pairs.
label-link =
    .label = Link for labellers
    .info = It shows the guidelines and the pairs only.
label-command = Command that opens the page to your network
label-qr = QR code of the link
label-reach-open = Others can join
label-reach-open-more = Everybody in the same network can open this link.
label-reach-login = Everybody in the same network can open this link. They sign in with the user tunesmith and the password of this page, which opens the rest of the page to them as well.
label-reach-closed = Only this computer can open this page
label-reach-closed-more = To let others join from their own device, end Tunesmith (Ctrl-C), choose a password and start it with the command below. They sign in with the user tunesmith and that password. Several people can also take turns at this computer: in Label, choose Hand over.
label-reach-guest = Others can't join here
label-reach-guest-more = In this public page each visit has its own projects. Several people can take turns in this browser: in Label, choose Hand over. To label together, run Tunesmith on your computer.
label-roster = Labellers
label-roster-empty = Nobody has joined yet. Each labeller appears here with their first pair.
label-roster-name = Name
label-roster-judgments = Judgments
label-roster-guidelines = Guidelines
label-roster-seen = Last seen
label-refresh = Refresh
label-read = Read
label-read-older = Older version
label-unread-guidelines = Not read
label-now = Now
label-ago = { $time } ago
label-judge = AI judge (LLM-as-a-judge)
label-judge-about = A model judges every pair as one more labeller, asked in both orders. Its votes are counted apart; Results shows how far it agrees with people. With an address, the pairs are sent there.
label-judge-model =
    .label = Model
    .info = A model here, or its name at the address.
label-judge-url =
    .label = Address (OpenAI-compatible)
    .info = Leave empty for a model on this computer.
label-judge-key =
    .label = API key
    .info = Kept in memory until the judge is done.
label-judge-ask = Start the AI judge
label-judge-done = The AI judge is done. Results shows how far it agrees with people.
label-judging = { $done } of { $total } pairs judged

# label: who
label-name =
    .label = Who is labelling?
    .info = Your name. Your judgments are saved under it.
label-name-empty = Enter your name first.
label-start = Start labelling
label-hand-over = Hand over to the next person
label-read-first = Read the guidelines first
label-begin = Begin (Enter)
label-no-pairs = This project has no pairs to judge yet.
label-from-chat = { $n ->
    [one] { $shown } answer was rated in the chat. Train makes a dataset of it.
   *[other] { $shown } answers were rated in the chat. Train makes a dataset of them.
}

# label: the desk
label-progress = Progress
label-answer = Answer { $letter }
label-judged-of = { $shown } of { $total } judgments
label-pace = about { $n } per minute
label-left = { $time } left
label-mine = { $n ->
    [0] none by { $name } yet
   *[other] { $shown } by { $name }
}
label-waiting = { $n ->
    [one] all that can be judged now is judged: the last pair is with another person or waits for a second one. It comes back after 20 minutes
   *[other] all that can be judged now is judged: the last { $shown } are with other people or wait for a second one. They come back after 20 minutes
}
label-all-judged = all pairs are judged, thank you
label-undone = The judgment was: { $said }. Judge it again.
label-said-a = A is better
label-said-b = B is better
label-said-tie = tie
label-said-both-bad = both bad
label-said-skip = skipped
label-much-little = slightly better
label-much-clearly = clearly better
label-much-far = far better
label-take-a = ← A is better
label-take-b = B is better →
label-how-much = { $letter } is better. How much?
label-strength-little = 1 Slightly
label-strength-clearly = 2 Clearly
label-strength-far = 3 Far better
label-choose-first = Choose A or B first.
label-tie = Tie (T)
label-both = Both bad (X)
label-skip = Skip (S)
label-edit = Correct one (E)
label-note = Note (N)
label-undo = Undo (U)
label-keys = Keys (?)
label-guidelines-key = Guidelines (G)
label-better =
    .label = A better answer (optional)
    .info = It becomes the chosen answer, both others the rejected ones. Ctrl+Enter saves, X again continues without it.
label-commit-both = Both are bad
label-reason =
    .label = Reason
    .info = S again skips without a reason.
label-reason-subject = I don't know the subject
label-reason-question = The question makes no sense
label-reason-unwanted = It should not be in this project
label-reason-other = Another reason (see the note)
label-commit-skip = Skip this pair
label-which =
    .label = The better answer (← →)
    .info = It becomes the chosen answer.
label-which-first = Choose which of the two answers is better.
label-wording =
    .label = Corrected answer
    .info = The former wording is kept as well. Ctrl+Enter saves.
label-commit-edit = Choose it with this wording
label-note-text =
    .label = Note
    .info = Saved with your next judgment.
label-key = Key
label-key-effect = Effect
label-key-sides = this answer is better
label-key-strength = how much better, where strength is asked
label-key-tie = tie
label-key-both = both are bad; X again continues without writing a better answer
label-key-skip = skip; S again continues without a reason
label-key-edit = correct the better answer: ← or → chooses it, Enter goes to its text, Ctrl+Enter saves
label-key-note = a note for the next judgment
label-key-undo = undo, as often as needed
label-key-guidelines = the guidelines
label-key-keys = this list
label-key-enter = go to the text box of the open panel
label-key-escape = leave a text box, so that the keys work again; once more closes the panel
label-seconds = { $n ->
    [one] { $n } second
   *[other] { $n } seconds
}
label-minutes = { $n } min
label-hours = { $n } h
label-days = { $n ->
    [one] { $n } day
   *[other] { $n } days
}

# results
label-results-empty = How far people agree, the habits of each labeller and the preferred model appear here after the first judgments.
label-judgments-of = { $shown } of { $total } judgments
label-each = Each labeller
label-too-few = Habits and agreement: too few judgments yet; each figure needs { $n }.
label-contest = Preferred model
label-contest-open = Continue until it is decided: this interval may be looked at after every judgment, an ordinary one may not.
label-contest-model = Model
label-contest-chance = Preferred to another
label-contest-interval = 95% interval
label-contest-won = Won
label-contest-ties = Ties
label-contest-lost = Lost
label-ai-judges = AI judges
label-disputes = Pairs on which labellers disagree
label-dispute =
    .label = Pair
    .info = The largest disagreements first.
label-settle =
    .label = Final judgment
    .info = It counts instead of the majority.
label-settle-commit = Settle
label-settle-first = Choose a pair and its final judgment.
label-settled = Settled. This judgment counts instead of the majority.
label-winner-first = The first answer
label-winner-second = The second answer
label-winner-tie = Tie
label-winner-both-bad = Both bad
label-vote-first = first
label-vote-second = second
label-vote-tie = tie
label-vote-both-bad = both bad
label-vote-skip = skipped
label-release = Release reserved pairs
label-reopen = Offer skipped pairs again
label-released = { $n ->
    [0] No pair is reserved by a labeller.
    [one] { $shown } pair is free again.
   *[other] { $shown } pairs are free again.
}
label-reopened = { $n ->
    [0] No pair was skipped.
    [one] { $shown } pair is offered again.
   *[other] { $shown } pairs are offered again.
}

# train
label-train-none = The judgments become a dataset to train on here. There are none yet.
label-train-about = { $n ->
    [one] { $shown } judgment becomes a preference dataset: the model is trained towards the better answer and away from the worse one.
   *[other] { $shown } judgments become a preference dataset: the model is trained towards the better answers and away from the worse ones.
}
label-enough = Expect to need a few hundred: with the starter model, 25 pairs change no answer, 100 change 7 of 10, 200 nearly all.
label-least =
    .label = Minimum strength
    .info = How much better an answer must be, where strength was asked.
label-least-all = All judgments
label-least-clearly = Clearly better and more
label-least-far = Far better only
label-count-judges =
    .label = Count the votes of AI judges
    .info = Without them people alone decide.
label-train = Create the dataset and train
label-other-formats = Other formats
label-as-kto = Rated answers (KTO)
label-as-chat = Corrected answers (chat)
label-as-files = Export as files (JSONL)
label-files = Files
label-file-rows = { $n ->
    [one] { $name } ({ $shown } row)
   *[other] { $name } ({ $shown } rows)
}
label-dataset-pairs = { $n ->
    [one] { $name }, version { $version }: { $shown } pair.
   *[other] { $name }, version { $version }: { $shown } pairs.
}
label-dataset-rows = { $n ->
    [one] { $name }, version { $version }: { $shown } row.
   *[other] { $name }, version { $version }: { $shown } rows.
}
label-open-train = Train on it
