// The page: three services, each called in both modes, and what it took.

import { NDArray } from "./msgpack.js";
import { call, download, fromBase64, ServiceError } from "./service.js";
import { bytesText, showCosts } from "./chart.js";
import { paint } from "./paint.js";
import { makePad } from "./pad.js";
import { chord, sweep } from "./sounds.js";

const $ = (selector, parent = document) => parent.querySelector(selector);

const ROUNDS = 5;
const ENOUGH = 1000; // milliseconds

/** What the same call takes in both modes, in turn: several times, unless one takes long. */
async function measure(path, document_, signal) {
  const costs = { json: [], binary: [] };
  const end = performance.now() + ENOUGH;
  const modes = ["json", "binary"];
  do {
    for (const mode of modes.reverse()) {
      const { sent, received, milliseconds } = await call(path, document_, mode, { signal });
      costs[mode].push({ sent, received, milliseconds });
    }
  } while (costs.json.length < ROUNDS && performance.now() < end);
  return costs;
}

/**
 * Calls a service in msgpack, shows the response, and then compares such calls with those in JSON.
 *
 * One call runs at a time. The newest request waits for it, takes the place of one that waits, and
 * interrupts a comparison: so a slider or a pen is followed while it moves, as fast as the service
 * responses.
 */
function caller(card, path) {
  const status = $(".status", card);
  const bar = $("progress", card);
  let waiting = null;
  let isBusy = false;
  let isComparing = false;
  let running = new AbortController();

  function say(text, isBad = false) {
    status.textContent = text;
    status.classList.toggle("bad", isBad);
  }

  function progress(fraction) {
    if (!bar) return;
    if (fraction === null) bar.removeAttribute("value");
    else bar.value = fraction;
  }

  async function compare({ make, show, what }) {
    running = new AbortController();
    if (what) say(`${what} …`);
    progress(null);
    const document_ = await make();
    running.signal.throwIfAborted();
    const binary = await call(path, document_, "binary", { signal: running.signal, progress });
    show(binary.value, document_);
    if (waiting) return;
    isComparing = true;
    if (what) say("Comparing with JSON …");
    progress(null);
    showCosts($(".chart", card), await measure(path, document_, running.signal));
    say("");
    card.dataset.state = "done";
  }

  /**
   * Make a call, now or as soon as it can be; settled when none is left.
   * @param {() => object|Promise<object>} make the document
   * @param {(response: object, sent: object) => void} show
   * @param {string} what is done, for people; none if it takes no time
   */
  async function request(make, show, what = "") {
    waiting = { make, show, what };
    if (isComparing) running.abort();
    if (isBusy) return;
    isBusy = true;
    card.setAttribute("aria-busy", "true");
    if (bar) bar.hidden = false;
    try {
      while (waiting) {
        const next = waiting;
        waiting = null;
        try {
          await compare(next);
        } catch (error) {
          if (error.name === "AbortError") continue;
          say(error instanceof ServiceError ? error.message : "This went wrong here.", true);
          card.dataset.state = "failed";
          if (!(error instanceof ServiceError)) throw error;
        } finally {
          isComparing = false;
        }
      }
    } finally {
      isBusy = false;
      card.removeAttribute("aria-busy");
      if (bar) bar.hidden = true;
    }
  }

  /** Drop what runs and what waits: its response is not wanted any more. */
  request.cancel = () => {
    waiting = null;
    running.abort();
    say("");
  };
  return request;
}

function press(buttons, pressed) {
  buttons.forEach((button) => button.setAttribute("aria-pressed", String(button === pressed)));
}

/** Take a file from an input, or one that is dropped anywhere on a card. */
function takeFiles(card, input, take) {
  input.addEventListener("change", () => {
    const [file] = input.files;
    input.value = ""; // so that the same file can be chosen again
    if (file) take(file);
  });
  let depth = 0; // of the elements in the card that a file is dragged over
  const mark = (by) => {
    depth = Math.max(0, depth + by);
    card.classList.toggle("over", depth > 0);
  };
  card.addEventListener("dragenter", () => mark(1));
  card.addEventListener("dragleave", () => mark(-1));
  card.addEventListener("drop", (event) => {
    mark(-depth);
    const [file] = event.dataTransfer.files;
    if (file) take(file);
  });
}

// A file that misses the cards would otherwise take the place of the page.
for (const kind of ["dragover", "drop"]) {
  document.addEventListener(kind, (event) => event.preventDefault());
}

async function read(file) {
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new ServiceError(`${file.name} cannot be read.`);
  }
}

function asBytes(value) {
  return typeof value === "string" ? fromBase64(value) : value;
}

function setSource(element, bytes, type) {
  URL.revokeObjectURL(element.src);
  element.src = URL.createObjectURL(new Blob([bytes], { type }));
}

/** What an array is, as people write it: "a Float32Array of 427 × 640". */
function describe({ data, shape }) {
  return `a ${data.constructor.name} of ${shape.join("\u00a0×\u00a0")}`;
}

// -- edges of a picture ---------------------------------------------------------------------------

let firstPicture; // settled when it is there

