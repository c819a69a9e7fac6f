/* Tables that sort when a heading is pressed. A cell's exact number is in its <data value>; cells without one go last,
 * whichever the direction. */

function key(row, column) {
  const cell = row.cells[column];
  const value = cell?.querySelector('data')?.value;
  if (value !== undefined) return { number: Number(value) };
  const text = cell?.textContent.trim() ?? '';
  return text === '' || text === '–' ? {} : { text };
}

function compare(a, b) {
  const rank = (k) => ('number' in k ? 0 : 'text' in k ? 1 : 2);
  if (rank(a) !== rank(b)) return { fixed: rank(a) - rank(b) };
  if ('number' in a) return { free: a.number - b.number };
  return { free: (a.text ?? '').localeCompare(b.text ?? '') };
}

function sort(table, column, direction) {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, key: key(row, column) }));
  rows.sort((a, b) => {
    const order = compare(a.key, b.key);
    return order.fixed ?? order.free * direction;
  });
  body.append(...rows.map(({ row }) => row));
}

export function wireSorting() {
  for (const table of document.querySelectorAll('table.sortable')) {
    const headings = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    headings.forEach((heading, column) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener('click', () => {
        const direction = heading.getAttribute('aria-sort') === 'ascending' ? -1 : 1;
        for (const other of headings) other.removeAttribute('aria-sort');
        heading.setAttribute('aria-sort', direction === 1 ? 'ascending' : 'descending');
        sort(table, column, direction);
      });
    });
  }
}
