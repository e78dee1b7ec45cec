# --- Bibliothek
data-library = Datensätze
data-search =
    .label = Datensätze suchen
    .placeholder = Name oder Art
data-add = Daten importieren
data-rows = { $n ->
    [one] 1 Zeile
   *[other] { $n } Zeilen
}
data-version = v{ $n }
data-listed = { $shown } von { $total } Datensätzen werden angezeigt. Weitere zeigt die Suche.
data-none-found = Kein Datensatz passt zu „{ $query }“.
data-warnings = { $n ->
    [one] 1 Warnung
   *[other] { $n } Warnungen
}
data-no-warnings = Keine Warnungen
data-checking = Qualität wird geprüft
data-kind-chat = Chat
data-kind-text = Text
data-kind-preference = Präferenzpaare
data-kind-rated = Bewertete Antworten
data-kind-classification = Klassifikation
data-kind-regression = Regression
data-kind-seq2seq = Sequence-to-Sequence
data-kind-qa = Extraktives QA
data-kind-tokens = Token-Klassifikation

# --- Import
data-import = Daten importieren
data-import-first = Zum Start Daten importieren
data-import-intro = Datei hier ablegen: Format, Spalten und Probleme werden erkannt; die Datei selbst bleibt unverändert.
data-upload =
    .label = Dateien
    .info = CSV, Excel, JSON, JSONL, Parquet oder Text. Mehrere Dateien mit denselben Spalten werden ein Datensatz.
data-samples = Oder mit einem Beispiel beginnen
data-samples-only = Mit einem Beispiel beginnen. Diese öffentliche Seite nimmt keine eigenen Dateien an.
data-sample-persona = Piratensprache (Chat)
data-sample-helpdesk = Helpdesk (Chat)
data-sample-tickets = Support-Tickets (Klassifikation)
data-sample-preferences = Präferenzpaare
data-sample-translation = Übersetzung
data-other-ways = Andere Wege zum Import
data-paste = Zeilen einfügen
data-paste-text =
    .label = Zeilen
    .info = Aus einer Tabelle kopierte Zellen mit Kopfzeile oder JSON-Zeilen.
data-paste-import = Diese Zeilen importieren
data-write = Von Hand schreiben
data-write-kind =
    .label = Was eine Zeile ist
    .info = Leere Zeilen werden ignoriert.
data-write-chat = Ein Prompt und seine Antwort
data-write-preference = Ein Prompt, eine bessere und eine schlechtere Antwort
data-write-text = Ein Text
data-write-rows = Zeilen
data-write-import = Diese Zeilen importieren
data-validation-file = Mit Validierungsdatei
data-training-files =
    .label = Trainingsdateien
data-test-file =
    .label = Validierungsdatei: alle ihre Zeilen sind Validierungszeilen
data-both-import = Beide importieren
data-path-tab = Dateipfad
data-path =
    .label = Pfad
    .info = Für große Dateien auf diesem Rechner: Sie werden an Ort und Stelle gelesen, ohne Kopie.
data-path-import = Datei importieren
data-hub-tab = Hugging Face Hub
data-hub =
    .label = Datensatz
    .info = Seine ID auf dem Hub: owner/name.
data-hub-split =
    .label = Split
    .info = Wenn leer: train.
data-hub-config =
    .label = Konfiguration
    .info = Nur wenn der Datensatz mehrere hat.
data-hub-import = Herunterladen und importieren
data-mix-tab = Mischen
data-mix-parts =
    .label = Zu mischende Datensätze
    .info = Zwei oder mehr derselben Art.
data-mix-weights =
    .label = Gewichte in derselben Reihenfolge
    .info = 1 nimmt jede Zeile einmal, 0.5 die Hälfte der Zeilen, 2 jede Zeile zweimal. Wenn leer: überall 1.
    .placeholder = 1, 0.5
data-mix-import = Mischen
data-mix-option = { $name } · { $rows } Zeilen · v{ $version }