{
  const card = $("#edges");
  const buttons = card.querySelectorAll("[data-photograph]");
  const request = caller(card, "images/edges");
  const sigma = $("#sigma");
  let shown = null; // the picture whose edges are seen, to which the slider belongs

  /** Look for edges; the three pictures and the pressed button change together, or not at all. */
  const send = (readImage, type, name, button) =>
    request(
      async () => ({ image: await readImage(), sigma: Number(sigma.value) }),
      ({ edges_png, gradient }, { image }) => {
        const edges = asBytes(edges_png);
        if (image !== shown?.image) setSource($("#original"), image, type);
        setSource($("#edge-picture"), edges, "image/png");
        paint($("#gradient"), gradient);
        $("#original + figcaption").textContent = `${name}, sent as ${bytesText(image.length)}`;
        $("#edge-picture + figcaption").textContent =
          `Its edges, received as a PNG of ${bytesText(edges.length)}`;
        $("#gradient + figcaption").textContent =
          `Its gradient, received as ${describe(gradient)} and painted here`;
        press(buttons, button);
        shown = { image, type, name, button };
      },
      `Looking for edges in ${name}`,
    );

  const sendPhotograph = (button) => {
    request.cancel();
    const path = `page/photographs/${button.dataset.photograph}.jpg`;
    return send(() => download(path), "image/jpeg", button.textContent, button);
  };
  buttons.forEach((button) => button.addEventListener("click", () => sendPhotograph(button)));
  takeFiles(card, $("#picture"), (file) => {
    request.cancel();
    send(() => read(file), file.type, file.name, null);
  });
  sigma.addEventListener("input", () => {
    const value = Number(sigma.value);
    $("#sigma-value").textContent = `${value} ${value === 1 ? "pixel" : "pixels"}`;
    if (shown) send(() => shown.image, shown.type, shown.name, shown.button);
  });
  firstPicture = sendPhotograph(buttons[0]);
}

// -- a digit --------------------------------------------------------------------------------------

{
  const guess = $("#guess");
  const chart = $("#probabilities");
  const columns = Array.from({ length: 10 }, (_, digit) => {
    const column = document.createElement("div");
    const bar = document.createElement("i");
    const name = document.createElement("b");
    name.textContent = digit;
    column.append(bar, name);
    chart.append(column);
    return { column, bar };
  });
  const request = caller($("#digit"), "digits/classify");

  function show(likely, probabilities) {
    guess.textContent = likely ?? "?";
    columns.forEach(({ column, bar }, digit) => {
      bar.style.height = `${100 * (probabilities?.data[digit] ?? 0)}%`;
      column.classList.toggle("likely", digit === likely);
    });
    const percent = probabilities && Math.round(100 * probabilities.data[likely]);
    chart.setAttribute(
      "aria-label",
      probabilities ? `${likely}: ${percent} percent` : "Probability of each digit",
    );
  }

  const pad = makePad($("#pad"), {
    drawn: (pixels) =>
      request(
        () => ({ images: new NDArray(pixels, [1, 8, 8]) }),
        ({ digits, probabilities }) => show(digits[0], probabilities),
      ),
    cleared: () => {
      request.cancel();
      show(null, null);
    },
  });
  $("#clear").addEventListener("click", pad.clear);
}

// -- a sound --------------------------------------------------------------------------------------

{
  const card = $("#sound");
  const buttons = card.querySelectorAll("[data-sound]");
  const request = caller(card, "spectrogram");
  const exponent = $("#window");
  let shown = null; // the sound whose spectrogram is seen

  const send = (readWav, button) =>
    request(
      async () => ({ wav: await readWav(), window: 2 ** Number(exponent.value) }),
      ({ amplitudes, rate, times }, { wav }) => {
        paint($("#spectrogram"), amplitudes, { upwards: true, decibels: true });
        const kilohertz = (value) => `${Number((value / 1000).toFixed(1))} kHz`;
        $("#highest").textContent = kilohertz(rate / 2);
        $("#middle").textContent = kilohertz(rate / 4);
        $("#end").textContent = `${(times.data.at(-1) + times.data[0]).toFixed(1)} s`;
        $("#spectrogram-caption").textContent =
          `Its spectrogram, received as ${describe(amplitudes)} and painted here`;
        if (wav !== shown?.wav) setSource($("#player"), wav, "audio/wav");
        press(buttons, button);
        shown = { wav, button };
      },
      "Looking for frequencies",
    );

  const made = { chord, sweep };
  buttons.forEach((button) =>
    button.addEventListener("click", () => {
      request.cancel();
      send(made[button.dataset.sound], button);
    }),
  );
  takeFiles(card, $("#wav"), (file) => {
    request.cancel();
    send(() => read(file), null);
  });
  exponent.addEventListener("input", () => {
    $("#window-value").textContent = `${2 ** Number(exponent.value)} frames`;
    if (shown) send(() => shown.wav, shown.button);
  });
  // Two cards that compare at the same time would take each other's.
  firstPicture.finally(() => {
    if (!card.dataset.state && !card.ariaBusy) buttons[0].click();
  });
}
