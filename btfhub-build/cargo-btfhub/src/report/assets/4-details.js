// What a cell, a whole row or a whole column comes to and why.

const details = document.getElementById("details");
const KERNELS_LISTED = 200;
const GROUPS_LISTED = 40;
const MEANING = {
  "fine": "The instructions take this kernel's value.",
  "answers-no": "The program asks whether it is there and is told no (0).",
  "guarded": "The instructions become invalid, but a check keeps the program from coming to them here.",
  "program-fails": "The program can come to an invalid instruction: the verifier refuses it.",
  "object-fails": "libbpf refuses to load the whole object.",
};

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function colourOf(verdict) {
  return view.scale === "effect" ? verdict.effect : verdict.status;
}

function fill(...parts) {
  details.replaceChildren(...parts);
  details.scrollTop = 0;
}

function back() {
  return element("button", { type: "button", class: "link", id: "back", click: () => deselect() }, "‹ Overview");
}

/** Shows `row` for the given kernels. */
function showRow(row, kernels, title) {
  const relocation = report.relocations[row];
  const by = new Map();
  for (const index of kernels) {
    const verdict = report.columns[report.kernels[index].column][row];
    if (!by.has(verdict)) by.set(verdict, []);
    by.get(verdict).push(index);
  }
  const verdicts = [...by].sort(([a], [b]) => rank[b].effect - rank[a].effect || rank[b].status - rank[a].status);
  fill(
    back(),
    element("h2", {}, relocation.term),
    element("p", { class: "soft" }, `${relocation.kind} · ${title}`),
    ...verdicts.map(([number, its]) => verdictPart(report.verdicts[number], its)),
    ...advice(verdicts.map(([number]) => report.verdicts[number])),
    ...guardsPart(relocation, kernels),
    ...sitesPart(relocation, new Set(verdicts.flatMap(([number]) => report.verdicts[number].failing))),
  );
}

function verdictPart(verdict, kernels) {
  const value = verdict.value !== null && verdict.status === "resolved" ? `, value ${verdict.value}` : "";
  return element(
    "section", { class: "verdict", style: `--swatch: var(--c-${colourOf(verdict)})` },
    element("p", {}, element("b", {}, verdict.status), ` · ${WORDS[verdict.effect]}${value}`),
    verdict.reason ? element("p", { class: "reason" }, verdict.reason) : null,
    element("p", { class: "soft" }, MEANING[verdict.effect]),
    kernels.length === 1 ? element("p", {}, report.kernels[kernels[0]].kernel) : kernelsPart(kernels),
  );
}

/** Many kernels by their groups; the releases of a group unfold. */
function kernelsPart(kernels) {
  const parts = inGroups(kernels);
  const items = parts.slice(0, GROUPS_LISTED).map(([group, some]) => {
    const all = some.length === group.kernels.length ? "all " : "";
    const of = all ? "" : ` of ${group.kernels.length}`;
    const names = some.slice(0, KERNELS_LISTED).map((index) => element("li", {}, report.kernels[index].release));
    if (some.length > KERNELS_LISTED) names.push(element("li", {}, `… and ${some.length - KERNELS_LISTED} more`));
    return element("details", { class: "group" },
      element("summary", {}, `${groupName(group)} (${all}${some.length}${of})`),
      element("ul", { class: "plain" }, ...names));
  });
  const more = parts.length - GROUPS_LISTED;
  if (more > 0) items.push(element("p", { class: "soft" }, `… and ${plural(more, "more group")}`));
  return element("details", parts.length <= 4 ? { open: "" } : {}, element("summary", {}, plural(kernels.length, "kernel")), ...items);
}

function advice(verdicts) {
  const says = (text) => [element("p", { class: "advice" }, element("b", {}, "What to do: "), text)];
  const of = (effect, status) => verdicts.some((verdict) => verdict.effect === effect && (!status || verdict.status === status));
  if (of("object-fails", "refused")) {
    return says("read the field with bpf_core_read() or BPF_CORE_READ(), which take any offset and size, where the program loads it directly; or leave these kernels out.");
  }
  if (of("object-fails")) {
    return says("put the access into a program of its own and don't load that on these kernels (bpf_program__set_autoload), or leave them out.");
  }
  if (of("program-fails", "incompatible")) {
    return says("declare the kernel's other type as a flavor (struct NAME___old) and choose between the two with bpf_core_field_exists or bpf_core_type_matches, or leave these kernels out.");
  }
  if (of("program-fails")) {
    return says("ask first (bpf_core_field_exists, bpf_core_type_exists, bpf_core_enum_value_exists) and give these kernels another way, or leave them out.");
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
  return [element("h3", {}, `Asked at ${plural(relocation.site_count, "place")}`), element("ul", { class: "plain" }, ...items)];
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

/** One line on a column. */
function briefColumn(column) {
  const failing = column.kernels.filter((index) => report.kernels[index].verdict === "fails").length;
  return `${columnName(column)}: programs fail on ${failing} of ${column.kernels.length}`;
}
