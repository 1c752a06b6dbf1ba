// What there is to look at: over all, in an object, in one column; and what changed.

const WORTH_A_LOOK = 12;

/** Rows that fail on some of the kernels, those for one reason on the same number together. */
function findings(members, kernels) {
  const { level } = view;
  const by = shares(kernels);
  const known = new Map();
  for (const index of members) {
    const counts = new Map();
    for (const [number, some] of by) {
      const verdict = level.columns[number][index];
      if (level.kind[verdict] >= level.firstBad) counts.set(verdict, (counts.get(verdict) || 0) + some);
    }
    if (!counts.size) continue;
    const count = [...counts.values()].reduce((sum, some) => sum + some, 0);
    const [verdict] = [...counts].sort((a, b) => b[1] - a[1])[0];
    const kind = level.kinds[level.kind[verdict]];
    const reason = level.reason(level.verdicts[verdict]);
    const key = [kind.name, reason, count].join("\n");
    if (known.has(key)) known.get(key).alike += 1;
    else known.set(key, { index, count, kind, reason, alike: 0 });
  }
  return [...known.values()].sort((a, b) => b.count - a.count || a.index - b.index);
}

/** A row as a button that selects it. */
function findingButton({ index, count, kind, reason, alike }, kernels) {
  const where = kernels.length === 1 ? "" : ` on ${count.toLocaleString("en")} of ${plural(kernels.length, "kernel")}`;
  const { level } = view;
  const name = level === LEVELS.relocations ? level.rows[index].term : level.label(level.rows[index]);
  return element("li", {},
    element("button", { type: "button", class: "finding", style: `--swatch: var(--c-${kind.name})`, click: () => goTo(index) },
      element("b", {}, `${name}${alike ? ` and ${alike} more` : ""}`),
      element("span", {}, `${kind.word}${where}${reason ? `: ${reason}` : ""}`)));
}

function findingsPart(members, kernels) {
  const { level } = view;
  const found = findings(members, kernels);
  const rows = found.reduce((sum, { alike }) => sum + 1 + alike, 0);
  if (!rows) {
    const unknown = countsOf(shares(kernels), members)[1];
    const none = level === LEVELS.programs
      ? `No program is known to fail${unknown ? "; some are unknown" : ""}.`
      : "No relocation keeps anything from loading.";
    return [element("p", {}, none)];
  }
  const more = found.slice(WORTH_A_LOOK).reduce((sum, { alike }) => sum + 1 + alike, 0);
  return [
    element("p", {}, level === LEVELS.programs
      ? `${plural(rows, "program")} ${rows === 1 ? "fails" : "fail"}:`
      : `${plural(rows, "relocation")} ${rows === 1 ? "keeps" : "keep"} something from loading:`),
    element("ul", { class: "plain" }, ...found.slice(0, WORTH_A_LOOK).map((one) => findingButton(one, kernels))),
    more > 0 ? element("p", { class: "soft" }, `… and ${more} more, in the map`) : null,
  ].filter(Boolean);
}

function showOverview() {
  const key = (name, text) => element("li", {}, element("kbd", {}, name), ` ${text}`);
  const members = view.rows.flatMap((row) => (row.index === null && !view.closed.has(row.group) ? [] : row.members));
  fill(
    ...changesPart(),
    element("h2", { class: "prose" }, "What to look at"),
    ...(view.kernels.length ? findingsPart(members, view.kernels) : [element("p", {}, "No kernel is shown.")]),
    ...unreadablePart(),
    element("h3", {}, "How to read this"),
    element("p", {}, view.level === LEVELS.programs
      ? "A row is a program, a column a kernel, or several kernels of one distribution. A cell says whether the program loads and attaches there, and is divided where kernels differ. Click a cell for the reason, a name for all kernels at once, the strip above a column for all that fails there, the head of a column to open or close it."
      : "A row is a relocation: a field, type or enumerator that a program asks the kernel for. A cell says what it comes to on those kernels, and is divided where they differ. Click a cell for the reason, a name for all kernels at once, the strip above a column for all that fails there, the head of a column to open or close it."),
    element("ul", { class: "plain keys" },
      key("/", "filter"), key("←→↑↓", "move"), key("Enter", "open or close"), key("Esc", "back to this")),
  );
}

function changesPart() {
  const { changes } = report;
  if (!changes) return [];
  const shown = (kind) => changes[kind].map(({ program, before, after, kernels }) =>
    element("li", { class: `change-${kind}` },
      element("b", {}, `${kind}: ${program.name}`),
      ` on ${plural(kernels.length, "kernel")}, was ${kindWord(before)}, is ${kindWord(after)}`,
      after.reasons.length || before.reasons.length ? `: ${(after.reasons[0] ?? before.reasons[0]).text}` : "",
      element("details", {}, element("summary", {}, "kernels"), element("ul", { class: "plain" },
        ...kernels.slice(0, KERNELS_LISTED).map((name) => element("li", {}, name))))));
  const names = { kernels_gone: "kernels gone", kernels_new: "new kernels", programs_gone: "programs gone", programs_new: "new programs" };
  const rest = Object.entries(names).filter(([key]) => changes[key].length).map(([key, text]) =>
    element("li", {}, element("details", {}, element("summary", {}, `${changes[key].length.toLocaleString("en")} ${text}`),
      element("ul", { class: "plain" }, ...changes[key].slice(0, KERNELS_LISTED).map((one) => element("li", {}, one.name ?? one))))));
  const items = [...shown("lost"), ...shown("changed"), ...shown("won"), ...rest];
  return [
    element("h2", { class: "prose" }, "What changed"),
    items.length ? element("ul", { class: "plain", id: "changes" }, ...items) : element("p", {}, "Nothing, against the baseline."),
  ];
}

function kindWord(verdict) {
  return PROGRAM_KINDS[programKind(verdict)].word;
}

function unreadablePart() {
  if (!report.unreadable.length) return [];
  const items = report.unreadable.map(({ kernel, error }) => element("li", {}, element("b", {}, kernel), ` ${error}`));
  const entries = items.length === 1 ? "1 entry" : `${items.length} entries`;
  return [element("details", {}, element("summary", {}, `${entries} left out, damaged`), element("ul", { class: "plain" }, ...items))];
}

function showColumn(column) {
  const members = view.rows.flatMap((row) => (row.index === null && !view.closed.has(row.group) ? [] : row.members));
  fill(
    back(),
    element("h2", {}, columnName(column)),
    ...findingsPart(members, column.kernels),
    column.kernels.length > 1 ? kernelsPart(column.kernels) : null,
  );
}
