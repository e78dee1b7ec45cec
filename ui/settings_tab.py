"""Where things are, what this computer has, what is missing; the password that opens a public page to its owner."""

import gradio as gr

from tuner import doctor
from tuner.hardware import human_bytes
from ui import draw
from ui.session import House


class SettingsTab:
    def __init__(self, house: House, screen: gr.BrowserState):
        self.house = house
        gr.Markdown("### This computer")
        self.report = gr.HTML(elem_id="doctor")
        self.look = gr.Button("Look again", size="sm")
        self.look.click(self.show, None, self.report)
        if house.guest:
            gr.Markdown(
                "### For the owner\nThis page is public: everybody works with the samples and the starter model, each apart, and everything is gone at the end of the visit."
            )
            if house.password:
                self.password = gr.Textbox(
                    label="Password", type="password", info="Opens uploads and other models for this visit.", max_lines=1
                )
                self.open = gr.Button("Open", size="sm")
                self.said = gr.HTML()
                self.open.click(self.on_open, self.password, [self.password, self.said])

    def show(self, request: gr.Request):
        found = doctor.look(self.house.workspace(request))
        problems = "".join(draw.bad(f"{p['message']} {p['remedy']}") for p in found["problems"]) or draw.good("Nothing is missing.")
        devices = draw.table(
            ["Device", "Name", "Free", "Memory", "Reaches"],
            [
                (d["id"], d["name"], human_bytes(d["free_bytes"]), human_bytes(d["total_bytes"]), doctor.in_words(d["ceilings"]))
                for d in found["devices"]
            ],
        )
        versions = draw.table(
            ["Library", "Version"], [("tunesmith", found["tunesmith"]), ("python", found["python"]), *found["versions"].items()]
        )
        where = "" if self.house.guest else f"<p>Workspace: <code>{draw.escape(found['workspace']['path'])}</code></p>"
        return f"{problems}<p>{draw.escape(found['summary'])}</p>{devices}{where}{versions}"

    def on_open(self, password, request: gr.Request):
        if self.house.unlock(request, password or ""):
            return "", draw.good("Open: this visit may use its own data and models.")
        return "", draw.bad("That is not the password.")
