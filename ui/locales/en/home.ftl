# The Home page, and the strip at the top of every page.
home =
    .title = Fine-tune a language model on your data
    .lead = From a spreadsheet of questions and answers to a model of your own. Everything stays on this computer.
home-guest =
    .title = Fine-tune a language model
    .lead = This public page works with the sample data and the starter model. Everything here is gone when you leave or reload the page. To use your own data, run Tunesmith on your computer.
home-own = Fine-tune on my data
home-samples = Look at the sample data
home-demo =
    .label = Run the 1-minute demo
    .info = The demo fine-tunes the bundled starter model, four million parameters, to answer like a pirate. It needs no network.
home-demo-starting = The demo is starting …
home-demo-started = The demo is running: its progress is under Runs. A chat opens when it is done.
home-torch-cpu = This computer has an NVIDIA card, but the installed torch can only use the CPU. This command installs the right one: { $command }
home-recent = Recent runs
home-loss = validation loss { $shown }
home-chat = Chat
home-export = Export

home-machine-title = What this machine can fine-tune
home-machine = Models of up to { $size } parameters with { $method }.
home-machine-full = With full fine-tuning, up to { $size }.
home-machine-recommended = Recommended to begin with: { $model }.
home-machine-starter = With { $memory } of memory, this machine can fine-tune the starter model.
home-machine-why = Why
home-machine-method = Method
home-machine-largest = Largest model
home-machine-parameters = Parameters
home-machine-assumed = Calculated for { $device } from its total memory ({ $memory }) less a reserve for the system, with the settings that need the least memory. Models that would train for more than a day are left out. What is in use right now is not counted: the plan of a run checks that.
home-billion = { $shown } billion
home-million = { $shown } million

# strip
home-strip-free = { $free } of { $total } free
home-strip-used = Memory in use: { $share } %
home-strip-more = { $n ->
        [one] { $shown } more run
       *[other] { $shown } more runs
    }
home-left = { $time } left
home-left-at-most = up to { $time } left
home-left-estimating = estimating time left
