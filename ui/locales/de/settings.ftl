# Die Seite Einstellungen.
settings-language =
    .label = Sprache
    .info = Meldungen der Trainings-Engine (Fehler, Warnungen, Begründungen) sind auf Englisch.
settings-machine = Dieser Computer
settings-check = Erneut prüfen
settings-complete = Es fehlt nichts.
settings-device-id = Gerät
settings-device-name = Name
settings-device-free = Frei
settings-device-memory = Speicher
settings-device-speed = Spitzendurchsatz
settings-not-measured = noch nicht gemessen
settings-throughput = { $fp32 } TFLOP/s in fp32, { $bf16 } in bf16, Speicher { $memory } GB/s, gemessen { $when }
settings-hub = Hugging Face Hub
settings-token =
    .label = Zugriffstoken
    .info = Für zugangsbeschränkte und private Modelle. Bleibt im Arbeitsspeicher, bis Tunesmith geschlossen wird, geht nur an den Hub und wird nie auf die Festplatte geschrieben.
settings-token-use = Token verwenden
settings-token-forget = Token vergessen
settings-token-used = Das Token wird verwendet, auch für Downloads, die jetzt beginnen.
settings-token-forgotten = Es ist kein Token gespeichert.
settings-outside = Was diesen Computer verlässt
settings-connection-to = Verbindung zu
settings-connection-when = Wann
settings-connection-sends = Was gesendet wird
settings-versions = Versionen
settings-library = Bibliothek
settings-version = Version
settings-workspace = Arbeitsordner
settings-workspace-what = Datensätze, Läufe, Chats und Exporte liegen in diesem Ordner:
settings-workspace-free = ({ $shown } frei)
settings-owner = Für die Betreiber
settings-public = Diese Seite ist öffentlich. Alle arbeiten getrennt voneinander mit den Beispieldaten und dem Startmodell; am Ende des Besuchs wird alles gelöscht.
settings-password =
    .label = Passwort
    .info = Erlaubt für diesen Besuch eigene Daten und andere Modelle.
settings-unlock = Freischalten
settings-unlocked = Freigeschaltet: Eigene Daten und Modelle sind während dieses Besuchs erlaubt.
settings-wrong-password = Das ist nicht das Passwort.

# Notices
settings-notices = Benachrichtigungen
settings-notices-browser =
    .label = In diesem Browser melden, wenn ein Lauf endet oder in Schwierigkeiten ist
    .info = Solange ein Tab von Tunesmith offen ist. Der Browser fragt um Erlaubnis.
settings-webhook =
    .label = Webhook
    .info = Eine Adresse, der das Ende eines Laufs gemeldet wird: Slack, Discord oder eine eigene. Sie bleibt im Arbeitsbereich und wird nicht wieder gezeigt.
settings-webhook-private =
    .label = Sie liegt in einem privaten Netz
    .info = Adressen dieses Computers und privater Netze werden sonst abgelehnt.
settings-webhook-save = Speichern
settings-webhook-test = Testen
settings-webhook-off = Entfernen
settings-webhook-none = Kein Webhook gesetzt.
settings-webhook-on = { $host } erfährt, wenn ein Lauf endet.
settings-webhook-hello = Dies ist ein Test von Tunesmith.
settings-webhook-tested = { $host } hat den Test angenommen.

# Cleaning up
settings-clean = Aufräumen
settings-clean-what = Checkpoints abgeschlossener Läufe und Reste unterbrochener Arbeit. Modelle, Datensätze, Exporte und alles, was ein anderer Lauf braucht, bleiben.
settings-clean-look = Zeigen, was gehen kann
settings-clean-found = Was gehen kann
settings-clean-free = Platz freigeben
settings-clean-nothing = Nichts aufzuräumen.
settings-clean-freed = { $size } wurden frei.
settings-clean-checkpoints = { $n ->
    [one] 1 Checkpoint von { $name }
   *[other] { $n } Checkpoints von { $name }
    }
settings-clean-leftovers = Reste unterbrochener Arbeit
