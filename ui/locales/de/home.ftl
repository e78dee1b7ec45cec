# Die Startseite und die Leiste über jeder Seite.
home =
    .title = Ein Sprachmodell mit eigenen Daten trainieren
    .lead = Von einer Tabelle mit Fragen und Antworten zum eigenen Modell. Alles bleibt auf diesem Computer.
home-guest =
    .title = Ein Sprachmodell trainieren
    .lead = Diese öffentliche Seite arbeitet mit den Beispieldaten und dem Startmodell. Beim Verlassen oder Neuladen der Seite wird alles gelöscht. Für eigene Daten lässt sich Tunesmith auf dem eigenen Computer ausführen.
home-own = Mit eigenen Daten trainieren
home-samples = Beispieldaten ansehen
home-demo =
    .label = 1-Minuten-Demo starten
    .info = Die Demo trainiert das mitgelieferte Startmodell mit vier Millionen Parametern darauf, wie ein Pirat zu antworten. Sie braucht kein Netz.
home-demo-starting = Die Demo startet …
home-demo-started = Die Demo läuft; ihr Fortschritt steht unter Läufe. Danach öffnet sich ein Chat.
home-torch-cpu = Dieser Computer hat eine NVIDIA-Karte, aber das installierte torch kann nur die CPU nutzen. Dieser Befehl installiert das passende: { $command }
home-recent = Letzte Läufe
home-loss = Validierungsverlust { $shown }
home-chat = Chat
home-export = Export

home-machine-title = Was dieser Computer trainieren kann
home-machine = Modelle mit bis zu { $size } Parametern mit { $method }.
home-machine-full = Mit vollständigem Fine-Tuning bis zu { $size }.
home-machine-recommended = Für den Anfang empfohlen: { $model }.
home-machine-starter = Mit { $memory } Speicher kann dieser Computer das Startmodell trainieren.
home-machine-why = Warum
home-machine-method = Methode
home-machine-largest = Größtes Modell
home-machine-parameters = Parameter
home-machine-assumed = Berechnet für { $device } aus dem gesamten Speicher ({ $memory }) abzüglich einer Reserve für das System, mit den sparsamsten Einstellungen. Modelle, deren Training länger als einen Tag dauern würde, fehlen hier. Was gerade belegt ist, zählt nicht: Das prüft der Plan eines Laufs.
home-billion = { $shown } Milliarden
home-million = { $shown } Millionen

home-strip-free = { $free } von { $total } frei
home-strip-used = Belegter Speicher: { $share } %
home-strip-more = { $n ->
        [one] { $shown } weiterer Lauf
       *[other] { $shown } weitere Läufe
    }
home-left = noch { $time }
home-left-at-most = noch höchstens { $time }
home-left-estimating = Restzeit wird geschätzt
