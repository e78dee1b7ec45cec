runs-state-queued = Wartet
runs-state-preparing = Bereitet vor
runs-state-running = Läuft
runs-state-stopping = Stoppt
runs-state-finished = Abgeschlossen
runs-state-stopped = Gestoppt
runs-state-failed = Fehlgeschlagen
runs-state-interrupted = Unterbrochen
runs-step = Schritt { $step } von { $steps } ({ $share }), Epoche { $epoch }
runs-elapsed = bisher { $time }
runs-loss-lower = Validierungs-Loss: { $before } vor dem Training, { $after } im besten Fall, { $share } niedriger.
runs-loss-higher = Validierungs-Loss: { $before } vor dem Training, { $after } im besten Fall, { $share } höher.
runs-loss-same = Validierungs-Loss: { $before } vor dem Training, { $after } im besten Fall: unverändert.
runs-loss-rose = Bis zum Ende stieg er wieder auf { $last }: Weniger Schritte oder eine kleinere Lernrate genügen. Gespeichert ist das Modell vom besten Schritt.
runs-loss-means = Er sagt, wie gut das Modell die Validierungsantworten vorhersagt, nicht, wie gut seine eigenen Antworten sind: einige im Chat ausprobieren.
runs-metric = { $name } { $after }
runs-metric-before = { $name } { $after } (vorher { $before })
runs-evaluated-better = Auswertung: nachweislich besser als { $against } bei { $rows } Zeilen.
runs-evaluated-same = Auswertung: kein klarer Unterschied zu { $against } bei { $rows } Zeilen.
runs-evaluated-worse = Auswertung: nachweislich schlechter als { $against } bei { $rows } Zeilen.
runs-evaluated-prompt = Das Basismodell mit Beispielen im Prompt ist ebenso gut.
runs-evaluation = Auswertung
runs-evaluation-rows = Zeilen der Auswertung
runs-memory = Höchster Speicherbedarf { $peak }; geschätzt waren { $estimate }.
runs-note-bad = Problem
runs-note-warning = Warnung
runs-note-quiet = Hinweis
runs-kept-awake = Der Computer bleibt wach, bis dieser Lauf endet.
runs-warning-step = Schritt { $step }
runs-empty = Hier erscheinen die Läufe: jedes Training mit Diagrammen, Einstellungen und Log.
runs-begin = Ein Training starten
runs-stop = Stoppen und speichern
runs-resume = Fortsetzen
runs-chat = Chat
runs-duplicate = Duplizieren
runs-numbers = Metriken, Schritt für Schritt
runs-show-numbers = Bisherige Metriken zeigen
runs-about = Name, Notizen, Löschen
runs-name =
    .label = Name
    .info = Erscheint überall; der Ordner behält seinen eigenen Namen.
runs-notes =
    .label = Notizen
    .info = Was versucht wurde und warum.
runs-save = Name und Notizen speichern
runs-sure =
    .label = Ja, diesen Lauf mit Checkpoints und Modell löschen
    .info = Das lässt sich nicht rückgängig machen.
runs-delete = Diesen Lauf löschen
runs-all = Alle Läufe
runs-differs = Einstellung
runs-best-loss = Bester Validierungs-Loss
runs-head-name = Name
runs-head-state = Zustand
runs-head-data = Datensatz
runs-head-model = Modell
runs-head-method = Methode
runs-head-loss = Validierungs-Loss
runs-head-time = Dauer
runs-head-started = Gestartet
runs-head-setting = Einstellung
runs-head-value = Wert
runs-head-by = Gewählt von
runs-head-reason = Grund
runs-stopping = Der Lauf speichert beim nächsten Schritt und stoppt dann.
runs-resumed = { $name } wird ab dem letzten Checkpoint fortgesetzt.
runs-saved = Gespeichert.
runs-deleted = Gelöscht.
runs-not-sure = Bitte zuerst das Kästchen ankreuzen.
runs-name-empty = Ein Lauf braucht einen Namen; der alte bleibt.
runs-log-empty = Das Log ist noch leer.
runs-took = Dauer { $time }
runs-no-validation = Die Daten haben keine Validierungszeilen: Der Validierungs-Loss wird nicht gemessen, und der letzte Schritt wird behalten.
runs-not-measured = Der Validierungs-Loss erscheint hier nach der ersten Auswertung.
runs-export = Exportieren
runs-tab-overview = Übersicht
runs-tab-evaluation = Evaluation
runs-tab-samples = Proben
runs-tab-checkpoints = Checkpoints
runs-in-trouble = in Schwierigkeiten
runs-further = Weiter trainieren
runs-metrics-files = Metriken aller Diagramme als Datei
runs-tab-charts = Diagramme
runs-tab-config = Konfiguration
runs-tab-log = Log
runs-table = Alle Läufe
runs-query =
    .label = Suche
    .placeholder = Name, Datensatz, Modell, Methode, Zustand oder Notizen
