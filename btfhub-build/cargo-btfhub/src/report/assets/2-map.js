// The heat map: a canvas as large as its window, redrawn on scrolling.

const map = document.getElementById("map");
const space = document.getElementById("space");
const canvas = document.getElementById("canvas");
/** Label, head and cell are computed. The strip below the heads sums up each column. */
const layout = { label: 330, count: 42, band: 17, head: 190, strip: 14, cell: 14, row: 18 };
/** Column names closer than this are unreadable. */
const LEAST_CELL = 13;
const MONO = "12px ui-monospace, monospace";
const BOLD = "600 12px system-ui, sans-serif";
let colours = {};
let textures = {};
let drawing = false;

/** Kinds differ in texture as well as in colour. */
const TEXTURES = {
  "unknown": dots, "likely": slashes, "fails": crosses,
  "answers-no": dashes, "guarded": dots, "wrong-value": slashes, "program-fails": crosses, "object-fails": bars,
};
const TILE = 8;

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(name).trim();
  colours = {};
  textures = {};
  for (const name of ["panel", "page", "text", "soft", "line", "focus", "bad"]) colours[name] = get(`--${name}`);
  for (const { name } of [...PROGRAM_KINDS, ...EFFECT_KINDS]) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = TILE;
    const ink = tile.getContext("2d");
    ink.fillStyle = get(`--c-${name}`);
    ink.fillRect(0, 0, TILE, TILE);
    ink.strokeStyle = ink.fillStyle = get(`--i-${name}`);
    ink.lineWidth = 1.2;
    TEXTURES[name]?.(ink);
    textures[name] = ink.createPattern(tile, "repeat");
    document.documentElement.style.setProperty(`--t-${name}`, `url(${tile.toDataURL()})`);
  }
}

function strokes(ink, ...lines) {
  ink.beginPath();
  for (const [fromX, fromY, toX, toY] of lines) { ink.moveTo(fromX, fromY); ink.lineTo(toX, toY); }
  ink.stroke();
}
function dots(ink) { ink.fillRect(1, 1, 2, 2); ink.fillRect(5, 5, 2, 2); }
function dashes(ink) { strokes(ink, [1, 4, 5, 4]); }
function bars(ink) { strokes(ink, [2, 0, 2, TILE], [6, 0, 6, TILE]); }
function slashes(ink) { strokes(ink, [-1, TILE + 1, TILE + 1, -1], [-1, 1, 1, -1], [TILE - 1, TILE + 1, TILE + 1, TILE - 1]); }
function crosses(ink) {
  slashes(ink);
  strokes(ink, [-1, -1, TILE + 1, TILE + 1], [TILE - 1, -1, TILE + 1, 1], [-1, TILE - 1, 1, TILE + 1]);
}

/** How many columns can be seen and read at once. */
function roomForColumns() {
  measureLabels();
  return Math.floor((map.clientWidth - layout.label - 10) / LEAST_CELL);
}

/** Gives names the room they need, up to a third of the window, or more of a narrow one. */
function measureLabels() {
  const ink = canvas.getContext("2d");
  ink.font = MONO;
  const letter = ink.measureText("m").width;
  const { level } = view;
  const longest = level.rows.reduce((most, row) => Math.max(most, level.label(row).length, level.group(row).length), 18);
  const most = Math.round(map.clientWidth * (map.clientWidth < 700 ? 0.42 : 0.32));
  layout.label = Math.ceil(Math.min(most, (longest + 2) * letter + layout.count + 18));
}

function measureHeads() {
  const room = map.clientWidth - layout.label - 10;
  layout.cell = Math.max(LEAST_CELL, Math.min(view.columns.length > 30 ? 18 : 64, Math.floor(room / Math.max(1, view.columns.length))));
  const ink = canvas.getContext("2d");
  labelColumns(ink);
  ink.font = COLUMN_FONT;
  const longest = view.columns.reduce((most, column) => Math.max(most, ink.measureText(column.label).width), 40);
  const most = Math.max(110, Math.min(260, map.clientHeight * 0.42));
  layout.head = Math.ceil(3 * layout.band + Math.min(most, longest + 14) + layout.strip);
}

/** Sizes the scrolled area, and draws. */
function arrange() {
  measureHeads();
  const width = layout.label + view.columns.length * layout.cell + 8;
  const height = layout.head + view.rows.length * layout.row + 24;
  space.style.width = `${width}px`;
  space.style.height = `${height}px`;
  // So that tests and screen magnifiers can find a cell.
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
        paintCell(ink, x(column), y(row), cell(view.columns[column], view.rows[row]));
      }
    }
    paintBorders(ink, firstColumn, lastColumn, x, layout.head, y(lastRow));
    paintSelection(ink, x, y);
  });
  paintRowNames(ink, firstRow, lastRow, y, height);
  paintHeads(ink, firstColumn, lastColumn, x, width);
  paintCorner(ink);
  if (x(view.columns.length) > width) paintMore(ink, width, height);
  ink.strokeStyle = colours.line;
  line(ink, layout.label, 0, layout.label, height);
  line(ink, 0, layout.head, width, layout.head);
  if (view.rows.length === 0 || view.columns.length === 0) {
    ink.fillStyle = colours.soft;
    ink.font = "14px system-ui, sans-serif";
    ink.fillText("Nothing matches the filters.", layout.label + 16, layout.head + 30);
  }
}

/** A shadow at the right edge: there is more. */
function paintMore(ink, width, height) {
  const shadow = ink.createLinearGradient(width - 22, 0, width, 0);
  shadow.addColorStop(0, "transparent");
  shadow.addColorStop(1, colours.soft);
  ink.fillStyle = shadow;
  ink.globalAlpha = 0.6;
  ink.fillRect(width - 22, 0, 22, height);
  ink.globalAlpha = 1;
}

/** A line between directories. */
function paintBorders(ink, first, last, x, top, bottom) {
  ink.strokeStyle = colours.soft;
  for (let column = Math.max(1, first); column < last; column++) {
    if (view.columns[column - 1].group.directory !== view.columns[column].group.directory) line(ink, x(column), top, x(column), bottom);
  }
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

/** Divides a cell in proportion to its kinds of verdicts, worst at the bottom. */
function paintCell(ink, left, top, counts, height = layout.row - 1) {
  const width = layout.cell - 1;
  const total = counts.reduce((sum, count) => sum + count, 0);
  const best = counts.findIndex((count) => count > 0);
  let bottom = top + height;
  for (let kind = counts.length - 1; kind >= best && best >= 0; kind--) {
    if (!counts[kind]) continue;
    const rest = bottom - top;
    const share = kind === best ? rest : Math.min(rest, Math.max(4, Math.round(height * counts[kind] / total)));
    ink.save();
    // The texture starts anew in each cell.
    ink.translate(left, bottom - share);
    ink.fillStyle = textures[view.level.kinds[kind].name];
    ink.fillRect(0, 0, width, share);
    ink.restore();
    bottom -= share;
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
  const inStrip = row === null && top >= layout.head - layout.strip;
  const inBands = top < BANDS.length * layout.band;
  return column === null && row === null ? null : { row, column, inStrip, inBands };
}

/** Scrolls just enough to show the cell. */
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
