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
  const tile = (number, text, bad) => element("li", bad ? { class: "bad" } : {}, element("b", {}, String(number)), ` ${text}`);
  byId("tiles").append(
    tile(kernels, "kernels"),
    tile(loading, "where everything loads"),
    tile(kernels - loading, "where something does not", kernels > loading),
    tile(relocations, "relocations"),
    ...(report.unreadable.length ? [tile(report.unreadable.length, "left out, damaged", true)] : []),
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
    const text = `${WORDS[name] || name} (${cells})`;
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
  const row = before && view.rows[before.row];
  const kernel = before && before.column !== null ? view.columns[before.column].kernels[0] : null;
  refresh();
  view.selected = null;
  if (before) {
    const newRow = view.rows.indexOf(row);
    const newColumn = kernel === null ? null : view.columns.findIndex((column) => column.kernels.includes(kernel));
    if (newRow >= 0 && newColumn !== -1) view.selected = { row: newRow, column: newColumn };
  }
  byId("expand").textContent = groups.every((group) => group.open) ? "Group kernels" : "Show every kernel";
  arrange();
}

function select(row, column) {
  if (!view.rows.length || !view.columns.length) return;
  row = Math.max(0, Math.min(view.rows.length - 1, row));
  if (column !== null) column = Math.max(0, Math.min(view.columns.length - 1, column));
  view.selected = { row, column };
  reveal(row, column);
  const relocation = view.rows[row];
  if (column === null) {
    show(relocation, view.columns.flatMap((entry) => entry.kernels), "all kernels shown");
    spoken.textContent = report.relocations[relocation].term;
  } else {
    show(relocation, view.columns[column].kernels, columnName(view.columns[column]));
    spoken.textContent = brief(view.columns[column], relocation);
  }
  draw();
}

function toggle(group) {
  group.open = !group.open;
  changed();
}

function onInput(id, key) {
  byId(id).addEventListener("input", (event) => { view[key] = event.target.value; changed(); });
}
onInput("find-relocation", "relocation");
onInput("find-kernel", "kernel");
onInput("find-function", "function");
onInput("sort", "sort");
byId("colour").addEventListener("input", (event) => { view.scale = event.target.value; fillLegend(); draw(); });
byId("width").addEventListener("input", (event) => { layout.cell = Number(event.target.value); arrange(); });
byId("expand").addEventListener("click", () => {
  const open = !groups.every((group) => group.open);
  groups.forEach((group) => { group.open = open; });
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
  if (at.row === null) toggle(view.columns[at.column].group);
  else select(at.row, at.column);
});
map.addEventListener("mousemove", (event) => {
  const at = hit(event);
  tip.hidden = !at || at.row === null || at.column === null;
  if (tip.hidden) return;
  tip.textContent = brief(view.columns[at.column], view.rows[at.row]);
  const right = event.clientX + 14 + tip.offsetWidth > innerWidth;
  tip.style.left = `${right ? Math.max(4, event.clientX - tip.offsetWidth - 10) : event.clientX + 14}px`;
  tip.style.top = `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 4)}px`;
});
map.addEventListener("mouseleave", () => { tip.hidden = true; });

map.addEventListener("keydown", (event) => {
  const at = view.selected || { row: 0, column: 0 };
  const column = at.column === null ? 0 : at.column;
  const page = Math.max(1, Math.floor((map.clientHeight - layout.head) / layout.row) - 1);
  const moves = {
    ArrowUp: [at.row - 1, column], ArrowDown: [at.row + 1, column],
    ArrowLeft: [at.row, column - 1], ArrowRight: [at.row, column + 1],
    PageUp: [at.row - page, column], PageDown: [at.row + page, column],
    Home: [event.ctrlKey ? 0 : at.row, 0], End: [event.ctrlKey ? view.rows.length - 1 : at.row, view.columns.length - 1],
  };
  if (moves[event.key]) {
    event.preventDefault();
    select(...(view.selected ? moves[event.key] : [0, 0]));
  } else if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    if (view.selected && view.columns[column]) {
      const row = view.rows[at.row];
      toggle(view.columns[column].group);
      if (view.selected) select(view.rows.indexOf(row), view.selected.column);
    }
  }
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select");
  if (event.key === "/" && !typing) { event.preventDefault(); byId("find-relocation").focus(); }
  if (event.key === "Escape" && typing) map.focus();
});
addEventListener("resize", arrange);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); draw(); });

/** As wide as lets all columns be seen at once, within what can be read. */
function fitWidth() {
  const room = map.clientWidth * 0.66 - 24;
  layout.cell = Math.max(6, Math.min(18, Math.floor(room / Math.max(1, view.columns.length))));
  byId("width").value = layout.cell;
}

fillIn();
readColours();
refresh();
fitWidth();
changed();
