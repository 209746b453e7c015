// Sounds made here: WAV files of 16 bits, one channel, two seconds.

const RATE = 22_050;
const SECONDS = 2;

/** A chord of A major on strings, plucked one after the other: the higher overtones fade sooner. */
export function chord() {
  const notes = [220, 277.18, 329.63, 440];
  const overtones = Array.from({ length: 16 }, (_, index) => index + 1);
  const string = (frequency, age) =>
    overtones.reduce(
      (sum, n) => sum + (Math.exp(-n * age) / n) * Math.sin(2 * Math.PI * n * frequency * age),
      0,
    );
  return wav((time) =>
    notes.reduce((sum, frequency, index) => {
      const age = time - 0.3 * index;
      return age < 0 ? sum : sum + 0.15 * string(frequency, age);
    }, 0),
  );
}

/** A tone that rises from 100 Hz to 8 kHz. */
export function sweep() {
  const growth = Math.log(80) / SECONDS;
  return wav((time) => 0.5 * Math.sin(((2 * Math.PI * 100) / growth) * (Math.exp(growth * time) - 1)));
}

function wav(sample) {
  const frames = RATE * SECONDS;
  const file = new DataView(new ArrayBuffer(44 + 2 * frames));
  const text = (at, letters) => [...letters].forEach((letter, i) => file.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  file.setUint32(4, 36 + 2 * frames, true);
  text(8, "WAVEfmt ");
  [[16, 16, 4], [20, 1, 2], [22, 1, 2], [24, RATE, 4], [28, 2 * RATE, 4], [32, 2, 2], [34, 16, 2]].forEach(
    ([at, value, size]) => (size === 2 ? file.setUint16(at, value, true) : file.setUint32(at, value, true)),
  );
  text(36, "data");
  file.setUint32(40, 2 * frames, true);
  for (let i = 0; i < frames; i++) {
    file.setInt16(44 + 2 * i, Math.max(-1, Math.min(1, sample(i / RATE))) * 32767, true);
  }
  return new Uint8Array(file.buffer);
}
