// Filters, mouse, keyboard.

const byId = (id) => document.getElementById(id);
const tip = byId("tip");
const spoken = byId("spoken");

function fillIn() {
  const objects = report.objects.length > 3 ? `${report.objects.length} objects` : report.objects.join(", ");
  document.title = `Kernel compatibility of ${objects}`;
  byId("objects").textContent = objects;
  byId("objects").title = report.objects.join(", ");
  byId("headline").append(...report.headline.split("`").map((part, at) => (at % 2 ? element("code", {}, part) : part)));
  const tile = (number, text, bad) => element("li", bad ? { class: "bad" } : {}, element("b", {}, number.toLocaleString("en")), ` ${text}`);
  const on = (isWanted) => worstOn.filter(isWanted).length;
  const failing = on((worst) => worst >= judged.firstBad);
  const tiles = judged === LEVELS.programs
    ? [
      tile(on((worst) => worst === 0), "run every program"),
      tile(on((worst) => worst === 1), "leave some unknown"),
      tile(failing, "fail some", failing > 0),
    ]
    : [tile(on((worst) => worst < judged.firstBad), "resolve everything"), tile(failing, "do not", failing > 0)];
  byId("tiles").append(
    tile(report.kernels.length, report.kernels.length === 1 ? "kernel:" : "kernels:"),
    ...tiles,
    ...(report.unreadable.length ? [tile(report.unreadable.length, "left out", true)] : []),
    element("li", {}, "for"),
    ...(judged === LEVELS.programs ? [tile(judged.count, judged.count === 1 ? "program" : "programs")] : []),
    tile(report.relocations.length, report.relocations.length === 1 ? "relocation" : "relocations"),
  );
  for (const name of ["programs", "relocations"]) byId(`level-${name}`).addEventListener("click", () => openLevel(LEVELS[name]));
  byId("levels").hidden = judged !== LEVELS.programs;
}

function fillLegend() {
  const { level } = view;
  const cells = new Array(level.kinds.length).fill(0);
  for (const [number, kernels] of shares(report.kernels.keys())) {
    for (const verdict of level.columns[number]) cells[level.kind[verdict]] += kernels;
  }
  const entries = level.kinds.map(({ name, word }, kind) => {
    const box = element("input", { type: "checkbox", value: name });
    box.checked = view.kinds.has(name);
    box.addEventListener("change", () => {
      box.checked ? view.kinds.add(name) : view.kinds.delete(name);
      changed();
    });
    const title = `${plural(cells[kind], `pair`)} of ${level.one} and kernel`;
    return element("label", { title }, box, swatch(name), `${word} (${cells[kind].toLocaleString("en")})`);
  });
  byId("legend").replaceChildren(element("legend", {}, "Only rows with"), ...entries);
  for (const name of ["programs", "relocations"]) byId(`level-${name}`).setAttribute("aria-pressed", level === LEVELS[name]);
  byId("find-row").placeholder = level === LEVELS.programs ? "name, section, object …" : "task_struct, probe.bpf.c, …";
  const program = view.program === null ? null : report.programs[view.program];
  byId("of-program").hidden = !program;
  byId("of-program").textContent = program ? `of ${program.name} ✕` : "";
}

/** Switches levels, which clears the filter of rows and the selection. */
function openLevel(level, program = null) {
  Object.assign(view, { level, program, row: "", selected: null });
  view.kinds.clear();
  byId("find-row").value = "";
  map.scrollTop = 0;
  fillLegend();
  changed();
}

/** After filtering, keeps the selection if it is still shown. */
function changed() {
  const before = view.selected;
  const row = before && before.row !== null ? view.rows[before.row] : null;
  const kernel = before && before.column !== null ? view.columns[before.column].kernels[0] : null;
  refresh(roomForColumns());
  view.selected = null;
  const newRow = row === null ? null : view.rows.findIndex(({ index, group }) => index === row.index && group === row.group);
  const newColumn = kernel === null ? null : view.columns.findIndex((column) => column.kernels.includes(kernel));
  if (before && newRow !== -1 && newColumn !== -1) view.selected = { row: newRow, column: newColumn };
  else showOverview();
  arrange();
}

/** Selects a cell, a row if `column` is null, or a column if `row` is. */
function select(row, column) {
  if (!view.rows.length || !view.columns.length) return;
  const within = (at, end) => (at === null ? null : Math.max(0, Math.min(end - 1, at)));
  row = within(row, view.rows.length);
  column = within(column, view.columns.length);
  view.selected = { row, column };
  reveal(row, column);
  if (column === null) {
    const chosen = view.rows[row];
    showRow(chosen, view.kernels, "all kernels shown");
    spoken.textContent = `${rowName(chosen)}: fails on ${failingKernels(chosen, view.shares)}`;
  } else if (row === null) {
    showColumn(view.columns[column]);
    spoken.textContent = briefColumn(view.columns[column]);
  } else {
    showRow(view.rows[row], view.columns[column].kernels, columnName(view.columns[column]));
    spoken.textContent = brief(view.columns[column], view.rows[row]);
  }
  draw();
}

