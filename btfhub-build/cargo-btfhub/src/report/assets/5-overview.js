// What needs attention: overall, in an object, in one column; and what changed.

const WORTH_A_LOOK = 12;

/** Rows that fail on some of the kernels, grouped by their most common failure. */
function findings(members, kernels) {
  const { level } = view;
  const by = shares(kernels);
  const known = new Map();
  for (const index of members) {
    const failures = new Map(); // kind and fact -> a verdict, and on how many kernels
    for (const [number, some] of by) {
      const verdict = level.columns[number][index];
      if (level.kind[verdict] < level.firstBad) continue;
      const key = `${level.kind[verdict]} ${level.fact(level.verdicts[verdict])}`;
      if (!failures.has(key)) failures.set(key, { verdict, on: 0 });
      failures.get(key).on += some;
    }
    if (!failures.size) continue;
    const count = [...failures.values()].reduce((sum, { on }) => sum + on, 0);
    const [key, { verdict, on }] = [...failures].sort(([, a], [, b]) => b.on - a.on)[0];
    const alike = known.get([key, on, count].join("\n"));
    if (alike) alike.more += 1;
    else known.set([key, on, count].join("\n"), { index, count, on, verdict, more: 0 });
  }
  return [...known.values()].sort((a, b) => b.count - a.count || a.index - b.index);
}

/** A row as a button that selects it. */
function findingButton({ index, count, on, verdict, more }, kernels) {
  const { level } = view;
  const kind = level.kinds[level.kind[verdict]];
  const where = kernels.length === 1 ? "" : ` on ${on.toLocaleString("en")} of ${plural(kernels.length, "kernel")}`;
  const others = count > on ? `; other failures on ${(count - on).toLocaleString("en")} more` : "";
  const reason = more ? level.fact(level.verdicts[verdict]) : level.reason(level.verdicts[verdict]);
  const row = level.rows[index];
  const name = level === LEVELS.relocations ? row.term : level.label(row);
  const object = level === LEVELS.programs && report.objects.length > 1 ? ` ${row.object}` : "";
  return element("li", {},
    element("button", { type: "button", class: "finding", style: `--swatch: var(--c-${kind.name})`, click: () => goTo(index) },
      element("b", {}, name, element("span", {}, object), more ? ` and ${more} more` : ""),
      element("span", {}, `${kind.word}${where}${reason ? `: ${reason}` : ""}${others}`)));
}

function findingsPart(members, kernels) {
  const { level } = view;
  const found = findings(members, kernels);
  const rows = found.reduce((sum, { more }) => sum + 1 + more, 0);
  if (!rows) {
    const unknown = countsOf(shares(kernels), members)[1];
    const none = level === LEVELS.programs
      ? `No program is known to fail${unknown ? "; some are unknown" : ""}.`
      : "No relocation keeps anything from loading.";
    return [element("p", {}, none)];
  }
  const rest = found.slice(WORTH_A_LOOK).reduce((sum, { more }) => sum + 1 + more, 0);
  return [
    element("p", {}, level === LEVELS.programs
      ? `${plural(rows, "program")} ${rows === 1 ? "fails" : "fail"}:`
      : `${plural(rows, "relocation")} ${rows === 1 ? "keeps" : "keep"} something from loading:`),
    element("ul", { class: "plain" }, ...found.slice(0, WORTH_A_LOOK).map((one) => findingButton(one, kernels))),
    rest > 0 ? element("p", { class: "soft" }, `… and ${rest} more, in the map`) : null,
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
      ? "A row is a program, a column a kernel, or several kernels of one distribution. A cell says whether the program loads and attaches there, and is divided where kernels differ. Click a cell for the reason, a name for all kernels at once, the strip above a column for everything that fails there, the head of a column to open or close it."
      : "A row is a relocation: a field, type or enumerator that a program needs from the kernel. A cell says how it resolves on those kernels, and is divided where they differ. Click a cell for the reason, a name for all kernels at once, the strip above a column for everything that fails there, the head of a column to open or close it."),
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
    items.length ? element("ul", { class: "plain", id: "changes" }, ...items) : element("p", {}, "Nothing, since the baseline."),
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
