// Filters, mouse, keyboard.

const byId = (id) => document.getElementById(id);
const tip = byId("tip");
const spoken = byId("spoken");

function fillIn() {
  const objects = report.objects.length > 3 ? `${report.objects.length} objects` : report.objects.join(", ");
  document.title = `Kernel compatibility of ${objects}`;
  byId("objects").textContent = objects;
  byId("objects").title = report.objects.join(", ");
  const { kernels, kernels_where_all_loads: loading, relocations } = report.summary;
  const failing = report.kernels.filter((kernel) => kernel.verdict === "fails").length;
  const tile = (number, text, bad) => element("li", bad ? { class: "bad" } : {}, element("b", {}, number.toLocaleString("en")), ` ${text}`);
  byId("tiles").append(
    tile(kernels, "kernels"),
    tile(loading, "expected to run all programs"),
    tile(failing, "where some fail", failing > 0),
    tile(relocations, "relocations"),
    ...(report.unreadable.length ? [tile(report.unreadable.length, "left out", true)] : []),
  );
  const functions = byId("find-function");
  report.functions.forEach((place, index) => {
    functions.append(element("option", { value: index }, `${place.name || "(no symbol)"} — ${place.section}`));
  });
  fillLegend();
}

function fillLegend() {
  const counts = view.scale === "effect" ? report.summary.effects : report.summary.statuses;
  const entries = counts.map(({ name, cells }) => {
    const swatch = element("span", { class: "swatch", style: `background: var(--c-${name})` });
    const text = `${WORDS[name] || name} (${cells.toLocaleString("en")})`;
    if (view.scale !== "effect") return element("span", {}, swatch, ` ${text}`);
    const box = element("input", { type: "checkbox", value: name });
    box.checked = view.effects.has(name);
    box.addEventListener("change", () => {
      box.checked ? view.effects.add(name) : view.effects.delete(name);
      changed();
    });
    return element("label", {}, box, swatch, text);
  });
  const title = element("legend", {}, view.scale === "effect" ? "Only rows with" : "Colours");
  byId("legend").replaceChildren(title, ...entries);
}

/** After a filter: the selected cell stays selected if it is still shown. */
function changed() {
  const before = view.selected;
  const row = before && before.row !== null ? view.rows[before.row] : null;
  const kernel = before && before.column !== null ? view.columns[before.column].kernels[0] : null;
  refresh();
  view.selected = null;
  if (!before) showOverview();
  else {
    const newRow = row === null ? null : view.rows.indexOf(row);
    const newColumn = kernel === null ? null : view.columns.findIndex((column) => column.kernels.includes(kernel));
    if (newRow !== -1 && newColumn !== -1) view.selected = { row: newRow, column: newColumn };
    else showOverview();
  }
  byId("expand").textContent = groups.every((group) => group.open) ? "Group kernels" : "Show every kernel";
  fitWidth();
  arrange();
}

/** Selects a cell; a row where `column` is null, a column where `row` is. */
function select(row, column) {
  if (!view.rows.length || !view.columns.length) return;
  const within = (at, end) => (at === null ? null : Math.max(0, Math.min(end - 1, at)));
  row = within(row, view.rows.length);
  column = within(column, view.columns.length);
  view.selected = { row, column };
  reveal(row, column);
  if (column === null) {
    showRow(view.rows[row], view.columns.flatMap((entry) => entry.kernels), "all kernels shown");
    spoken.textContent = `${report.relocations[view.rows[row]].term}: fails on ${failing(row)}`;
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

/** Selects a relocation, in the column that is selected or in all; filters that hide it go. */
function goTo(relocation) {
  if (!view.rows.includes(relocation)) {
    Object.assign(view, { relocation: "", function: "" });
    view.effects.clear();
    byId("find-relocation").value = "";
    byId("find-function").value = "";
    fillLegend();
    changed();
  }
  select(view.rows.indexOf(relocation), view.selected ? view.selected.column : null);
  map.focus();
}

function toggle(group) {
  group.wanted = !group.open;
  changed();
}

function onInput(id, key) {
  byId(id).addEventListener("input", (event) => { view[key] = event.target.value; changed(); });
}
onInput("find-relocation", "relocation");
onInput("find-kernel", "kernel");
onInput("find-function", "function");
onInput("sort", "sort");
byId("failing").addEventListener("change", (event) => { view.failing = event.target.checked; changed(); });
byId("colour").addEventListener("input", (event) => { view.scale = event.target.value; fillLegend(); draw(); });
byId("width").addEventListener("input", (event) => {
  layout.cell = Number(event.target.value);
  layout.isFitted = false;
  arrange();
});
byId("expand").addEventListener("click", () => {
  const open = !groups.every((group) => group.open);
  groups.forEach((group) => { group.wanted = open; });
  changed();
});
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
  const column = view.columns[at.column];
  if (at.row === null && !at.inStrip && column.group.kernels.length > 1) toggle(column.group);
  else select(at.row, at.column);
});
map.addEventListener("mousemove", (event) => {
  const at = hit(event);
  map.style.cursor = at ? "pointer" : "";
  tip.hidden = !at;
  if (tip.hidden) return;
  const column = view.columns[at.column];
  if (at.column === null) tip.textContent = `${report.relocations[view.rows[at.row]].term}: fails on ${failing(at.row)} of the kernels shown`;
  else tip.textContent = at.row === null ? briefColumn(column) : brief(column, view.rows[at.row]);
  const right = event.clientX + 14 + tip.offsetWidth > innerWidth;
  tip.style.left = `${right ? Math.max(4, event.clientX - tip.offsetWidth - 10) : event.clientX + 14}px`;
  tip.style.top = `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 4)}px`;
});
map.addEventListener("mouseleave", () => { tip.hidden = true; });

map.addEventListener("keydown", (event) => {
  const at = view.selected;
  const page = Math.max(1, Math.floor((map.clientHeight - layout.head) / layout.row) - 1);
  if (event.key === "Escape") return deselect();
  if ((event.key === "Enter" || event.key === " ") && at && at.column !== null) {
    event.preventDefault();
    toggle(view.columns[at.column].group);
    if (view.selected) select(view.selected.row, view.selected.column);
    return;
  }
  const { row, column } = at || { row: 0, column: 0 };
  // Above the first row is the column as a whole, left of the first column the row.
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
  if (event.key === "/" && !typing) { event.preventDefault(); byId("find-relocation").focus(); }
  if (event.key === "Escape" && typing) map.focus();
});
addEventListener("resize", () => { fitWidth(); arrange(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); draw(); });

/** As wide as lets all columns be seen at once, within what can be read: names, where each has one. */
function fitWidth() {
  if (!layout.isFitted) return;
  measure();
  const room = map.clientWidth - layout.label - 8;
  const least = view.columns.length <= FEW ? 11 : 6;
  layout.cell = Math.max(least, Math.min(view.columns.length > 30 ? 18 : 30, Math.floor(room / Math.max(1, view.columns.length))));
  byId("width").value = layout.cell;
}

fillIn();
readColours();
changed();