# --- laufende Arbeit und ihr Ende
data-working = In Arbeit: { $what }
data-starting = Wird gestartet
data-progress = { $share } % · { $rows ->
    [one] 1 Zeile
   *[other] { $rows } Zeilen
}
data-progress-left = noch etwa { $time }
data-cancel = Abbrechen
data-cancelled = Abgebrochen. Nichts wurde hinzugefügt; die Datensätze sind unverändert.
data-failed = Der Import ist fehlgeschlagen
data-failed-version = Es wurde keine neue Version angelegt
data-kept = Nichts wurde hinzugefügt; die Datensätze sind unverändert.
data-imported = { $name } ist importiert: { $rows ->
    [one] 1 Zeile
   *[other] { $rows } Zeilen
}.
data-saved = Als Version { $version } gespeichert.
data-deleted = { $name } ist gelöscht.

# --- Kopf eines Datensatzes
data-split = { $training } Trainings- / { $validation } Validierungszeilen
data-split-none = { $training ->
    [one] 1 Trainingszeile, keine Validierungszeilen
   *[other] { $training } Trainingszeilen, keine Validierungszeilen
}
data-no-validation = Ohne Validierungszeilen ist nicht erkennbar, ob das Modell etwas gelernt oder die Zeilen nur auswendig gelernt hat. Der Validierungsanteil steht unter „Spalten“.
data-left-out = { $n ->
    [one] 1 von { $of } Zeilen wurde ausgelassen.
   *[other] { $n } von { $of } Zeilen wurden ausgelassen.
}
data-left-out-empty = { $n ->
    [one] 1 von { $of } Zeilen wurde ausgelassen, weil ein nötiges Feld leer ist.
   *[other] { $n } von { $of } Zeilen wurden ausgelassen, weil ein nötiges Feld leer ist.
}
data-left-out-some = { $n } von { $of } Zeilen wurden ausgelassen, { $empty ->
    [one] 1 davon, weil ein nötiges Feld leer ist.
   *[other] { $empty } davon, weil ein nötiges Feld leer ist.
}
data-made-drop = Aus Version { $version }: { $dropped ->
    [one] 1 Zeile entfernt.
   *[other] { $dropped } Zeilen entfernt.
}
data-made-keep-first = Aus Version { $version }: { $dropped ->
    [one] 1 wiederholte Zeile entfernt.
   *[other] { $dropped } wiederholte Zeilen entfernt.
}
data-made-move-to-train = Aus Version { $version }: { $moved ->
    [one] 1 Zeile zu den Trainingszeilen verschoben.
   *[other] { $moved } Zeilen zu den Trainingszeilen verschoben.
}
data-made-mask = Aus Version { $version }: { $changed ->
    [one] 1 Zeile maskiert.
   *[other] { $changed } Zeilen maskiert.
}
data-made-mend = Aus Version { $version }: Zeichenkodierung von { $changed ->
    [one] 1 Zeile korrigiert.
   *[other] { $changed } Zeilen korrigiert.
}
data-made-clean = Aus Version { $version }: { $changed ->
    [one] 1 Zeile bereinigt.
   *[other] { $changed } Zeilen bereinigt.
}
data-made-strip-html = Aus Version { $version }: Markup aus { $changed ->
    [one] 1 Zeile entfernt.
   *[other] { $changed } Zeilen entfernt.
}
data-made-trim = Aus Version { $version }: Anfang von { $changed ->
    [one] 1 Zeile entfernt.
   *[other] { $changed } Zeilen entfernt.
}
data-made-unify = Aus Version { $version }: Schreibweise von { $changed ->
    [one] 1 Label vereinheitlicht.
   *[other] { $changed } Labels vereinheitlicht.
}
data-made-labels = Aus Version { $version }: { $judgments ->
    [one] 1 Urteil aus { $project }.
   *[other] { $judgments } Urteile aus { $project }.
}
data-made-edit = Aus Version { $version }: { $changed ->
    [one] 1 Zeile bearbeitet
   *[other] { $changed } Zeilen bearbeitet
} und { $dropped } von Hand entfernt.
data-use = Damit trainieren

