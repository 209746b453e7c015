// What a call took in JSON and in msgpack, as bars.

const ROWS = [
  ["Bytes sent", "sent", bytes],
  ["Bytes received", "received", bytes],
  ["Milliseconds, all in all", "milliseconds", (value) => `${value.toFixed(value < 10 ? 1 : 0)} ms`],
];

/** Draw the costs of the same call in both modes. */
export function showCosts(chart, json, binary) {
  chart.replaceChildren(
    ...ROWS.flatMap(([title, name, text]) => {
      const heading = document.createElement("h3");
      heading.textContent = title;
      const most = Math.max(json[name], binary[name]);
      return [
        heading,
        ...bar("JSON", "json", json[name], most, text),
        ...bar("msgpack", "binary", binary[name], most, text),
      ];
    }),
  );
}

function bar(label, kind, value, most, text) {
  const name = document.createElement("span");
  name.textContent = label;
  const cell = document.createElement("div");
  const line = document.createElement("i");
  line.className = kind;
  line.style.width = `${(100 * value) / most}%`;
  cell.append(line);
  const number = document.createElement("span");
  number.textContent = text(value);
  return [name, cell, number];
}

function bytes(value) {
  if (value < 1000) return `${value} B`;
  return value < 1e6 ? `${(value / 1e3).toFixed(1)} kB` : `${(value / 1e6).toFixed(2)} MB`;
}
