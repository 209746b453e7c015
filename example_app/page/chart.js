// What a call took in JSON and in msgpack, as bars.

/**
 * Draw what calls took, and say the difference in a sentence.
 * @param {HTMLElement} chart
 * @param {{json: object[], binary: object[]}} costs
 *   each with `sent` and `received`, in bytes, and `milliseconds`
 */
export function showCosts(chart, costs) {
  const json = typical(costs.json);
  const binary = typical(costs.binary);
  const rounds = costs.json.length;
  const summary = document.createElement("p");
  const bytes = less(json.sent + json.received, binary.sent + binary.received, "fewer");
  const time = less(json.milliseconds, binary.milliseconds, "less");
  summary.textContent = `In msgpack ${bytes} bytes and ${time} time than in JSON.`;
  const rows = [
    ["Bytes sent", "sent", bytesText],
    ["Bytes received", "received", bytesText],
    [rounds > 1 ? `Milliseconds, median of ${rounds} calls` : "Milliseconds", "milliseconds", timeText],
  ];
  chart.replaceChildren(
    summary,
    ...rows.flatMap(([title, name, text]) => {
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

/** The call that took the median time, the shorter of two. */
function typical(calls) {
  const sorted = calls.toSorted((one, other) => one.milliseconds - other.milliseconds);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

function less(json, binary, word) {
  const percent = Math.round(100 * (binary / json - 1));
  return `${Math.abs(percent)} % ${percent > 0 ? "more" : word}`;
}

function timeText(value) {
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
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

/** A number of bytes for people. */
export function bytesText(value) {
  if (value < 1000) return `${value} B`;
  return value < 1e6 ? `${(value / 1e3).toFixed(1)} kB` : `${(value / 1e6).toFixed(2)} MB`;
}
