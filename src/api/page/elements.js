// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Elements and what is set on them.

const byId = (id) => document.getElementById(id);

/** An element with attributes; children are nodes, or text. `class` and `text` are as named. */
function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === 'text') node.textContent = value;
    else node.setAttribute(name, value === true ? '' : value);
  }
  for (const child of children) {
    if (child !== undefined && child !== null) node.append(child);
  }
  return node;
}

/** Only when it differs: live regions speak at every change. */
function setText(node, text) {
  const wanted = text === undefined || text === null ? '' : String(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

function setNote(node, text, bad) {
  setText(node, text);
  node.classList.toggle('bad', Boolean(bad));
}

function setChip(node, text, tone) {
  setText(node, text);
  const wanted = tone ? 'chip ' + tone : 'chip';
  if (node.className !== wanted) node.className = wanted;
}

/** A link when it is http(s), else text. */
function targetNode(target) {
  const text = String(target === undefined ? '' : target);
  if (/^https?:\/\//i.test(text)) {
    let url = null;
    try {
      url = new URL(text);
    } catch (error) {
      url = null;
    }
    if (url && (url.protocol === 'http:' || url.protocol === 'https:')) {
      return el('a', {class: 'break', href: url.href, target: '_blank', rel: 'noopener noreferrer', text});
    }
  }
  return el('span', {class: 'break', text});
}

function refilter(form, restart) {
  let timer = 0;
  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('input', (event) => {
    clearTimeout(timer);
    timer = setTimeout(restart, event.target.tagName === 'SELECT' ? 0 : 300);
  });
}
