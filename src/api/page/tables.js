// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Tables, rows of facts, and pages of a list.

/**
 * A table whose rows stay the same elements while their items stay: columns are
 * {label, right, tight}; `fill(cells, item, row)` fills the cells of a row.
 */
class Table {
  constructor(parent, caption, columns, key, fill) {
    this.columns = columns;
    this.key = key;
    this.fill = fill;
    this.rows = new Map();
    this.body = el('tbody', {role: 'rowgroup'});
    const head = el('tr', {role: 'row'});
    for (const column of columns) {
      head.append(el('th', {scope: 'col', role: 'columnheader', class: column.right && 'right', text: column.label}));
    }
    this.table = el('table', {class: 'rows', role: 'table'},
      el('caption', {class: 'hidden', text: caption}),
      el('thead', {role: 'rowgroup'}, head), this.body);
    this.table.hidden = true;
    parent.replaceChildren(this.table);
  }

  show(items) {
    const old = this.rows;
    this.rows = new Map();
    let at = this.body.firstElementChild;
    for (const item of items) {
      const key = this.key(item);
      let row = old.get(key);
      if (row) {
        old.delete(key);
      } else {
        row = {node: el('tr', {role: 'row'}), cells: [], memory: {}};
        this.columns.forEach((column, index) => {
          const classes = [column.right && 'right', column.tight && 'tight'].filter(Boolean).join(' ');
          const cell = index === 0
            ? el('th', {scope: 'row', role: 'rowheader', 'data-label': column.label, class: classes || null})
            : el('td', {role: 'cell', 'data-label': column.label, class: classes || null});
          row.cells.push(cell);
          row.node.append(cell);
        });
      }
      this.rows.set(key, row);
      this.fill(row.cells, item, row);
      if (at === row.node) {
        at = at.nextElementSibling;
      } else {
        this.body.insertBefore(row.node, at);
      }
      if (row.below) {
        if (at === row.below) at = at.nextElementSibling;
        else row.node.after(row.below);
      }
    }
    for (const row of old.values()) {
      row.node.remove();
      if (row.below) row.below.remove();
    }
    this.table.hidden = this.rows.size === 0;
  }
}

/** A table of names and numbers. */
function countsTable(parent, caption, head, rows) {
  if (rows.length === 0) {
    parent.replaceChildren(el('p', {class: 'muted', text: 'nothing yet'}));
    return;
  }
  const body = el('tbody');
  for (const row of rows) {
    const line = el('tr', {class: row.tone === 'bad' ? 'trouble' : row.tone === 'warn' ? 'worried' : null});
    row.cells.forEach((cell, index) => {
      line.append(index === 0 ? el('th', {scope: 'row', class: row.long && 'break', text: cell})
        : el('td', {class: 'right', text: cell}));
    });
    body.append(line);
  }
  const names = el('tr');
  head.forEach((label, index) => names.append(el('th', {scope: 'col', class: index > 0 && 'right', text: label})));
  const table = el('table', {}, el('caption', {class: 'hidden', text: caption}), el('thead', {}, names), body);
  parent.replaceChildren(table);
}

const facts = (parent, entries) => {
  for (const entry of entries) {
    let node = parent.querySelector('[data-fact="' + entry.id + '"]');
    if (!node) {
      node = el('div', {'data-fact': entry.id}, el('dt', {text: entry.label}),
        el('dd', {}, el('span'), entry.plot ? Plot.node() : null));
      parent.append(node);
    }
    node.className = entry.tone || (entry.value === '0' || entry.value === '' ? 'none' : '');
    const value = node.querySelector('dd');
    setText(value.firstChild, entry.value === '' ? '–' : entry.value);
    value.className = entry.tone || '';
    if (entry.plot) entry.plot.draw(value.lastChild);
    node.hidden = Boolean(entry.hidden);
  }
};

/** Pages of a list by cursor: `load(after)` is called with where to start. */
class Pager {
  constructor(parent, what, load) {
    this.load = load;
    this.before = []; // where each page so far began
    this.next = null;
    this.back = el('button', {type: 'button', class: 'quiet', text: 'Previous', 'aria-label': 'Previous page of ' + what});
    this.more = el('button', {type: 'button', class: 'quiet', text: 'Next', 'aria-label': 'Next page of ' + what});
    this.where = el('span', {class: 'muted num'});
    this.back.addEventListener('click', () => {
      this.before.pop();
      this.load();
    });
    this.more.addEventListener('click', () => {
      if (this.next === null) return;
      this.before.push(this.next);
      this.load();
    });
    this.parent = parent;
  }

  get after() {
    return this.before.length > 0 ? this.before[this.before.length - 1] : '';
  }
  get page() {
    return this.before.length;
  }
  restart() {
    this.before = [];
    this.next = null;
  }
  show(next, text) {
    this.next = next;
    this.back.disabled = this.before.length === 0;
    this.more.disabled = next === null;
    setText(this.where, text);
    if (this.before.length === 0 && next === null) this.parent.replaceChildren();
    else if (!this.back.isConnected) this.parent.replaceChildren(this.back, this.more, this.where);
  }
}
