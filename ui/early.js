// Runs before Gradio's own scripts. The tracker over the whole page ("Loading...") is taken away while it still counts, and Gradio never stops its
// clock: a callback at each frame, for ever. Clocks of trackers show tenths of a second, so four steps a second are enough for all of them.
(() => {
  const frame = window.requestAnimationFrame.bind(window), CLOCK = /\(performance\.now\(\)-\w+\(\w+\)\)\/1e3\)/, PAUSE = 250;
  window.requestAnimationFrame = act => CLOCK.test(Function.prototype.toString.call(act)) ? setTimeout(() => frame(act), PAUSE) : frame(act);
})();
