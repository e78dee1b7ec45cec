# The Chat page: models, conversations, parameters, feedback; tasks of models that do not chat.
chat-model =
    .label = Model
    .more = The chat of another run is opened from its page under Runs.
chat-compare =
    .label = Compare with
chat-compare-none = None
chat-compare-base = Base model ({ $name })
chat-starter = Starter model, not fine-tuned
chat-parameters = Parameters
chat-new = New chat
chat-open-run = Open the run
chat-about = { $model }, fine-tuned on { $data }.
chat-about-loss = Validation loss { $before } before, { $after } after.
chat-about-full = It is a second complete model: if both do not fit into memory, they are loaded in turn, which takes longer.
chat-about-starter = The starter is a small demonstration model with four million parameters. It knows animals, food, countries, small sums and short stories. For real work on this computer, { $model } is recommended.
chat-empty = A model appears here as soon as a run has saved one.
chat-empty-start = Fine-tune on my data
chat-empty-starter = Chat with the starter model
chat-placeholder = Questions to try
chat-placeholder-compare = The answers of the other model appear here.
chat-message =
    .label = Message
    .info = Enter sends, Shift+Enter starts a new line.
    .placeholder = Write a message
chat-send = Send
chat-stop = Stop
chat-waking = Loading the model. The first answer takes a few seconds.
chat-stopped = Stopped.
chat-cut = An answer was cut off at Max new tokens. The limit can be raised under Parameters.
chat-silent = The model answered with nothing. Another wording or a higher temperature may help.

# below an answer
chat-tokens-in = { $n ->
        [one] { $shown } token in
       *[other] { $shown } tokens in
    }
    .info = Tokens in: the whole conversation so far, in the model's chat template.
chat-tokens-out = { $shown } out
chat-tokens-out-about = about { $shown } out
chat-speed = { $shown } tokens/s
chat-first-token = First token after { $shown } s, without the time to load the model.
chat-ended-itself = Ended by the model itself.
chat-ended-length = Cut off at Max new tokens, or at the end of the context.
chat-ended-stopped = Stopped before its end, so the number of tokens is approximate.

# parameters
chat-system =
    .label = System prompt
    .info = Instructions before the conversation. Empty: the system prompt of the training data.
chat-temperature =
    .label = Temperature
    .info = How varied the answers are. 0 always takes the most likely token.
chat-top-p =
    .label = Top-p
    .info = Only the most likely tokens that together reach this probability are considered.
chat-max-tokens =
    .label = Max new tokens
    .info = An answer ends here at the latest, complete or not.
chat-seed =
    .label = Seed
    .info = The same number gives the same answer. Empty: random.

# feedback
chat-feedback = Feedback on answers
chat-keep-feedback =
    .label = Keep feedback
    .info = Ratings, better wordings and preferred answers become training data under Label. Nothing is kept while this is off.
chat-feedback-on = Feedback is kept from now on, on this computer only.
chat-feedback-off = Feedback is no longer kept. What was kept so far stays.
chat-feedback-not-kept = Not kept: switch on Keep feedback under Feedback on answers, and rate the answer again.
chat-feedback-where = It is in the label project { $project }.
chat-rated-good = Kept as a good answer.
chat-rated-bad = Kept as a bad answer.
chat-rating-removed = Rating removed.
chat-reason-wrong = Wrong
chat-reason-style = Wrong style
chat-reason-long = Too long
chat-reason-refused = Refused to answer
chat-better =
    .label = Better wording
    .info = How the last answer should read.
chat-better-keep = Keep wording
chat-better-kept = Wording kept.
chat-which-better = Which answer is better?
chat-better-new = The new one
chat-better-old = The previous one
chat-choice-kept = Preference kept.
chat-choice-known = Both answers are the same or were compared before; nothing was added.
chat-no-answer = There is no answer to rate yet.

# models that do not chat
chat-task-question = Question
chat-task-examples = Validation rows to try: the model was not trained on them
chat-task-labels =
    .box = Text
    .ask = Classify
    .answer = Labels
chat-task-number =
    .box = Text
    .ask = Predict the number
    .answer = Number
chat-task-judgement =
    .box = Answer
    .ask = Score the answer
    .answer = Score, to compare with other answers to the same question
chat-task-entities =
    .box = Text
    .ask = Label the words
    .answer = Words
chat-task-span =
    .box = Text that contains the answer
    .ask = Find the answer
    .answer = Answer
chat-task-rewrite =
    .box = Text
    .ask = Generate
chat-task-more = and { $shown } more
chat-task-no-answer = The model finds no answer to this question in the text.
chat-task-nothing = (empty)
chat-anyway =
    .label = Load the model beside a run
    .info = Even if the run may then lack memory. Without it, a model that finds no room says so.
