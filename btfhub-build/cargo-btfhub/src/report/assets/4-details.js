// The verdicts of a cell, a whole row or a whole column, and why.

const details = document.getElementById("details");
const KERNELS_LISTED = 200;
const GROUPS_LISTED = 40;
const MEANING = {
  "runs": "No check found a problem.",
  "unknown": "It depends on something that is neither in this kernel's BTF nor given.",
  "likely": "A strong hint, but no proof.",
  "fails": "Proven: it follows from the kernel's BTF, symbols and release alone.",
  "fine": "The instructions get this kernel's value.",
  "answers-no": "The program asks whether it exists (or for its size or id), and gets 0.",
  "guarded": "The instructions become invalid, but a check keeps the program from reaching them here.",
  "wrong-value": "Everything loads, and the instructions get a number that is not the kernel's.",
  "program-fails": "The program can reach an invalid instruction: the verifier refuses it.",
  "object-fails": "libbpf refuses to load the whole object.",
};

/** Rules about the function that a program attaches to. */
const BY_TARGET = new Set(["kprobe", "function", "target"]);

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function link(text, click, id) {
  return element("button", { type: "button", class: "link", click, ...(id ? { id } : {}) }, text);
}

function fill(...parts) {
  details.replaceChildren(...parts.filter(Boolean));
  details.scrollTop = 0;
}

function back() {
  return link("‹ Overview", () => deselect(), "back");
}

/** Shows a row for the given kernels. */
function showRow(row, kernels, title) {
  if (row.index === null) showObject(row, kernels, title);
  else if (view.level === LEVELS.programs) showProgram(row.index, kernels, title);
  else showRelocation(row.index, kernels, title);
}

/** The verdicts of a row on some kernels, worst first: [verdict, kernels]. */
function verdictsOf(level, index, kernels) {
  const by = new Map();
  for (const kernel of kernels) {
    const verdict = level.columns[level.columnOf(report.kernels[kernel])][index];
    if (!by.has(verdict)) by.set(verdict, []);
    by.get(verdict).push(kernel);
  }
  return [...by].sort(([a], [b]) => level.kind[b] - level.kind[a] || a - b);
}

function showObject(row, kernels, title) {
  fill(
    back(),
    element("h2", {}, row.label),
    element("p", { class: "soft" }, `${plural(row.members.length, "program")} · ${title}`),
    ...findingsPart(row.members, kernels),
  );
}

function showProgram(index, kernels, title) {
  const program = report.programs[index];
  fill(
    back(),
    element("h2", {}, program.name || "(no symbol)"),
    element("p", { class: "soft" }, `${program.section ? `SEC("${program.section}") · ` : ""}${program.object} · ${title}`),
    ...verdictsOf(LEVELS.programs, index, kernels).map(([number, its]) => {
      const verdict = report.program_verdicts[number];
      const kind = LEVELS.programs.kind[number];
      const reasons = verdict.reasons.map(({ rule, text }) =>
        element("p", { class: kind ? "reason" : "soft" }, text, element("span", { class: "rule" }, ` ${rule}`)));
      return verdictPart(PROGRAM_KINDS[kind], reasons, its);
    }),
    ...programAdvice(program, index, kernels),
    link("Its relocations ›", () => openLevel(LEVELS.relocations, index), "relocations"),
  );
}

/** A program that does not attach by its section may be meant for something else. */
function programAdvice(program, index, kernels) {
  const isByTarget = verdictsOf(LEVELS.programs, index, kernels).some(([number]) =>
    LEVELS.programs.kind[number] > 0 && report.program_verdicts[number].reasons.some(({ rule }) => BY_TARGET.has(rule)));
  if (!isByTarget) return [];
  return says(`if user space attaches it to something else than its section names, say so: --target ${program.name}=TARGET`);
}

function showRelocation(index, kernels, title) {
  const relocation = report.relocations[index];
  const verdicts = verdictsOf(LEVELS.relocations, index, kernels).map(([number, its]) => [report.verdicts[number], its]);
  fill(
    back(),
    element("h2", {}, relocation.term),
    element("p", { class: "soft" }, `${relocation.kind} · ${title}`),
    ...modulesPart(relocation),
    ...verdicts.map(([verdict, its]) => {
      const value = verdict.value !== null && verdict.status === "resolved" ? `, value ${verdict.value}` : "";
      const kind = EFFECT_KINDS[LEVELS.relocations.kindOf(verdict)];
      const reasons = verdict.reason ? [element("p", { class: "reason" }, verdict.reason)] : [];
      return verdictPart({ ...kind, word: `${verdict.status} · ${kind.word}${value}` }, reasons, its);
    }),
    ...advice(relocation, verdicts.map(([verdict]) => verdict)),
    ...guardsPart(relocation, kernels),
    ...sitesPart(relocation, new Set(verdicts.flatMap(([verdict]) => verdict.failing))),
  );
}

