# Die Seite Bewerten: einrichten, sammeln, bewerten, Ergebnisse, trainieren.

# das Projekt
label-empty = Welche von zwei Antworten ist besser? Hier werden Antwortpaare bewertet, allein oder gemeinsam, und ein Modell darauf trainiert, eher wie die besseren zu antworten.
label-try = Beispiel ausprobieren (200 Paare)
label-sample-name = Antwortstile (Beispiel)
label-new-project = Neues Projekt
label-project = Projekt
label-title =
    .label = Name
    .info = Zum Beispiel: Antworten vom Helpdesk
label-template =
    .label = Wer bewertet
    .info = Lässt sich später ändern.
label-template-alone = Eine Person, oder wenige, die sich die Arbeit teilen
label-template-class = Eine Klasse: Ein Fünftel der Paare bewerten zwei Personen, um die Übereinstimmung zu messen
label-make = Projekt anlegen
label-cancel = Abbrechen
label-deleted = Das Projekt wurde gelöscht.
label-invitation = Welche von zwei Antworten ist besser?

# die Schritte
label-step-setup = Einrichten
label-step-collect = Sammeln
label-step-label = Bewerten
label-step-results = Ergebnisse
label-step-train = Trainieren
label-next-pairs = Als Nächstes: Paare hinzufügen.
label-next-collect = Als Nächstes: den Link weitergeben oder die Paare hier bewerten.
label-next-label = Als Nächstes: die übrigen Paare bewerten oder die bisherigen Ergebnisse ansehen.
label-next-train = Alle Bewertungen liegen vor. Als Nächstes: die Ergebnisse ansehen, dann darauf trainieren.
label-go-setup = Paare hinzufügen
label-go-collect = Weiter zu Sammeln
label-go-label = Hier bewerten
label-go-results = Ergebnisse ansehen
label-go-train = Weiter zu Trainieren

# einrichten: Paare
label-pairs-title = Paare
label-pairs-about = Ein Paar ist eine Frage mit zwei Antworten. Bewertet wird blind: Wer die Antworten geschrieben hat, bleibt verborgen.
label-pairs-there = { $n ->
    [one] Dieses Projekt hat { $shown } Paar. Weitere lassen sich jederzeit hinzufügen.
   *[other] Dieses Projekt hat { $shown } Paare. Weitere lassen sich jederzeit hinzufügen.
}
label-pairs = { $n ->
    [one] { $shown } Paar
   *[other] { $shown } Paare
}
label-source =
    .label = Paare hinzufügen aus
    .info = Doppelte werden ausgelassen.
label-source-sample = Beispiel (200 Paare)
label-source-data = Datensatz
label-source-file = Datei
label-source-models = Von Modellen erzeugen
label-add-sample = Beispiel hinzufügen
label-add-data = Diese Paare hinzufügen
label-data =
    .label = Datensatz
    .info = Datensätze mit einer besseren und einer schlechteren Antwort je Frage.
label-no-data = Es gibt noch keinen Datensatz mit Paaren.
label-open-data = Daten öffnen
label-gold =
    .label = Die besseren Antworten sind bekannt (Gold-Paare)
    .info = Sie werden ab und zu eingestreut, um zu messen, wie sorgfältig bewertet wird.
label-file = Datei mit Paaren oder Rangfolgen, in jedem Format
label-opening = Datei wird geöffnet
label-adding = { $percent } gelesen, { $shown } Paare gefunden
label-adding-cancelled = Abgebrochen. Bereits hinzugefügte Paare bleiben; dieselbe Quelle noch einmal hinzuzufügen setzt fort.
label-pairs-added = { $n ->
    [one] { $shown } Paar hinzugefügt.
   *[other] { $shown } Paare hinzugefügt.
}
label-none-added = 0 Paare hinzugefügt.
label-none-remedy-known = Das Projekt enthält sie alle schon: eine andere Quelle wählen oder mit den vorhandenen Paaren weitermachen.
label-none-remedy-alike = Eine höhere Temperatur oder zwei verschiedene Modelle ergeben Antworten, die sich stärker unterscheiden.
label-none-remedy-cut = Max new tokens erhöhen, damit die Antworten vollständig sind.
label-none-remedy-other = Die Quelle prüfen: Jede Zeile braucht eine Frage und zwei verschiedene Antworten.
label-left-out-identical = { $n ->
    [one] { $shown } ausgelassen: Beide Antworten sind gleich.
   *[other] { $shown } ausgelassen: Beide Antworten sind gleich.
}
label-left-out-nearly = { $shown } ausgelassen: Die Antworten sind zu 95 % gleich.
label-left-out-empty = { $shown } ausgelassen: Eine Antwort ist leer.
label-left-out-cut = { $shown } ausgelassen: Eine Antwort wurde bei Max new tokens abgeschnitten.
label-left-out-failed = { $shown } ausgelassen: Das Modell konnte nicht antworten.
label-left-out-known = { $shown } ausgelassen: Das Projekt enthält das Paar schon.
label-unread = { $n ->
    [one] { $shown } Zeile war nicht lesbar. Zeile { $row }:
   *[other] { $shown } Zeilen waren nicht lesbar. Die erste ist Zeile { $row }:
}

