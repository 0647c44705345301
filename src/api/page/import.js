// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The form that imports a file: which format it has, how far it is, which lines were refused.

let uploading = null; // XMLHttpRequest: it alone tells how far an upload is

function formatOf(name, start) {
  if (/\.(ndjson|jsonl)$/i.test(name)) return 'application/x-ndjson';
  if (/\.json$/i.test(name)) return 'application/json';
  const text = start.replace(/^\ufeff/, '').trimStart();
  if (!text.startsWith('{')) return 'text/plain';
  const line = text.split('\n', 1)[0];
  try {
    return 'target' in JSON.parse(line) ? 'application/x-ndjson' : 'application/json';
  } catch (error) {
    return 'application/json';
  }
}

function upload(path, type, body) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const used = token;
    uploading = request;
    request.open('POST', path);
    request.setRequestHeader('Content-Type', type);
    if (token) request.setRequestHeader('Authorization', 'Bearer ' + token);
    const progress = byId('import-progress');
    progress.value = 0;
    progress.hidden = false;
    request.upload.addEventListener('progress', (event) => {
      if (event.lengthComputable && event.total > 0) progress.value = event.loaded / event.total;
    });
    request.addEventListener('load', () => {
      if (request.status === 201) {
        resolve(JSON.parse(request.responseText));
        return;
      }
      if (request.status === 401) askForToken(used);
      reject(refusalOf(request.status, request.responseText, request.getResponseHeader('Retry-After')));
    });
    request.addEventListener('error', () => reject(new Refusal(0, 'the upload broke off; nothing of it was accepted, unless its answer was lost: look at the batches')));
    request.addEventListener('abort', () => reject(new Refusal(0, 'upload aborted; nothing of it was accepted')));
    request.send(body);
  });
}

function showImportErrors(answer) {
  const parent = byId('import-errors');
  parent.replaceChildren();
  const errors = answer && Array.isArray(answer.errors) ? answer.errors : [];
  if (errors.length === 0) return;
  const list = el('ul', {class: 'small break', 'aria-label': 'Rejected lines'});
  for (const error of errors) list.append(el('li', {text: 'line ' + error.line + ': ' + error.detail + (error.target ? ' (' + error.target + ')' : '')}));
  if (answer.rejected > errors.length) list.append(el('li', {text: 'and ' + count(answer.rejected - errors.length) + ' more'}));
  parent.append(list);
}

byId('import-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  if (uploading) return;
  const note = byId('import-note');
  const file = byId('import-file').files[0];
  const text = byId('import-text').value;
  showImportErrors(null);
  if (file && text.trim()) {
    setNote(note, 'Paste targets or choose a file, not both.', true);
    return;
  }
  if (!file && !text.trim()) {
    setNote(note, 'There is no target: paste some or choose a file.', true);
    return;
  }
  byId('import-go').disabled = true;
  byId('import-abort').hidden = false;
  setNote(note, 'Sending…');
  try {
    const start = file ? await file.slice(0, 65536).text() : text;
    const type = byId('import-format').value || formatOf(file ? file.name : '', start);
    const path = 'v1/batches' + query({name: byId('import-name').value.trim(), agents: byId('import-agents').value.trim(), timeout_ms: byId('import-timeout').value});
    const made = await upload(path, type, file || text);
    note.classList.remove('bad');
    note.replaceChildren(plural(made.accepted, 'task', 'tasks') + ' accepted' +
      (made.rejected ? ', ' + plural(made.rejected, 'line', 'lines') + ' rejected' : '') + ': ',
      el('a', {href: '#/batches/' + encodeURIComponent(made.id), text: 'open the batch'}));
    showImportErrors(made);
    byId('import-text').value = '';
    byId('import-file').value = '';
    batchesPoller.poll();
  } catch (error) {
    setNote(note, 'Not imported: ' + error.message, true);
    showImportErrors(error.problem);
  }
  uploading = null;
  byId('import-go').disabled = false;
  byId('import-abort').hidden = true;
  byId('import-progress').hidden = true;
});
byId('import-abort').addEventListener('click', () => uploading && uploading.abort());