/** Which modules have the type, if the kernel itself does not. */
function modulesPart(relocation) {
  const { modules, in_no_kernel: absent } = relocation;
  if (modules) {
    const one = modules.length === 1;
    const where = one ? "if that is loaded" : "if they are loaded";
    return [element("p", {}, `${relocation.root} is in ${one ? "module" : "modules"} ${modules.join(", ")}, ${where}.`)];
  }
  if (!absent) return [];
  const of = absent.usual_module ? `usually a type of module ${absent.usual_module}` : "possibly a module's type";
  return [element("p", {}, `${relocation.root} is in no kernel's BTF; ${of}.`)];
}

function verdictPart(kind, reasons, kernels) {
  return element(
    "section", { class: "verdict", style: `--swatch: var(--c-${kind.name})` },
    element("p", {}, swatch(kind.name), " ", element("b", {}, kind.word)),
    ...reasons,
    element("p", { class: "soft" }, MEANING[kind.name]),
    kernels.length === 1 ? element("p", {}, report.kernels[kernels[0]].kernel) : kernelsPart(kernels),
  );
}

function swatch(name) {
  return element("span", { class: "swatch", style: `background: var(--t-${name})` });
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

function says(text) {
  return [element("p", { class: "advice" }, element("b", {}, "What to do: "), text)];
}

function advice({ root }, verdicts) {
  const of = (effect, status) => verdicts.some((verdict) => verdict.effect === effect && (!status || verdict.status === status));
  if (of("object-fails", "refused")) {
    return says("read the field with bpf_core_read() or BPF_CORE_READ(), which take any offset and size, if the program loads it directly; or leave these kernels out.");
  }
  if (of("object-fails")) {
    return says("move the access to a separate program and don't load that on these kernels (bpf_program__set_autoload), or leave them out.");
  }
  if (of("program-fails") && (root === "pt_regs" || root === "user_pt_regs")) {
    return says("registers differ by architecture: compile the program for this one, or leave its kernels out (--arch).");
  }
  if (of("program-fails", "incompatible")) {
    return says("declare the kernel's other type as a flavor (struct NAME___old) and choose between the two with bpf_core_field_exists or bpf_core_type_matches, or leave these kernels out.");
  }
  if (of("program-fails")) {
    return says("guard the access (bpf_core_field_exists, bpf_core_type_exists, bpf_core_enum_value_exists) and handle these kernels differently, or leave them out.");
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
    const line = site.line ? `:${site.line}` : "";
    const where = site.file ? `${site.file}${line}` : "no line info";
    return element(
      "li", failing.has(site.function) ? { class: "bad-place" } : {},
      element("b", {}, place.name || "(no symbol)"), ` ${place.section} · ${place.object} · instruction ${site.insn}`,
      element("br"), `${where} `, site.text ? element("code", {}, site.text) : null,
    );
  });
  const more = relocation.site_count - relocation.sites.length;
  if (more > 0) items.push(element("li", { class: "soft" }, `… and ${more} more, in the JSON report`));
  return [element("h3", {}, `Used at ${plural(relocation.site_count, "place")}`), element("ul", { class: "plain" }, ...items)];
}

/** A row's name outside the map. */
function rowName(row) {
  return view.level === LEVELS.relocations && row.index !== null ? report.relocations[row.index].term : row.label;
}

/** One line on a cell. */
function brief(column, row) {
  const { level } = view;
  const name = `${rowName(row)} — ${columnName(column)}: `;
  if (row.index === null) return name + countsText(cell(column, row));
  return name + verdictsOf(level, row.index, column.kernels).map(([number, kernels]) => {
    const verdict = level.verdicts[number];
    const where = column.kernels.length > 1 ? ` on ${kernels.length}` : "";
    const reason = level.reason(verdict);
    const status = verdict.status ? `${verdict.status}, ` : "";
    return `${status}${level.kinds[level.kind[number]].word}${where}${reason ? `: ${reason}` : ""}`;
  }).join("; ");
}

/** One line on a column. */
function briefColumn(column) {
  return `${columnName(column)}: the worst ${view.level.one}: ${countsText(column.summary ?? summaryOf(column.kernels))}`;
}

function countsText(counts) {
  const parts = counts.map((count, kind) => (count ? `${view.level.kinds[kind].word} ${count.toLocaleString("en")}` : null));
  return parts.filter(Boolean).reverse().join(", ");
}