# einrichten: von Modellen erzeugen
label-asked =
    .label = Fragen aus einem Datensatz
    .info = Sie werden zusammen mit eigenen Fragen gestellt.
label-none = Keine
label-typed =
    .label = Eigene Fragen
    .info = Eine je Zeile.
label-held =
    .label = Nur Validierungszeilen
    .info = Für einen fairen Vergleich: Zeilen, auf denen keines der Modelle trainiert wurde.
label-limit =
    .label = Anzahl der Fragen
    .info = Höchstens so viele.
label-max-tokens =
    .label = Max new tokens
    .info = Eine abgeschnittene Antwort ergibt kein Paar.
label-model-a =
    .label = Erstes Modell
    .info = Ein Lauf, das Startmodell, ein Ordner oder eine Hub-ID.
label-model-b =
    .label = Zweites Modell
    .info = Zweimal dasselbe Modell ergibt zwei verschiedene Antworten.
label-temperature-a =
    .label = Temperatur, erstes Modell
    .info = 0 wählt immer das wahrscheinlichste Token.
label-temperature-b =
    .label = Temperatur, zweites Modell
    .info = Eine höhere Temperatur ergibt vielfältigere Antworten.
label-generate = Paare erzeugen
label-resume = Fortsetzen
label-stop = Anhalten
label-loading-model = Modell wird geladen
label-generating = { $n ->
    [one] { $done } von { $total } Antworten, { $shown } Paar
   *[other] { $done } von { $total } Antworten, { $shown } Paare
}
label-stopping = Hält nach dieser Antwort an. Bereits Erzeugtes bleibt.
label-stopped = Angehalten. Bereits Erzeugtes bleibt; Fortsetzen erzeugt den Rest.
label-writer-tuned = { $name } (feinabgestimmt)
label-writer-base = { $name }, Basismodell
label-writer-step = { $name }, Checkpoint bei Schritt { $step }
label-writer-starter = Startmodell
label-writer-data = Die Antwort im Datensatz

# einrichten: Richtlinien, Regeln, Löschen
label-guidelines = Richtlinien
label-guidelines-text =
    .label = Richtlinien
    .info = Markdown, mit ein oder zwei Beispielen. Sie werden vor dem Bewerten gelesen; jede Bewertung hält ihre Version fest.
label-guidelines-version = Version { $version }, wie sie beim Bewerten erscheint
label-keep-guidelines = Als neue Version speichern
label-guidelines-kept = Als Version { $version } gespeichert. Sie erscheint vor dem nächsten Paar.
label-rules = Regeln
label-overlap =
    .label = Überschneidung (%)
    .info = Anteil der Paare, die mehrere Personen bewerten, um ihre Übereinstimmung zu messen.
label-people =
    .label = Personen je gemeinsamem Paar
    .info = So viele bewerten jedes dieser Paare.
label-repeats =
    .label = Verdeckte Wiederholungen (%)
    .info = Paare, die mit vertauschten Seiten wiederkehren, um die Beständigkeit zu messen.
label-planned =
    .label = Geplante Vergleiche zweier Modelle
    .info = Anzahl der Paare, vorab festgelegt. Bei 0 wird verglichen, bis es entschieden ist.
label-ask-strength =
    .label = Stärke abfragen
    .info = 1 bis 3 nach jeder Wahl.