# --- Reiter
data-tab-rows = Zeilen
data-tab-quality = Qualität
data-tab-quality-n = Qualität ({ $n })
data-tab-columns = Spalten
data-tab-tokens = Token-Vorschau
data-tab-versions = Versionen
data-tab-more = Mehr

# --- Zeilen
data-which =
    .label = Angezeigte Zeilen
    .info = Mit Validierungszeilen wird nie trainiert; an ihnen wird gemessen, wie gut das Modell ist.
data-which-all = Alle
data-which-train = Training
data-which-held = Validierung
data-row = Zeile { $n }
data-row-validation = Zeile { $n } · Validierung
data-no-rows = Keine Zeilen.
data-range = { $first } bis { $last } von { $total }
data-previous = Zurück
data-next = Weiter
data-edit = Zeile bearbeiten oder entfernen
data-edit-row =
    .label = Zeile
    .info = Ihre Nummer in der Liste.
data-edit-load = Zeile laden
data-edit-value = Die Zeile als JSON
data-edit-save = Als neue Version speichern
data-edit-remove = Zeile entfernen

# --- Qualität
data-quality-wait = Die Zeilen werden auf Duplikate, Überschneidungen, personenbezogene Daten und Labels geprüft.
data-quality-progress = Prüfung läuft: { $share } %
data-quality-none = Es wurde nichts gefunden.
data-quality-warnings = Warnungen
data-quality-remarks = Gut zu wissen
data-finding-rows = Zeilen { $rows }
data-finding-more = Zeilen { $rows } und weitere
data-lengths = Länge in Zeichen
data-labels = Labels
data-problems = Probleme: ausgelassene Zeilen
data-problems-first = Die ersten { $shown } von { $total }:
data-problem-row = Zeile
data-problem-what = Problem
data-problem-remedy = Abhilfe
data-fix-drop = Diese Zeilen entfernen
data-fix-removes = { $word } (entfernt { $shown } von { $rows } Zeilen)
data-fix-keep-first = Nur die jeweils erste behalten
data-fix-move-to-train = Zu den Trainingszeilen verschieben
data-fix-mask = Durch Platzhalter ersetzen
data-fix-mend = Zeichenkodierung korrigieren
data-fix-clean = Diese Zeichen entfernen
data-fix-strip-html = Markup entfernen
data-fix-trim = Diesen Anfang entfernen
data-fix-unify = Schreibweise vereinheitlichen

# --- Spalten
data-columns-read = So wurde die Datei gelesen
data-columns-none = Dieser Datensatz hat keine eigene Datei, die neu gelesen werden könnte: Er ist eine Mischung oder stammt aus Urteilen.
data-columns-intro = Das erkannte Format und die Spalten sind eingetragen. Eine Änderung erzeugt eine neue Version. Ein Feld kann mehrere Spalten verbinden oder eine kleine Vorlage wie { $example } enthalten.
data-kind =
    .label = Art der Daten
    .info = Was eine Zeile ist.
data-role-messages =
    .label = Nachrichten
    .info = Die Spalte mit dem ganzen Gespräch, Beitrag für Beitrag.
data-role-system =
    .label = System-Prompt
    .info = Anweisungen vor dem Beginn des Gesprächs.
data-role-prompt =
    .label = Prompt
    .info = Was gefragt wird; mehrere Spalten werden durch eine Leerzeile verbunden.
data-role-answer =
    .label = Antwort
    .info = Was das Modell antworten soll.
data-role-history =
    .label = Verlauf
    .info = Frühere Fragen und Antworten desselben Gesprächs.
data-role-text =
    .label = Text
    .info = Der Text, mit dem trainiert oder der klassifiziert wird.
data-role-label =
    .label = Label
    .info = Label, Zahl oder Urteil zum Text oder zur Antwort.
