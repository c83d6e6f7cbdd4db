// SPDX-License-Identifier: Apache-2.0

/// The page's program. It reads the data and puts every text into the page as text. The hash in ``ReportPage`` allows
/// exactly this text.
enum ReportScript {
    static let text = data + findings + picture + details

    private static let data = #"""
        'use strict';
        const D = JSON.parse(document.getElementById('data').textContent);
        const $ = id => document.getElementById(id);
        const SVG = 'http://www.w3.org/2000/svg';
        function fill(node, props, kids) {
          for (const [key, value] of Object.entries(props || {})) {
            if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
            else if (value !== undefined && value !== null) node.setAttribute(key, value);
          }
          for (const kid of kids.flat(9)) if (kid !== null && kid !== undefined) node.append(kid);
          return node;
        }
        const el = (tag, props, ...kids) => fill(document.createElement(tag), props, kids);
        const sv = (tag, props, ...kids) => fill(document.createElementNS(SVG, tag), props, kids);
        const P = D.parties.map(p => ({ns: p[0], kind: p[1], name: p[2], pods: p[3], host: p[4] & 1, standIn: p[4] & 2,
          score: p[5], gains: p[6]}));
        P.forEach((p, i) => { p.id = i; p.text = p.ns ? p.ns + '/' + p.name : p.name;
          p.search = (p.ns + '/' + p.name + ' ' + p.kind).toLowerCase(); });
        const spaces = [...new Set(P.map(p => p.ns))].filter(ns => ns);
        const grades = ['high', 'medium', 'low', 'info'];
        const badge = grade => el('span', {class: 'grade ' + grade}, grade);
        const count = (n, one, many) => n + ' ' + (n === 1 ? one : many || one + 's');
        const state = {text: '', space: '', grades: new Set(grades), focus: null};
        const seen = p => (!state.space || p.ns === state.space) && (!state.text || p.search.includes(state.text));
        // A list that is drawn in parts.
        function inParts(box, items, draw, size) {
          let shown = 0;
          const more = el('button', {type: 'button', class: 'more', onclick: () => {
            const first = shown;
            add(size);
            // The button goes, and would take the focus with it.
            if (more.hidden) { box.children[first].tabIndex = -1; box.children[first].focus(); }
          }}, 'Show more');
          function add(n) {
            for (const item of items.slice(shown, shown + n)) box.append(draw(item));
            shown = Math.min(shown + n, items.length);
            more.textContent = 'Show more (' + (items.length - shown) + ' left)';
            more.hidden = shown >= items.length;
          }
          add(size);
          more.toPrint = () => add(500);
          return more;
        }

        """#

    private static let findings = #"""
        function policyBox(text, title) {
          const pre = el('pre', {tabindex: '0', 'aria-label': title}, text);
          const copy = el('button', {type: 'button', onclick: () => {
            getSelection().selectAllChildren(pre);
            if (navigator.clipboard) navigator.clipboard.writeText(text).catch(() => {});
            copy.textContent = 'Copied';
          }}, 'Copy');
          return [pre, copy];
        }
        function findingItem(f) {
          const name = f.p < 0 ? el('b', {}, f.o)
            : el('button', {type: 'button', class: 'plain', onclick: () => focusOn({party: f.p})}, f.o);
          const item = el('li', {}, name, f.f ? el('span', {class: 'dim'}, ' ' + f.f) : null, el('p', {}, f.m));
          if (f.y === undefined) item.append(el('p', {}, 'Fix: ' + f.x));
          else {
            const box = el('details', {}, el('summary', {}, 'Suggested policy, checked to close just this'));
            box.addEventListener('toggle', () => { if (box.open && box.childElementCount === 1) {
              box.append(...policyBox(D.texts[f.y], 'Suggested policy')); } });
            item.append(box);
          }
          return item;
        }
        function findingSeen(f) {
          if (f.p >= 0 && state.space && P[f.p].ns !== state.space) return false;
          if (f.p < 0 && state.space && !f.o.includes(' ' + state.space + '/')) return false;
          return !state.text || (f.o + ' ' + f.m + ' ' + D.kinds[f.c].code + ' ' + D.kinds[f.c].title).toLowerCase()
            .includes(state.text);
        }
        function drawFindings() {
          const box = $('groups'), open = new Set([...box.querySelectorAll('details.group[open]')].map(d => d.dataset.code));
          box.replaceChildren();
          let total = 0;
          D.kinds.forEach((kind, index) => {
            if (!state.grades.has(kind.severity)) return;
            const items = D.findings.filter(f => f.c === index && findingSeen(f));
            if (!items.length) return;
            total += items.length;
            const group = el('details', {class: 'group', 'data-code': kind.code}, el('summary', {}, badge(kind.severity), ' ',
              el('b', {}, kind.code), ' ' + kind.title + ' ', el('span', {class: 'dim'}, '(' + items.length + ')')));
            group.fill = () => {
              if (!group.open || group.childElementCount > 1) return;
              const list = el('ol', {class: 'list'});
              group.append(el('p', {class: 'dim why'}, kind.why), list, inParts(list, items, findingItem, 50));
            };
            group.addEventListener('toggle', group.fill);
            if (open.has(kind.code)) group.open = true;
            box.append(group);
          });
          $('found').textContent = total ? count(total, 'finding') + ' shown' : 'No finding matches.';
        }
        function drawRanks() {
          const body = $('ranks'), items = D.rank.map(i => P[i]).filter(seen);
          body.replaceChildren();
          const more = inParts(body, items, p => el('tr', {},
            el('td', {}, el('button', {type: 'button', class: 'plain', onclick: () => focusOn({party: p.id})}, p.text),
              el('div', {class: 'dim'}, p.kind + ', ' + count(p.pods, 'pod') + (p.standIn ? ', from its document' : ''))),
            el('td', {class: 'number'}, String(p.score)),
            el('td', {}, el('ul', {class: 'plain'}, p.gains.map(g => el('li', {}, g[0] + ' (+' + g[1] + ')'))))), 20);
          $('morerank').replaceChildren(more);
        }

        """#
}
