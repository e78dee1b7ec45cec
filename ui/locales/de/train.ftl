train-steps-nav = Schritte
train-step-dataset = Datensatz
train-step-model = Modell
train-step-settings = Einstellungen
train-step-review = Überprüfen
train-next = Weiter: { $step }
train-summary = Zusammenfassung
train-start = Training starten
train-starting = Startet …
train-cancel = Abbrechen
train-error = Fehler
train-warning = Warnung
train-info = Hinweis

train-dataset = { $name } · { $n } Zeilen
train-dataset-version = { $said } · Version { $version }
train-about-data = { $n } Trainingszeilen, { $validation } Validierungszeilen, Art: { $kind }
train-look = Zeilen ansehen
train-import = Datensatz importieren
train-no-data = Datensatz für das Training auswählen. Importiert wird auf der Seite Daten.

train-model =
    .info = Auswählen, tippen, um im Hub zu suchen, oder den Pfad eines Ordners eingeben.
train-model-list = Modelle für diesen Computer
train-recommended = Empfohlen für diesen Computer:
train-choose-model = Dieses Modell wählen
train-download = { $model } herunterladen ({ $size })
train-stop-download = Download stoppen
train-downloading = Lädt herunter …
train-downloaded = { $model } ist jetzt auf diesem Computer.
train-download-ended = Der Download endete, bevor er vollständig war. Erneut starten: Er wird fortgesetzt.
train-size = Parameter
train-starter = Starter
train-languages = Sprachen: { $known }
train-languages-more = { $shown } und { $n } weitere
train-fits = Passt
train-fits-yes = Passt
train-fits-tight = Knapp
train-fits-no = Passt nicht
train-typical-time = Zeit für 500.000 Tokens
train-licence = Lizenz
train-where = Download
train-on-this-computer = auf diesem Computer
train-gated = Zugang beschränkt
train-token =
    .label = Zugangstoken
    .info = Für beschränkte und private Modelle. Bleibt bis zum Schließen der Seite im Arbeitsspeicher, geht nur an den Hub und wird nie auf die Festplatte geschrieben.
train-use-token = Token verwenden
train-token-used = Das Token wird ab jetzt verwendet.
train-token-forgotten = Es wird kein Token verwendet.

train-preset = Voreinstellung
train-auto = Auto
train-from-preset = Voreinstellung
train-yours = Eigene Wahl
train-template-own = Das des Modells
train-template-plain = Einfache Wörter
train-template-chatml = ChatML
train-template-alpaca = Alpaca
train-template-custom = Benutzerdefiniert (Jinja)
train-template-code = Chat-Template
train-template-intro = In Jinja wie die Chat-Templates des Hubs, mit messages, tools, add_generation_prompt und Sondertokens wie eos_token. Trainiert wird, was zwischen { "{% generation %}" } und { "{% endgeneration %}" } steht.
train-template-preview = Vorschau
train-template-marked = Markierter Text wird trainiert, der übrige nur gelesen.
train-template-sample = Eine Beispielunterhaltung, da kein Datensatz mit Unterhaltungen gewählt ist.
train-template-placeholders = Der Tokenizer des Modells ist noch nicht auf diesem Computer: Sondertokens sind Platzhalter.
train-none = aus
train-reset = Zurücksetzen
train-why = Was das bewirkt und warum es diesen Wert hat
train-unused = Nicht verwendet: { $why }
train-reset-all = Alle Einstellungen zurücksetzen
train-reset-preset = Zurücksetzen, was die Voreinstellung festlegt
train-own-presets = Eigene Voreinstellung speichern oder löschen
train-preset-name =
    .label = Name der Voreinstellung
    .info = Speichert die eigene Wahl zusätzlich zur ausgewählten Voreinstellung.
    .placeholder = zum Beispiel: lange Briefe
train-save-preset = Voreinstellung speichern
train-delete-preset = Ausgewählte Voreinstellung löschen
train-preset-saved = Als „{ $name }“ gespeichert und ausgewählt.
train-preset-deleted = Gelöscht.
train-which-method = Welche Methode ist die richtige?
train-goal =
    .label = Was trainiert wird
    .info = Ein Stil ist, wie das Modell etwas sagt; Wissen ist, was es sagt.
