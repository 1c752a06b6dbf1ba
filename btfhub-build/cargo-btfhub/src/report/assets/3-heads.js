// What stands around the cells: names of relocations, heads of columns.

const COLUMN_FONT = "11px system-ui, sans-serif";
/** Rotated lines of text that stand closer than this can't be read. */
const COLUMN_PITCH = 12;

/** The term, without what all macros of bpf_core_read.h begin with. */
function rowLabel(row) {
  return report.relocations[row].term.replace(/^bpf_core_/, "");
}

function paintRowNames(ink, first, last, y, height) {
  clipped(ink, 0, layout.head, layout.label, height, () => {
    ink.textBaseline = "middle";
    for (let row = first; row < last; row++) {
      const middle = y(row) + layout.row / 2;
      if (view.selected && view.selected.row === row) {
        ink.fillStyle = colours.line;
        ink.fillRect(0, y(row), layout.label, layout.row - 1);
      }
      ink.fillStyle = colours.text;
      ink.font = MONO;
      ink.textAlign = "left";
      ink.fillText(fit(ink, rowLabel(view.rows[row]), layout.label - layout.count - 14), 8, middle);
      const count = failing(row);
      if (count > 0) {
        ink.fillStyle = colours.bad;
        ink.font = COLUMN_FONT;
        ink.textAlign = "right";
        ink.fillText(String(count), layout.label - 6, middle);
        ink.textAlign = "left";
      }
    }
  });
}

/** The text, its middle left out where it is too long. */
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

/** The distribution goes into the label where its band has no room for its name. */
function columnLabel({ group, kernels }) {
  const label = kernels.length === 1 ? report.kernels[kernels[0]].release : `${group.first.series} (${kernels.length})`;
  const { distro, version } = group.first;
  return view.widths.get(distro) * layout.cell < 7 * distro.length ? `${distro} ${version} ${label}` : label;
}

function paintHeads(ink, first, last, x, width) {
  const bottom = layout.head - layout.strip;
  clipped(ink, layout.label - 5, 0, width, layout.head, () => {
    ["distro", "version", "arch"].forEach((field, level, fields) => {
      band(ink, first, last, x, level, (kernel) => fields.slice(0, level + 1).map((name) => kernel[name]).join("\n"), field);
    });
    const step = Math.max(1, Math.ceil(COLUMN_PITCH / layout.cell));
    ink.font = COLUMN_FONT;
    ink.textBaseline = "middle";
    for (let column = first; column < last; column++) {
      const chosen = view.selected && view.selected.column === column;
      if (column % step && !chosen) continue;
      // The chosen one's name takes the place of its neighbours'.
      const near = view.selected && view.selected.column !== null && Math.abs(view.selected.column - column) < step;
      if (near && !chosen) continue;
      ink.save();
      ink.translate(x(column) + layout.cell / 2, bottom - 5);
      ink.rotate(-Math.PI / 2);
      ink.fillStyle = chosen ? colours.focus : colours.text;
      ink.fillText(fit(ink, columnLabel(view.columns[column]), bottom - 3 * layout.band - 8), 0, 0);
      ink.restore();
    }
    for (let column = first; column < last; column++) paintLoads(ink, x(column), view.columns[column]);
    paintBorders(ink, first, last, x, bottom, layout.head);
  });
}

/** The share of a column's kernels on which some program fails. */
function paintLoads(ink, left, { kernels }) {
  const width = layout.cell - (layout.cell > 5 ? 1 : 0);
  const top = layout.head - layout.strip + 1, height = layout.strip - 3;
  const bad = kernels.filter((index) => report.kernels[index].verdict === "fails").length;
  const share = bad ? Math.max(3, Math.round(height * bad / kernels.length)) : 0;
  ink.fillStyle = colours.fine;
  ink.fillRect(left, top, width, height - share);
  ink.fillStyle = colours["program-fails"];
  ink.fillRect(left, top + height - share, width, share);
}

function paintCorner(ink) {
  const kernels = view.columns.reduce((sum, column) => sum + column.kernels.length, 0);
  const of = (shown, all, what) => (shown === all ? plural(all, what) : `${shown.toLocaleString("en")} of ${plural(all, what)}`);
  ink.fillStyle = colours.soft;
  ink.font = "12px system-ui, sans-serif";
  ink.textBaseline = "alphabetic";
  ink.textAlign = "left";
  ink.fillText(of(view.rows.length, report.relocations.length, "relocation"), 8, layout.head - layout.strip - 26);
  ink.fillText(of(kernels, report.kernels.length, "kernel"), 8, layout.head - layout.strip - 10);
  ink.font = COLUMN_FONT;
  ink.textAlign = "right";
  ink.fillText("no program fails", layout.label - 6, layout.head - 4);
  ink.fillText("fails on", layout.label - 6, layout.head - layout.strip - 10);
  ink.textAlign = "left";
}

/** One line of the head: neighbours of one name share it. */
function band(ink, first, last, x, level, key, field) {
  const top = level * layout.band;
  ink.font = level ? COLUMN_FONT : "600 11.5px system-ui, sans-serif";
  ink.textBaseline = "middle";
  let column = first;
  while (column > 0 && key(view.columns[column - 1].group.first) === key(view.columns[column].group.first)) column--;
  while (column < last) {
    let end = column + 1;
    const here = key(view.columns[column].group.first);
    while (end < view.columns.length && key(view.columns[end].group.first) === here) end++;
    const left = Math.max(x(column), layout.label), right = x(end);
    ink.strokeStyle = colours.line;
    line(ink, x(column), top, x(column), layout.head - layout.strip);
    const text = view.columns[column].group.first[field];
    const room = right - left - 5;
    if (room > 8) {
      ink.fillStyle = colours.text;
      ink.fillText(shorten(ink, text, room), left + 3, top + layout.band / 2 + 1);
    }
    column = end;
  }
}

/** The text, its end left out where it is too long; nothing where that would say nothing. */
function shorten(ink, text, width) {
  if (ink.measureText(text).width <= width) return text;
  for (let keep = text.length - 1; keep > 2; keep--) {
    const short = `${text.slice(0, keep)}…`;
    if (ink.measureText(short).width <= width) return short;
  }
  return "";
}
