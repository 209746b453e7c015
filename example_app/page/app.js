// The page: three services, each called in both modes, and what it took.

import { NDArray } from "./msgpack.js";
import { call, fromBase64, ServiceError } from "./service.js";
import { showCosts } from "./chart.js";
import { paint } from "./paint.js";
import { makePad } from "./pad.js";
import { chord, sweep } from "./sounds.js";

const $ = (selector, parent = document) => parent.querySelector(selector);

/** Calls in both modes, one pair after the other; a newer request replaces one that waits. */
function caller(card, path, show) {
  let running = null;
  const status = $(".status", card);
  const bar = $("progress", card);

  return async function request(document_, what) {
    running?.abort();
    const mine = (running = new AbortController());
    const progress = (fraction) => bar && ((bar.hidden = fraction === 1), (bar.value = fraction));
    status.textContent = what ? `${what} …` : "";
    status.classList.remove("bad");
    card.setAttribute("aria-busy", "true");
    if (bar) {
      bar.hidden = false;
      bar.removeAttribute("value");
    }
    try {
      const options = { signal: mine.signal, progress };
      const binary = await call(path, document_, "binary", options);
      show(binary.value);
      const json = await call(path, document_, "json", { signal: mine.signal });
      showCosts($(".chart", card), json, binary);
      status.textContent = "";
      card.dataset.state = "done";
    } catch (error) {
      if (error.name === "AbortError") return;
      status.textContent = error instanceof ServiceError ? error.message : "This went wrong here.";
      status.classList.add("bad");
      card.dataset.state = "failed";
      if (!(error instanceof ServiceError)) throw error;
    } finally {
      if (running === mine) {
        running = null;
        card.removeAttribute("aria-busy");
        if (bar) bar.hidden = true;
      }
    }
  };
}

/** Run the last call of a burst, after a moment of quiet. */
function settled(action, milliseconds) {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(action, milliseconds, ...args);
  };
}

function press(buttons, pressed) {
  buttons.forEach((button) => button.setAttribute("aria-pressed", String(button === pressed)));
}

// -- edges of a picture ---------------------------------------------------------------------------

{
  const card = $("#edges");
  const drop = $("#drop");
  const buttons = card.querySelectorAll("[data-photograph]");
  let image = null;

  const request = caller(card, "images/edges", ({ edges_png, gradient }) => {
    setPicture($("#edge-picture"), asBytes(edges_png), "image/png");
    paint($("#gradient"), gradient);
  });
  const send = () => {
    if (image) request({ image, sigma: Number($("#sigma").value) }, "Looking for edges");
  };
  const sendSoon = settled(send, 80);

  const use = (bytes, type, pressed = null) => {
    image = bytes;
    press(buttons, pressed);
    setPicture($("#original"), bytes, type);
    send();
  };

  const choose = async (file) => {
    if (file) use(new Uint8Array(await file.arrayBuffer()), file.type);
  };
  buttons.forEach((button) =>
    button.addEventListener("click", async () => {
      const response = await fetch(`page/photographs/${button.dataset.photograph}.jpg`);
      use(new Uint8Array(await response.arrayBuffer()), "image/jpeg", button);
    }),
  );
  $("#picture").addEventListener("change", (event) => choose(event.target.files[0]));
  $("#sigma").addEventListener("input", (event) => {
    const value = Number(event.target.value);
    $("#sigma-value").textContent = `${value} pixel${value === 1 ? "" : "s"}`;
    sendSoon();
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop") choose(event.dataTransfer.files[0]);
    });
  }
  buttons[0].click();
}

function setPicture(element, bytes, type) {
  URL.revokeObjectURL(element.src);
  element.src = URL.createObjectURL(new Blob([bytes], { type }));
}

function asBytes(value) {
  return typeof value === "string" ? fromBase64(value) : value;
}

// -- a digit --------------------------------------------------------------------------------------

{
  const card = $("#digit");
  const bars = Array.from({ length: 10 }, (_, digit) => {
    const column = document.createElement("div");
    column.innerHTML = `<i style="height: 0"></i><b>${digit}</b>`;
    $("#probabilities").append(column);
    return column.firstChild;
  });
  const show = ({ digits, probabilities }) => {
    $("#guess").textContent = digits[0];
    bars.forEach((bar, digit) => (bar.style.height = `${probabilities.data[digit] * 4}rem`));
  };
  const request = caller(card, "digits/classify", show);
  const send = settled((pixels) => request({ images: new NDArray(pixels, [1, 8, 8]) }), 60);
  const pad = makePad($("#pad"), send);
  $("#clear").addEventListener("click", () => {
    pad.clear();
    $("#guess").textContent = "?";
    bars.forEach((bar) => (bar.style.height = "0"));
  });
}

// -- a sound --------------------------------------------------------------------------------------

{
  const card = $("#sound");
  const buttons = card.querySelectorAll("[data-sound]");
  let wav = null;

  const request = caller(card, "spectrogram", ({ amplitudes }) =>
    paint($("#spectrogram"), amplitudes, { upwards: true, decibels: true }),
  );
  const send = () => {
    if (wav) request({ wav, window: 2 ** Number($("#window").value) }, "Looking for frequencies");
  };
  const use = (bytes, pressed = null) => {
    wav = bytes;
    press(buttons, pressed);
    const player = $("#player");
    URL.revokeObjectURL(player.src);
    player.src = URL.createObjectURL(new Blob([bytes], { type: "audio/wav" }));
    send();
  };

  const made = { chord, sweep };
  buttons.forEach((button) =>
    button.addEventListener("click", () => use(made[button.dataset.sound](), button)),
  );
  $("#wav").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (file) use(new Uint8Array(await file.arrayBuffer()));
  });
  const sendSoon = settled(send, 80);
  $("#window").addEventListener("input", (event) => {
    $("#window-value").textContent = `${2 ** Number(event.target.value)} frames`;
    sendSoon();
  });
  buttons[0].click();
}
