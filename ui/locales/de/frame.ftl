page-home = Start
page-data = Daten
page-train = Training
page-runs = Läufe
page-chat = Chat
page-label = Labeln
page-export = Export
page-settings = Einstellungen
menu = Menü
pages = Seiten
gone = { $kind ->
    [run] Den Lauf
    [dataset] Den Datensatz
   *[project] Das Label-Projekt
} { $id } gibt es hier nicht: vielleicht gelöscht, oder in einem anderen Arbeitsbereich.
on = an
off = aus
