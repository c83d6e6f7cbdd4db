// SPDX-License-Identifier: Apache-2.0
// What is asked inside a page. Each function returns a list of faults, as text, and what it looked at.
globalThis.inside = (() => {
  'use strict';
  const short = text => text.trim().replace(/\s+/g, ' ').slice(0, 60);
  const name = e => '<' + e.tagName.toLowerCase() + (e.id ? ' id=' + e.id : '') + '> ' + short(e.textContent || '');
  const isShown = e => e.checkVisibility({visibilityProperty: true, opacityProperty: true})
    && [...e.getClientRects()].some(r => r.width > 1 && r.height > 1 && r.right > 0);

  // Colors

  function color(text) {
    const numbers = text.match(/[\d.]+/g).map(Number);
    if (!/^rgba?\(/.test(text)) throw new Error('a color of another form: ' + text);
    return numbers.length === 3 ? [...numbers, 1] : numbers;
  }
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  function luminance(c) {
    const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = c.slice(0, 3).map(v => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }
  function ratio(a, b) {
    const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  }
  function background(e) {
    const layers = [];
    for (let at = e; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      const box = at.tagName === 'g' && at.querySelector(':scope > rect');
      layers.push(color(box ? getComputedStyle(box).fill : style.backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    if (!layers.length || layers.at(-1)[3] !== 1) throw new Error('no background behind ' + name(e));
    return layers.reduceRight((below, top) => over(top, below));
  }
  function opacity(e) {
    let value = 1;
    for (let at = e; at; at = at.parentElement) value *= Number(getComputedStyle(at).opacity);
    return value;
  }
  function textPairs() {
    const pairs = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode());) {
      const e = node.parentElement;
      if (!node.data.trim() || ['SCRIPT', 'STYLE', 'OPTION', 'NOSCRIPT', 'title'].includes(e.tagName)) continue;
      if (!e.checkVisibility()) continue;
      const style = getComputedStyle(e);
      pairs.push([e, e.closest('svg') ? style.fill : style.color, node.data]);
    }
    for (const e of document.querySelectorAll('input, select')) {
      if (!isShown(e)) continue;
      pairs.push([e, getComputedStyle(e).color, 'the value of ' + e.id]);
      if (e.placeholder) pairs.push([e, getComputedStyle(e, '::placeholder').color, e.placeholder]);
    }
    return pairs;
  }
  // Text needs 4.5 to 1, and the border of a control 3 to 1 (WCAG 2.2, 1.4.3 and 1.4.11).
  function contrast() {
    const faults = new Set(), seen = new Set();
    let least = 21;
    for (const [e, text, words] of textPairs()) {
      const behind = background(e), ink = color(text);
      ink[3] *= opacity(e);
      const value = ratio(over(ink, behind), behind);
      seen.add(text + ' on ' + behind);
      least = Math.min(least, value);
      if (value < 4.5) faults.add(value.toFixed(2) + ': ' + text + ' on ' + behind.slice(0, 3) + ': ' + short(words));
    }
    for (const e of document.querySelectorAll('button:not(.plain), input, select')) {
      if (!isShown(e)) continue;
      const behind = background(e.parentElement), value = ratio(color(getComputedStyle(e).borderTopColor), behind);
      if (value < 3) faults.add(value.toFixed(2) + ': the border of ' + name(e));
    }
    return {faults: [...faults], looked: seen.size + ' pairs of colors, least ' + least.toFixed(2)};
  }

  // Layout

  function overflow() {
    const faults = [], width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth > width || document.body.scrollWidth > width) {
      faults.push('the page is ' + document.documentElement.scrollWidth + ' wide in ' + width);
    }
    let looked = 0;
    for (const e of document.body.querySelectorAll('*')) {
      if (e.closest('.wide, svg, .skip') || !isShown(e)) continue;
      looked++;
      const r = e.getBoundingClientRect();
      if (r.right > width + 1 || r.left < -1) faults.push(name(e) + ' ends at ' + Math.round(r.right) + ' of ' + width);
    }
    for (const e of document.querySelectorAll('pre, summary, td, button, .tiles li, legend, label')) {
      if (isShown(e) && !e.closest('svg') && e.scrollWidth > e.clientWidth + 1 && e.clientWidth) {
        faults.push(name(e) + ' is cut at ' + e.clientWidth + ' of ' + e.scrollWidth);
      }
    }
    for (const group of document.querySelectorAll('svg g.pick')) {
      const [box, text] = [group.querySelector('rect'), group.querySelector('text')].map(e => e.getBBox());
      looked++;
      if (text.x < box.x || text.x + text.width > box.x + box.width) {
        faults.push('the text leaves its box in the picture: ' + name(group));
      }
    }
    return {faults, looked: looked + ' elements'};
  }

  // Markup

  const TAGS = new Set(('a article aside b body br button code details div fieldset g h1 h2 h3 head header html '
    + 'input label legend li main meta noscript ol option p path pre rect script section select span style summary svg '
    + 'table tbody td text th thead title tr ul').split(' '));
  function markup() {
    const faults = [], all = [...document.querySelectorAll('*')];
    for (const e of all) {
      if (!TAGS.has(e.localName)) faults.push('an element that the page never makes: ' + e.localName);
      for (const a of e.attributes) {
        if (a.name.startsWith('on') || a.name === 'style' || a.name === 'srcdoc' || a.name === 'src') {
          faults.push(name(e) + ' has ' + a.name);
        }
        if (a.name.endsWith('href') && !a.value.startsWith('#')) faults.push(name(e) + ' leads to ' + a.value);
      }
    }
    if (document.querySelectorAll('script').length !== 2) faults.push('not two scripts');
    if (document.querySelectorAll('style').length !== 1) faults.push('not one style sheet');
    if (document.querySelectorAll('meta').length !== 4) faults.push('not four meta elements');
    const text = document.body.innerText;
    const bad = text.match(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
    if (bad) faults.push('a control character is shown: ' + bad[0].charCodeAt(0).toString(16));
    if (document.title !== 'Network posture') faults.push('the title is ' + document.title);
    const ids = all.map(e => e.id).filter(id => id);
    if (new Set(ids).size !== ids.length) faults.push('an id twice');
    return {faults, looked: all.length + ' elements'};
  }

  // Keyboard

  const FOCUSABLE = 'a[href], button, input, select, summary, [tabindex="0"]';
  const focusables = () => [...document.querySelectorAll(FOCUSABLE)].filter(e => isShown(e) || e.matches('.skip'));
  const number = e => focusables().indexOf(e);
  function focused() {
    const e = document.activeElement, style = getComputedStyle(e), r = e.getBoundingClientRect();
    const isVisible = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
    return {number: number(e), name: name(e), isVisible, isInWindow: r.bottom > 0 && r.top < innerHeight};
  }

  return {contrast, overflow, markup, focused, count: () => focusables().length, names: () => focusables().map(name)};
})();
