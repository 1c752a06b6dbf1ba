// Around the cells: names of rows, heads of columns.

const COLUMN_FONT = "11px system-ui, sans-serif";

function paintRowNames(ink, first, last, y, height) {
  const isGrouped = view.rows.some((row) => row.index === null);
  clipped(ink, 0, layout.head, layout.label, height, () => {
    ink.textBaseline = "middle";
    for (let at = first; at < last; at++) {
      const row = view.rows[at];
      const middle = y(at) + layout.row / 2;
      if (view.selected && view.selected.row === at) {
        ink.fillStyle = colours.line;
        ink.fillRect(0, y(at), layout.label, layout.row - 1);
      }
      ink.fillStyle = colours.text;
      ink.textAlign = "left";
      const isHead = row.index === null;
      ink.font = isHead ? BOLD : MONO;
      const text = isHead ? `${view.closed.has(row.group) ? "▸" : "▾"} ${row.label}` : row.label;
      const indent = isGrouped && !isHead ? 22 : 8;
      ink.fillText(fit(ink, text, layout.label - layout.count - indent - 6), indent, middle);
      if (row.failing > 0) {
        ink.fillStyle = colours.bad;
        ink.font = COLUMN_FONT;
        ink.textAlign = "right";
        ink.fillText(row.failing.toLocaleString("en"), layout.label - 6, middle);
        ink.textAlign = "left";
      }
    }
  });
}

/** Cuts the middle out of a text that is too long. */
function fit(ink, text, width) {
  const whole = ink.measureText(text).width;
  if (whole <= width) return text;
  let keep = Math.max(2, Math.floor(text.length * width / whole));
  for (; keep > 2; keep--) {
    const tail = Math.ceil(keep * 0.55);
    const short = `${text.slice(0, keep - tail)}…${text.slice(-tail)}`;
    if (ink.measureText(short).width <= width) return short;
  }
  return "…";
}

/** Cuts the end off a text that is too long; returns nothing if too little would remain. */
function shorten(ink, text, width) {
  if (ink.measureText(text).width <= width) return text;
  for (let keep = text.length - 1; keep > 2; keep--) {
    const short = `${text.slice(0, keep)}…`;
    if (ink.measureText(short).width <= width) return short;
  }
  return "";
}

const BANDS = ["distro", "version", "arch"];

/** Neighbours that share a name in a band, as [first column, end]. */
function runs(level) {
  const same = (a, b) => BANDS.slice(0, level + 1).every((field) => a.group.first[field] === b.group.first[field]);
  const found = [];
  view.columns.forEach((column, at) => {
    const before = found[found.length - 1];
    if (before && same(view.columns[before[0]], column)) before[1] = at + 1;
    else found.push([at, at + 1]);
  });
  return found;
}

/** The column's own name, preceded by what the bands above have no room for. */
function labelColumns(ink) {
  view.bands = BANDS.map((field, level) => {
    ink.font = level ? COLUMN_FONT : BOLD;
    return runs(level).map(([first, end]) => {
      const text = view.columns[first].group.first[field];
      return { first, end, text, isShown: ink.measureText(text).width + 6 <= (end - first) * layout.cell };
    });
  });
  for (const column of view.columns) {
    const { group, kernels, grain } = column;
    if (kernels.length === 1) column.label = report.kernels[kernels[0]].release;
    else if (grain === "directories") column.label = plural(kernels.length, "kernel");
    else column.label = `${group.first.series} (${kernels.length})`;
  }
  for (const band of [...view.bands].reverse()) {
    for (const { first, end, text, isShown } of band) {
      for (let at = first; at < end && !isShown; at++) view.columns[at].label = `${text} ${view.columns[at].label}`;
    }
  }
}

function paintHeads(ink, first, last, x, width) {
  const bottom = layout.head - layout.strip;
  clipped(ink, layout.label, 0, width, layout.head, () => {
    view.bands.forEach((band, level) => paintBand(ink, band, level, x, width));
    ink.font = COLUMN_FONT;
    ink.textBaseline = "middle";
    for (let at = first; at < last; at++) {
      const column = view.columns[at];
      ink.save();
      ink.translate(x(at) + layout.cell / 2, bottom - 5);
      ink.rotate(-Math.PI / 2);
      ink.fillStyle = view.selected && view.selected.column === at ? colours.focus : colours.text;
      ink.fillText(shorten(ink, column.label, bottom - 3 * layout.band - 8), 0, 0);
      ink.restore();
      column.summary ??= summaryOf(column.kernels);
      paintCell(ink, x(at), layout.head - layout.strip + 1, column.summary, layout.strip - 3);
    }
    paintBorders(ink, first, last, x, bottom, layout.head);
  });
}

/** The number of kernels by their worst verdict, on this level. */
function summaryOf(kernels) {
  const { level } = view;
  const counts = new Array(level.kinds.length).fill(0);
  for (const [number, some] of shares(kernels)) {
    counts[level.columns[number].reduce((most, verdict) => Math.max(most, level.kind[verdict]), 0)] += some;
  }
  return counts;
}

/** One line of the head: neighbours with one name share it. */
function paintBand(ink, band, level, x, width) {
  const top = level * layout.band;
  ink.font = level ? COLUMN_FONT : BOLD;
  ink.textBaseline = "middle";
  for (const { first, end, text, isShown } of band) {
    if (x(end) < layout.label || x(first) > width) continue;
    ink.strokeStyle = colours.line;
    line(ink, x(first), top, x(first), layout.head - layout.strip);
    const left = Math.max(x(first), layout.label);
    if (!isShown) continue;
    ink.fillStyle = colours.text;
    ink.fillText(shorten(ink, text, x(end) - left - 4), left + 3, top + layout.band / 2 + 1);
  }
}

function paintCorner(ink) {
  const of = (shown, all, what) => (shown === all ? plural(all, what) : `${shown.toLocaleString("en")} of ${plural(all, what)}`);
  const bottom = layout.head - layout.strip;
  ink.fillStyle = colours.soft;
  ink.font = "12px system-ui, sans-serif";
  ink.textBaseline = "alphabetic";
  ink.textAlign = "left";
  ink.fillText(of(view.items, view.level.count, view.level.one), 8, bottom - 26);
  ink.fillText(of(view.kernels.length, report.kernels.length, "kernel"), 8, bottom - 10);
  ink.font = COLUMN_FONT;
  ink.textAlign = "right";
  ink.fillText("fails on", layout.label - 6, bottom - 10);
  const failing = failingKernels({ members: [...view.level.rows.keys()] }, view.shares);
  ink.textBaseline = "middle";
  const middle = layout.head - layout.strip / 2;
  if (failing > 0) {
    ink.fillStyle = colours.bad;
    ink.fillText(failing.toLocaleString("en"), layout.label - 6, middle);
  }
  ink.textAlign = "left";
  ink.fillStyle = colours.text;
  ink.font = BOLD;
  ink.fillText(`all ${view.level.name}`, 8, middle);
}
