// @ts-check
// The list of regions: sortable, and a click jumps to a region.

/**
 * @typedef {object} Column
 * @property {(view: View) => string} head
 * @property {(row: RegionRow, index: number, view: View) => number | null} value
 * @property {(value: number | null, view: View) => string} text
 * @property {boolean} descending whether the largest value comes first
 */

/**
 * @param {CaseData} data
 * @returns {Column[]}
 */
function columnsOf({ payload }) {
  const rows = payload.regions?.rows ?? [];
  const any = (/** @type {"delta_p" | "delta_logit"} */ key) => rows.some((row) => row[key] !== null);
  /** @type {Column[]} */
  const columns = [
    { head: () => "rank", value: (row) => row.rank, text: (value) => String(value), descending: false },
    { head: () => "region", value: (row) => row.id, text: (value) => String(value), descending: false },
  ];
  if (any("delta_p")) {
    columns.push({ head: () => "Δp", value: (row) => row.delta_p, text: (value) => signed(value, 3), descending: true });
  }
  if (any("delta_logit")) {
    columns.push({
      head: () => "Δlogit",
      value: (row) => row.delta_logit,
      text: (value) => signed(value, 2),
      descending: true,
    });
  }
  if (payload.overlays.length) {
    columns.push({
      head: (view) => payload.overlays[view.overlay].label,
      value: (_, index, view) => payload.overlays[view.overlay].means[index],
      text: (value, view) => withStep(value ?? 0, rangeStep(payload.overlays[view.overlay]) / 10),
      descending: true,
    });
  }
  columns.push({ head: () => "ml", value: (row) => row.ml, text: (value) => millilitres(value ?? 0), descending: true });
  return columns;
}

/** @param {State} state */
function connectTable(state) {
  const { regions } = state.data.payload;
  if (!regions) return;
  const table = byId("regions");
  const [head, body] = [table.querySelector("thead"), table.querySelector("tbody")];
  if (!head || !body) return;
  const columns = columnsOf(state.data);
  const listed = regions.rows.map((_, index) => index).filter((index) => regions.rows[index].rank !== null);
  const sort = { column: 0, descending: false };
  let [filledFor, marked] = [-1, -1];

  const buttons = columns.map((column, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.addEventListener("click", () => {
      sort.descending = sort.column === at ? !sort.descending : column.descending;
      sort.column = at;
      filledFor = -1;
      state.refresh();
    });
    return button;
  });
  const heads = buttons.map((button) => {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.append(button);
    return cell;
  });
  const line = document.createElement("tr");
  line.append(...heads);
  head.append(line);

  /** @param {View} view */
  const fill = (view) => {
    columns.forEach((column, at) => {
      buttons[at].textContent = column.head(view);
      const direction = sort.descending ? "descending" : "ascending";
      heads[at].setAttribute("aria-sort", at === sort.column ? direction : "none");
    });
    const column = columns[sort.column];
    const key = (/** @type {number} */ index) => column.value(regions.rows[index], index, view) ?? 0;
    const sign = sort.descending ? -1 : 1;
    const order = [...listed].sort((a, b) => sign * (key(a) - key(b)) || a - b);
    const lines = order.map((index) => {
      const row = document.createElement("tr");
      row.dataset.index = String(index);
      row.tabIndex = 0;
      for (const column of columns) {
        const cell = document.createElement("td");
        cell.textContent = column.text(column.value(regions.rows[index], index, view), view);
        row.append(cell);
      }
      return row;
    });
    body.replaceChildren(...lines);
    marked = -1;
  };

  const pick = (/** @type {Event} */ event) => {
    const row = event.target instanceof Element ? event.target.closest("tr") : null;
    if (row?.dataset.index) state.select(Number(row.dataset.index));
  };
  body.addEventListener("click", pick);
  body.addEventListener("keydown", (event) => {
    if (event.key === "Enter") pick(event);
  });
  state.listeners.push((view) => {
    if (filledFor !== view.overlay) fill(view);
    filledFor = view.overlay;
    if (marked === view.selected) return;
    body.querySelector("tr.selected")?.classList.remove("selected");
    body.querySelector(`tr[data-index="${view.selected}"]`)?.classList.add("selected");
    marked = view.selected;
  });
}
