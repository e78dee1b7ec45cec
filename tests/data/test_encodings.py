"""Text in the encodings that programs all over the world save it in."""

import gzip
import json

import pytest

from tuner.cli import main
from tuner.data.readers import encodings
from tuner.data.readers.reader import Reader
from tuner.data.store import store
from tuner.errors import SettingError
from tuner.jobs import data_jobs

RUSSIAN = [("Как сбросить пароль?", "Откройте настройки."), ("Где мой заказ?", "Он прибудет в пятницу.")]
TEXTS = {
    ("cp1251", "koi8-r", "cp866", "iso8859-5"): RUSSIAN,
    ("cp1251",): [("Что такое «облако»?", "Это — место № 1…")],
    ("cp1251", "koi8-u"): [("Як змінити пароль?", "Відкрийте налаштування."), ("Де моє замовлення?", "Їде до вас.")],
    ("shift_jis", "euc_jp", "iso2022_jp"): [("注文はどこですか。", "金曜日に届きます。"), ("パスワードは？", "設定を開いてください。")],
    ("gbk", "gb18030"): [("如何重置密码？", "请打开设置。"), ("我的订单在哪里？", "星期五到达。")],
    ("big5",): [("如何重設密碼？", "請打開設定。"), ("我的訂單在哪裡？", "星期五到達。")],
    ("euc_kr", "cp949"): [("주문이 어디 있나요?", "금요일에 도착합니다."), ("환불은?", "삼일 걸립니다.")],
    ("iso8859-2", "cp1250"): [("Jak zmienić hasło?", "Proszę otworzyć ustawienia."), ("Gdzie jest żółw?", "W łące, ciągle śpi.")],
    ("cp1250", "iso8859_2"): [("Jak změním heslo?", "Otevřete nastavení."), ("Kde je můj kůň?", "Přijde ráno, určitě.")],
    ("iso8859-7", "cp1253"): [("Πώς αλλάζω τον κωδικό;", "Ανοίξτε τις ρυθμίσεις."), ("Άλλη ερώτηση;", "Όχι, ευχαριστώ.")],
    ("cp1254",): [("Şifremi nasıl değiştiririm?", "Ayarları açın."), ("Işık nerede?", "Güneşin altında.")],
    ("cp1255",): [("איך משנים סיסמה?", "פתחו את ההגדרות."), ("איפה ההזמנה שלי?", "היא תגיע מחר.")],
    ("cp1256",): [("كيف أغير كلمة المرور؟", "افتح الإعدادات."), ("أين طلبي؟", "سيصل غدا.")],
    ("cp874",): [("เปลี่ยนรหัสผ่านอย่างไร", "เปิดการตั้งค่า"), ("สินค้าอยู่ที่ไหน", "จะถึงวันศุกร์")],
    ("cp1252", "latin-1"): [("Où est ma commande?", "Elle arrivera à l'été, là-bas."), ("Wie ändere ich es?", "Öffnen Sie die Größe.")],
    ("cp1252",): [("Where's the café?", "It’s “here” – 5 €."), ("¿Dónde está José?", "Mañana, señor.")],
}
CASES = [(encoding, rows) for names, rows in TEXTS.items() for encoding in names]


def saved(folder, encoding, rows, name="a.csv"):
    file = folder / name
    if name.endswith(".csv"):
        text = "question,answer\n" + "".join(f'"{q}","{a}"\n' for q, a in rows)
    else:
        text = "".join(json.dumps({"question": q, "answer": a}, ensure_ascii=False) + "\n" for q, a in rows)
    file.write_bytes(text.encode(encoding))
    return file


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
@pytest.mark.parametrize(("encoding", "rows"), CASES, ids=[f"{c}-{n}" for n, (c, _) in enumerate(CASES)])
def test_the_letters_are_read_as_they_were_written(tmp_path, encoding, rows, name):
    reader = Reader(saved(tmp_path, encoding, rows, name))
    assert [tuple(r.value.values()) for r in reader] == rows
    assert f"read as {reader.encoding}" in reader.note and "--encoding" in reader.note


def test_what_stands_late_in_a_long_packed_file_is_looked_at_as_well(tmp_path):
    rows = [("plain", "words")] * 120_000 + [RUSSIAN[0]] * 3
    packed = tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress(saved(tmp_path, "cp1251", rows).read_bytes()))
    reader = Reader(packed)
    assert reader.encoding == "cp1251" and list(reader)[-1].value == {"question": RUSSIAN[0][0], "answer": RUSSIAN[0][1]}


def test_the_sample_is_spread_over_the_file_and_small():
    kept = []
    for n in range(20):
        kept = encodings.sampled(kept, b"\xff%d\n" % n * 20_000)
    assert sum(map(len, kept)) <= encodings.SAMPLE and {line[1:] for line in kept} >= {b"0", b"19"}


def test_a_chosen_encoding_is_remembered_for_other_columns(ws, tmp_path):
    rows = [(f"{q} {n}", f"{a} {n}") for n in range(20) for q, a in RUSSIAN]
    ds = store.add(ws, saved(tmp_path, "cp1251", rows), encoding="koi8-r")
    assert (
        ds.encoding == "koi8-r" and "КАК" not in str(ds.notes) and next(store.iterate(ds))["value"]["messages"][0]["content"] != rows[0][0]
    )
    again = store.remap(ws, ds.ref, mapping={"prompt": "answer", "answer": "question"})
    assert again.encoding == "koi8-r" and again.sources[0]["encoding"] == "koi8-r"
    right = store.remap(ws, ds.ref, encoding="cp1251")
    assert right.encoding == "cp1251" and store.rows(right, 0, 1)[0]["value"]["messages"][0]["content"] == rows[0][0]
    assert store.remap(ws, right.ref, kind="text", mapping={"text": "answer"}).encoding == "cp1251"


def test_a_guess_is_remembered_and_utf_8_needs_none(ws, tmp_path, monkeypatch):
    rows = [(f"{q} {n}", f"{a} {n}") for n in range(20) for q, a in RUSSIAN]
    ds = store.add(ws, saved(tmp_path, "cp1251", rows))
    assert ds.encoding == ds.sources[0]["encoding"] == "cp1251"
    monkeypatch.setattr("tuner.data.readers.file_format.detect", lambda lines: "koi8_r")  # as a later version of the library might
    assert store.remap(ws, ds.ref, seed=2).encoding == "cp1251"
    plain = store.add(ws, saved(tmp_path, "utf-8", rows, "b.csv"))
    assert plain.encoding == "utf-8" and "encoding" not in plain.sources[0]


def test_the_command_line_takes_an_encoding(ws, tmp_path, capsys):
    file = saved(tmp_path, "cp1252", [("Prix?", "5 \x80 é".replace("\x80", "€"))] * 3)
    assert data_jobs.check(ws, file, encoding="iso8859_15")["encoding"] == "iso8859-15"
    assert main(["data", "add", str(file), "--encoding", "cp1250", "--home", str(ws.home), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["encoding"] == "cp1250"
    with pytest.raises(SettingError) as caught:
        Reader(file, encoding="base64")
    assert "cp1251" in caught.value.available
