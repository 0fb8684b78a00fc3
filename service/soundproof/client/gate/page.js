"use strict";
// A spectrogram for every clip of the page, drawn when it comes into view: short-time power, Hann window, in dB.
(() => {
  const WINDOW = 512, RANGE_DB = 70;

  // In place, radix 2; re and im of length WINDOW.
  const fft = (re, im) => {
    for (let i = 1, j = 0; i < WINDOW; i++) {
      let bit = WINDOW >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
      if (i < j) [re[i], re[j], im[i], im[j]] = [re[j], re[i], im[j], im[i]];
    }
    for (let size = 2; size <= WINDOW; size <<= 1) {
      for (let start = 0; start < WINDOW; start += size) {
        for (let k = 0; k < size / 2; k++) {
          const angle = -2 * Math.PI * k / size, cos = Math.cos(angle), sin = Math.sin(angle);
          const a = start + k, b = a + size / 2;
          const x = re[b] * cos - im[b] * sin, y = re[b] * sin + im[b] * cos;
          re[b] = re[a] - x; im[b] = im[a] - y; re[a] += x; im[a] += y;
        }
      }
    }
  };

  // From dark over violet and orange to light, as magma.
  const STOPS = [[0, 0, 4], [59, 15, 112], [140, 41, 129], [222, 73, 104], [254, 159, 109], [252, 253, 191]];
  const colour = (level) => {
    const place = Math.min(1, Math.max(0, level)) * (STOPS.length - 1), i = Math.min(STOPS.length - 2, Math.floor(place));
    return STOPS[i].map((low, c) => low + (place - i) * (STOPS[i + 1][c] - low));
  };

  const draw = (canvas, samples) => {
    const width = canvas.width = Math.max(120, Math.round(canvas.clientWidth * Math.min(2, devicePixelRatio || 1)));
    const height = canvas.height = WINDOW / 2;
    const hann = Float64Array.from({ length: WINDOW }, (_, i) => 0.5 - 0.5 * Math.cos(2 * Math.PI * i / WINDOW));
    const levels = new Float64Array(width * height);
    let most = -Infinity;
    for (let x = 0; x < width; x++) {
      const start = Math.round(x / Math.max(1, width - 1) * samples.length) - WINDOW / 2;
      const re = new Float64Array(WINDOW), im = new Float64Array(WINDOW);
      for (let i = 0; i < WINDOW; i++) re[i] = (samples[start + i] || 0) * hann[i];
      fft(re, im);
      for (let y = 0; y < height; y++) {
        const level = 10 * Math.log10(re[y] * re[y] + im[y] * im[y] + 1e-12);
        levels[(height - 1 - y) * width + x] = level;
        most = Math.max(most, level);
      }
    }
    const context = canvas.getContext("2d"), image = context.createImageData(width, height);
    for (let i = 0; i < levels.length; i++) {
      const [red, green, blue] = colour(1 + (levels[i] - most) / RANGE_DB);
      image.data.set([red, green, blue, 255], 4 * i);
    }
    context.putImageData(image, 0, 0);
  };

  const decode = async (audio) => {
    const text = atob(audio.src.slice(audio.src.indexOf(",") + 1));
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    const rate = new DataView(bytes.buffer).getUint32(24, true); // the service takes the common header only
    const context = new OfflineAudioContext(1, 1, Math.min(96000, Math.max(8000, rate || 16000)));
    return (await context.decodeAudioData(bytes.buffer)).getChannelData(0);
  };

  const show = (canvas) => decode(canvas.parentElement.querySelector("audio"))
    .then((samples) => draw(canvas, samples))
    .catch(() => { canvas.hidden = true; }); // a player without a picture is better than neither

  const canvases = document.querySelectorAll("canvas.spectrogram");
  if (!("IntersectionObserver" in window)) { canvases.forEach(show); return; }
  const watcher = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
    watcher.unobserve(entry.target);
    show(entry.target);
  }), { rootMargin: "400px" });
  canvases.forEach((canvas) => watcher.observe(canvas));
})();
