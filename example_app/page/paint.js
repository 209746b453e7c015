// Paints an array on a canvas, one pixel for each element.

/**
 * @param {HTMLCanvasElement} canvas
 * @param {import("./msgpack.js").NDArray} array of shape (height, width)
 * @param {{upwards?: boolean, decibels?: boolean}} options
 *   `upwards` has the first row at the bottom, `decibels` paints from 80 dB below the most.
 */
export function paint(canvas, { data, shape: [height, width] }, { upwards, decibels } = {}) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  let most = Number.MIN_VALUE;
  for (const value of data) if (value > most) most = value;
  for (let row = 0; row < height; row++) {
    const from = (upwards ? height - 1 - row : row) * width;
    for (let column = 0; column < width; column++) {
      const part = data[from + column] / most;
      const level = decibels ? 1 + (20 * Math.log10(part + 1e-9)) / 80 : Math.sqrt(part);
      colour(picture.data, 4 * (row * width + column), Math.min(1, Math.max(0, level)));
    }
  }
  context.putImageData(picture, 0, 0);
}

/** From dark blue over magenta and orange to a light yellow: brighter all the way. */
function colour(pixels, at, level) {
  pixels[at] = 255 * Math.min(1, 1.6 * level);
  pixels[at + 1] = 255 * level ** 2;
  pixels[at + 2] = 255 * (level < 0.4 ? 0.25 + level : Math.max(0.65 - 1.2 * (level - 0.4), 1.6 * level - 0.9));
  pixels[at + 3] = 255;
}