goal-manner = ein Stil, ein Format oder eine Aufgabe
goal-knowledge = neues Wissen oder eine neue Sprache
train-served =
    .label = Was verwendet wird
    .info = Kleine Adapter können sich ein Basismodell im Speicher teilen.
served-one = ein Ergebnis
served-many = viele Varianten eines Modells
train-use-method = Diese Methode verwenden
train-method-details = Stärken und Schwächen jeder Methode
train-changes = Was trainiert wird

train-memory = { $peak } Speicher im Höchstfall; { $free } von { $total } sind gerade frei
train-memory-parts = Speicher nach Bestandteilen
train-other-programs = andere Programme
train-fallbacks = Möglichkeiten, Speicher zu sparen, die günstigste zuerst:
train-no-fallback = Keine Einstellung würde genügen. Ein kleineres Modell wählen.
train-not-enough = noch immer zu viel
train-time = Dauer
train-steps = Schritte
train-steps-of = { $n } in { $number ->
    [one] { $epochs } Epoche
   *[other] { $epochs } Epochen
}
train-batch = Batch
train-batch-of = { $micro } × { $accumulation } × { $devices } = { $effective } (Micro-Batch × Akkumulation × Geräte)
train-rows = Zeilen
train-rows-of = { $n } Training, { $validation } Validierung
train-rows-left = { $n } von { $all } Training, { $validation } von { $all_validation } Validierung
train-parameters = Trainiert
train-parameters-of = { $n } von { $total } Parametern ({ $share })
train-evaluation = Evaluation
train-evaluation-of = { $evaluation ->
    [one] nach jedem Schritt
   *[other] alle { $evaluation } Schritte
}; ein Checkpoint ({ $size }) { $save ->
    [one] nach jedem Schritt
   *[other] alle { $save } Schritte
}; der beste bleibt erhalten
train-evaluation-none = keine: Die Daten haben keine Validierungszeilen; ein Checkpoint ({ $size }) { $save ->
    [one] nach jedem Schritt
   *[other] alle { $save } Schritte
}; der letzte bleibt erhalten
train-stopping = Early Stopping
train-stopping-of = { $n ->
    [one] nach 1 Evaluation ohne besseren Validierungs-Loss
   *[other] nach { $n } Evaluationen ohne besseren Validierungs-Loss
}
train-energy = etwa { $n } Wh
train-cost = { $low } bis { $high } { $currency }
train-question = Mit diesen verlorenen Zeilen startet das Training nicht: eine der Korrekturen wählen oder die Daten ändern.
train-question-accept = Mit diesen verlorenen Zeilen startet das Training nicht: eine der Korrekturen wählen oder ohne sie trainieren.
train-anyway =
    .label = Starten, obwohl es nicht passt
    .info = Die Schätzung kann falsch sein. Reicht der Speicher nicht, endet der Lauf und behält, was gespeichert wurde.
train-counting = Zählt die Tokens von { $rows } Zeilen: { $share }
train-counting-left = , noch { $time }
train-time-left = , noch { $time }
train-dry-run = Probelauf (zwei Schritte)
    .info = Der Speicherbedarf in der Übersicht ist geschätzt. Ein Probelauf macht zwei echte Schritte mit den längsten Zeilen, meist in weniger als einer Minute; gespeichert wird nichts.
train-measuring = Probelauf:
train-measured-more = Das sind { $share } mehr als geschätzt.
train-measured-less = Das sind { $share } weniger als geschätzt.
train-measured-held = Davon waren { $used } gleichzeitig in Gebrauch und { $held } reserviert.
train-measured-step = Ein Schritt mit solchen Zeilen dauert { $time }; die meisten Zeilen sind kürzer.
train-measured-of = Gemessen mit: { $method }, Micro-Batch { $micro }, höchstens { $length } Tokens, { $precision }.
train-other-cards = Dasselbe auf anderen GPUs, und die größten Modelle für diesen Computer
train-card = GPU
train-peak = Höchster Speicherbedarf
train-how = Wie
train-micro-batch = Micro-Batch { $n }
train-up-to-tokens = bis { $n } Tokens
train-largest = Die größten Modelle des Katalogs für { $device }, bei ganz freiem Speicher:

train-name =
    .label = Name des Laufs
    .placeholder = aus Datensatz und Modell
train-your-choices = Eigene Wahl
train-nothing-chosen = Jede Einstellung ist Auto oder aus der Voreinstellung.
train-setting = Einstellung
train-value = Wert
train-yaml = Als YAML
train-yaml-asked = Nur die eigene Wahl
train-yaml-resolved = Jede Einstellung aufgelöst
train-command = Als Befehl
train-yaml-unresolved = Wird aufgelöst, sobald nichts mehr falsch ist.
train-yaml-load = Einstellungen aus YAML laden
train-yaml-paste = YAML zum Laden
train-yaml-use = Diese Einstellungen verwenden
train-yaml-file = YAML-Datei hochladen
train-yaml-read = Die Einstellungen stehen jetzt im Formular.

# Sweeps
train-sweep = Mehrere Werte ausprobieren (Sweep)
train-sweep-values =
    .label = Werte zum Ausprobieren
    .info = Eine Einstellung je Zeile, ihre Werte durch Kommas getrennt. Jede Kombination ist ein Lauf, höchstens { $most }. Die Namen sind die der YAML-Datei.
train-sweep-halving =
    .label = Schwächere Hälfte früh beenden
    .info = Bei der 1., 2., 4., 8. … Auswertung geht ein Lauf nur weiter, wenn sein Validierungsverlust zur besseren Hälfte gehört. Braucht das Extra „sweeps“ (Optuna).
train-sweep-start = Sweep starten
train-sweep-planning = Wird geplant …

# On another computer
train-elsewhere = Auf einem anderen Computer trainieren (Colab, Kaggle)
train-elsewhere-about = Eine Datei mit den Zeilen, den Einstellungen und diesem Programm, und ein Notebook, das sie auf einer kostenlosen GPU trainiert. Das Ergebnis wird auf der Seite Läufe hinzugefügt. Die Zeilen verlassen diesen Computer, wenn Sie die Datei hochladen.
train-elsewhere-make = Bundle schreiben
train-elsewhere-zip = Bundle ({ $size })
train-elsewhere-notebook = Notebook
train-elsewhere-done = Beide herunterladen, das Notebook auf Colab oder Kaggle öffnen und seine Zellen ausführen.

# On Hugging Face's machines
train-jobs = Auf Rechnern von Hugging Face trainieren (Ihr Konto bezahlt)
train-jobs-about = Der Lauf trainiert auf einer GPU, die Sie minutenweise mieten, und erscheint hier wie jeder andere. Ihre Zeilen, die Einstellungen und dieses Programm kommen in ein privates Repository Ihres Kontos; es wird gelöscht, sobald das Ergebnis hier ist. Braucht ein Hugging-Face-Token, das Jobs starten darf (Einstellungen).
train-jobs-look = Hardware und Preise zeigen
train-jobs-flavor =
    .label = Hardware
train-jobs-offer = { $title } · { $memory } · { $price } $ je Stunde · etwa { $time }, { $cost } $
train-jobs-unfit =
    { $count ->
        [one] Eine Art von Hardware ist zu klein und steht nicht in der Liste: Der Lauf braucht dort { $needed }.
       *[other] { $count } Arten von Hardware sind zu klein und stehen nicht in der Liste: Der Lauf braucht etwa { $needed }.
    }
train-jobs-timeout =
    .label = Zeitgrenze (Minuten)
    .info = Dann wird der Job beendet, was immer er tut; was er gespeichert hat, bleibt, und der Lauf kann fortgesetzt werden.
train-jobs-agree = Ich bin einverstanden, bis zu { $price } $ von meinem Hugging-Face-Konto zu bezahlen.
train-jobs-start = Auf Hugging Face starten

# Where to run
train-place =
    .label = Wo trainiert wird
train-place-here = Dieser Computer
train-place-slurm = SLURM-Cluster
train-slurm =
    .label = Was von SLURM verlangt wird
    .info = Eines je Zeile: { $names }. time in Minuten, memory in GB. Der Knoten plant neu für seine eigene Hardware.
