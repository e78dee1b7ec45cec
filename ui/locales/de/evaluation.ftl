# Der Reiter Evaluation eines Laufs
evaluation-against =
    .label = Vergleichen mit
    .info = Woran die Antworten gemessen werden.
evaluation-base = Basismodell (vor dem Training)
evaluation-base-head = Basismodell
evaluation-base-short = das Basismodell
evaluation-interval = { $low } bis { $high }
evaluation-rows =
    .label = Zeilen
    .info = Höchstens so viele Validierungszeilen.
evaluation-start = Evaluieren
evaluation-cancel = Abbrechen
evaluation-cancelled = Abgebrochen. Nichts wurde geändert.
evaluation-loading = Das Modell wird geladen
evaluation-working = { $done } von { $total } Antworten
evaluation-left = noch etwa { $time }
evaluation-empty = Beide Modelle beantworten die Validierungszeilen. Die Auswertung zeigt, was besser ist, was schlechter, und was auch Zufall sein kann.
evaluation-later = Eine Auswertung ist möglich, sobald dieser Lauf ein Modell hat.
evaluation-validation = { $n ->
    [one] 1 von { $available } Validierungszeilen von { $data }. Kleine Zahlen: 95-%-Intervalle.
   *[other] { $shown } von { $available } Validierungszeilen von { $data }. Kleine Zahlen: 95-%-Intervalle.
}
evaluation-all = { $n ->
    [one] 1 von { $available } Zeilen von { $data }, das keine Validierungszeilen hat. Kleine Zahlen: 95-%-Intervalle.
   *[other] { $shown } von { $available } Zeilen von { $data }, das keine Validierungszeilen hat. Kleine Zahlen: 95-%-Intervalle.
}
evaluation-left-out = { $n ->
    [one] 1 Zeile konnte nicht ausgewertet werden.
   *[other] { $shown } Zeilen konnten nicht ausgewertet werden.
}
evaluation-better = Besser
evaluation-worse = Schlechter
evaluation-same = Kein Unterschied
evaluation-no-difference = Kein Unterschied
evaluation-better-than = als { $against }: { $metrics }
evaluation-worse-than = als { $against }: { $metrics }
evaluation-same-as = zu { $against }, den diese Zeilen zeigen könnten
evaluation-few = Weniger als { $n } Zeilen: nur große Unterschiede sind sichtbar.
evaluation-prompted = Basismodell mit { $n } Beispielen
evaluation-prompt-enough = Das Basismodell mit { $n } Beispielen im Prompt ist genauso gut: das Training war vielleicht nicht nötig.
evaluation-prompt-better = Das Basismodell mit { $n } Beispielen im Prompt schneidet besser ab: Dieses Training war nicht nötig.
evaluation-prompt-worse = Das Basismodell mit { $n } Beispielen im Prompt, ohne Training, erreicht das nicht.
evaluation-judge-about = Ein Modell vergleicht je zwei Antworten und wird in beiden Reihenfolgen gefragt. Mit einer Adresse werden Fragen und Antworten dorthin geschickt.
evaluation-judge-model =
    .info = Ein Modell oder Lauf dieses Computers; mit einer Adresse der Name des Modells dort. Leer lassen für keine.
evaluation-rubric =
    .label = Was eine Antwort besser macht
evaluation-judge-finds = Die KI-Bewertung durch { $judge } findet die Antworten in { $better } von { $n } Zeilen besser als die von { $against }, in { $worse } schlechter, in { $ties } gleich gut.
evaluation-judge-gone = Keine KI-Bewertung
evaluation-judge-chance = Das kann Zufall sein.
evaluation-judge-silent = Die KI-Bewertung durch { $judge } ergab kein lesbares Urteil: { $n } Antworten ohne Zahl.
evaluation-judge-agrees = Sie stimmt bei { $n } von { $of } Paaren, die beide in Label bewertet haben, mit Menschen überein.
evaluation-judge-unknown = Wie weit sie mit Menschen übereinstimmt, ist nicht bekannt: Lassen Sie dieses Modell in Label Paare bewerten, die auch Menschen bewerten.
evaluation-forgot = Vergessen
evaluation-general-forgotten = Von { $n } allgemeinen Fragen beantwortet er { $right } richtig, { $against } { $before }.
evaluation-general-kept = Nichts vergessen, was allgemeine Fragen zeigen könnten: Von { $n } beantwortet er { $right } richtig, { $against } { $before }.
evaluation-general-chance = Allgemeine Fragen zeigen hier nichts: Von { $n } beantwortet { $against } selbst { $before } richtig, was auch Raten täte.
evaluation-lost = { $n ->
    [one] 1 allgemeine Frage wird jetzt falsch beantwortet
   *[other] { $n } allgemeine Fragen werden jetzt falsch beantwortet
}{ $gained ->
    [0] {""}
   *[other] , { $gained } richtig, die vorher falsch waren
}
evaluation-instead = Richtig: { $reference } Jetzt wahrscheinlicher: { $answer }
evaluation-metric = Metrik
evaluation-difference = Unterschied
evaluation-changed = Zeilen, die sich am meisten geändert haben
    .info = Markiert: was die Referenzantwort nicht enthält.
evaluation-reference = Referenz
evaluation-row = Zeile { $row } des Datensatzes
evaluation-nothing = keine Antwort
metric-chrf = chrF
metric-rouge-l = ROUGE-L
metric-exact-match = Exakte Treffer
metric-loss = Loss
metric-perplexity = Perplexität
metric-accuracy = Genauigkeit
metric-f1 = F1
metric-precision = Precision
metric-recall = Recall
metric-mae = Mittlerer absoluter Fehler
metric-pearson = Korrelation (Pearson)
metric-margin = Abstand (Margin)
benchmarks-title = Öffentliche Benchmarks
benchmarks-task = Aufgabe
benchmarks-questions = { $n ->
    [one] 1 Frage
   *[other] { $n } Fragen
}
