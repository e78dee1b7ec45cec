"""Tables of the kinds of data, the roles of their columns, and common column names."""

ROLES = {
    "messages": "The column with the whole conversation, turn by turn.",
    "system": "The system prompt: instructions before the conversation starts.",
    "prompt": "What the user asks; several columns are joined by a blank line.",
    "answer": "What the model should answer.",
    "history": "Earlier questions and answers of the same conversation.",
    "text": "The text to train on or to classify.",
    "label": "The label, number or judgment for the text or answer.",
    "chosen": "The better of two answers.",
    "rejected": "The worse of two answers.",
    "rating": "A number from 1 (bad) to 5 (good) for the answer.",
    "source": "The input text, such as the sentence to translate.",
    "target": "The output text, such as the translation.",
    "context": "The passage that contains the answer.",
    "question": "The question about the passage.",
    "answers": "The answer, copied exactly from the passage; for pairs, all answers to compare.",
    "tokens": "The list of words.",
    "tags": "The list of tags, one per word.",
    "weight": "How much a row counts.",
    "tools": "The tools (functions) the model may call, as a list of schemas.",
    "choices": "The options to choose from: one column with a list, or one column per option.",
}
KINDS = {  # kind -> (title, required roles, optional roles)
    "chat": (
        "Questions and answers, or conversations",
        ("prompt", "answer"),
        ("messages", "system", "history", "choices", "tools", "weight"),
    ),
    "text": ("Plain text to continue", ("text",), ("weight",)),
    "preference": (
        "Pairs of a better and a worse answer",
        ("prompt", "chosen", "rejected"),
        ("messages", "system", "history", "answers", "rating", "label", "tools", "weight"),
    ),
    "rated": (
        "Answers rated one by one",
        ("prompt", "answer", "label"),
        ("messages", "rating", "system", "history", "tools", "weight"),
    ),
    "classification": ("Texts with labels", ("text", "label"), ("weight",)),
    "regression": ("Texts with numbers", ("text", "label"), ("weight",)),
    "seq2seq": ("Input and output texts: translation, summarization", ("source", "target"), ("weight",)),
    "qa": ("Questions whose answer is in a passage", ("context", "question", "answers"), ("weight",)),
    "tokens": ("Words with one tag each", ("tokens", "tags"), ("weight",)),
}
INSTEAD = {
    "messages": ("prompt", "answer"),
    "rating": ("label",),
    "answers": ("chosen", "rejected"),
}  # a mapping with the first role needs none of the others
SYNONYMS = {  # compared without case, spaces and punctuation; the first match wins
    "messages": "messages conversations conversation dialogue dialog dialogs chat chats turns thread msgs chatml chathistory data items "
    "contents samples context chatlog transcript messagelist",
    "system": "system systemprompt systemmessage systeminstruction sysprompt persona systemtext systeminstructions systemmsg",
    "prompt": "instruction prompt question query user human instruct input request inputtext userprompt usermessage userinput userquery customermessage "
    "customerquestion customerquery customer patient inquiry enquiry problem task message ask q inputs prompttext goal "
    "frage anweisung eingabe anfrage pregunta "
    "instruccion entrada domanda vraag pergunta pytanie вопрос 问题 指令 質問 질문 "
    "docstring nl nlquery sqlprompt funcdocumentationstring questiontext questiontitle originstruction aufforderung "
    "consigne entree mensaje mensagem messaggio nachricht kundenfrage kundennachricht soru talimat سؤال "
    "प्रश्न fraga sporgsmal otazka kerdes kysymys 提问 提示 用户 запрос инструкция",
    "more": "input context inputs additionalcontext additionalinput inputtext knowledge contexto kontext 输入 "
    "passage sqlcontext schema contextpassage entree entrada eingabe ввод 補足",
    "answer": "output answer response completion reply assistant gpt bot agent agentreply agentresponse supportreply botreply botresponse botanswer "
    "assistantreply assistantresponse assistantmessage assistantanswer modelanswer modeloutput modelresponse chatgpt "
    "responsetext outputtext "
    "outputs responses solution generation ideal idealanswer expected expectedoutput expectedanswer bestanswer "
    "answertext correctanswer a doctor therapist "
    "completiontext antwort ausgabe respuesta salida réponse reponse risposta antwoord resposta odpowiedz odpowiedź "
    "ответ 答案 回答 输出 答え 답변 "
    "generatedsolution generatedanswer canonicalsolution finalanswer sql sqlquery code funccodestring targetcode "
    "answerbody sortie uscita saida svar odpoved valasz vastaus cevap yanit جواب उत्तर 应答 回复 出力 출력 выход ai "
    "humanresponse origresponse kundenantwort answers",
    "history": "history chathistory dialoguehistory previous previousturns historial",
    "text": "text content body sentence document passage review reviewtext comment tweet post message description ticket tickettext email story article "
    "abstract utterance headline title paragraph statement feedback sms texto texte testo tekst текст 文本 "
    "utt commenttext tweettext newstext  kommentar bewertung avis commentaire resena comentario opinion recensione отзыв "
    "комментарий 内容 评论 句子 レビュー 문장 리뷰 metin",
    "label": "label labels category categories class classlabel sentiment intent topic tag emotion polarity department priority genre labeltext "
    "categoria categoría catégorie kategorie etiqueta étiquette stars rating score toxicity spam language subject type "
    "target y coarselabel "
    "overall classindex labelname sentimentlabel newscategory subcategory stimmung sentimiento "
    "etichetta метка категория класс тональность 标签 类别 情感 ラベル 분류 레이블 etiket issarcastic isspam toxic hate "
    "hatespeech clickbait fraud liked recommended outcome verdict tags genres topics emotions intents themes coarse intentlabel",
    "chosen": "chosen chosenresponse chosenanswer preferred preferredresponse preferredoutput preferredanswer accepted acceptedresponse responsechosen "
    "better betterresponse bestresponse answerchosen responsej winner good goodanswer positive "
    "chosenmessages responseaccepted goodresponse bessere besser",
    "rejected": "rejected rejectedresponse rejectedanswer nonpreferred nonpreferredoutput dispreferred rejectedoutput responserejected "
    "worse worseresponse worstresponse answerrejected responsek loser bad badanswer negative unchosen "
    "rejectedmessages badresponse schlechtere schlechter",
    "verdict": "label kttotag ktotag thumbs thumb feedback verdict isgood good desirable liked accepted upvoted iscorrect "
    "ishelpful helpful approved correct vote kto",
    "rating": "rating stars score overallscore helpfulness quality grade origscore note bewertung",
    "source": "source src sourcetext inputtext original article document dialogue dialog text report passage body incorrect wrong complex sentence1 input inputs "
    "content informal noisy ungrammatical typo draft 原文 texte quelle quelltext origine исходный 文章",
    "target": "target tgt targettext outputtext summary highlights translation abstract paraphrase simplified simple correction corrected correct "
    "summarytext headline targets zusammenfassung resumen résumé output "
    "formal clean fixed grammatical rewritten paraphrased riassunto ziel zieltext 译文 摘要 перевод summaryshort tldr gist",
    "context": "context passage paragraph document background article contexttext",
    "question": "question query questiontext",
    "answers": "answers answer answertext span",
    "tokens": "tokens words tokenlist",
    "tags": "nertags tags labels postags ner bio entities chunktags tagids nertag tagsner wordlabels",
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
    ("question", "sentence"),
    ("question1", "question2"),
    ("sent1", "sent2"),
    ("s1", "s2"),
    ("headline", "body"),
    ("title", "abstract"),
    ("title", "review"),
    ("reviewtitle", "reviewbody"),
    ("reviewtitle", "reviewtext"),
    ("claim", "evidence"),
    ("query", "document"),
)
TASKED = (  # a further input belongs to a prompt with such a name
    "instruction instruct question query prompt task anweisung frage instruccion pregunta sqlprompt goal 指令 问题 инструкция 질문 質問".split()
)
ASKED_PAIRS = (  # one person's text in two columns
    ("subject", "body"),
    ("subject", "message"),
    ("subject", "text"),
    ("subject", "description"),
    ("betreff", "nachricht"),
    ("betreff", "text"),
    ("questiontitle", "questioncontent"),
    ("questiontitle", "questionbody"),
    ("questiontitle", "questiontext"),
    ("title", "selftext"),
    ("title", "body"),
    ("title", "content"),
    ("title", "description"),
    ("title", "text"),
)
ASKED_WEAKLY = (  # a question if there is also a reply column
    "email mail message nachricht body text comment post ticket tickettext description review utterance tweet "
    "question_title selftext ctx anliegen"
).split()
REPLIES = (
    "reply response answer agentreply agentresponse supportreply supportresponse emailreply replytext answertext "
    "bestanswer antwort reponse respuesta "
    "risposta resposta ответ 回复 code"
).split()
CHOICES = "choices options endings candidates answerchoices answeroptions possibleanswers alternatives".split()
CHOICE_ASKED = "question questionstem prompt goal ctx sentence problem query text stem frage".split()
CHOICE_ANSWER = (
    "answerkey answeridx answerindex correctanswer correctoption correct label answer cop gold goldindex correctchoice "
    "rightanswer solution key target antwort"
).split()
CHOICE_STEMS = "option choice sol ending answer op opt opcion distractor alternative".split()
ANSWER_LISTS = "completions responses answers candidates generations outputs completion replies candidateresponses".split()
ANSWER_STEMS = (
    "response answer completion output conversation humanref reply generation summary candidate modeloutput "
    "modelresponse responsetext text chat"
).split()
WINNERS = (
    "winner preference preferred preferredresponse betterresponse betterresponseid better choice label labels verdict "
    "humanpreference best bestresponse chosen "
    "overallpreference annotatorpreference"
).split()
TOOLS = ("tools", "functions", "toolsjson", "availabletools", "functionschemas", "toolschemas", "tooldefinitions")
ROW_WEIGHTS = ("sampleweight", "rowweight", "lossweight", "exampleweight", "weight")
_SPOKEN = (
    "en de fr es it pt nl pl ru zh ja ko ar hi tr sv da no nb fi cs sk hu ro bg el he uk vi th id ms fa ur bn ta te sw "
    "la ca hr sr sl et lv lt "
    "is ga cy eu gl english german french spanish italian portuguese dutch polish russian chinese japanese korean arabic "
    "hindi turkish "
    "swedish danish norwegian finnish czech hungarian romanian greek hebrew ukrainian vietnamese thai indonesian latin catalan "
    "deutsch englisch français francais español espanol eng deu fra spa ita por nld pol rus zho cmn jpn kor ara hin tur "
    "swe dan nor fin ces hun ron "
    "ell heb ukr vie tha ind"
)
LANGUAGES = frozenset(_SPOKEN.split())
