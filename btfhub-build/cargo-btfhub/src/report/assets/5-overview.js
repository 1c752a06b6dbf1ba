// What there is to look at: over all, and in one column.

const WORTH_A_LOOK = 12;

/** Rows that keep something from loading on some of the kernels: [row, kernels], the most first. */
function failingRows(kernels) {
  const by = new Map(); // distinct column -> its kernels
  for (const index of kernels) {
    const { column } = report.kernels[index];
    by.set(column, (by.get(column) || 0) + 1);
  }
  const counts = report.relocations.map((_, row) => {
    let count = 0;
    for (const [column, some] of by) if (fails(report.columns[column][row])) count += some;
    return [row, count];
  });
  return counts.filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1] || a[0] - b[0]);
}

/** Rows that fail for one reason on as many kernels are told by the first of them. */
function clusters(rows, kernels) {
  const known = new Map();
  for (const [row, count] of rows) {
    const worst = kernels.map((index) => report.columns[report.kernels[index].column][row]).find((verdict) => fails(verdict));
    const { status, reason } = report.verdicts[worst];
    const key = [status, reason, count].join("\n");
    if (known.has(key)) known.get(key).alike += 1;
    else known.set(key, { row, count, verdict: report.verdicts[worst], alike: 0 });
  }
  return [...known.values()];
}

/** A row as a button that selects it. */
function rowButton({ row, count, verdict, alike }, kernels) {
  const where = kernels.length === 1 ? "" : ` on ${count.toLocaleString("en")} of ${plural(kernels.length, "kernel")}`;
  return element("li", {},
    element("button", { type: "button", class: "finding", style: `--swatch: var(--c-${colourOf(verdict)})`, click: () => goTo(row) },
      element("b", {}, `${report.relocations[row].term}${alike ? ` and ${alike} more` : ""}`),
      element("span", {}, `${verdict.status}${where}: ${verdict.reason}`)));
}

function findingsPart(kernels) {
  const rows = failingRows(kernels);
  if (!rows.length) return [element("p", {}, "No relocation keeps a program from loading.")];
  const found = clusters(rows, kernels);
  const more = found.slice(WORTH_A_LOOK).reduce((sum, { alike }) => sum + 1 + alike, 0);
  return [
    element("p", {}, `${plural(rows.length, "relocation")} ${rows.length === 1 ? "keeps" : "keep"} something from loading:`),
    element("ul", { class: "plain" }, ...found.slice(0, WORTH_A_LOOK).map((one) => rowButton(one, kernels))),
    more > 0 ? element("p", { class: "soft" }, `… and ${more} more, in the map`) : null,
  ].filter(Boolean);
}

function showOverview() {
  const shown = view.columns.flatMap((column) => column.kernels);
  const key = (name, text) => element("li", {}, element("kbd", {}, name), ` ${text}`);
  fill(
    element("h2", { class: "prose" }, "What to look at"),
    ...(shown.length ? findingsPart(shown) : [element("p", {}, "No kernel is shown.")]),
    ...unreadablePart(),
    element("h3", {}, "How to read this"),
    element("p", {}, "A row is a relocation: a field, type or enumerator that a program asks the kernel for. A column is a kernel, or the kernels of one series of a distribution; its cells are divided by how many of them come out how. Click a cell for the reason, a name for all kernels at once, the strip above a column for all that fails there, the head of a column to open or close a group."),
    element("ul", { class: "plain keys" },
      key("/", "filter"), key("←→↑↓", "move"), key("Enter", "open or close a group"), key("Esc", "back to this")),
  );
}

function unreadablePart() {
  if (!report.unreadable.length) return [];
  const items = report.unreadable.map(({ kernel, error }) => element("li", {}, element("b", {}, kernel), ` ${error}`));
  return [element("details", {}, element("summary", {}, `${plural(items.length, "entry").replace("entrys", "entries")} left out, damaged`), element("ul", { class: "plain" }, ...items))];
}

function showColumn(column) {
  fill(
    back(),
    element("h2", {}, columnName(column)),
    ...findingsPart(column.kernels),
    ...(column.kernels.length > 1 ? [kernelsPart(column.kernels)] : []),
  );
}