function deselect() {
  view.selected = null;
  showOverview();
  draw();
}

/** Selects a row by its index, in the selected column or in all; opens what hides it. */
function goTo(index) {
  const find = () => view.rows.findIndex((row) => row.index === index);
  if (find() === -1) {
    Object.assign(view, { row: "", program: null });
    view.kinds.clear();
    view.closed.delete(view.level.group(view.level.rows[index]));
    byId("find-row").value = "";
    fillLegend();
    changed();
  }
  select(find(), view.selected ? view.selected.column : null);
  map.focus();
}

/** Opens a column (a directory to its series, a series to its kernels), or closes the series. */
function toggleColumn({ group, grain }) {
  if (grain === "directories") group.directory.wanted = true;
  else group.wanted = grain === "series";
  changed();
}

/** Closes a directory, or opens it. */
function toggleDirectory({ group, grain }) {
  group.directory.wanted = grain === "directories";
  changed();
}

function toggleRow({ group }) {
  if (!view.closed.delete(group)) view.closed.add(group);
  changed();
}

function onInput(id, key) {
  byId(id).addEventListener("input", (event) => { view[key] = event.target.value; changed(); });
}
onInput("find-row", "row");
onInput("find-kernel", "kernel");
onInput("sort", "sort");
byId("grain").addEventListener("input", (event) => {
  view.grain = event.target.value;
  for (const group of groups) group.wanted = group.directory.wanted = null;
  changed();
});
byId("failing").addEventListener("change", (event) => { view.failing = event.target.checked; changed(); });
byId("of-program").addEventListener("click", () => { view.program = null; fillLegend(); changed(); });
byId("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = getComputedStyle(root).colorScheme === "dark";
  root.dataset.theme = dark ? "light" : "dark";
  readColours();
  draw();
});

map.addEventListener("scroll", draw);
map.addEventListener("click", (event) => {
  const at = hit(event);
  if (!at) return;
  const row = at.row === null ? null : view.rows[at.row];
  const isMark = at.column === null && row.index === null && event.clientX - canvas.getBoundingClientRect().left < 22;
  if (isMark) toggleRow(row);
  else if (at.inBands) toggleDirectory(view.columns[at.column]);
  else if (row === null && !at.inStrip && view.columns[at.column].group.kernels.length > 1) toggleColumn(view.columns[at.column]);
  else select(at.row, at.column);
});
map.addEventListener("mousemove", (event) => {
  const at = hit(event);
  map.style.cursor = at ? "pointer" : "";
  tip.hidden = !at;
  if (tip.hidden) return;
  const column = view.columns[at.column], row = view.rows[at.row];
  if (at.column === null) tip.textContent = `${rowName(row)}: fails on ${failingKernels(row, view.shares)} of the kernels shown`;
  else tip.textContent = at.row === null ? briefColumn(column) : brief(column, row);
  const right = event.clientX + 14 + tip.offsetWidth > innerWidth;
  tip.style.left = `${right ? Math.max(4, event.clientX - tip.offsetWidth - 10) : event.clientX + 14}px`;
  tip.style.top = `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 4)}px`;
});
map.addEventListener("mouseleave", () => { tip.hidden = true; });

/** Enter: opens or closes the selected object's row or column, which stays selected. */
function toggleSelected({ row, column }) {
  if (row !== null && view.rows[row].index === null) toggleRow(view.rows[row]);
  else if (column !== null) toggleColumn(view.columns[column]);
  if (view.selected) select(view.selected.row, view.selected.column);
}

map.addEventListener("keydown", (event) => {
  const at = view.selected;
  const page = Math.max(1, Math.floor((map.clientHeight - layout.head) / layout.row) - 1);
  if (event.key === "Escape") return deselect();
  if ((event.key === "Enter" || event.key === " ") && at) {
    event.preventDefault();
    return toggleSelected(at);
  }
  const { row, column } = at || { row: 0, column: 0 };
  // Above the first row is the whole column; left of the first column, the whole row.
  const up = (by) => (row === null ? null : row === 0 && column !== null ? null : Math.max(0, row - by));
  const down = (by) => (row === null ? 0 : row + by);
  const left = column === null ? null : column === 0 && row !== null ? null : Math.max(0, column - 1);
  const moves = {
    ArrowUp: [up(1), column], ArrowDown: [down(1), column],
    ArrowLeft: [row, left], ArrowRight: [row, column === null ? 0 : column + 1],
    PageUp: [up(page), column], PageDown: [down(page), column],
    Home: [event.ctrlKey ? 0 : row, 0], End: [event.ctrlKey ? view.rows.length - 1 : row, view.columns.length - 1],
  };
  if (!moves[event.key]) return;
  event.preventDefault();
  select(...(at ? moves[event.key] : [0, 0]));
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select");
  if (event.key === "/" && !typing) { event.preventDefault(); byId("filters").open = true; byId("find-row").focus(); }
  if (event.key === "Escape" && typing) map.focus();
});
addEventListener("resize", changed);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); draw(); });

byId("filters").open = innerWidth > 820;
fillIn();
readColours();
fillLegend();
changed();
