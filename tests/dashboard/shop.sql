-- Two months of a shop's traffic, more of it lately and less at weekends: the same at each run, but for the days.
INSERT INTO events (site_id, timestamp, type, visitor_id, session_id, pageview_id, hostname, pathname)
WITH (n, salt) -> cityHash64(n, salt) % 1000000 AS drawn
SELECT 'shop.example', start + toIntervalSecond(page * (20 + visit % 90)), 'pageview', toString(visit % 5000),
    toString(visit), concat(toString(visit), '-', toString(page)), 'shop.example', '/'
FROM (
    SELECT number AS visit,
        now64(3) - toIntervalSecond(900 + toUInt32(60 * 86400 * pow(drawn(visit, 1) / 1e6, 1.3))) AS start,
        arrayJoin(range(1 + drawn(visit, 2) % 4)) AS page
    FROM numbers(11000)
)
WHERE toDayOfWeek(start) < 6 OR drawn(visit, 3) % 5 < 3;

-- Of a thousand pageviews so many have the event; then its properties, the values they have, whether it earns.
INSERT INTO events (site_id, timestamp, type, name, visitor_id, session_id, pageview_id, meta_keys, meta_values,
    revenue_source_amount, revenue_source_currency)
WITH (n, salt) -> cityHash64(n, salt) % 1000000 AS drawn
SELECT site_id, timestamp + toIntervalSecond(5), 'custom', event.1, visitor_id, session_id, pageview_id,
    event.3, arrayMap((key, choices) -> choices[1 + drawn(n, key) % length(choices)], event.3, event.4),
    if(event.5, if(currency = 'JPY', [4900, 1900, 9900], [4999, 1990, 9900])[1 + drawn(n, 7) % 3]
        / if(currency = 'JPY', 1, toDecimal64(100, 2)), NULL),
    if(event.5, ['EUR', 'EUR', 'USD', 'JPY'][1 + drawn(n, 8) % 4] AS currency, '')
FROM (
    SELECT *, cityHash64(pageview_id) AS n, arrayJoin([
        ('CTA Click', 130, ['button', 'position'],
            [['hero-signup', 'hero-signup', 'nav-signup', 'footer'], ['top', 'top', 'bottom']], false),
        ('Video Play', 90, ['title', 'autoplay'],
            [['Product Demo', 'Product Demo', 'Customer Story', 'Tour'], ['false', 'false', 'true']], false),
        ('Signup', 55, ['plan', 'source'],
            [['free', 'free', 'free', 'pro', 'pro', 'team'], ['homepage', 'homepage', 'pricing', 'blog']], false),
        ('Purchase', 38, ['product', 'category'],
            [['Pro', 'Pro', 'Pro', 'Starter', 'Starter', 'Team'], ['plan', 'plan', 'addon']], true),
        ('File Download', 30, ['file'], [['guide.pdf', 'guide.pdf', 'report.pdf']], false),
        ('Scroll End', 24, [], [], false),
        ('purchase', 3, [], [], false)
    ]) AS event
    FROM events WHERE site_id = 'shop.example' AND type = 'pageview'
)
WHERE drawn(n, event.1) % 1000 < event.2;