label-differences =
    .label = Unterschiede hervorheben
    .info = Antworten erscheinen dann als reiner Text.
label-markdown =
    .label = Antworten als Markdown zeigen
    .info = Listen, Tabellen und Code; niemals HTML.
label-keep-rules = Regeln speichern
label-rules-kept = { $n ->
    [one] Gespeichert. Für { $pairs } Paar sind { $tasks } Bewertungen gewünscht; { $done } liegen vor.
   *[other] Gespeichert. Für { $pairs } Paare sind { $tasks } Bewertungen gewünscht; { $done } liegen vor.
}
label-delete-project = Projekt löschen
label-sure =
    .label = Dieses Projekt mit allen Bewertungen löschen
    .info = Das lässt sich nicht rückgängig machen.
label-sure-first = Bitte zuerst das Kästchen ankreuzen.
label-delete = Projekt löschen

# sammeln
label-collect-empty = Der Link zum Mitbewerten und die Liste der Beteiligten erscheinen hier, sobald das Projekt Paare hat.
label-link =
    .label = Link zum Mitbewerten
    .info = Er zeigt nur die Richtlinien und die Paare.
label-command = Befehl, der die Seite im Netzwerk öffnet
label-qr = QR-Code des Links
label-reach-open = Andere können mitbewerten
label-reach-open-more = Alle im selben Netzwerk können diesen Link öffnen.
label-reach-login = Alle im selben Netzwerk können diesen Link öffnen. Angemeldet wird mit dem Namen tunesmith und dem Passwort dieser Seite, das auch den Rest der Seite öffnet.
label-reach-closed = Nur dieser Computer kann die Seite öffnen
label-reach-closed-more = Damit andere vom eigenen Gerät aus mitbewerten: Tunesmith beenden (Strg-C), ein Passwort wählen und mit dem Befehl unten starten. Angemeldet wird mit dem Namen tunesmith und diesem Passwort. Mehrere Personen können sich auch an diesem Computer abwechseln: unter Bewerten mit Übergeben.
label-reach-guest = Andere können hier nicht mitbewerten
label-reach-guest-more = Auf dieser öffentlichen Seite hat jeder Besuch eigene Projekte. Mehrere Personen können sich in diesem Browser abwechseln: unter Bewerten mit Übergeben. Zum gemeinsamen Bewerten Tunesmith auf dem eigenen Computer starten.
label-roster = Beteiligte
label-roster-empty = Noch hat niemand begonnen. Alle Beteiligten erscheinen hier mit ihrem ersten Paar.
label-roster-name = Name
label-roster-judgments = Bewertungen
label-roster-guidelines = Richtlinien
label-roster-seen = Zuletzt aktiv
label-refresh = Aktualisieren
label-read = Gelesen
label-read-older = Ältere Version
label-unread-guidelines = Nicht gelesen
label-now = Jetzt
label-ago = vor { $time }
label-judge = KI-Bewertung (LLM-as-a-judge)
label-judge-about = Ein Modell bewertet jedes Paar wie eine weitere Person, in beiden Reihenfolgen. Seine Stimmen werden getrennt gezählt; Ergebnisse zeigt, wie weit es mit Menschen übereinstimmt. Mit einer Adresse werden die Paare dorthin gesendet.
label-judge-model =
    .label = Modell
    .info = Ein Modell hier, oder sein Name bei der Adresse.
label-judge-url =
    .label = Adresse (OpenAI-kompatibel)
    .info = Leer lassen für ein Modell auf diesem Computer.
label-judge-key =
    .label = API-Schlüssel
    .info = Bleibt im Arbeitsspeicher, bis die Bewertung fertig ist.
label-judge-ask = KI-Bewertung starten
label-judge-done = Die KI-Bewertung ist fertig. Ergebnisse zeigt, wie weit sie mit Menschen übereinstimmt.
label-judging = { $done } von { $total } Paaren bewertet

# bewerten: wer
label-name =
    .label = Wer bewertet?
    .info = Der eigene Name. Die Bewertungen werden unter ihm gespeichert.