data-role-chosen =
    .label = Chosen
    .info = Die bessere von zwei Antworten.
data-role-rejected =
    .label = Rejected
    .info = Die schlechtere von zwei Antworten.
data-role-rating =
    .label = Bewertung
    .info = Eine Zahl von 1 (schlecht) bis 5 (gut) für die Antwort.
data-role-source =
    .label = Eingabe
    .info = Der Eingabetext, etwa der zu übersetzende Satz.
data-role-target =
    .label = Ausgabe
    .info = Der Ausgabetext, etwa die Übersetzung.
data-role-context =
    .label = Kontext
    .info = Die Textstelle, die die Antwort enthält.
data-role-question =
    .label = Frage
    .info = Die Frage zur Textstelle.
data-role-answers =
    .label = Antworten
    .info = Die Antwort, wörtlich aus der Textstelle; bei Paaren alle zu vergleichenden Antworten.
data-role-choices =
    .label = Auswahlmöglichkeiten
    .info = Die möglichen Antworten: eine Spalte mit einer Liste oder eine Spalte je Möglichkeit.
data-role-tools =
    .label = Tools
    .info = Die Tools (Funktionen), die das Modell aufrufen darf, als Liste von Schemas.
data-role-tokens =
    .label = Tokens
    .info = Die Liste der Wörter.
data-role-tags =
    .label = Tags
    .info = Die Liste der Tags, einer je Wort.
data-system =
    .label = System-Prompt für alle Zeilen
    .info = Steht vor jedem Gespräch ohne eigenen System-Prompt; der Chat mit dem trainierten Modell verwendet ihn ebenfalls.
data-share =
    .label = Validierungsanteil (%)
    .info = Mindestens 20 und höchstens 1.000 Zeilen, sofern genug da sind; Zeilen mit derselben Frage bleiben zusammen.
data-seed =
    .label = Seed
    .info = Eine andere Zahl wählt andere Validierungszeilen.
data-encoding =
    .label = Zeichenkodierung
    .info = Bei falsch dargestellten Buchstaben eine andere wählen. Parquet-Dateien und Arbeitsmappen haben keine.
data-encoding-same = Wie gelesen
data-columns-undone = Eine neue Version von hier liest die Datei erneut und enthält nicht: { $made } Diese Korrekturen unter Qualität erneut anwenden.
data-apply = Als neue Version speichern

# --- Token-Vorschau
data-tokens-model =
    .label = Modell
    .info = Jedes Modell zerlegt Text anders in Tokens.
data-tokens-starter = Startmodell
data-tokens-limit =
    .label = Maximale Länge (Tokens)
    .info = Längere Zeilen werden gekürzt.
data-tokens-at =
    .label = Ab Zeile
    .info = Gezählt in dieser Version.
