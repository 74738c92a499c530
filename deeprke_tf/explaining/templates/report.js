"use strict";
// A click on the head of a column sorts its table; a second one turns it round.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const order = head.ariaSort === "descending" ? 1 : head.ariaSort ? -1 : 1;
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].innerText;
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        return order * (x - y || String(x).localeCompare(y, "en", { numeric: true }));
      });
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.ariaSort = order > 0 ? "ascending" : "descending";
      table.tBodies[0].append(...rows);
    });
  });
}
