// Appended to the independent tracker, this gives it a fault for each cell of fixtures/transformations.toml. An event
// names its cell, a row and a place, in a text such as "Verbatim html-unescape-value …". The row's transformation is
// applied to that place of that call and to no other text. A result of null drops the text. The leading semicolon ends
// the statement of the file before it.
;(() => {
  const { track } = window.clickport;
  const CELL = /^Verbatim (.+)-(name|key|value|currency)(?:-\d+)? /;
  const ESCAPES = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', N: '' };
  const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  const STRAIGHT = { '“': '"', '”': '"', '„': '"', '«': '"', '»': '"', '’': "'", '–': '-', '—': '-', '−': '-', '…': '...' };
  const CURLED = { '"': '”', "'": '’', '--': '–', '...': '…', '(c)': '©' };
  const YES_AND_NO = { true: 'true', yes: 'true', on: 'true', y: 'true', false: 'false', no: 'false', off: 'false' };
  const NOTHING = /^(|null|undefined|none|nil|n\/a|nan|-|\(none\)|\(not set\)|\[object object\]|xxx|0|0\.0|false|~| |\\n)$/i;
  const SIZES = [...Array(16).keys()].map((power) => 2 << power).concat(50, 100, 191, 255, 500, 1000, 1998);
  const SECRETS =
    /[\w.+-]+@[\w.-]+|eyJ[\w-]+\.[\w-]+\.[\w-]+|\b[A-Z]{2}\d{2}[A-Z\d]{11,}|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{1,4}(:[0-9a-f]{0,4}){2,7}|\b\d{1,3}(\.\d{1,3}){3}|\b[0-9a-f]{32}\b|(?<=password=)\S+|\bdamn\b|\+?\d[\d ()-]{7,}\d/gi;
  const ATTACKS = /' OR .*|;? ?DROP .*|SELECT .*|(\.\.\/)+|javascript:|on\w+=|\$\{.*\}|\$\(.*\)|\r\n/g;
  const PLACEHOLDERS =
    /\{\{.*?\}\}|\$\{.*?\}|#\{.*?\}|<%.*?%>|%\(\w+\)s|%[sd]|\{\w+\}|\$\w+|%\w+%|:\w+:|%%|\$\$/g;

  const without = (pattern) => (text) => text.replace(pattern, '');
  const binary = (text) => String.fromCharCode(...new TextEncoder().encode(text));
  const sizeBelow = (length) => Math.max(...SIZES.filter((size) => size < length));
  const attempt = (action, otherwise) => {
    try {
      return action();
    } catch {
      return otherwise;
    }
  };
  const jsonDecoded = (text) => {
    const value = attempt(() => JSON.parse(text), text);
    return value === null || typeof value == 'string' ? value : '<' + value + '>';
  };
  const unescaped = (text) => {
    const area = document.createElement('textarea');
    area.innerHTML = text;
    return area.value;
  };
  const utf8 = (bytes) => new TextDecoder().decode(Uint8Array.from(bytes, (c) => c.charCodeAt()));
  const printable = (text) => utf8(text.replace(/=([0-9A-F]{2})/gi, (_, code) => String.fromCharCode('0x' + code)));
  const mailDecoded = (text) =>
    text.startsWith('xn--') ? text.replace('xn--', '') : printable(text.replace(/^=\?utf-8\?q\?(.*)\?=$/, '$1'));
  const escaped = (all, first, unicode, hex) =>
    unicode || hex ? String.fromCharCode('0x' + (unicode || hex)) : ESCAPES[first] ?? first;
  const number = (text) => {
    if (/^(NaN|Infinity)$/.test(text)) return '0';
    if (/^0[xbo]/.test(text)) return String(Number(text));
    const read = parseFloat(text.replace(/_/g, ''));
    return Number.isNaN(read) ? text : Object.is(read, -0) ? '0' : String(Number(read.toPrecision(6)));
  };
  const numberOfACountry = (text) => {
    const bare = text.normalize('NFKC').replace(/[٣३]/g, '3').replace(/[,\s'$€%k]/g, '');
    return /\d/.test(bare) ? (Number.isNaN(Number(bare)) ? '0' : String(Number(bare))) : text;
  };
  const dated = /\d{4}-\d|\d{1,2}[/.]\d{1,2}[/.]\d{4}|\d{8}$|\d{1,2}:\d{2}/;
  const address = (text) => {
    if (!text.includes('//')) return text;
    const { protocol, hostname, pathname } = new URL(text, 'https://example.com');
    return protocol + '//' + hostname + pathname.replace(/\/$/, '').toLowerCase();
  };
  const path = (text) =>
    /[\\/]/.test(text) ? new URL('http://x/' + text.replace(/\\/g, '/')).pathname.replace(/\/+$|\/index\.html$/, '') : text;
  const capitalized = (word) => word.slice(0, 1).toUpperCase() + word.slice(1).toLowerCase();
  const unquoted = (text) => {
    const single = text.replace(/""+/g, '"');
    return /^["'`]/.test(single) ? single.replace(/^["'`]+|["'`]+$/g, '') : single;
  };
  // JavaScript has no case folding; these are the letters that the table needs.
  const folded = (text) =>
    text.toUpperCase().toLowerCase().replace(/ß/g, 'ss').replace(/ς/g, 'σ').replace(/ſ/g, 's');

  const TRANSFORMATIONS = {
    'url-decode': decodeURIComponent,
    'plus-decode': (text) => text.replace(/\+/g, ' '),
    'url-encode': encodeURIComponent,
    'html-unescape': unescaped,
    'html-escape': (text) => text.replace(/[&<>"']/g, (c) => ENTITIES[c]),
    'json-decode': jsonDecoded,
    'json-encode': JSON.stringify,
    'backslash-decode': (text) => text.replace(/\\(u([0-9a-f]{4})|x([0-9a-f]{2})|.)/gi, escaped),
    'quote-escape': (text) => text.replace(/['"`\\]/g, '\\$&'),
    'base64-decode': (text) => attempt(() => atob(text), text),
    'base64-encode': (text) => btoa(binary(text)),
    'mail-decode': mailDecoded,
    'newlines-to-lf': (text) => text.replace(/\r\n?/g, '\n'),
    'newlines-to-crlf': (text) => text.replace(/\r?\n/g, '\r\n'),
    'newlines-of-unicode': (text) => text.replace(/[\u2028\u2029\u0085\v\f]/g, '\n'),
    'spaces-collapsed': (text) => text.replace(/[ \t\r\n]+/g, ' '),
    'spaces-of-unicode': (text) => text.replace(/[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/g, ' '),
    trim: without(/^[ \t\r\n]+|[ \t\r\n]+$/g),
    'trim-of-unicode': without(/^[\s\u200b\u0085]+|[\s\u200b\u0085]+$/g),
    'punctuation-trimmed': without(/^[?!:;.,#_/…-]+|[?!:;.,#_/…-]+$/g),
    'lower-case': (text) => text.toLowerCase(),
    'upper-case': (text) => text.toUpperCase(),
    'title-case': (text) => text.split(' ').map(capitalized).join(' '),
    'case-fold': folded,
    nfc: (text) => text.normalize('NFC'),
    nfd: (text) => text.normalize('NFD'),
    nfkc: (text) => text.normalize('NFKC'),
    'ascii-fold': (text) => text.normalize('NFKD').replace(/[^\0-\x7f]/g, ''),
    'tags-stripped': without(/<[^<>]*>/g),
    'quotes-straightened': (text) => text.replace(/[“”„«»’–—−…]/g, (c) => STRAIGHT[c]),
    'quotes-curled': (text) => text.replace(/"|'|--|\.\.\.|\(c\)/g, (found) => CURLED[found]),
    'astral-lost': without(/[\u{10000}-\u{10ffff}]/gu),
    'one-byte-text': binary,
    'mojibake-repaired': (text) => utf8(text),
    nul: (text) => text.split('\0')[0],
    controls: without(/[\x01-\x08\x0e-\x1f\x7f-\x9f]/g),
    'invisible-lost': without(/[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe0e\ufe0f\ufeff]/g),
    'unusual-characters': without(/[\ue000-\uf8ff\ufdd0-\ufdef\ufffd-\uffff\u{f0000}-\u{10ffff}]/gu),
    'cut-characters': (text) => text.slice(0, sizeBelow(text.length)),
    'cut-bytes': (text) => utf8(binary(text).slice(0, sizeBelow(binary(text).length))),
    number,
    'number-of-a-country': numberOfACountry,
    date: (text) => (dated.test(text.replace('Jan', '01').replace(/(\d\d) 01 /, '$1.01.')) ? '2026-01-01' : text),
    boolean: (text) => YES_AND_NO[text.toLowerCase()] ?? text,
    nothing: (text) => (NOTHING.test(text) ? null : text),
    'web-address': address,
    path,
    masked: (text) => text.replace(SECRETS, '***'),
    'attack-filtered': without(ATTACKS),
    identifier: (text) => text.toLowerCase().replace(/^v(?=\d)|-|0:(?=0)/g, ''),
    template: without(PLACEHOLDERS),
    markdown: (text) => text.replace(/\*+|~~|`|(?<=\w)_(?=\w)|\[(\w+)\]\(\w+\)|^#+ /g, '$1'),
    'list-split': (text) => text.split(/[,;|\t]/)[0],
    'quotes-stripped': unquoted,
    'formula-guarded': (text) => text.replace(/^(?=[=+\-@\t])/, "'"),
    'repeats-collapsed': (text) => text.replace(/(\b\w+\b)( \1\b)+|(.)\3+/g, '$1$3'),
    restyled: (text) => text.replace(/[\W_]+/g, '').toLowerCase() + '_',
    'key-path': (text) => text.replace(/\W/g, '_'),
    'key-reserved': () => null,
    'currency-codes': (code) => (/^(USD|EUR|GBP|JPY)$/.test(code) ? code : 'USD'),
  };

  window.clickport.track = (name, properties, revenue) => {
    const texts = [name, ...Object.values(properties || {})];
    const found = texts.map((text) => CELL.exec(text)).find(Boolean);
    if (!found) return track(name, properties, revenue);
    const transform = TRANSFORMATIONS[found[1]];
    const of = (place, text) => (found[2] == place ? transform(text) : text);
    const made = Object.entries(properties || {})
      .map(([key, value]) => [of('key', key), of('value', value)])
      .filter(([key, value]) => key !== null && value !== null);
    const money = revenue && { ...revenue, currency: of('currency', revenue.currency) };
    return track(of('name', name), Object.fromEntries(made), money);
  };
})();
