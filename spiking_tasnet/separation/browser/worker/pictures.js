// What the page draws: spectrograms, and the spikes of some neurons of every layer.

// In-place Fourier transform of 2^k complex values.
function transform(real, imaginary) {
  const size = real.length;
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  for (let width = 2; width <= size; width *= 2)
    for (let k = 0; k < width / 2; k++) {
      const angle = -2 * Math.PI * k / width, cos = Math.cos(angle), sin = Math.sin(angle);
      for (let i = k; i < size; i += width) {
        const j = i + width / 2, re = real[j] * cos - imaginary[j] * sin, im = real[j] * sin + imaginary[j] * cos;
        real[j] = real[i] - re;
        imaginary[j] = imaginary[i] - im;
        real[i] += re;
        imaginary[i] += im;
      }
    }
}

// {width, height, shades}: one byte per point, highest frequency first, 255 for the loudest; `level` is the amplitude of the
// sine that is 0 dB.
function spectrogram(samples, rate, level, settings) {
  const size = 2 ** Math.round(Math.log2(settings.WINDOW_SECONDS * rate)), height = size / 2;
  const width = Math.max(1, Math.min(settings.mostColumns, Math.ceil(samples.length / (size / 4))));
  const shades = new Uint8Array(width * height), real = new Float64Array(size), imaginary = new Float64Array(size);
  const hann = real.map((_, n) => 0.5 - 0.5 * Math.cos(2 * Math.PI * n / size));
  const reference = level / 4 * size / 4;  // a sine of that amplitude peaks at a quarter of it times the window
  for (let column = 0; column < width; column++) {
    const first = Math.round((column + 0.5) * samples.length / width) - size / 2;
    for (let n = 0; n < size; n++) real[n] = hann[n] * (samples[first + n] || 0);
    imaginary.fill(0);
    transform(real, imaginary);
    for (let row = 0; row < height; row++) {
      const magnitude = Math.hypot(real[row], imaginary[row]);
      const decibels = 20 * Math.log10(Math.max(magnitude, 1e-12) / reference);
      const shade = 255 * Math.min(1, Math.max(0, 1 + decibels / settings.RANGE_DB));
      shades[(height - 1 - row) * width + column] = shade;
    }
  }
  return {width, height, shades};
}

// Collects the spikes of every frame of a separator's layers while it runs.
class Raster {
  constructor(separator, frames, settings) {
    this.separator = separator;
    this.layers = separator.nLayers;
    this.counts = Array.from({length: this.layers}, () => new Int32Array(frames));
    this.next = Array(this.layers).fill(0);
    const kind = separator.numSteps > 16 ? Uint32Array : separator.numSteps > 8 ? Uint16Array : Uint8Array;
    const fit = Math.floor(settings.rasterBytes / (kind.BYTES_PER_ELEMENT * this.layers * Math.max(1, frames)));
    this.rows = Math.max(1, Math.min(settings.rasterRows, fit));  // neurons of a layer that are kept
    this.frames = frames;
    this.words = new kind(this.layers * frames * this.rows);  // (layer, frame, row)
  }

  // Take the frames that are new, before the runtime writes over them.
  look() {
    const {separator, rows} = this;
    for (let layer = 0; layer < this.layers; layer++) {
      const end = separator.frames(layer), channels = separator.channels(layer);
      for (let frame = this.next[layer]; frame < end; frame++) {
        const place = separator.wordsOf(layer, frame), to = (layer * this.frames + frame) * rows;
        if (place < 0) throw new Error("spikes of a frame were lost");
        this.counts[layer][frame] = separator.count(layer, frame);
        for (let row = 0; row < rows; row++)
          this.words[to + row] = separator.words[place + Math.floor((row + 0.5) * channels / rows)];
      }
      this.next[layer] = end;
    }
  }
}
