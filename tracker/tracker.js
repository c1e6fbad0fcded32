/*
 * The reference tracker: page views, and custom events by window.clickport.track().
 *
 *   <script defer data-domain="example.com" src="/tracker.js"></script>
 *
 * data-domain  the site of the events; default: the host of the page
 * data-api     the endpoint; default: /api/event on the origin of this script
 *
 * Built into tracker.min.js, at most 1,000 bytes gzipped. Ids such as PROP-2 are requirements of the protocol;
 * README.md gives the reasons for decisions that the protocol leaves open.
 */
(() => {
  // The Fetch standard limits the keepalive bodies in flight of a page to 64 KiB in total. Chromium and Firefox
  // also allow at most 256 requests in flight. Counting each request as at least 256 bytes respects both limits
  // with one number, because 256 × 256 = 65,536 (DELIV-6).
  const KEEPALIVE_BUDGET = 65536;
  const LEAST_COST = 256;
  // In milliseconds. A refusal by the browser takes only a few, because nothing is sent; see post().
  const REFUSED_WITHIN = 100;

  // A page may define a stub `window.clickport` with a queue `q` for early calls (API-9). An object with a
  // track function and no queue is this script, included before (API-7).
  const stub = window.clickport;
  if (stub?.track && !stub.q) return;

  // Both are read now: currentScript is null later, and a page that replaces fetch afterwards must not affect
  // the tracker (API-8).
  const { fetch } = window;
  // A module, or a script inserted as text, has no currentScript and no src.
  const { src, dataset } = document.currentScript || document.querySelector('[data-domain]');
  const endpoint = dataset.api || new URL('/api/event', src || location); // WIRE-1

  let path;
  let visit;
  let left;
  let inFlight = 0;

  const attempt = (action) => {
    try {
      action();
    } catch {}
  };

  // With the u flag, \p{Cs} matches lone surrogates and never half of a pair.
  const replaceSurrogates = (text, replacement) => text.replace(/\p{Cs}/gu, replacement);

  // JSON is concatenated from strings: JSON.stringify ignores toJSON for primitives, while a page that defines
  // Array.prototype.toJSON or Object.prototype.toJSON would change arrays and objects (API-8).
  const quote = (text) => JSON.stringify(replaceSurrogates(text, '\ufffd'));

  // String(value), cut to 2,000 UTF-16 code units (PROP-3, PROP-5). Ill-formed text is repaired first, so that
  // a lone surrogate after the cut can only be half of a pair at the limit, which is removed (PROP-6). The
  // first slice only keeps very long text from the regular expression.
  const short = (value) =>
    quote(replaceSurrogates(replaceSurrogates(String(value).slice(0, 2001), '\ufffd').slice(0, 2000), ''));

  // Not Math.random, which a page may have seeded, nor randomUUID, which needs a secure context.
  const id = () => crypto.getRandomValues(new Uint32Array(3)).join('-');

  let session = id();

  // Sends one request (WIRE-4) and returns immediately (DELIV-4). Never rejects (DELIV-7). With keepalive it outlives
  // the page (DELIV-1, DELIV-2); a cost of 0 means without: only while the page stays open can it arrive (DELIV-5).
  const post = async (body, cost) => {
    inFlight += cost;
    try {
      // A string body is sent as text/plain;charset=UTF-8, which needs no preflight (WIRE-5). The options have
      // no prototype, so that properties which the page added to Object.prototype are not options (API-8).
      const answer = fetch(endpoint, {
        __proto__: null,
        method: 'POST',
        body,
        credentials: 'omit',
        keepalive: cost > 0,
      });
      // A timer, not a clock: it starts after the calling task, and in a busy page the refusal is queued before
      // it, so that a slow page is not mistaken for a slow network.
      await 0;
      let late;
      setTimeout(() => {
        late = 1;
      }, REFUSED_WITHIN);
      await answer.then(
        // The browser releases the budget when the response has been read to its end.
        (response) => response.text(),
        // The browser refuses immediately if other scripts use the budget: send again without keepalive. After
        // a later failure the request may have reached the server, so it is not repeated (DELIV-3). Nor is it
        // after a failure in a page that is left or closed, whose request may still be delivered.
        () => {
          cost && !left && !closed && !late && post(body, 0);
        },
      );
    } catch {}
    inFlight -= cost;
  };

  // The context is read at the time of the call. A prerendered page sends when it is shown, or never; until
  // then its session storage is not that of the tab.
  const send = (event) => {
    const head =
      '{"t":' + event +
      ',"d":' + short(dataset.domain || location.hostname) +
      ',"u":' + short(location) +
      ',"r":' + short(document.referrer) +
      ',"p":' + short(visit) +
      ',"s":';
    const go = () => {
      // If storage is forbidden or full, the session lasts as long as the page.
      attempt(() => {
        session = sessionStorage.cp_sid ||= session;
      });
      const body = head + short(session) + '}';
      const cost = Math.max(LEAST_COST, new TextEncoder().encode(body).length);
      post(body, inFlight + cost > KEEPALIVE_BUDGET ? 0 : cost);
    };
    document.prerendering ? document.addEventListener('prerenderingchange', go) : go();
  };

  // Sends a page view if path or query have changed, or if the back/forward cache has restored the page.
  const view = (event) => {
    const now = location.pathname + location.search;
    left = 0;
    if (event.persisted || path != now) {
      path = now;
      if (event.navigationType != 'replace') {
        visit = id();
        send('"p"');
      }
    }
  };

  // An event needs a name alone (API-2, API-6). It is an object with t and n (WIRE-2), two arrays of strings, one of
  // keys and one of values (WIRE-3), and revenue if there is an amount.
  const track = (name, properties, revenue) =>
    // Objects of the page may run its code: getters, toString, proxies. An exception drops only the property
    // or the revenue that caused it (API-5).
    attempt(() => {
      let keys = '';
      let values = '';
      let money = '';
      if (typeof name == 'string' && name) {
        // Without an object, for example null, no properties (API-3); of an object the first 30 (PROP-2), each
        // key with its value (PROP-1), numbers and booleans as their text (PROP-4).
        attempt(() =>
          Object.keys(typeof properties == 'object' && properties)
            .slice(0, 30)
            .forEach((key) =>
              attempt(() => {
                values += ',' + short(properties[key]);
                keys += ',' + quote(key);
              }),
            ),
        );
        // Revenue depends neither on properties (REV-3) nor on the name (REV-5). Any finite amount, zero and
        // negative ones too (REV-6), is written exactly (REV-1); no other makes revenue (REV-4, REV-7). The
        // currency is sent as given, by default USD (REV-2), even if it is malformed (REV-8).
        attempt(() => {
          const { amount, currency } = revenue;
          if (Number.isFinite(amount)) money = ',"ra":' + amount + ',"rc":' + short(currency ?? 'USD');
        });
        send('"e","n":' + quote(name) + ',"mk":[' + keys.slice(1) + '],"mv":[' + values.slice(1) + ']' + money);
      }
    });

  window.clickport = { track }; // API-1, and API-4: handlers of every kind reach a global
  view({});
  addEventListener('pageshow', view);
  addEventListener('pagehide', () => {
    left = 1;
  });
  addEventListener('popstate', view);
  // pushState fires no event; the Navigation API reports it without patching a built-in (API-8).
  window.navigation?.addEventListener('currententrychange', view);
  attempt(() => stub.q.forEach((call) => track(...call)));
})();
