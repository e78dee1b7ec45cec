"""Files in forms found in the wild, a few rows of each: (name, kind, mapping or None, the first canonical row or None, rows)."""

import json


def u(text):
    return {"role": "user", "content": text}


def a(text, **more):
    return {"role": "assistant", "content": text} | more


def s(text):
    return {"role": "system", "content": text}


def chat(*turns):
    return {"messages": list(turns)}


def pair(prompt, chosen, rejected):
    return {"prompt": [u(prompt)], "chosen": [a(chosen)], "rejected": [a(rejected)]}


def times(rows, n=4):
    """The rows with different texts, so that labels repeat and texts don't."""
    many = enumerate(row for _ in range(n) for row in rows)
    return [{k: f"{v} {i}" if isinstance(v, str) and len(v) > 25 else v for k, v in row.items()} for i, row in many]


HI, YO = u("Hi"), a("Yo")
CALL = {"name": "add", "arguments": {"a": 1}}
SCHEMA = {"type": "function", "function": {"name": "add", "parameters": {}}}
CALLED = [{"type": "function", "function": CALL}]
FILM = "A film that I liked from beginning to end."
HH = "\n\nHuman: Hi\n\nAssistant: Yo\n\nHuman: And?\n\nAssistant:"
CHATS = [
    (
        "openai_typed_parts",
        "chat",
        {"messages": "messages"},
        chat(HI, YO),
        [{"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, YO]}],
    ),
    (
        "openai_tools",
        "chat",
        {"messages": "messages", "tools": "tools"},
        chat(
            u("1+1?"),
            a("", tool_calls=[{"id": "c1"} | CALLED[0]]),
            {"role": "tool", "content": "2", "name": "add", "tool_call_id": "c1"},
            a("Two"),
        )
        | {"tools": [SCHEMA]},
        [
            {
                "messages": [
                    u("1+1?"),
                    {
                        "role": "assistant",
                        "content": None,
                        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}],
                    },
                    {"role": "tool", "tool_call_id": "c1", "name": "add", "content": "2"},
                    a("Two"),
                ],
                "tools": [SCHEMA],
                "parallel_tool_calls": False,
            }
        ],
    ),
    (
        "openai_function_call",
        "chat",
        {"messages": "messages", "tools": "functions"},
        chat(u("1+1?"), a("", tool_calls=CALLED)) | {"tools": [SCHEMA]},
        [
            {
                "messages": [u("1+1?"), {"role": "assistant", "content": None, "function_call": {"name": "add", "arguments": '{"a": 1}'}}],
                "functions": json.dumps([SCHEMA["function"]]),
            }
        ],
    ),
    (
        "openai_weights",
        "chat",
        {"messages": "messages"},
        chat(HI, a("Yo", weight=0), u("?"), a("So", weight=1)),
        [{"messages": [HI, a("Yo", weight=0), u("?"), a("So", weight=1)]}],
    ),
    ("axolotl_train_flags", "chat", None, chat(HI, a("Yo", weight=1)), [{"messages": [HI | {"train": False}, YO | {"train": True}]}]),
    ("reasoning", "chat", None, chat(HI, a("Yo", reasoning_content="Hm")), [{"messages": [HI, a("Yo", reasoning_content="Hm")]}]),
    ("thinking", "chat", None, chat(HI, a("Yo", reasoning_content="Hm")), [{"messages": [HI, a("Yo", thinking="Hm")]}]),
    ("developer", "chat", None, chat(s("Be"), HI, YO), [{"messages": [{"role": "developer", "content": "Be"}, HI, YO]}]),
    ("azure_export", "chat", {"messages": "messages"}, chat(s("Be"), HI, YO), [{"messages": [s("Be"), HI, YO], "metadata": {"x": "1"}}]),
    (
        "gemini_contents",
        "chat",
        {"messages": "contents"},
        chat(HI, YO),
        [{"contents": [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": [{"text": "Yo"}]}]}],
    ),
    ("pandas_written_messages", "chat", {"messages": "messages"}, chat(HI, YO), [{"id": 1, "messages": str([HI, YO])}]),
    ("numpy_written_messages", "chat", {"messages": "messages"}, chat(HI, YO), [{"messages": str([HI, YO]).replace("}, {", "}\n {")}]),
    *(
        (
            f"sharegpt_{who}",
            "chat",
            {"messages": "conversations"},
            chat(HI, YO),
            [{"id": "x", "conversations": [{"from": "human", "value": "Hi"}, {"from": who, "value": "Yo"}]}],
        )
        for who in ("gpt", "chatgpt", "bing", "bard", "assistant", "model")
    ),
    (
        "sharegpt_tools",
        "chat",
        {"messages": "conversations", "system": "system", "tools": "tools"},
        chat(s("Be"), u("1+1?"), a("", tool_calls=CALLED), {"role": "tool", "content": "2"}, a("Two")) | {"tools": [SCHEMA]},
        [
            {
                "conversations": [
                    {"from": "human", "value": "1+1?"},
                    {"from": "function_call", "value": json.dumps(CALL)},
                    {"from": "observation", "value": "2"},
                    {"from": "gpt", "value": "Two"},
                ],
                "system": "Be",
                "tools": json.dumps([SCHEMA["function"]]),
            }
        ],
    ),
    (
        "lmsys_chat",
        "chat",
        {"messages": "conversation"},
        chat(HI, YO),
        [
            {
                "conversation_id": "x",
                "model": "vicuna",
                "conversation": [HI, YO],
                "turn": 1,
                "language": "English",
                "openai_moderation": [{"flagged": False}],
                "redacted": False,
            }
        ],
    ),
    ("ultrachat_200k", "chat", {"messages": "messages"}, chat(HI, YO), [{"prompt": "Hi", "prompt_id": "x", "messages": [HI, YO]}]),
    ("daily_dialog", "chat", {"messages": "dialog"}, chat(HI, YO), [{"dialog": ["Hi", "Yo"], "act": [1, 2], "emotion": [0, 0]}]),
    (
        "alpaca_history",
        "chat",
        {"prompt": ["instruction", "input"], "answer": "output", "system": "system", "history": "history"},
        chat(s("Be"), u("a"), a("b"), HI, YO),
        [{"instruction": "Hi", "input": "", "output": "Yo", "system": "Be", "history": [["a", "b"]]}],
    ),
    (
        "alpaca_with_text",
        "chat",
        {"prompt": ["instruction", "input"], "answer": "output"},
        chat(u("Add\n\n1, 2"), a("3")),
        [
            {
                "instruction": "Add",
                "input": "1, 2",
                "output": "3",
                "text": "Below is an instruction... ### Instruction:\nAdd\n\n### Response:\n3",
            }
        ],
    ),
    (
        "dolly",
        "chat",
        {"prompt": ["instruction", "context"], "answer": "response"},
        chat(HI, YO),
        [{"instruction": "Hi", "context": "", "response": "Yo", "category": "open_qa"}],
    ),
    (
        "bitext_support",
        "chat",
        {"prompt": "instruction", "answer": "response"},
        chat(HI, YO),
        [{"flags": "B", "instruction": "Hi", "category": "ORDER", "intent": "cancel_order", "response": "Yo"}],
    ),
    (
        "openai_legacy",
        "chat",
        {"prompt": "prompt", "answer": "completion"},
        chat(HI, YO),
        [{"prompt": "Hi\n\n###\n\n", "completion": " Yo END"}],
    ),
    (
        "openai_legacy_arrow",
        "chat",
        {"prompt": "prompt", "answer": "completion"},
        chat(HI, YO),
        [{"prompt": "Hi ->", "completion": " Yo\n"}],
    ),
    ("trl_conversational", "chat", {"prompt": "prompt", "answer": "completion"}, chat(HI, YO), [{"prompt": [HI], "completion": [YO]}]),
    (
        "hh_prompt_and_response",
        "chat",
        {"prompt": "prompt", "answer": "response"},
        chat(HI, YO, u("And?"), a("So")),
        [{"prompt": HH, "response": "So"}],
    ),
    (
        "xlam_calls",
        "chat",
        {"prompt": "query", "answer": "answers", "tools": "tools"},
        chat(HI, a("", tool_calls=CALLED)) | {"tools": [SCHEMA]},
        [{"id": 1, "query": "Hi", "answers": json.dumps([CALL]), "tools": json.dumps([SCHEMA["function"]])}],
    ),
    ("open_context", "chat", {"messages": "messages", "answer": "response"}, chat(HI, YO), [{"messages": [HI], "response": "Yo"}]),
    (
        "row_weights",
        "chat",
        {"prompt": "question", "answer": "answer", "weight": "sample_weight"},
        chat(HI, YO) | {"weight": 0.5},
        [{"question": "Hi", "answer": "Yo", "sample_weight": 0.5}],
    ),
    ("gsm8k", "chat", {"prompt": "question", "answer": "answer"}, None, [{"question": "2+2?", "answer": "2+2=<<2+2=4>>4\n#### 4"}]),
    (
        "math",
        "chat",
        {"prompt": "problem", "answer": "solution"},
        None,
        [{"problem": "2+2?", "level": "Level 1", "type": "Algebra", "solution": "It is 4."}],
    ),
    (
        "numina_1_5",
        "chat",
        {"prompt": "problem", "answer": "solution"},
        None,
        [{"problem": "2+2?", "solution": "We add and get 4.", "answer": "4", "problem_type": "Algebra"}],
    ),
    (
        "code_alpaca",
        "chat",
        {"prompt": ["instruction", "input"], "answer": "output"},
        None,
        [{"output": "print(1)", "instruction": "Print 1", "input": ""}],
    ),
    ("prompt_code", "chat", {"prompt": "prompt", "answer": "code"}, None, [{"prompt": "Print 1", "code": "print(1)"}]),
    (
        "docstring_code",
        "chat",
        {"prompt": "docstring", "answer": "code"},
        None,
        [{"docstring": "Print one.", "code": "def f(): print(1)", "repo": "x/y"}],
    ),
    (
        "mbpp",
        "chat",
        {"prompt": "text", "answer": "code"},
        None,
        [{"task_id": 1, "text": "Write a function that adds.", "code": "def add(a, b): return a + b", "test_list": ["assert 1"]}],
    ),
    (
        "humaneval",
        "chat",
        {"prompt": "prompt", "answer": "canonical_solution"},
        None,
        [{"task_id": "H/0", "prompt": "def f():\n", "canonical_solution": "    return 1\n", "test": "check(f)", "entry_point": "f"}],
    ),
    (
        "sql_create_context",
        "chat",
        {"prompt": ["context", "question"], "answer": "answer"},
        None,
        [{"question": "How many heads?", "context": "CREATE TABLE head (age INTEGER)", "answer": "SELECT COUNT(*) FROM head"}],
    ),
    (
        "medical",
        "chat",
        {"prompt": ["instruction", "input"], "answer": "output"},
        None,
        [{"instruction": "If you are a doctor, answer.", "input": "My head hurts.", "output": "Rest."}],
    ),
    (
        "boolq",
        "chat",
        {"prompt": ["passage", "question"], "answer": "answer"},
        None,
        [
            {"question": "is it blue", "answer": True, "passage": "The sky is blue."},
            {"question": "is it red", "answer": False, "passage": "Roses are red."},
        ],
    ),
    ("faq", "chat", {"prompt": "Question", "answer": "Answer"}, None, [{"Question": "Where?", "Answer": "Here.", "Category": "Shop"}]),
    (
        "emails",
        "chat",
        {"prompt": ["Subject", "Body"], "answer": "Reply"},
        chat(u("Lamp\n\nIt is broken."), a("Sorry!")),
        [{"Subject": "Lamp", "Body": "It is broken.", "Reply": "Sorry!"}],
    ),
    (
        "yahoo_answers",
        "chat",
        {"prompt": ["question_title", "question_content"], "answer": "best_answer"},
        None,
        [{"id": 1, "topic": 3, "question_title": "Why?", "question_content": "Tell me.", "best_answer": "Because."}],
    ),
    ("app_reviews", "chat", {"prompt": "review", "answer": "reply"}, None, [{"review": "Crashes all the time.", "reply": "We are sorry."}]),
    (
        "spreadsheet",
        "chat",
        {"prompt": "Frage", "answer": "Antwort"},
        None,
        [{"ID": "7", "Datum": "2024-01-02", "Autor": "Eva Muster", "Frage": "Wo ist es?", "Antwort": "Hier."}],
    ),
    (
        "german",
        "chat",
        {"prompt": ["Anweisung", "Eingabe"], "answer": "Ausgabe"},
        None,
        [{"Anweisung": "Sag es", "Eingabe": "", "Ausgabe": "So"}],
    ),
    ("french", "chat", {"prompt": "Question", "answer": "Réponse"}, None, [{"Question": "Où?", "Réponse": "Ici."}]),
    (
        "spanish",
        "chat",
        {"prompt": ["Instrucción", "Entrada"], "answer": "Salida"},
        None,
        [{"Instrucción": "Di", "Entrada": "", "Salida": "Sí"}],
    ),
    ("russian", "chat", {"prompt": "Вопрос", "answer": "Ответ"}, None, [{"Вопрос": "Где?", "Ответ": "Здесь."}]),
    ("chinese", "chat", {"prompt": ["指令", "输入"], "answer": "输出"}, None, [{"指令": "说", "输入": "", "输出": "好"}]),
    ("korean", "chat", {"prompt": "질문", "answer": "답변"}, None, [{"질문": "어디?", "답변": "여기."}]),
    (
        "chatml_text",
        "chat",
        {"messages": "text"},
        chat(s("Be"), HI, YO),
        [{"text": "<|im_start|>system\nBe<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYo<|im_end|>\n"}],
    ),
    (
        "llama2_text",
        "chat",
        {"messages": "text"},
        chat(HI, YO, u("And?"), a("So")),
        [{"text": "<s>[INST] Hi [/INST] Yo </s><s>[INST] And? [/INST] So </s>"}],
    ),
    (
        "llama2_sys",
        "chat",
        {"messages": "text"},
        chat(s("Be"), HI, YO),
        [{"text": "<s>[INST] <<SYS>>\nBe\n<</SYS>>\n\nHi [/INST] Yo </s>"}],
    ),
    (
        "llama3_text",
        "chat",
        {"messages": "text"},
        chat(HI, YO),
        [
            {
                "text": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nYo<|eot_id|>"
            }
        ],
    ),
    (
        "gemma_text",
        "chat",
        {"messages": "text"},
        chat(HI, YO),
        [{"text": "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nYo<end_of_turn>\n"}],
    ),
    (
        "zephyr_text",
        "chat",
        {"messages": "text"},
        chat(s("Be"), HI, YO),
        [{"text": "<|system|>\nBe</s>\n<|user|>\nHi</s>\n<|assistant|>\nYo</s>"}],
    ),
    (
        "guanaco_text",
        "chat",
        {"messages": "text"},
        chat(HI, YO, u("And?"), a("So")),
        [{"text": "### Human: Hi### Assistant: Yo### Human: And?### Assistant: So"}],
    ),
    (
        "alpaca_text",
        "chat",
        {"messages": "text"},
        chat(u("Add\n\n1, 2"), a("3")),
        [{"text": "Below is an instruction that describes a task.\n\n### Instruction:\nAdd\n\n### Input:\n1, 2\n\n### Response:\n3"}],
    ),
    (
        "vicuna_text",
        "chat",
        {"messages": "text"},
        chat(s("A chat with an assistant."), HI, YO),
        [{"text": "A chat with an assistant. USER: Hi ASSISTANT: Yo</s>"}],
    ),
    ("hh_single_text", "chat", {"messages": "text"}, chat(HI, YO), [{"text": "\n\nHuman: Hi\n\nAssistant: Yo"}]),
    ("baize", "chat", {"messages": "input"}, chat(HI, YO), [{"topic": "x", "input": "[|Human|] Hi [|AI|] Yo"}]),
    ("triviaqa", "chat", None, chat(u("Who?"), a("Bob")), [{"question": "Who?", "answer": {"value": "Bob", "aliases": ["B"]}}]),
    (
        "glaive_chat",
        "chat",
        {"messages": "chat", "system": "system"},
        None,
        [{"system": "You have these functions.", "chat": "USER: Hi\n\n\nASSISTANT: Yo <|endoftext|>\n\n\n"}],
    ),
]
CHOICES = [
    (
        "mmlu",
        "chat",
        {"prompt": "question", "choices": "choices", "answer": "answer"},
        chat(u("2+2?\n\nA. 3\nB. 4"), a("B. 4")),
        [
            {"question": "2+2?", "subject": "math", "choices": ["3", "4"], "answer": 1},
            {"question": "1+2?", "subject": "math", "choices": ["3", "4"], "answer": 0},
        ],
    ),
    (
        "arc",
        "chat",
        {"prompt": "question", "choices": "choices", "answer": "answerKey"},
        chat(u("2+2?\n\nA. 3\nB. 4"), a("B. 4")),
        [{"id": "x", "question": "2+2?", "choices": {"text": ["3", "4"], "label": ["A", "B"]}, "answerKey": "B"}],
    ),
    (
        "commonsense_qa",
        "chat",
        {"prompt": "question", "choices": "choices", "answer": "answerKey"},
        None,
        [
            {
                "id": "x",
                "question": "Where?",
                "question_concept": "bank",
                "choices": {"label": ["A", "B"], "text": ["here", "there"]},
                "answerKey": "A",
            }
        ],
    ),
    (
        "medqa",
        "chat",
        {"prompt": "question", "choices": "options", "answer": "answer_idx"},
        chat(u("Which?\n\nA. x\nB. y"), a("B. y")),
        [{"question": "Which?", "answer": "y", "options": {"A": "x", "B": "y"}, "answer_idx": "B"}],
    ),
    (
        "hellaswag",
        "chat",
        {"prompt": "ctx", "choices": "endings", "answer": "label"},
        None,
        [
            {
                "ind": 1,
                "activity_label": "Roof",
                "ctx_a": "A man sits.",
                "ctx_b": "he",
                "ctx": "A man sits. he",
                "endings": ["runs.", "rips."],
                "label": "1",
            },
            {
                "ind": 2,
                "activity_label": "Roof",
                "ctx_a": "A man.",
                "ctx_b": "he",
                "ctx": "A man. he",
                "endings": ["runs.", "rips."],
                "label": "0",
            },
        ],
    ),
    (
        "piqa",
        "chat",
        {"prompt": "goal", "choices": ["sol1", "sol2"], "answer": "label"},
        None,
        [{"goal": "Open it", "sol1": "Pull.", "sol2": "Cry.", "label": n} for n in (0, 1)],
    ),
    (
        "winogrande",
        "chat",
        {"prompt": "sentence", "choices": ["option1", "option2"], "answer": "{answer} counted from 1"},
        None,
        [{"sentence": "Sarah beat Maria because _ was better.", "option1": "Sarah", "option2": "Maria", "answer": n} for n in ("1", "2")],
    ),
    (
        "race",
        "chat",
        {"prompt": ["article", "question"], "choices": "options", "answer": "answer"},
        None,
        [{"example_id": "x", "article": "Tom ran.", "answer": "B", "question": "Who ran?", "options": ["Eva", "Tom"]}],
    ),
    (
        "medmcqa",
        "chat",
        {"prompt": "question", "choices": ["opa", "opb", "opc", "opd"], "answer": "cop"},
        None,
        [{"id": "x", "question": "Which?", "opa": "k", "opb": "l", "opc": "m", "opd": "n", "cop": n, "exp": "so"} for n in (0, 3)],
    ),
    (
        "quiz_sheet",
        "chat",
        {"prompt": "Question", "choices": ["A", "B", "C", "D"], "answer": "Answer"},
        None,
        [{"Question": "Which?", "A": "k", "B": "l", "C": "m", "D": "n", "Answer": "C"}],
    ),
]
PREFERENCES = [
    (
        "ultrafeedback_binarized",
        "preference",
        {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"},
        pair("Hi", "Yo", "No"),
        [
            {
                "prompt": "Hi",
                "prompt_id": "x",
                "chosen": [HI, YO],
                "rejected": [HI, a("No")],
                "messages": [HI, YO],
                "score_chosen": 8.0,
                "score_rejected": 4.0,
            }
        ],
    ),
    (
        "ultrafeedback",
        "preference",
        {"prompt": "instruction", "answers": "completions"},
        pair("Hi", "Yo", "No"),
        [
            {
                "source": "x",
                "instruction": "Hi",
                "models": ["a", "b", "c"],
                "completions": [
                    {"model": "a", "response": "No", "overall_score": 3.0},
                    {"model": "b", "response": "Eh", "overall_score": 5.0},
                    {"model": "c", "response": "Yo", "overall_score": 9.0},
                ],
                "correct_answers": ["None"],
                "incorrect_answers": ["None"],
            }
        ],
    ),
    (
        "ultrafeedback_ratings",
        "preference",
        None,
        pair("Hi", "Yo", "No"),
        [
            {
                "instruction": "Hi",
                "completions": [
                    {"response": "Yo", "annotations": {"helpfulness": {"Rating": "5"}}},
                    {"response": "No", "annotations": {"helpfulness": {"Rating": "2"}}},
                ],
            }
        ],
    ),
    (
        "shp",
        "preference",
        {"prompt": "history", "answers": ["human_ref_A", "human_ref_B"], "rating": ["score_A", "score_B"]},
        pair("Hi", "Yo", "No"),
        [
            {
                "post_id": "x",
                "domain": "askculinary",
                "history": "Hi",
                "human_ref_A": "Yo",
                "human_ref_B": "No",
                "labels": 1,
                "score_A": 9,
                "score_B": 2,
                "score_ratio": 4.5,
            }
        ],
    ),
    (
        "shp_labels_only",
        "preference",
        {"prompt": "history", "answers": ["human_ref_B", "human_ref_A"], "label": "labels"},
        pair("Hi", "Yo", "No"),
        [
            {"history": "Hi", "human_ref_A": "Yo", "human_ref_B": "No", "labels": 1},
            {"history": "Hi", "human_ref_A": "No", "human_ref_B": "Yo", "labels": 0},
        ],
    ),
    (
        "webgpt",
        "preference",
        {"prompt": "question.full_text", "answers": ["answer_0", "answer_1"], "rating": ["score_0", "score_1"]},
        pair("Hi", "Yo", "No"),
        [
            {
                "question": {"dataset": "eli5", "id": "x", "full_text": "Hi"},
                "quotes_0": {"title": [], "extract": []},
                "answer_0": "No",
                "tokens_0": {"prefix": []},
                "score_0": -0.5,
                "quotes_1": {"title": [], "extract": []},
                "answer_1": "Yo",
                "tokens_1": {},
                "score_1": 0.5,
            }
        ],
    ),
    (
        "summarize_from_feedback",
        "preference",
        {"prompt": "info.post", "answers": "summaries", "label": "choice"},
        pair("Long post", "Yo", "No"),
        [
            {
                "info": {"id": "x", "post": "Long post", "title": "T", "subreddit": "r"},
                "summaries": [{"text": "No", "policy": "p"}, {"text": "Yo", "policy": "q"}],
                "choice": 1,
                "worker": "w",
                "batch": "b",
                "split": "train",
                "extra": {"confidence": 3},
            }
        ],
    ),
    (
        "chatbot_arena",
        "preference",
        {"answers": ["conversation_a", "conversation_b"], "label": "winner"},
        pair("Hi", "Yo", "No"),
        [
            {
                "question_id": "x",
                "model_a": "m",
                "model_b": "n",
                "winner": w,
                "judge": "j",
                "conversation_a": [HI, a("No")],
                "conversation_b": [HI, YO],
                "turn": 1,
                "language": "English",
                "tstamp": 1.5,
            }
            for w in ("model_b", "model_a", "tie")
        ],
    ),
    (
        "kaggle_arena",
        "preference",
        {"prompt": "prompt", "answers": ["response_a", "response_b"], "rating": ["winner_model_a", "winner_model_b"]},
        pair("Hi", "Yo", "No"),
        [
            {
                "id": 1,
                "model_a": "m",
                "model_b": "n",
                "prompt": '["Hi"]',
                "response_a": '["Yo"]',
                "response_b": '["No"]',
                "winner_model_a": 1,
                "winner_model_b": 0,
                "winner_tie": 0,
            }
        ],
    ),
    (
        "nectar",
        "preference",
        {"prompt": "prompt", "answers": "answers"},
        pair("Hi", "Yo", "No"),
        [
            {
                "prompt": "\n\nHuman: Hi\n\nAssistant: ",
                "answers": [
                    {"answer": "Yo", "model": "m", "rank": 1.0},
                    {"answer": "Eh", "model": "n", "rank": 2.0},
                    {"answer": "No", "model": "o", "rank": 3.0},
                ],
                "turns": 1,
                "num_responses": 3,
                "source": ["x"],
                "good_natured": True,
            }
        ],
    ),
    (
        "h4_stack_exchange",
        "preference",
        {"prompt": "question", "answers": "answers"},
        pair("Hi", "Yo", "No"),
        [
            {
                "qid": 1,
                "question": "Hi",
                "answers": [
                    {"answer_id": 2, "author": "x", "pm_score": 1, "selected": False, "text": "No"},
                    {"answer_id": 3, "author": "y", "pm_score": 6, "selected": True, "text": "Yo"},
                ],
                "date": "2010",
                "metadata": ["url"],
            }
        ],
    ),
    (
        "eli5",
        "preference",
        None,
        pair("Why?", "Yo", "No"),
        [{"q_id": "x", "title": "Why?", "selftext": "", "answers": {"a_id": ["p", "q"], "text": ["No", "Yo"], "score": [2, 9]}}],
    ),
    (
        "parallel_scores",
        "preference",
        {"prompt": "prompt", "answers": "responses", "rating": "scores"},
        pair("Hi", "Yo", "No"),
        [{"prompt": "Hi", "responses": ["No", "Yo"], "scores": [0.1, 0.9]}],
    ),
    (
        "stack_exchange_paired",
        "preference",
        {"prompt": "question", "chosen": "response_j", "rejected": "response_k"},
        pair("Hi", "Yo", "No"),
        [{"qid": 1, "question": "Hi", "date": "2010", "metadata": ["u"], "response_j": "Yo", "response_k": "No"}],
    ),
    (
        "intel_orca",
        "preference",
        {"prompt": "question", "system": "system", "chosen": "chosen", "rejected": "rejected"},
        None,
        [{"system": "", "question": "Hi", "chosen": "Yo", "rejected": "No"}],
    ),
    (
        "distilabel_orca",
        "preference",
        {"prompt": "input", "system": "system", "chosen": "chosen", "rejected": "rejected"},
        None,
        [
            {
                "system": "Be",
                "input": "Hi",
                "chosen": "Yo",
                "rejected": "No",
                "generations": ["Yo", "No"],
                "order": ["a", "b"],
                "labelling_model": "gpt-4",
                "rating": [9, 7],
                "status": "tie",
                "chosen_score": 9.0,
            }
        ],
    ),
    (
        "capybara_dpo",
        "preference",
        {"chosen": "chosen", "rejected": "rejected"},
        {"prompt": [HI, YO, u("And?")], "chosen": [a("So")], "rejected": [a("Oh")]},
        [
            {
                "source": "x",
                "conversation": [{"input": "Hi", "output": "Yo"}],
                "chosen": [HI, YO, u("And?"), a("So")],
                "rejected": [HI, YO, u("And?"), a("Oh")],
                "rating_chosen": 5,
            }
        ],
    ),
    (
        "py_dpo",
        "preference",
        {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"},
        None,
        [{"prompt": "Hi", "chosen": "Yo", "rejected": "No", "id": 1}],
    ),
    (
        "hh",
        "preference",
        {"chosen": "chosen", "rejected": "rejected"},
        {"prompt": [HI, YO, u("And?")], "chosen": [a("So")], "rejected": [a("Oh")]},
        [{"chosen": HH + " So", "rejected": HH + " Oh"}],
    ),
    (
        "hh_prompt",
        "preference",
        {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"},
        {"prompt": [HI, YO, u("And?")], "chosen": [a("So")], "rejected": [a("Oh")]},
        [{"prompt": HH, "chosen": " So", "rejected": " Oh"}],
    ),
    (
        "safe_rlhf",
        "preference",
        {"prompt": "prompt", "answers": ["response_0", "response_1"], "label": "better_response_id"},
        pair("Hi", "Yo", "No"),
        [
            {
                "prompt": "Hi",
                "response_0": "No",
                "response_1": "Yo",
                "is_response_0_safe": True,
                "is_response_1_safe": True,
                "better_response_id": 1,
                "safer_response_id": 1,
            }
        ],
    ),
    (
        "alpaca_eval",
        "preference",
        {"prompt": "instruction", "answers": ["output_1", "output_2"], "label": "preference"},
        pair("Hi", "Yo", "No"),
        [
            {"instruction": "Hi", "output_1": "No", "output_2": "Yo", "preference": 2},
            {"instruction": "Hi", "output_1": "Yo", "output_2": "No", "preference": 1},
        ],
    ),
    (
        "helpsteer3",
        "preference",
        {"messages": "context", "answers": ["response1", "response2"], "rating": "overall_preference"},
        pair("Hi", "Yo", "No"),
        [
            {"domain": "code", "language": "python", "context": [HI], "response1": "Yo", "response2": "No", "overall_preference": -2},
            {"domain": "code", "language": "python", "context": [HI], "response1": "No", "response2": "Yo", "overall_preference": 3},
            {"domain": "code", "language": "python", "context": [HI], "response1": "No", "response2": "Yo", "overall_preference": 1},
        ],
    ),
    ("a_or_b", "preference", None, pair("Hi", "Yo", "No"), [{"prompt": "Hi", "response_a": "No", "response_b": "Yo", "winner": "B"}]),
    (
        "kto",
        "rated",
        {"prompt": "prompt", "answer": "completion", "label": "label"},
        None,
        [{"prompt": "Hi", "completion": "Yo", "label": True}],
    ),
    (
        "kto_conversational",
        "rated",
        None,
        {"prompt": [HI], "answer": [YO], "label": False},
        [{"prompt": [HI], "completion": [YO], "label": False}],
    ),
    (
        "kto_messages",
        "rated",
        {"messages": "messages", "label": "label"},
        {"prompt": [HI], "answer": [YO], "label": True},
        [{"messages": [HI, YO], "label": True}],
    ),
    (
        "thumbs",
        "rated",
        {"prompt": "question", "answer": "answer", "label": "thumbs"},
        {"prompt": [HI], "answer": [YO], "label": False},
        [{"question": "Hi", "answer": "Yo", "thumbs": "down"}],
    ),
]
LABELS = [
    ("imdb", "classification", {"text": "text", "label": "label"}, None, times([{"text": FILM, "label": 1}, {"text": FILM, "label": 0}])),
    (
        "ag_news_csv",
        "classification",
        {"text": ["Title", "Description"], "label": "Class Index"},
        None,
        times([{"Class Index": n, "Title": "Wall St. falls", "Description": "Short sellers are seeing green again."} for n in ("3", "4")]),
    ),
    (
        "sst2",
        "classification",
        {"text": "sentence", "label": "label"},
        None,
        [{"sentence": f"hide new secretions {i}", "label": i % 2, "idx": i} for i in range(6)],
    ),
    (
        "tweet_eval",
        "classification",
        {"text": "text", "label": "label"},
        None,
        times([{"text": "@user so much fun today, thank you!", "label": n} for n in range(4)]),
    ),
    (
        "banking77",
        "classification",
        {"text": "text", "label": "label"},
        None,
        [{"text": f"I am still waiting on my card {i}", "label": i} for i in range(30)],
    ),
    (
        "emotion_names",
        "classification",
        {"text": "Text", "label": "Emotion"},
        None,
        times([{"Text": "i didnt feel humiliated at all today", "Emotion": e} for e in ("joy", "fear")]),
    ),
    (
        "go_emotions",
        "classification",
        {"text": "text", "label": "labels"},
        {"text": "My favourite food", "label": ["27"]},
        [
            {"text": "My favourite food", "labels": [27], "id": "eebbqej"},
            {"text": "Now if he does off himself", "labels": [1, 3], "id": "ed00q6i"},
        ],
    ),
    (
        "labels_semicolon",
        "classification",
        {"text": "text", "label": "{tags} split at ;"},
        {"text": "One thing", "label": ["a", "b"]},
        [
            {"text": "One thing", "tags": "a;b"},
            {"text": "Two things", "tags": "b"},
            {"text": "Three", "tags": "a; c"},
            {"text": "Four", "tags": "c;b"},
        ],
    ),
    (
        "labels_pipe",
        "classification",
        {"text": "overview", "label": "{genres} split at |"},
        {"text": "A man runs.", "label": ["Drama", "War"]},
        [
            {"movieId": 1, "overview": "A man runs.", "genres": "Drama|War"},
            {"movieId": 2, "overview": "A dog.", "genres": "Drama"},
            {"movieId": 3, "overview": "A cat.", "genres": "War|Comedy"},
        ],
    ),
    (
        "labels_comma",
        "classification",
        {"text": "text", "label": "{topics} split at ,"},
        {"text": "One thing", "label": ["a", "b"]},
        [{"text": t, "topics": c} for t, c in (("One thing", "a, b"), ("Two", "b"), ("Three", "a, c"), ("Four", "c, b"), ("Five", "a"))],
    ),
    (
        "one_label_with_comma",
        "classification",
        {"text": "text", "label": "department"},
        None,
        [{"text": f"Case {i} came in", "department": d} for i in range(5) for d in ("Sales, Europe", "Law")],
    ),
    (
        "jigsaw",
        "classification",
        {"text": "comment_text", "label": ["toxic", "severe_toxic", "obscene"]},
        {"text": "You are bad", "label": ["toxic", "obscene"]},
        [
            {"id": "0a", "comment_text": "You are bad", "toxic": 1, "severe_toxic": 0, "obscene": 1},
            {"id": "0b", "comment_text": "Nice page", "toxic": 0, "severe_toxic": 0, "obscene": 0},
        ],
    ),
    (
        "yelp",
        "classification",
        {"text": "text", "label": "stars"},
        None,
        times([{"review_id": "x", "stars": n, "text": "dr. goldberg offers everything i look for", "date": "2011"} for n in range(1, 6)]),
    ),
    (
        "airline",
        "classification",
        {"text": "text", "label": "airline_sentiment"},
        None,
        times(
            [
                {
                    "tweet_id": "5",
                    "airline_sentiment": e,
                    "airline_sentiment_confidence": 0.9,
                    "airline": "Delta",
                    "name": "cairdin",
                    "text": "@Delta what a very long flight today",
                }
                for e in ("neutral", "negative")
            ]
        ),
    ),
    (
        "sarcasm",
        "classification",
        {"text": "headline", "label": "is_sarcastic"},
        None,
        times(
            [{"article_link": "https://x.y/z", "headline": "former versace store clerk sues over code", "is_sarcastic": n} for n in (0, 1)]
        ),
    ),
    (
        "setfit",
        "classification",
        None,
        None,
        times(
            [
                {"text": "a stirring, funny and finally transporting", "label": n, "label_text": w}
                for n, w in ((0, "negative"), (1, "positive"))
            ]
        ),
    ),
    (
        "mnli",
        "classification",
        {"text": ["premise", "hypothesis"], "label": "label"},
        None,
        [{"premise": f"Product {i} has two sides", "hypothesis": "It is good.", "label": i % 3, "idx": i} for i in range(9)],
    ),
    (
        "qnli",
        "classification",
        {"text": ["question", "sentence"], "label": "label"},
        None,
        [{"question": f"When did {i} end?", "sentence": "It ended then.", "label": i % 2, "idx": i} for i in range(9)],
    ),
    (
        "qqp",
        "classification",
        {"text": ["question1", "question2"], "label": "label"},
        None,
        [{"question1": f"How {i}?", "question2": "Why so?", "label": i % 2, "idx": i} for i in range(9)],
    ),
    (
        "mrpc",
        "classification",
        {"text": ["sentence1", "sentence2"], "label": "label"},
        None,
        [{"sentence1": f"He {i} said.", "sentence2": "He said.", "label": i % 2, "idx": i} for i in range(9)],
    ),
    (
        "stsb",
        "regression",
        {"text": ["sentence1", "sentence2"], "label": "label"},
        {"text": "He 0 said.\n\nHe said.", "label": 0.25},
        [{"sentence1": f"He {i} said.", "sentence2": "He said.", "label": i / 3 + 0.25, "idx": i} for i in range(9)],
    ),
    (
        "readability",
        "regression",
        {"text": "excerpt", "label": "target"},
        None,
        [{"id": f"x{i}", "url_legal": "", "excerpt": f"When the {i} young people returned", "target": -0.34 * i - 0.1} for i in range(6)],
    ),
    (
        "spam_german",
        "classification",
        {"text": "Text", "label": "Kategorie"},
        None,
        times([{"Text": "Sie haben gewonnen, rufen Sie an!", "Kategorie": k} for k in ("Spam", "Ham")]),
    ),
    (
        "sentiment_russian",
        "classification",
        {"text": "текст", "label": "метка"},
        None,
        times([{"текст": "Очень хороший фильм, смотреть всем", "метка": k} for k in ("да", "нет")]),
    ),
]
OTHERS = [
    (
        "squad",
        "qa",
        None,
        {"context": "Paris is nice", "question": "Where?", "answers": {"text": ["Paris"], "answer_start": [0]}},
        [{"id": "1", "title": "T", "context": "Paris is nice", "question": "Where?", "answers": {"text": ["Paris"], "answer_start": [0]}}],
    ),
    (
        "squad_v2",
        "qa",
        None,
        {"context": "Paris is nice", "question": "Who?", "answers": {"text": [], "answer_start": []}},
        [{"id": "2", "title": "T", "context": "Paris is nice", "question": "Who?", "answers": {"text": [], "answer_start": []}}],
    ),
    (
        "conll2003",
        "tokens",
        {"tokens": "tokens", "tags": "ner_tags"},
        None,
        [{"id": "0", "tokens": ["EU", "rejects"], "pos_tags": [22, 42], "chunk_tags": [11, 21], "ner_tags": [3, 0]}],
    ),
    (
        "wikiann",
        "tokens",
        {"tokens": "tokens", "tags": "ner_tags"},
        None,
        [{"tokens": ["R.H.", "B."], "ner_tags": [3, 4], "langs": ["en", "en"], "spans": ["PER: R.H. B."]}],
    ),
    (
        "word_lists_in_csv",
        "tokens",
        {"tokens": "tokens", "tags": "tags"},
        {"tokens": ["EU", "rejects"], "tags": ["B-ORG", "O"]},
        [{"tokens": "['EU', 'rejects']", "tags": "['B-ORG', 'O']"}],
    ),
    (
        "numpy_tags",
        "tokens",
        {"tokens": "tokens", "tags": "ner_tags"},
        {"tokens": ["EU", "rejects"], "tags": ["3", "0"]},
        [{"tokens": "['EU' 'rejects']", "ner_tags": "[3 0]"}],
    ),
    (
        "entity_spans",
        "tokens",
        {"tokens": "text", "tags": "entities"},
        {"tokens": ["Ada", "Lovelace", "wrote", "."], "tags": ["B-PER", "I-PER", "O", "O"]},
        [{"text": "Ada Lovelace wrote.", "entities": [{"start": 0, "end": 12, "label": "PER"}]}],
    ),
    (
        "doccano",
        "tokens",
        {"tokens": "text", "tags": "label"},
        {"tokens": ["In", "Rome"], "tags": ["O", "B-LOC"]},
        [{"id": 1, "text": "In Rome", "label": [[3, 7, "LOC"]]}],
    ),
    (
        "opus",
        "seq2seq",
        {"source": "translation.en", "target": "translation.de"},
        {"source": "cat", "target": "Katze"},
        [{"id": "0", "translation": {"en": "cat", "de": "Katze"}}],
    ),
    ("wmt_columns", "seq2seq", {"source": "en", "target": "fr"}, None, [{"en": "The cat sleeps", "fr": "Le chat dort"}]),
    (
        "language_names",
        "seq2seq",
        {"source": "English", "target": "German"},
        None,
        [{"English": "The cat sleeps", "German": "Die Katze schläft"}],
    ),
    (
        "source_target",
        "seq2seq",
        {"source": "source", "target": "target"},
        None,
        [{"source": "The cat sleeps", "target": "Die Katze schläft", "source_lang": "en", "target_lang": "de"}],
    ),
    (
        "cnn",
        "seq2seq",
        {"source": "article", "target": "highlights"},
        None,
        [{"article": "A long text.", "highlights": "Short.", "id": "f00"}],
    ),
    ("xsum", "seq2seq", {"source": "document", "target": "summary"}, None, [{"document": "A long text.", "summary": "Short.", "id": "1"}]),
    (
        "samsum",
        "seq2seq",
        {"source": "dialogue", "target": "summary"},
        None,
        [{"id": "1", "dialogue": "Amanda: I baked cookies.\r\nJerry: Sure!", "summary": "Amanda baked."}],
    ),
    (
        "billsum",
        "seq2seq",
        {"source": "text", "target": "summary"},
        None,
        [{"text": "SECTION 1. LIABILITY.", "summary": "Shields a firm.", "title": "A bill to limit"}],
    ),
    ("grammar", "seq2seq", {"source": "incorrect", "target": "correct"}, None, [{"incorrect": "He go home.", "correct": "He goes home."}]),
    (
        "fineweb",
        "text",
        {"text": "text"},
        None,
        [
            {
                "text": f"Once {i} upon a time.",
                "id": "u",
                "dump": "CC-MAIN",
                "url": "http://x",
                "file_path": "s3://y",
                "language": "en",
                "language_score": 0.9,
                "token_count": 5,
            }
            for i in range(12)
        ],
    ),
    ("the_pile", "text", {"text": "text"}, None, [{"text": "Once upon a time.", "meta": {"pile_set_name": "Books"}}]),
    ("wikipedia", "text", {"text": "text"}, None, [{"id": "1", "url": "http://x", "title": "Cat", "text": "A cat is an animal."}]),
]
SHAPES = CHATS + CHOICES + PREFERENCES + LABELS + OTHERS
MENDED = [  # name, messages, what becomes of them, a word of the note
    ("greeting", [a("Welcome"), HI, YO], [HI, YO], "began with the assistant"),
    ("doubled_user", [u("Hi"), u("there"), YO], [u("Hi\n\nthere"), YO], "joined"),
    ("doubled_assistant", [HI, a("Yo"), a("man")], [HI, a("Yo\n\nman")], "joined"),
    ("doubled_system", [s("Be"), s("kind"), HI, YO], [s("Be\n\nkind"), HI, YO], "joined"),
    ("open_end", [HI, YO, u("And?")], [HI, YO], "removed"),
]
ASKED = [  # name, the best guess, rows
    ("rated_by_stars", "rated", [{"prompt": "Hi", "response": "Yo", "rating": r} for r in (1, 5)]),
    (
        "helpsteer",
        "rated",
        [
            {"prompt": "Hi", "response": "Yo", "helpfulness": n, "correctness": 3, "coherence": 4, "complexity": 1, "verbosity": 1}
            for n in (4, 0)
        ],
    ),
    ("prometheus", "rated", [{"instruction": "Hi", "response": "Yo", "feedback": "Fine words.", "score": n} for n in (5, 2)]),
    ("several_answers", "chat", [{"question": "Who?", "answer": ["Bob", "Rob"]}]),
    ("a_number_beside", "regression", [{"description": f"Nice flat {n} near the lake", "price": n} for n in (100, 250, 399)]),
    ("unclear_index", "preference", [{"prompt": "Hi", "response_1": "Yo", "response_2": "No", "label": n} for n in (0, 1)]),
    ("three_languages", "seq2seq", [{"en": "cat", "de": "Katze", "fr": "chat"}]),
    (
        "oasst_messages",
        "text",
        [
            {"message_id": "m1", "parent_id": None, "text": "Hi", "role": "prompter", "lang": "en"},
            {"message_id": "m2", "parent_id": "m1", "text": "Yo", "role": "assistant", "lang": "en"},
        ],
    ),
    (
        "summary_or_score",
        "seq2seq",
        times(
            [
                {"Id": 1, "Score": n, "Summary": "Good Quality Dog Food for my dogs", "Text": "I have bought several of the cans."}
                for n in (1, 5)
            ]
        ),
    ),
    ("unknown_speakers", "chat", [{"conversation": [{"speaker": "Anna", "text": "Hi"}, {"speaker": "Ben", "text": "Yo"}]}]),
    ("options_counted_how", "chat", [{"question": "Which?", "choices": ["k", "l", "m"], "answer": 1}]),
    ("long_texts_with_a_topic", "classification", [{"text": "word " * 400 + str(i), "topic": t} for i in range(4) for t in ("x", "y")]),
]
