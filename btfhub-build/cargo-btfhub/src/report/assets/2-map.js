// The heat map: one canvas as large as the window onto it, drawn anew as one scrolls.

const map = document.getElementById("map");
const space = document.getElementById("space");
const canvas = document.getElementById("canvas");
/** The strip below the heads tells where programs fail; label and head are measured. */
const layout = { label: 330, count: 42, band: 17, head: 190, strip: 14, cell: 14, row: 18, isFitted: true };
const MONO = "12px ui-monospace, monospace";
let colours = {};
let drawing = false;

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(name).trim();
  colours = {};
  for (const name of ["panel", "page", "text", "soft", "line", "focus", "bad"]) colours[name] = get(`--${name}`);
  for (const name of [...EFFECTS, ...STATUSES]) colours[name] = get(`--c-${name}`);
}

/** Sizes what is scrolled over, and draws. */
function arrange() {
  measure();
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

/** As much room for names as they need, within a third of the window; more of a narrow one. */
function measure() {
  const ink = canvas.getContext("2d");
  ink.font = MONO;
  const letter = ink.measureText("m").width;
  const longest = report.relocations.reduce((most, _, row) => Math.max(most, rowLabel(row).length), 20);
  const most = Math.round(map.clientWidth * (map.clientWidth < 700 ? 0.48 : 0.34));
  layout.label = Math.ceil(Math.min(most, longest * letter + layout.count + 18));
  ink.font = COLUMN_FONT;
  const names = view.columns.reduce((most, column) => {
    const text = columnLabel(column);
    return text.length > most.length ? text : most;
  }, "");
  const room = Math.max(48, Math.min(150, map.clientHeight * 0.3));
  layout.head = Math.ceil(3 * layout.band + Math.min(room, ink.measureText(names).width + 14) + layout.strip);
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
    paintBorders(ink, firstColumn, lastColumn, x, layout.head, y(lastRow));
    paintSelection(ink, x, y);
  });
  paintRowNames(ink, firstRow, lastRow, y, height);
  paintHeads(ink, firstColumn, lastColumn, x, width);
  paintCorner(ink);
  ink.strokeStyle = colours.line;
  line(ink, layout.label, 0, layout.label, height);
  line(ink, 0, layout.head, width, layout.head);
  if (view.rows.length === 0 || view.columns.length === 0) {
    ink.fillStyle = colours.soft;
    ink.font = "14px system-ui, sans-serif";
    ink.fillText("Nothing fits the filters.", layout.label + 16, layout.head + 30);
  }
}

/** A line between directories, and around open groups. */
function paintBorders(ink, first, last, x, top, bottom) {
  ink.strokeStyle = colours.soft;
  for (let column = Math.max(1, first); column < last; column++) {
    if (borders(view.columns[column - 1].group, view.columns[column].group)) line(ink, x(column), top, x(column), bottom);
  }
}

/** Whether a line stands between two groups: closed ones of one directory are neighbours enough. */
function borders(left, right) {
  const directory = ({ first }) => [first.distro, first.version, first.arch].join("/");
  return left !== right && (left.open || right.open || directory(left) !== directory(right));
}

/** The selected cell in a frame, with its row and column as a cross. */
function paintSelection(ink, x, y) {
  const at = view.selected;
  if (!at) return;
  ink.strokeStyle = colours.focus;
  const rows = view.rows.length, columns = view.columns.length;
  const frame = (column, row, wide, high, width) => {
    ink.lineWidth = width;
    ink.strokeRect(x(column) + 0.5, y(row) + 0.5, wide * layout.cell - 1, high * layout.row - 1);
  };
  ink.globalAlpha = 0.45;
  if (at.row !== null) frame(0, at.row, columns, 1, 1);
  if (at.column !== null) frame(at.column, 0, 1, rows, 1);
  ink.globalAlpha = 1;
  if (at.row !== null && at.column !== null) frame(at.column, at.row, 1, 1, 2.5);
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
  const all = verdicts.every(([verdict]) => fails(verdict));
  if (layout.cell >= 10 && all) cross(ink, left + width / 2, top + height / 2, worst === "program-fails");
}

/** A cross, or half of one where not a program but the whole object fails. */
function cross(ink, x, y, both) {
  ink.strokeStyle = colours.panel;
  ink.lineWidth = 1.5;
  ink.beginPath();
  ink.moveTo(x - 3, y - 3);
  ink.lineTo(x + 3, y + 3);
  if (both) { ink.moveTo(x + 3, y - 3); ink.lineTo(x - 3, y + 3); }
  ink.stroke();
}

/** What is at a point of the window: {row, column}, null for a name or a head. */
function hit(event) {
  const box = canvas.getBoundingClientRect();
  const left = event.clientX - box.left, top = event.clientY - box.top;
  const column = left < layout.label ? null : Math.floor((left - layout.label + map.scrollLeft) / layout.cell);
  const row = top < layout.head ? null : Math.floor((top - layout.head + map.scrollTop) / layout.row);
  if (column !== null && column >= view.columns.length) return null;
  if (row !== null && row >= view.rows.length) return null;
  const inStrip = row === null && top >= layout.head - layout.strip;
  return column === null && row === null ? null : { row, column, inStrip };
}

/** Scrolls as little as brings the cell into the window. */
function reveal(row, column) {
  if (row !== null) {
    const top = row * layout.row, seen = map.clientHeight - layout.head;
    if (top < map.scrollTop) map.scrollTop = top;
    else if (top + layout.row > map.scrollTop + seen) map.scrollTop = top + layout.row - seen;
  }
  if (column !== null) {
    const left = column * layout.cell, wide = map.clientWidth - layout.label;
    if (left < map.scrollLeft) map.scrollLeft = left;
    else if (left + layout.cell > map.scrollLeft + wide) map.scrollLeft = left + layout.cell - wide;
  }
}