label-name-empty = Bitte zuerst einen Namen eingeben.
label-start = Bewerten beginnen
label-hand-over = Übergeben
label-read-first = Zuerst die Richtlinien lesen
label-begin = Beginnen (Enter)
label-no-pairs = Dieses Projekt hat noch keine Paare zum Bewerten.
label-from-chat = { $n ->
    [one] { $shown } Antwort wurde im Chat bewertet. Trainieren macht daraus einen Datensatz.
   *[other] { $shown } Antworten wurden im Chat bewertet. Trainieren macht daraus einen Datensatz.
}

# bewerten: das Paar
label-progress = Fortschritt
label-answer = Antwort { $letter }
label-judged-of = { $shown } von { $total } Bewertungen
label-pace = etwa { $n } pro Minute
label-left = noch { $time }
label-mine = { $n ->
    [0] noch keine von { $name }
   *[other] { $shown } von { $name }
}
label-waiting = { $n ->
    [one] derzeit ist alles bewertet: Das letzte Paar liegt bei einer anderen Person oder wartet auf eine zweite. Es kommt nach 20 Minuten zurück
   *[other] derzeit ist alles bewertet: Die letzten { $shown } liegen bei anderen oder warten auf eine zweite Person. Sie kommen nach 20 Minuten zurück
}
label-all-judged = alle Paare sind bewertet, vielen Dank
label-undone = Die Bewertung war: { $said }. Jetzt neu bewerten.
label-said-a = A ist besser
label-said-b = B ist besser
label-said-tie = unentschieden
label-said-both-bad = beide schlecht
label-said-skip = übersprungen
label-much-little = etwas besser
label-much-clearly = deutlich besser
label-much-far = weit besser
label-take-a = ← A ist besser
label-take-b = B ist besser →
label-how-much = { $letter } ist besser. Wie viel?
label-strength-little = 1 Etwas
label-strength-clearly = 2 Deutlich
label-strength-far = 3 Weit besser
label-choose-first = Bitte zuerst A oder B wählen.
label-tie = Unentschieden (T)
label-both = Beide schlecht (X)
label-skip = Überspringen (S)
label-edit = Korrigieren (E)
label-note = Notiz (N)
label-undo = Rückgängig (U)
label-keys = Tasten (?)
label-guidelines-key = Richtlinien (G)
label-better =
    .label = Eine bessere Antwort (optional)
    .info = Sie wird zur bevorzugten, beide anderen zu abgelehnten Antworten. Strg+Enter speichert, noch einmal X geht ohne weiter.
label-commit-both = Beide sind schlecht
label-reason =
    .label = Grund
    .info = Noch einmal S überspringt ohne Grund.
label-reason-subject = Das Thema ist mir fremd
label-reason-question = Die Frage ergibt keinen Sinn
label-reason-unwanted = Gehört nicht in dieses Projekt
label-reason-other = Anderer Grund (siehe Notiz)
label-commit-skip = Dieses Paar überspringen
label-which =
    .label = Die bessere Antwort (← →)
    .info = Sie wird zur bevorzugten Antwort.
label-which-first = Bitte wählen, welche der beiden Antworten besser ist.
label-wording =
    .label = Korrigierte Antwort
    .info = Der frühere Wortlaut bleibt ebenfalls erhalten. Strg+Enter speichert.
label-commit-edit = Mit diesem Wortlaut wählen
label-note-text =
    .label = Notiz
    .info = Wird mit der nächsten Bewertung gespeichert.
label-key = Taste
label-key-effect = Wirkung
label-key-sides = diese Antwort ist besser
label-key-strength = wie viel besser, wo die Stärke abgefragt wird
label-key-tie = unentschieden
label-key-both = beide sind schlecht; noch einmal X geht ohne bessere Antwort weiter
label-key-skip = überspringen; noch einmal S geht ohne Grund weiter
label-key-edit = die bessere Antwort korrigieren: ← oder → wählt sie, Enter springt zum Text, Strg+Enter speichert
label-key-note = eine Notiz zur nächsten Bewertung
label-key-undo = rückgängig, so oft wie nötig
label-key-guidelines = die Richtlinien
label-key-keys = diese Liste
label-key-enter = in das Textfeld des offenen Bereichs springen
label-key-escape = ein Textfeld verlassen, damit die Tasten wieder gelten; noch einmal schließt den Bereich
label-seconds = { $n ->
    [one] { $n } Sekunde
   *[other] { $n } Sekunden
}
label-minutes = { $n } min
label-hours = { $n } h
label-days = { $n ->
    [one] { $n } Tag
   *[other] { $n } Tagen
}

