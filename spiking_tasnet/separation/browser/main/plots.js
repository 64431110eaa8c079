// Pictures on canvases.

// Black, violet, orange, yellow (matplotlib's magma), from 0 to 255.
const STOPS = [[0, 0, 4], [28, 16, 68], [79, 18, 123], [129, 37, 129], [181, 54, 122], [229, 80, 100], [251, 135, 97],
  [254, 194, 135], [252, 253, 191]];
const COLOURS = Array.from({length: 256}, (_, shade) => {
  const place = shade / 255 * (STOPS.length - 1), low = Math.min(STOPS.length - 2, Math.floor(place));
  return STOPS[low].map((from, n) => Math.round(from + (STOPS[low + 1][n] - from) * (place - low)));
});

function drawShades(canvas, {width, height, shades}) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let n = 0; n < shades.length; n++) image.data.set([...COLOURS[shades[n]], 255], 4 * n);
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// Spikes per neuron of every layer over the whole recording, the deepest layer at the top.
function drawActivity(canvas, raster) {
  const width = Math.max(1, Math.min(1000, raster.frames)), height = raster.layers, means = new Float32Array(width * height);
  for (let layer = 0; layer < height; layer++)
    for (let column = 0; column < width; column++) {
      const [begin, end] = [column, column + 1].map(n => Math.round(n * raster.frames / width));
      let sum = 0;
      for (let frame = begin; frame < end; frame++) sum += raster.counts[layer][frame];
      means[(height - 1 - layer) * width + column] = sum / Math.max(1, end - begin) / raster.channels[layer];
    }
  const most = [...means].sort((a, b) => a - b)[Math.floor(0.999 * (means.length - 1))] || 1;
  drawShades(canvas, {width, height, shades: Uint8Array.from(means, mean => Math.min(255, 255 * mean / most))});
}

// Spikes of some neurons of every layer around a moment, one pixel per step; the deepest layer at the top.
class RasterView {
  constructor(canvas, raster) {
    Object.assign(this, {canvas, raster});
    const {layers, rows} = raster;
    this.gap = 3;
    this.rowHeight = rows * layers > 200 ? 1 : Math.max(1, Math.floor(300 / (rows * layers)));
    canvas.height = layers * (rows * this.rowHeight + this.gap) - this.gap;
    canvas.style.height = canvas.height + "px";
  }

  // Draws what is around `seconds`; {begin, end} of the picture in seconds, which stay within the recording.
  draw(seconds) {
    const {canvas, raster, rowHeight, gap} = this, {layers, rows, frames, words, steps} = raster;
    const width = Math.max(1, Math.round(canvas.clientWidth));
    if (canvas.width !== width) canvas.width = width;
    const style = getComputedStyle(canvas), context = canvas.getContext("2d");
    const image = context.createImageData(width, canvas.height), pixels = new Uint32Array(image.data.buffer);
    const colours = ["--ink", "--paper", "--band"].map(name => rgba(style.getPropertyValue(name)));
    pixels.fill(colours[1]);
    const last = Math.max(0, frames * steps - width), second = steps / raster.stride;
    const start = Math.min(last, Math.max(0, Math.round(seconds * second - width / 2)));
    for (let layer = 0; layer < layers; layer++) {
      const top = (layers - 1 - layer) * (rows * rowHeight + gap);
      for (let column = 0; column < width; column++) {
        const frame = Math.floor((start + column) / steps), step = start + column - frame * steps;
        const there = frame >= 0 && frame < frames, place = (layer * frames + frame) * rows;
        for (let row = 0; row < rows; row++) {
          const colour = !there ? colours[1] : words[place + row] >>> step & 1 ? colours[0] : colours[2];
          for (let line = 0; line < rowHeight; line++)
            pixels[(top + row * rowHeight + line) * width + column] = colour;
        }
      }
    }
    context.putImageData(image, 0, 0);
    return {begin: start / second, end: (start + width) / second};
  }
}

// A colour #rrggbb as a pixel.
function rgba(colour) {
  const number = parseInt(colour.trim().slice(1), 16);
  return (0xff000000 | (number & 255) << 16 | number & 0xff00 | number >> 16) >>> 0;
}