data-tokens-show = Tokens anzeigen
data-tokens-intro = Womit das Modell trainiert wird: Markierte Tokens werden trainiert, die übrigen nur gelesen.
data-tokens-drop = { $n ->
    [one] 1 Zeile ohne trainierte Tokens entfernen
   *[other] { $n } Zeilen ohne trainierte Tokens entfernen
}
data-tokens-loading = Tokenizer wird geladen
data-tokens-counting = Tokens aller Zeilen werden gezählt: { $share } %
data-tokens-refused = { $n ->
    [one] 1 Zeile ist nicht verwendbar: { $why }.
   *[other] { $n } Zeilen sind nicht verwendbar: { $why }.
}
data-tokens-problem = Diese Zeile ist nicht verwendbar: { $why }.
data-tokens-none = Diese Zeile gibt es nicht.
data-tokens-as-classification = Als Chat dargestellt. Mit einem Klassifikationskopf (siehe Training) wird der Text gelesen und nur das Label trainiert.
data-tokens-as-regression = Als Chat dargestellt. Mit einem Regressionskopf (siehe Training) wird der Text gelesen und nur die Zahl trainiert.
data-tokens-as-qa = Als Chat dargestellt. Mit einem QA-Kopf (siehe Training) wird der Text gelesen und nur die Position der Antwort trainiert.
data-tokens-as-seq2seq = Als Chat dargestellt. Ein Encoder-Decoder liest die Eingabe und wird auf die Ausgabe trainiert.
data-tokens-total = { $tokens } Tokens in { $rows } Zeilen, { $trained } davon trainiert ({ $share } %); im Mittel { $mean } je Zeile, { $longest } in der längsten.
data-tokens-whole = Keine Zeile ist länger als { $limit } Tokens: Nichts wird gekürzt.
data-tokens-cut = { $rows ->
    [one] 1 Zeile ist länger als { $limit } Tokens und wird gekürzt
   *[other] { $rows } Zeilen sind länger als { $limit } Tokens und werden gekürzt
}: { $lost } Tokens gehen verloren, { $trained } davon trainiert.
data-tokens-padding = { $share } % der Berechnung sind Padding bei einem Micro-Batch von { $batch } ohne Packing.
data-tokens-untrained = { $n ->
    [one] 1 Zeile hat bei dieser Länge kein trainiertes Token.
   *[other] { $n } Zeilen haben bei dieser Länge kein trainiertes Token.
}
data-tokens-chart = Zeilen nach Länge in Tokens
data-tokens-bar = { $low } bis { $high } Tokens: { $n } Zeilen
data-tokens-axis = { $n } Tokens
data-tokens-row = Zeile { $n } · { $tokens } Tokens, { $trained } trainiert
data-tokens-row-validation = Zeile { $n } · Validierung · { $tokens } Tokens, { $trained } trainiert
data-tokens-cut-here = hier durch die maximale Länge gekürzt
data-tokens-token = Token { $id }
data-tokens-more = { $n } weitere Tokens

# --- Versionen
data-versions-version = Version
data-versions-rows = Zeilen
data-versions-validation = Validierung
data-versions-made = Entstanden durch
data-versions-when = Erstellt (UTC)
data-versions-open = Öffnen
data-versions-current = Angezeigt
data-compare =
    .label = Vergleichen mit
    .info = Eine andere Version dieses Datensatzes.
data-compare-option = v{ $version } · { $rows } Zeilen
data-export = Zeilen exportieren (JSONL)
data-export-writing = Zeile { $n } von { $total } wird geschrieben
data-export-done = { $n ->
    [one] 1 Zeile ist geschrieben.
   *[other] { $n } Zeilen sind geschrieben.
}
data-download = Herunterladen
data-diff-gone = { $n ->
    [one] 1 Zeile entfernt
   *[other] { $n } Zeilen entfernt
}
data-diff-new = { $n ->
    [one] 1 Zeile hinzugefügt
   *[other] { $n } Zeilen hinzugefügt
}
data-diff-changed = { $n ->
    [one] 1 Zeile geändert
   *[other] { $n } Zeilen geändert
}
data-diff-moved = { $n ->
    [one] 1 Zeile zwischen Training und Validierung verschoben
   *[other] { $n } Zeilen zwischen Training und Validierung verschoben
}
data-diff-is-gone = entfernt
data-diff-is-new = hinzugefügt
data-diff-is-changed = geändert
data-diff-is-moved = verschoben
data-diff-none = keine Zeile unterscheidet sich
data-diff = Von v{ $old } zu v{ $new }: { $changes }; { $same ->
    [one] 1 Zeile ist gleich.
   *[other] { $same } Zeilen sind gleich.
}
data-diff-part = Nur die ersten { $n } Zeilen jeder Version wurden verglichen.
data-diff-absent = nicht vorhanden

# --- Mehr
data-delete-intro = Löscht diesen Datensatz mit allen Versionen aus dem Arbeitsbereich. Die importierte Datei bleibt, wo sie war. Das lässt sich nicht rückgängig machen.
data-delete-sure =
    .label = Alle Versionen löschen
data-delete = Datensatz löschen
data-delete-confirm = Zuerst das Kästchen ankreuzen.
