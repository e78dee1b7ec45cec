# The Settings page.
settings-language =
    .label = Language
    .info = Messages of the training engine (errors, warnings, reasons) are in English.
settings-machine = This machine
settings-check = Check again
settings-complete = Nothing is missing.
settings-device-id = Device
settings-device-name = Name
settings-device-free = Free
settings-device-memory = Memory
settings-device-speed = Peak throughput
settings-not-measured = not yet measured
settings-throughput = { $fp32 } TFLOP/s in fp32, { $bf16 } in bf16, memory { $memory } GB/s, measured { $when }
settings-hub = Hugging Face Hub
settings-token =
    .label = Access token
    .info = For gated and private models. It stays in memory until Tunesmith is closed, is sent to the Hub only and is never written to disk.
settings-token-use = Use this token
settings-token-forget = Forget it
settings-token-used = The token is in use, also for downloads that start now.
settings-token-forgotten = No token is kept.
settings-outside = What leaves this computer
settings-connection-to = Connects to
settings-connection-when = When
settings-connection-sends = What is sent
settings-versions = Versions
settings-library = Library
settings-version = Version
settings-workspace = Workspace
settings-workspace-what = Datasets, runs, chats and exports are kept in this folder:
settings-workspace-free = ({ $shown } free)
settings-owner = For the owner
settings-public = This page is public. Every visitor works with the sample data and the starter model, apart from the others, and everything is gone at the end of the visit.
settings-password =
    .label = Password
    .info = Allows uploads and other models for this visit.
settings-unlock = Unlock
settings-unlocked = Unlocked: your own data and models can be used during this visit.
settings-wrong-password = That is not the password.

# Notices
settings-notices = Notices
settings-notices-browser =
    .label = Tell this browser when a run ends or is in trouble
    .info = As long as a tab of Tunesmith is open. The browser asks for your permission.
settings-webhook =
    .label = Webhook
    .info = An address that is told when a run ends: Slack, Discord, or your own. It is kept in the workspace and not shown again.
settings-webhook-private =
    .label = It is in a private network
    .info = Addresses of this computer and of private networks are refused otherwise.
settings-webhook-save = Save
settings-webhook-test = Test
settings-webhook-off = Remove
settings-webhook-none = No webhook is set.
settings-webhook-on = { $host } is told when a run ends.
settings-webhook-hello = This is a test from Tunesmith.
settings-webhook-tested = { $host } took the test.

# Cleaning up
settings-clean = Clean up
settings-clean-what = Checkpoints of completed runs, and what interrupted work left behind. Models, datasets, exports and everything that another run needs stay.
settings-clean-look = Show what can go
settings-clean-found = What can go
settings-clean-free = Free the space
settings-clean-nothing = Nothing to clean up.
settings-clean-freed = { $size } were freed.
settings-clean-checkpoints = { $n ->
    [one] 1 checkpoint of { $name }
   *[other] { $n } checkpoints of { $name }
    }
settings-clean-leftovers = What interrupted work left behind
