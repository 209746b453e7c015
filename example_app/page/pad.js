// A drawing pad whose picture is 8 x 8 pixels from 0 (paper) to 16 (ink), as the classifier knows it.

const SIDE = 256;
const PEN = 44;
const STEP = 8;

/**
 * @param {HTMLCanvasElement} canvas of 256 x 256 pixels
 * @param {{drawn: (pixels: Float32Array) => void, cleared: () => void}} listeners
 *   `drawn` is called with 64 pixels after each step of a stroke
 */
export function makePad(canvas, { drawn, cleared }) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const pen = { x: SIDE / 2, y: SIDE / 2 };
  let picture = null; // without the mark that shows where the keyboard's pen is

  function clear() {
    context.fillStyle = "#fff";
    context.fillRect(0, 0, SIDE, SIDE);
    picture = null;
  }

  function clearAll() {
    clear();
    cleared();
  }

  function line(x, y) {
    context.lineWidth = PEN;
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = "#000";
    context.beginPath();
    context.moveTo(pen.x, pen.y);
    context.lineTo(x, y);
    context.stroke();
    drawn(pixels());
  }

  function place(event) {
    const box = canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) * SIDE) / box.width,
      ((event.clientY - box.top) * SIDE) / box.height,
    ];
  }

  function pixels() {
    const { data } = context.getImageData(0, 0, SIDE, SIDE);
    const found = new Float32Array(64);
    const cell = SIDE / 8;
    for (let y = 0; y < SIDE; y++) {
      for (let x = 0; x < SIDE; x++) {
        const ink = 1 - data[4 * (y * SIDE + x)] / 255;
        found[Math.floor(y / cell) * 8 + Math.floor(x / cell)] += (16 * ink) / (cell * cell);
      }
    }
    return found.map((value) => Math.min(16, Math.round(value)));
  }

  function mark() {
    picture = context.getImageData(0, 0, SIDE, SIDE);
    context.lineWidth = 2;
    context.strokeStyle = "#2457d6";
    context.strokeRect(pen.x - PEN / 2, pen.y - PEN / 2, PEN, PEN);
  }

  function unmark() {
    if (picture) context.putImageData(picture, 0, 0);
    picture = null;
  }

  canvas.addEventListener("pointerdown", (event) => {
    unmark();
    canvas.setPointerCapture(event.pointerId);
    [pen.x, pen.y] = place(event);
    line(pen.x, pen.y);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!event.buttons) return;
    const [x, y] = place(event);
    line(x, y);
    [pen.x, pen.y] = [x, y];
  });

  let isDown = false; // the keyboard's pen
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step && ![" ", "Delete", "Backspace"].includes(event.key)) return;
    event.preventDefault();
    unmark();
    if (event.key === " ") {
      isDown = true;
      line(pen.x, pen.y);
    } else if (step) {
      const within = (value) => Math.min(SIDE, Math.max(0, value));
      const [x, y] = [within(pen.x + STEP * step[0]), within(pen.y + STEP * step[1])];
      if (isDown) line(x, y);
      [pen.x, pen.y] = [x, y];
    } else clearAll();
    mark();
  });
  canvas.addEventListener("keyup", (event) => {
    if (event.key === " ") isDown = false;
  });
  canvas.addEventListener("blur", () => {
    isDown = false;
    unmark();
  });

  clear();
  return { clear: clearAll };
}
