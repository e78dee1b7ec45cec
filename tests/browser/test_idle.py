"""A page that nobody touches lets the browser rest."""

COUNT = """
  window.asked = 0;
  const own = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = act => { window.asked += 1; return own(act); };
"""


def test_an_idle_page_asks_for_no_frames(app, browser):
    page = browser.new_page()
    page.add_init_script(COUNT)
    page.goto(app.url)
    page.wait_for_selector("#pages a[data-page=runs]")
    for _ in range(10):  # a busy computer takes longer to load the page
        before = page.evaluate("window.asked")
        page.wait_for_timeout(3000)
        if (asked := page.evaluate("window.asked") - before) < 30:
            break
    assert asked < 30, "Gradio's clock of the page that was loading runs on at each frame"
    page.close()
