// The C runtime (runtime/separator.h) in WebAssembly: a network that separates one mixture after the other.

// Frames in a call: the layers keep at least 64 for whoever looks at their spikes.
const FRAMES = 32;

class Separator {
  // `instance` of the module, which serves this separator alone; contents of an .stn file, a Uint8Array.
  constructor(instance, model) {
    this.c = instance.exports;
    const place = this.c.malloc(model.length), fault = this.c.malloc(4);
    if (!place || !fault) throw new Error("not enough memory; close other pages");
    this.bytes().set(model, place);
    this.handle = this.c.separator_open(place, model.length, fault);
    if (!this.handle) throw new Error("the model: " + this.text(new Uint32Array(this.c.memory.buffer, fault, 1)[0]));
    for (const [name, fact] of [["sampleRate", "sample_rate"], ["nSrc", "n_src"], ["latency", "latency"],
      ["memory", "memory"], ["numSteps", "num_steps"], ["stride", "stride"], ["nLayers", "layers"]])
      this[name] = Number(this.c["separator_" + fact](this.handle));
    this.block = FRAMES * this.stride;
    this.given = this.c.malloc(4 * this.block);
    this.ready = this.c.malloc(4 * this.block * this.nSrc);
    if (!this.given || !this.ready) throw new Error("not enough memory; close other pages");
    // The last of the memory has been taken, so views of it stay valid.
    this.input = new Float32Array(this.c.memory.buffer, this.given, this.block);
    this.output = new Float32Array(this.c.memory.buffer, this.ready, this.block * this.nSrc);
    this.words = new Int32Array(this.c.memory.buffer);
  }

  bytes() { return new Uint8Array(this.c.memory.buffer); }

  text(place) {
    const bytes = this.bytes();
    return new TextDecoder().decode(bytes.slice(place, bytes.indexOf(0, place)));
  }

  channels(layer) { return Number(this.c.separator_channels(this.handle, BigInt(layer))); }
  frames(layer) { return Number(this.c.separator_frames(this.handle, BigInt(layer))); }
  spikes(layer) { return Number(this.c.separator_spikes(this.handle, BigInt(layer))); }
  count(layer, frame) { return Number(this.c.separator_count(this.handle, BigInt(layer), BigInt(frame))); }

  // Where in `this.words` those of a frame begin; -1 where it is not yet or no longer there.
  wordsOf(layer, frame) {
    const place = this.c.separator_words(this.handle, BigInt(layer), BigInt(frame)) >>> 0;
    return place ? place / 4 : -1;
  }

  // Frames that a mixture of so many samples has.
  framesOf(samples, filter) {
    return samples ? 1 + Math.max(0, Math.ceil((samples - filter) / this.stride)) : 0;
  }

  // The talkers of a mixture, each a Float32Array as long as it. `seen(samples)` is called after every block.
  separate(mixture, seen) {
    const sources = Array.from({length: this.nSrc}, () => new Float32Array(mixture.length));
    let taken = 0, given = 0;
    const pull = () => {
      for (let ready; (ready = Number(this.c.separator_pull(this.handle, this.ready, BigInt(this.block)))) > 0;) {
        sources.forEach((source, k) => source.set(this.output.subarray(k * this.block, k * this.block + ready), given));
        given += ready;
        seen(given);
      }
    };
    this.c.separator_reset(this.handle);
    while (taken < mixture.length) {
      const size = Math.min(this.block, mixture.length - taken);
      this.input.set(mixture.subarray(taken, taken + size));
      for (let place = 0; place < size;) {
        const place4 = this.given + 4 * place;
        const some = Number(this.c.separator_push(this.handle, place4, BigInt(size - place)));
        if (some < 0) throw new Error("the recording holds samples that are not finite");
        place += some;
        seen(given);
        pull();
      }
      taken += size;
    }
    this.c.separator_finish(this.handle);
    pull();
    return sources;
  }
}
