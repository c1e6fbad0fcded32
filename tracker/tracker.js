/*
 * The reference tracker: page views, and custom events through window.clickport.track().
 *
 *   <script defer data-domain="example.com" src="/tracker.js"></script>
 *
 * data-domain  the site that events belong to; without it, the host of the page
 * data-api     the endpoint; without it, /api/event on the origin that this script came from
 *
 * Built into tracker.min.js, which may weigh 1,000 bytes gzipped. Ids such as PROP-2 are requirements of the
 * protocol; README.md gives the reasons for what the protocol leaves open.
 */
(() => {
  // The Fetch standard lets the keepalive bodies in flight of a page sum up to 64 KiB. Chromium and Firefox
  // also stop at 256 requests in flight. Counting every request as at least 256 bytes keeps both limits with
  // one number, because 256 × 256 = 65,536 (DELIV-6).
  const KEEPALIVE_BUDGET = 65536;
  const LEAST_COST = 256;
  // A refusal by the browser takes a few milliseconds, as nothing leaves it; see post().
  const REFUSED_WITHIN = 100;

  // A page may define `window.clickport` itself, with a queue `q` for early calls (API-9). Anything else that
  // has a track function is this script, included before (API-7).
  const stub = window.clickport;
  if (stub?.track && !stub.q) return;

  // Both are taken now: currentScript is gone later, and a page that replaces fetch afterwards, with something
  // that throws perhaps, has no effect here (API-8).
  const { fetch } = window;
  // A module, or a script that was put into the page as text, is told neither its element nor its address.
  const { src, dataset } = document.currentScript || document.querySelector('[data-domain]');
  const endpoint = dataset.api || new URL('/api/event', src || location);

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

  // JSON is put together from strings: JSON.stringify never looks for toJSON on a primitive, while any array or
  // object would be bent by a page that defines Array.prototype.toJSON or Object.prototype.toJSON (API-8).
  const quote = (text) => JSON.stringify(replaceSurrogates(text, '\ufffd'));

  // String(value) in 2,000 UTF-16 code units at most (PROP-3, PROP-5). Ill-formed text is repaired first, so
  // that a lone surrogate found after the cut is half of a pair that straddled the limit: it goes (PROP-6).
  // The first slice only keeps megabytes away from the regular expression.
  const short = (value) =>
    quote(replaceSurrogates(replaceSurrogates(String(value).slice(0, 2001), '\ufffd').slice(0, 2000), ''));

  // Not Math.random, which a page may have seeded, nor randomUUID, which plain http lacks.
  const id = () => crypto.getRandomValues(new Uint32Array(3)).join('-');

  let session = id();

  // One request; a cost of 0 means without keepalive. Never rejects (DELIV-7).
  const post = async (body, cost) => {
    inFlight += cost;
    try {
      // A string body is sent as text/plain;charset=UTF-8, which needs no preflight (WIRE-5). Without a
      // prototype, nothing that the page put on Object.prototype is taken for an option (API-8).
      const answer = fetch(endpoint, {
        __proto__: null,
        method: 'POST',
        body,
        credentials: 'omit',
        keepalive: cost > 0,
      });
      // A timer, not a clock: it starts when the calling task is over, and while the page is busy the refusal
      // waits before it in line, so that a slow page is not taken for a slow network.
      await 0;
      let late;
      setTimeout(() => {
        late = 1;
      }, REFUSED_WITHIN);
      await answer.then(
        // The browser gives the bytes back when the answer has been read to its end.
        (response) => response.text(),
        // The browser refuses at once when other scripts hold the budget: once more, without keepalive. A
        // network failure that comes later may have reached the server and is never repeated (DELIV-3); nor is
        // what a page is told when it is left or closed, while its request lives on.
        () => {
          cost && !left && !closed && !late && post(body, 0);
        },
      );
    } catch {}
    inFlight -= cost;
  };

  // What is known at the time of the call is put down then. A prerendered page that nobody ever sees sends
  // nothing; its session storage is not yet that of the tab, either.
  const send = (event) => {
    const head =
      '{"t":' + event +
      ',"d":' + short(dataset.domain || location.hostname) +
      ',"u":' + short(location) +
      ',"r":' + short(document.referrer) +
      ',"p":' + short(visit) +
      ',"s":';
    const go = () => {
      // Storage may be forbidden or full: then the session lasts as long as the page.
      attempt(() => {
        session = sessionStorage.cp_sid ||= session;
      });
      const body = head + short(session) + '}';
      const cost = Math.max(LEAST_COST, new TextEncoder().encode(body).length);
      post(body, inFlight + cost > KEEPALIVE_BUDGET ? 0 : cost);
    };
    document.prerendering ? document.addEventListener('prerenderingchange', go) : go();
  };

  // A page view, if the path or the query is another one, or the page is back from the back/forward cache.
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

  const track = (name, properties, revenue) =>
    // Objects of the page run code of the page: getters, toString, proxies. What throws costs no more than
    // itself: a property, the revenue (API-5).
    attempt(() => {
      let keys = '';
      let values = '';
      let money = '';
      if (typeof name == 'string' && name) {
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
        attempt(() => {
          const { amount, currency } = revenue;
          if (Number.isFinite(amount)) money = ',"ra":' + amount + ',"rc":' + short(currency ?? 'USD');
        });
        send('"e","n":' + quote(name) + ',"mk":[' + keys.slice(1) + '],"mv":[' + values.slice(1) + ']' + money);
      }
    });

  window.clickport = { track };
  view({});
  addEventListener('pageshow', view);
  addEventListener('pagehide', () => {
    left = 1;
  });
  addEventListener('popstate', view);
  // pushState has no event of its own; the Navigation API tells of it without patching a built-in (API-8).
  window.navigation?.addEventListener('currententrychange', view);
  attempt(() => stub.q.forEach((call) => track(...call)));
})();
