# The frame around the pages: side bar, strip, what several pages say.
page-home = Home
page-data = Data
page-train = Train
page-runs = Runs
page-chat = Chat
page-label = Label
page-export = Export
page-settings = Settings
menu = Menu
pages = Pages
gone = There is no { $kind ->
    [run] run
    [dataset] dataset
   *[project] label project
} { $id } here: it may have been deleted, or belong to another workspace.
on = on
off = off
