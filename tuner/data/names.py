"""The tables of the trade: kinds of data, the roles their columns play, and how people spell them."""

ROLES = {
    "messages": "The column with the whole conversation, turn by turn.",
    "system": "What the model is told before the conversation starts.",
    "prompt": "What the person asks; several columns are joined by a blank line.",
    "answer": "What the model should answer.",
    "history": "Earlier questions and answers of the same conversation.",
    "text": "The text to learn from or to judge.",
    "label": "The label, number or verdict the text or answer has.",
    "chosen": "The better of two answers.",
    "rejected": "The worse of two answers.",
    "rating": "A number from 1 (bad) to 5 (good) for the answer.",
    "source": "The text that goes in, such as the sentence to translate.",
    "target": "The text that should come out, such as its translation.",
    "context": "The passage in which the answer stands.",
    "question": "The question about the passage.",
    "answers": "The answer, copied from the passage letter by letter.",
    "tokens": "The list of words.",
    "tags": "The list of tags, one for each word.",
    "weight": "How much a row counts.",
}
KINDS = {  # kind -> (title, required roles, optional roles)
    "chat": ("Questions and answers, or conversations", ("prompt", "answer"), ("messages", "system", "history", "weight")),
    "text": ("Plain text to continue", ("text",), ("weight",)),
    "preference": ("Pairs of a better and a worse answer", ("prompt", "chosen", "rejected"), ("messages", "system", "history", "weight")),
    "rated": ("Answers that were rated one by one", ("prompt", "answer", "label"), ("messages", "rating", "system", "history", "weight")),
    "classification": ("Texts with labels", ("text", "label"), ("weight",)),
    "regression": ("Texts with numbers", ("text", "label"), ("weight",)),
    "seq2seq": ("A text in, another text out: translation, summary", ("source", "target"), ("weight",)),
    "qa": ("Questions whose answer stands in a passage", ("context", "question", "answers"), ("weight",)),
    "tokens": ("Words with a tag each", ("tokens", "tags"), ("weight",)),
}
INSTEAD = {"messages": ("prompt", "answer"), "rating": ("label",)}  # who has the first needs none of the others
SYNONYMS = {  # compared without case, spaces and punctuation; the first that is found wins
    "messages": "messages conversations conversation dialogue dialog dialogs chat chats turns thread msgs chatml chathistory data items",
    "system": "system systemprompt systemmessage systeminstruction sysprompt persona",
    "prompt": "instruction prompt question query user human instruct input request inputtext userprompt usermessage userinput userquery customermessage "
    "customerquestion customerquery customer patient inquiry enquiry problem task message ask q inputs prompttext goal frage eingabe anfrage pregunta "
    "entrada instruccion instrucción domanda vraag pergunta pytanie вопрос 问题 指令 質問 질문",
    "more": "input context inputs additionalcontext additionalinput inputtext knowledge contexto kontext 输入",
    "answer": "output answer response completion reply assistant gpt bot agent agentreply agentresponse supportreply botreply botresponse botanswer "
    "assistantreply assistantresponse assistantmessage assistantanswer modelanswer modeloutput modelresponse chatgpt responsetext outputtext "
    "outputs responses solution generation ideal idealanswer expected expectedoutput expectedanswer bestanswer answertext correctanswer a doctor therapist "
    "completiontext antwort ausgabe respuesta salida réponse reponse risposta antwoord resposta odpowiedz odpowiedź ответ 答案 回答 输出 答え 답변",
    "history": "history chathistory dialoguehistory previous previousturns historial",
    "text": "text content body sentence document passage review reviewtext comment tweet post message description ticket tickettext email story article "
    "abstract utterance headline title paragraph statement feedback sms texto texte testo tekst текст 文本",
    "label": "label labels category categories class classlabel sentiment intent topic tag emotion polarity department priority genre labeltext "
    "categoria categoría catégorie kategorie etiqueta étiquette stars rating score toxicity spam language subject type target y coarselabel",
    "chosen": "chosen chosenresponse chosenanswer preferred preferredresponse preferredoutput preferredanswer accepted acceptedresponse responsechosen "
    "better betterresponse bestresponse answerchosen responsej winner good goodanswer positive",
    "rejected": "rejected rejectedresponse rejectedanswer nonpreferred nonpreferredoutput dispreferred rejectedoutput responserejected "
    "worse worseresponse worstresponse answerrejected responsek loser bad badanswer negative unchosen",
    "verdict": "label kttotag ktotag thumbs thumb feedback verdict isgood good desirable liked accepted upvoted iscorrect",
    "rating": "rating stars",
    "source": "source src sourcetext inputtext original article document dialogue dialog text report passage body incorrect wrong complex sentence1 input inputs",
    "target": "target tgt targettext outputtext summary highlights translation abstract paraphrase simplified simple correction corrected correct "
    "summarytext headline targets zusammenfassung resumen résumé output",
    "context": "context passage paragraph document background article contexttext",
    "question": "question query questiontext",
    "answers": "answers answer answertext span",
    "tokens": "tokens words tokenlist",
    "tags": "nertags tags labels postags ner bio entities chunktags tagids",
    "weight": "weight sampleweight rowweight",
}
PAIRS = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("texta", "textb"),
    ("text1", "text2"),
    ("query", "passage"),
    ("title", "body"),
    ("title", "text"),
    ("title", "content"),
    ("title", "description"),
    ("subject", "body"),
    ("subject", "description"),
)
_SPOKEN = (
    "en de fr es it pt nl pl ru zh ja ko ar hi tr sv da no nb fi cs sk hu ro bg el he uk vi th id ms fa ur bn ta te sw la ca hr sr sl et lv lt "
    "is ga cy eu gl english german french spanish italian portuguese dutch polish russian chinese japanese korean arabic hindi turkish "
    "swedish danish norwegian finnish czech hungarian romanian greek hebrew ukrainian vietnamese thai indonesian latin catalan "
    "deutsch englisch français francais español espanol"
)
LANGUAGES = frozenset(_SPOKEN.split())
