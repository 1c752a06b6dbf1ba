// What a cell, or a whole row, comes to and why.

const details = document.getElementById("details");
const KERNELS_LISTED = 300;
const MEANING = {
  "fine": "The instructions take this kernel's value.",
  "answers-no": "The program asks whether it is there and is told no (0).",
  "guarded": "The instructions become invalid, but a check keeps the program from coming to them here.",
  "program-fails": "The program can come to an invalid instruction: the verifier refuses it.",
  "object-fails": "libbpf refuses to load the whole object.",
};

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function colourOf(verdict) {
  return view.scale === "effect" ? verdict.effect : verdict.status;
}

/** Shows `row` for the given kernels. */
function show(row, kernels, title) {
  const relocation = report.relocations[row];
  const by = new Map();
  for (const index of kernels) {
    const verdict = report.columns[report.kernels[index].column][row];
    if (!by.has(verdict)) by.set(verdict, []);
    by.get(verdict).push(index);
  }
  const verdicts = [...by].sort(([a], [b]) => rank[b].effect - rank[a].effect || rank[b].status - rank[a].status);
  details.replaceChildren(
    element("h2", {}, relocation.term),
    element("p", { class: "soft" }, `${relocation.kind} · ${title}`),
    ...verdicts.map(([number, its]) => verdictPart(report.verdicts[number], its)),
    ...advice(verdicts.map(([number]) => report.verdicts[number])),
    ...guardsPart(relocation, kernels),
    ...sitesPart(relocation, new Set(verdicts.flatMap(([number]) => report.verdicts[number].failing))),
  );
  details.scrollTop = 0;
}

function verdictPart(verdict, kernels) {
  const value = verdict.value !== null && verdict.status === "resolved" ? `, value ${verdict.value}` : "";
  const names = kernels.slice(0, KERNELS_LISTED).map((index) => element("li", {}, report.kernels[index].kernel));
  if (kernels.length > KERNELS_LISTED) names.push(element("li", {}, `… and ${kernels.length - KERNELS_LISTED} more`));
  const list = element("ul", { class: "plain" }, ...names);
  return element(
    "section", { class: "verdict", style: `--swatch: var(--c-${colourOf(verdict)})` },
    element("p", {}, element("b", {}, verdict.status), ` · ${WORDS[verdict.effect]}${value}`),
    verdict.reason ? element("p", { class: "reason" }, verdict.reason) : null,
    element("p", { class: "soft" }, MEANING[verdict.effect]),
    kernels.length === 1
      ? element("p", {}, report.kernels[kernels[0]].kernel)
      : element("details", {}, element("summary", {}, `${kernels.length} kernels`), list),
  );
}

function advice(verdicts) {
  if (verdicts.some((verdict) => verdict.effect === "program-fails")) {
    return [element("p", {}, "What to do: ask first (bpf_core_field_exists, bpf_core_type_exists, bpf_core_enum_value_exists) and give these kernels another way, or leave them out.")];
  }
  return [];
}

function guardsPart(relocation, kernels) {
  if (!relocation.guards.length) return [];
  const answers = relocation.guards.map((guard) => {
    const no = kernels.filter((index) => report.verdicts[report.columns[report.kernels[index].column][guard]].effect === "answers-no").length;
    return element("li", {}, element("code", {}, report.relocations[guard].term), ` answers no on ${no} of ${kernels.length}`);
  });
  return [element("h3", {}, "Checked by"), element("ul", { class: "plain" }, ...answers)];
}

function sitesPart(relocation, failing) {
  const sites = [...relocation.sites].sort((a, b) => failing.has(b.function) - failing.has(a.function));
  const items = sites.map((site) => {
    const place = report.functions[site.function];
    const where = site.file ? `${site.file}:${site.line}` : "no line info";
    return element(
      "li", failing.has(site.function) ? { class: "bad-place" } : {},
      element("b", {}, place.name || "(no symbol)"), ` ${place.section} · ${place.object} · instruction ${site.insn}`,
      element("br"), `${where} `, site.text ? element("code", {}, site.text) : null,
    );
  });
  const more = relocation.site_count - relocation.sites.length;
  if (more > 0) items.push(element("li", { class: "soft" }, `… and ${more} more, in the JSON report`));
  return [element("h3", {}, `Asked at ${relocation.site_count} ${relocation.site_count === 1 ? "place" : "places"}`), element("ul", { class: "plain" }, ...items)];
}

/** One line on a cell. */
function brief(column, row) {
  const parts = cell(column, row).map(([number, kernels]) => {
    const verdict = report.verdicts[number];
    const where = column.kernels.length > 1 ? ` on ${kernels}` : "";
    return `${verdict.status}, ${WORDS[verdict.effect]}${where}${verdict.reason ? `: ${verdict.reason}` : ""}`;
  });
  return `${report.relocations[row].term} — ${columnName(column)}: ${parts.join("; ")}`;
}
