// The heat map: one canvas as large as the window onto it, drawn anew as one scrolls.

const map = document.getElementById("map");
const space = document.getElementById("space");
const canvas = document.getElementById("canvas");
const layout = { label: 330, band: 17, head: 190, cell: 14, row: 18 };
let colours = {};
let drawing = false;

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(name).trim();
  colours = { panel: get("--panel"), page: get("--page"), text: get("--text"), soft: get("--soft"), line: get("--line"), focus: get("--focus") };
  for (const name of [...EFFECTS, ...STATUSES]) colours[name] = get(`--c-${name}`);
}

/** Sizes what is scrolled over, and draws. */
function arrange() {
  layout.head = view.columns.some((column) => column.group.open) ? 205 : 120;
  layout.label = Math.min(330, Math.max(160, Math.round(map.clientWidth * 0.34)));
  const width = layout.label + view.columns.length * layout.cell + 24;
  const height = layout.head + view.rows.length * layout.row + 24;
  space.style.width = `${Math.max(width, map.clientWidth)}px`;
  space.style.height = `${Math.max(height, map.clientHeight)}px`;
  // What a test or a screen magnifier needs to know to find a cell.
  Object.assign(map.dataset, {
    labelWidth: layout.label, headHeight: layout.head, cellWidth: layout.cell, rowHeight: layout.row,
    rows: view.rows.length, columns: view.columns.length,
  });
  draw();
}

function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; paint(); });
}

function paint() {
  const ratio = window.devicePixelRatio || 1;
  const width = map.clientWidth, height = map.clientHeight;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const ink = canvas.getContext("2d");
  ink.scale(ratio, ratio);
  ink.fillStyle = colours.panel;
  ink.fillRect(0, 0, width, height);
  const firstRow = Math.max(0, Math.floor(map.scrollTop / layout.row));
  const lastRow = Math.min(view.rows.length, Math.ceil((map.scrollTop + height - layout.head) / layout.row));
  const firstColumn = Math.max(0, Math.floor(map.scrollLeft / layout.cell));
  const lastColumn = Math.min(view.columns.length, Math.ceil((map.scrollLeft + width - layout.label) / layout.cell));
  const x = (column) => layout.label + column * layout.cell - map.scrollLeft;
  const y = (row) => layout.head + row * layout.row - map.scrollTop;

  clipped(ink, layout.label, layout.head, width, height, () => {
    for (let row = firstRow; row < lastRow; row++) {
      for (let column = firstColumn; column < lastColumn; column++) {
        paintCell(ink, x(column), y(row), view.columns[column], view.rows[row]);
      }
    }
    ink.strokeStyle = colours.soft;
    for (let column = Math.max(1, firstColumn); column < lastColumn; column++) {
      if (borders(view.columns[column - 1].group, view.columns[column].group)) line(ink, x(column), layout.head, x(column), y(lastRow));
    }
    const at = view.selected;
    if (at && at.column !== null) {
      ink.strokeStyle = colours.focus;
      ink.lineWidth = 2;
      ink.strokeRect(x(at.column) + 0.5, y(at.row) + 0.5, layout.cell - 1, layout.row - 1);
    }
  });
  paintRowNames(ink, firstRow, lastRow, y, height);
  paintHeads(ink, firstColumn, lastColumn, x, width);
  ink.strokeStyle = colours.line;
  line(ink, layout.label, 0, layout.label, height);
  line(ink, 0, layout.head, width, layout.head);
  if (view.rows.length === 0 || view.columns.length === 0) {
    ink.fillStyle = colours.soft;
    ink.font = "14px system-ui, sans-serif";
    ink.fillText("Nothing fits the filters.", layout.label + 16, layout.head + 30);
  }
}

/** Whether a line stands between two groups: closed ones of one directory are neighbours enough. */
function borders(left, right) {
  const directory = ({ first }) => [first.distro, first.version, first.arch].join("/");
  return left !== right && (left.open || right.open || directory(left) !== directory(right));
}

function clipped(ink, left, top, right, bottom, paintInside) {
  ink.save();
  ink.beginPath();
  ink.rect(left, top, right - left, bottom - top);
  ink.clip();
  paintInside();
  ink.restore();
}

function line(ink, fromX, fromY, toX, toY) {
  ink.lineWidth = 1;
  ink.beginPath();
  ink.moveTo(Math.round(fromX) + 0.5, Math.round(fromY) + 0.5);
  ink.lineTo(Math.round(toX) + 0.5, Math.round(toY) + 0.5);
  ink.stroke();
}

/** A group's cell is divided by how many of its kernels come out how, the worst at the bottom. */
function paintCell(ink, left, top, column, row) {
  const gap = layout.cell > 5 ? 1 : 0;
  const width = layout.cell - gap, height = layout.row - 1;
  const verdicts = cell(column, row);
  let bottom = top + height;
  verdicts.forEach(([verdict, kernels], index) => {
    const name = view.scale === "effect" ? report.verdicts[verdict].effect : report.verdicts[verdict].status;
    const rest = bottom - top;
    const share = index === verdicts.length - 1 ? rest : Math.min(rest, Math.max(4, Math.round(height * kernels / column.kernels.length)));
    ink.fillStyle = colours[name];
    ink.fillRect(left, bottom - share, width, share);
    bottom -= share;
  });
  // A mark for those who can't tell the colours apart, where all kernels of the cell fail.
  const worst = report.verdicts[verdicts[0][0]].effect;
  const all = verdicts.every(([verdict]) => report.verdicts[verdict].effect.endsWith("fails"));
  if (layout.cell >= 10 && all && (worst === "program-fails" || worst === "object-fails")) {
    ink.strokeStyle = colours.panel;
    ink.lineWidth = 1.5;
    ink.beginPath();
    const cx = left + width / 2, cy = top + height / 2;
    ink.moveTo(cx - 3, cy - 3);
    ink.lineTo(cx + 3, cy + 3);
    if (worst === "program-fails") { ink.moveTo(cx + 3, cy - 3); ink.lineTo(cx - 3, cy + 3); }
    ink.stroke();
  }
}