runs-none-found = Kein Lauf enthält „{ $query }“ in Name, Datensatz, Modell, Methode, Zustand oder Notizen.
runs-pick = Auswahl
runs-pick-one = { $name } auswählen
runs-tick-hint = Zum Vergleichen zwei oder mehr Läufe auswählen.
runs-ticked = { $n ->
    [one] 1 Lauf ausgewählt. Zum Vergleichen einen weiteren auswählen.
   *[other] { $n } Läufe ausgewählt.
    }
runs-too-many = { $n } Läufe ausgewählt; höchstens { $most } lassen sich auf einmal vergleichen.
runs-shown = { $first }–{ $last } von { $total }
runs-previous = Zurück
runs-next = Weiter
runs-compare = Vergleichen
runs-blind = Blindtest A/B
runs-differences = Unterschiede
runs-other =
    .label = Mit einem anderen Lauf vergleichen
    .info = Zeigt die Einstellungen, in denen sie sich unterscheiden. Die neuesten 200 stehen zur Wahl; jede andere ID kann eingegeben werden.
runs-choose-two = Zwei oder mehr wählen.

# Vergleich: Antworten nebeneinander
answers-title = Antworten nebeneinander
answers-questions =
    .label = Fragen
    .info = Eine je Zeile. Ohne eigene werden { $n } Fragen der Validierungszeilen gestellt.
answers-base =
    .label = Auch das Basismodell
    .info = Womit der erste Lauf begann. Höchstens { $most } Modelle insgesamt.
answers-base-name = { $name }: Basismodell
answers-ask = Alle fragen
answers-coming = noch nicht beantwortet
answers-model = Modell
answers-speed = Tokens/s
answers-first = Erstes Token (s)
answers-cut = Bei 256 Tokens abgeschnitten
answers-csv = Als CSV herunterladen
answers-cancelled = Abgebrochen. Die bisherigen Antworten bleiben.

# the queue
runs-queue = Warteschlange
runs-queue-device = { $device }: { $held } von { $total } von Aufgaben belegt
runs-queue-more = { $n ->
    [one] Ein weiterer Lauf wartet.
   *[other] { $n } weitere Läufe warten.
    }
runs-queue-running = Arbeitet
runs-queue-waiting = Wartet
runs-queue-held = Angehalten
runs-queue-next = Als Nächster
runs-queue-up = Nach vorn
runs-queue-down = Nach hinten
runs-queue-hold = Anhalten
runs-queue-release = Freigeben
runs-queue-cancel = Abbrechen

# samples
samples-about = Was das Modell auf einige Prompts antwortet, vor dem ersten Schritt und bei jeder Auswertung. Antworten haben höchstens 64 Tokens. Was sich geändert hat, ist markiert.
samples-none = Noch keine Probe. Ein Modell, das Text schreibt, beantwortet einige Prompts vor dem ersten Schritt und bei jeder Auswertung.
samples-before = Vor dem Training
samples-step = Schritt { $step }
samples-best = Behalten
samples-cut = Nach 64 Tokens abgeschnitten
samples-strip = Antworten nach Schritt
samples-own = Eigene Prompts
samples-prompts =
    .label = Prompts
    .info = Einer je Zeile, höchstens { $most }, gefragt ab der nächsten Auswertung. Leer: die ersten Validierungszeilen.
samples-save = Prompts speichern
samples-kept = { $n ->
    [one] Der Prompt wird ab der nächsten Auswertung gestellt.
   *[other] { $n } Prompts werden ab der nächsten Auswertung gestellt.
    }
samples-rows-again = Die ersten Validierungszeilen werden wieder gefragt.
samples-kept-ended = Gespeichert. Dieser Lauf ist beendet: Sie werden gestellt, wenn er fortgesetzt wird.

# checkpoints
checkpoints-none = Noch kein Checkpoint. Der Stand des Trainings wird hier bei jeder Auswertung gespeichert; der neueste und der beste bleiben.
checkpoints-about = Der beste Checkpoint und die neuesten bleiben ({ $kept } insgesamt: die Einstellung keep_checkpoints). Einer, der ein eigener Lauf wird, kann wie jeder Lauf verwendet werden und bleibt, wenn der Checkpoint gelöscht wird.
checkpoints-step = Schritt
checkpoints-size = Größe
checkpoints-make = Als eigenen Lauf anlegen
checkpoints-made = { $name } ist nun ein eigener Lauf.
checkpoints-open = Öffnen
checkpoints-compare = Mit dem Lauf vergleichen

# from another computer
runs-take-in = Lauf von einem anderen Computer hinzufügen
runs-take-in-about = Die Ergebnisdatei eines Notebooks (result.tunesmith.zip) oder ein Lauf, der mit `tunesmith pack` gepackt wurde.
runs-take-in-file = Datei wählen
runs-taken-in = { $name } ist nun hier.