# Ergebnisse
label-results-empty = Wie weit die Beteiligten übereinstimmen, wie sie bewerten und welches Modell bevorzugt wird, erscheint hier nach den ersten Bewertungen.
label-judgments-of = { $shown } von { $total } Bewertungen
label-each = Die Beteiligten
label-too-few = Gewohnheiten und Übereinstimmung: noch zu wenige Bewertungen; jede Angabe braucht { $n }.
label-contest = Bevorzugtes Modell
label-contest-open = Weiter bewerten, bis es entschieden ist: Dieses Intervall darf nach jeder Bewertung angesehen werden, ein gewöhnliches nicht.
label-contest-model = Modell
label-contest-chance = Anderen vorgezogen
label-contest-interval = 95-%-Intervall
label-contest-won = Gewonnen
label-contest-ties = Unentschieden
label-contest-lost = Verloren
label-ai-judges = KI-Bewertung
label-disputes = Paare, bei denen die Bewertungen auseinandergehen
label-dispute =
    .label = Paar
    .info = Die größten Unterschiede zuerst.
label-settle =
    .label = Endgültige Bewertung
    .info = Sie zählt anstelle der Mehrheit.
label-settle-commit = Entscheiden
label-settle-first = Bitte ein Paar und die endgültige Bewertung wählen.
label-settled = Entschieden. Diese Bewertung zählt anstelle der Mehrheit.
label-winner-first = Die erste Antwort
label-winner-second = Die zweite Antwort
label-winner-tie = Unentschieden
label-winner-both-bad = Beide schlecht
label-vote-first = erste
label-vote-second = zweite
label-vote-tie = unentschieden
label-vote-both-bad = beide schlecht
label-vote-skip = übersprungen
label-release = Reservierte Paare freigeben
label-reopen = Übersprungene Paare erneut anbieten
label-released = { $n ->
    [0] Kein Paar ist reserviert.
    [one] { $shown } Paar ist wieder frei.
   *[other] { $shown } Paare sind wieder frei.
}
label-reopened = { $n ->
    [0] Kein Paar wurde übersprungen.
    [one] { $shown } Paar wird erneut angeboten.
   *[other] { $shown } Paare werden erneut angeboten.
}

# trainieren
label-train-none = Aus den Bewertungen wird hier ein Datensatz zum Trainieren. Noch gibt es keine.
label-train-about = { $n ->
    [one] { $shown } Bewertung wird zu einem Präferenzdatensatz: Das Modell wird hin zur besseren und weg von der schlechteren Antwort trainiert.
   *[other] { $shown } Bewertungen werden zu einem Präferenzdatensatz: Das Modell wird hin zu den besseren und weg von den schlechteren Antworten trainiert.
}
label-enough = Nötig sind erfahrungsgemäß einige Hundert: Beim Startmodell ändern 25 Paare keine Antwort, 100 ändern 7 von 10, 200 fast alle.
label-least =
    .label = Mindeststärke
    .info = Um wie viel eine Antwort besser sein muss, wo die Stärke abgefragt wurde.
label-least-all = Alle Bewertungen
label-least-clearly = Deutlich besser und mehr
label-least-far = Nur weit besser
label-count-judges =
    .label = Stimmen der KI-Bewertung mitzählen
    .info = Ohne sie entscheiden allein Menschen.
label-train = Datensatz anlegen und trainieren
label-other-formats = Andere Formate
label-as-kto = Einzeln bewertete Antworten (KTO)
label-as-chat = Korrigierte Antworten (Chat)
label-as-files = Als Dateien exportieren (JSONL)
label-files = Dateien
label-file-rows = { $n ->
    [one] { $name } ({ $shown } Zeile)
   *[other] { $name } ({ $shown } Zeilen)
}
label-dataset-pairs = { $n ->
    [one] { $name }, Version { $version }: { $shown } Paar.
   *[other] { $name }, Version { $version }: { $shown } Paare.
}
label-dataset-rows = { $n ->
    [one] { $name }, Version { $version }: { $shown } Zeile.
   *[other] { $name }, Version { $version }: { $shown } Zeilen.
}
label-open-train = Darauf trainieren