function paintRowNames(ink, first, last, y, height) {
  clipped(ink, 0, layout.head, layout.label, height, () => {
    ink.textBaseline = "middle";
    ink.font = "12px ui-monospace, monospace";
    for (let row = first; row < last; row++) {
      if (view.selected && view.selected.row === row) {
        ink.fillStyle = colours.line;
        ink.fillRect(0, y(row), layout.label, layout.row - 1);
      }
      ink.fillStyle = colours.text;
      ink.fillText(fit(ink, report.relocations[view.rows[row]].term, layout.label - 14), 8, y(row) + layout.row / 2);
    }
  });
}

/** The text, its middle left out where it is too long. */
function fit(ink, text, width) {
  if (ink.measureText(text).width <= width) return text;
  let keep = Math.max(2, Math.floor(text.length * width / ink.measureText(text).width));
  for (; keep > 2; keep--) {
    const tail = Math.ceil(keep * 0.55);
    const short = `${text.slice(0, keep - tail)}…${text.slice(-tail)}`;
    if (ink.measureText(short).width <= width) return short;
  }
  return "…";
}

function paintHeads(ink, first, last, x, width) {
  clipped(ink, layout.label, 0, width, layout.head, () => {
    ["distro", "version", "arch"].forEach((field, level, fields) => {
      band(ink, first, last, x, level, (kernel) => fields.slice(0, level + 1).map((name) => kernel[name]).join("\n"), field);
    });
    const top = 3 * layout.band;
    const step = Math.max(1, Math.ceil(9 / layout.cell));
    ink.font = "10.5px system-ui, sans-serif";
    ink.textBaseline = "middle";
    for (let column = first; column < last; column++) {
      if (column % step) continue;
      const { group, kernels } = view.columns[column];
      const chosen = view.selected && view.selected.column === column;
      const one = kernels.length === 1 && group.open;
      const text = one ? report.kernels[kernels[0]].release : `${group.first.series} (${kernels.length})`;
      ink.save();
      ink.translate(x(column) + layout.cell * step / 2, layout.head - 4);
      ink.rotate(-Math.PI / 2);
      ink.fillStyle = chosen ? colours.focus : kernels.every((index) => report.kernels[index].loads) ? colours.text : colours["program-fails"];
      ink.fillText(fit(ink, text, layout.head - top - 6), 0, 0);
      ink.restore();
    }
  });
  ink.fillStyle = colours.soft;
  ink.font = "12px system-ui, sans-serif";
  ink.textBaseline = "alphabetic";
  ink.fillText(`${view.rows.length} of ${report.relocations.length} relocations`, 8, layout.head - 26);
  const kernels = view.columns.reduce((sum, column) => sum + column.kernels.length, 0);
  ink.fillText(`${kernels} of ${report.kernels.length} kernels`, 8, layout.head - 10);
}

/** One line of the head: neighbours of one name share it. */
function band(ink, first, last, x, level, key, field) {
  const top = level * layout.band;
  ink.font = level ? "11px system-ui, sans-serif" : "600 11.5px system-ui, sans-serif";
  ink.textBaseline = "middle";
  let column = first;
  while (column > 0 && key(view.columns[column - 1].group.first) === key(view.columns[column].group.first)) column--;
  while (column < last) {
    let end = column + 1;
    const here = key(view.columns[column].group.first);
    while (end < view.columns.length && key(view.columns[end].group.first) === here) end++;
    const left = Math.max(x(column), layout.label), right = x(end);
    ink.strokeStyle = colours.line;
    line(ink, x(column), top, x(column), layout.head);
    const text = view.columns[column].group.first[field];
    const room = right - left - 6;
    if (room > 14) {
      ink.fillStyle = colours.text;
      clipped(ink, left, top, right - 2, top + layout.band, () => ink.fillText(text, left + 3, top + layout.band / 2 + 1));
    }
    column = end;
  }
}

/** What is at a point of the window: {row, column}, null for a name or a head. */
function hit(event) {
  const box = canvas.getBoundingClientRect();
  const left = event.clientX - box.left, top = event.clientY - box.top;
  const column = left < layout.label ? null : Math.floor((left - layout.label + map.scrollLeft) / layout.cell);
  const row = top < layout.head ? null : Math.floor((top - layout.head + map.scrollTop) / layout.row);
  if (column !== null && column >= view.columns.length) return null;
  if (row !== null && row >= view.rows.length) return null;
  return column === null && row === null ? null : { row, column };
}

/** Scrolls as little as brings the cell into the window. */
function reveal(row, column) {
  const top = row * layout.row, seen = map.clientHeight - layout.head;
  if (top < map.scrollTop) map.scrollTop = top;
  else if (top + layout.row > map.scrollTop + seen) map.scrollTop = top + layout.row - seen;
  if (column === null) return;
  const left = column * layout.cell, wide = map.clientWidth - layout.label;
  if (left < map.scrollLeft) map.scrollLeft = left;
  else if (left + layout.cell > map.scrollLeft + wide) map.scrollLeft = left + layout.cell - wide;
}
